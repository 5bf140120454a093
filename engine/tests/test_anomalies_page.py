"""The page of anomalies: what is unusual, why, beside what is usual; and how a person says that it was seen."""

import pytest
from django.urls import reverse
from django.utils import timezone

from engine.models import Anomaly, Audit, Run
from engine.tests.staff import sign_in, staff
from engine.tests.test_admin import queries, told

pytestmark = pytest.mark.django_db

PAGE = reverse("admin:engine_anomaly_changelist")
FIGURES = {"value": 23, "middle": 350, "low": 310, "high": 420}


@pytest.fixture
def operator():
    return sign_in(staff("olga", "engine.view_anomaly", "engine.delete_anomaly", "engine.view_run"))


@pytest.fixture
def short():
    run = Run.objects.create(pipeline="issues", source="reddit", state="done", finished_at=timezone.now())
    said = "23 posts from reddit on Tuesday 3 March 2026; usually 310 to 420 on Tuesdays"
    return Anomaly.objects.create(
        kind="volume", subject="issues reddit", message=said, run=run, figures=FIGURES, count=1
    )


def do(client, action, row):
    return client.post(PAGE, {"action": action, "_selected_action": [row.pk]})


def text(client, address=PAGE):
    return client.get(address).content.decode()


def test_it_shows_the_sentence_the_usual_and_the_run(operator, short):
    page = text(operator)
    assert short.message in page
    assert "<b>23</b> <span>usually 310 to 420</span>" in page
    assert reverse("admin:engine_run_change", args=[short.run_id]) in page


def test_a_bar_stays_within_its_line(operator, short):
    Anomaly.objects.update(figures={"value": 0, "middle": 0, "low": 0, "high": 0})
    assert 'cx="6.0"' in text(operator)


def test_an_anomaly_without_figures_has_no_bar(operator, short):
    Anomaly.objects.update(figures={}, run=None)
    assert "<svg class=" not in text(operator)


def test_a_share_reads_as_one(operator, short):
    Anomaly.objects.update(kind="failures", figures={"value": 0.3, "middle": 0.02, "low": 0, "high": 0.05})
    assert "<b>30.0%</b> <span>usually 0.0% to 5.0%</span>" in text(operator)


def test_with_none_it_says_so(operator):
    assert "Nothing unusual was noticed." in text(operator)


def test_a_filter_that_finds_none_says_so(operator, short):
    assert "Nothing of that kind." in text(operator, PAGE + "?state=seen")


@pytest.mark.parametrize(("asked", "shown"), [("state=new", True), ("state=seen", False), ("kind=volume", True)])
def test_it_is_filtered_by_state_and_kind(operator, short, asked, shown):
    assert (short.message in text(operator, f"{PAGE}?{asked}")) is shown


def test_what_was_seen_stays_and_waits_for_nobody(operator, short):
    response = do(operator, "say_seen", short)
    short.refresh_from_db()
    assert short.seen_at
    assert "1 is seen." in told(operator, response)
    assert "<b>0</b> anomalies" in text(operator, reverse("admin:index"))


def test_who_said_so_is_kept(operator, short):
    do(operator, "say_seen", short)
    assert Audit.objects.values_list("actor", "action").get() == ("olga", "anomaly seen")


def test_seen_is_taken_back(operator, short):
    do(operator, "say_seen", short)
    do(operator, "say_new", short)
    short.refresh_from_db()
    assert short.seen_at is None


def test_who_only_looks_says_nothing(short):
    do(sign_in(staff("vera", "engine.view_anomaly")), "say_seen", short)
    short.refresh_from_db()
    assert short.seen_at is None


def test_what_happens_once_more_is_new_again(short):
    Anomaly.objects.update(seen_at=timezone.now())
    Anomaly.objects.alarm("volume", "issues reddit", "again")
    short.refresh_from_db()
    assert short.seen_at is None


def test_it_takes_few_queries_however_many_there_are(operator, short):
    few = queries(operator, PAGE)
    Anomaly.objects.bulk_create(
        Anomaly(kind=f"kind {at % 9}", subject=str(at), message="odd", run=short.run, figures=FIGURES)
        for at in range(120)
    )
    assert queries(operator, PAGE) <= max(few, 12)
