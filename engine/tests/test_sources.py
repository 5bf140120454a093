"""Sources: switched on by a person, collected before their day goes on, and seen on one page."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from engine import jobs, metrics, reconciling, runs, sources
from engine.http import Quiet, Refused
from engine.models import Audit, Fetch, Run, Source, Upstream
from engine.pipeline import Scope
from engine.tests import market
from engine.tests.market import MARKET, STAND
from engine.tests.staff import sign_in, staff
from engine.tests.test_commands import code

pytestmark = pytest.mark.django_db
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
PAGE = reverse("admin:engine_source_changelist")
COLLECT = reverse("admin:engine_source_collect")


@pytest.fixture(autouse=True)
def pipelines(settings, one_connection) -> None:
    settings.PIPELINES = {"market": "engine.tests.market.MARKET"}


@pytest.fixture
def farm() -> Source:
    return Source.objects.create(pipeline="market", name="farm", on=True)


@pytest.fixture
def operator():
    return sign_in(staff("olga", group="operator"))


def collected(day: date = YESTERDAY) -> Run:
    return runs.run(MARKET, Scope(day=day, source="farm"))


# The command


def test_no_source_is_on_before_somebody_says_so(capsys):
    code("sources")
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["market/farm", "off"],
        ["market/mill", "off"],
    ]


def test_a_source_is_switched_on_by_its_name_and_that_is_noted():
    code("sources", "--on", "farm")
    assert (MARKET.sources(), Audit.objects.get().action) == (["farm"], "switch on")


def test_a_source_without_its_credentials_says_so(capsys):
    code("sources", "--on", "market/mill", "--json")
    told = json.loads(capsys.readouterr().out)[1]
    assert (told["on"], told["usable"], MARKET.sources()) == (True, False, [])


def test_an_unknown_source_names_those_there_are(capsys):
    assert code("sources", "--off", "shop") == 2
    assert "allowed: market/farm, market/mill" in capsys.readouterr().err


def test_run_pipeline_collects_from_one_source(farm, capsys):
    assert code("run_pipeline", "market", "--source", "farm", "--day", str(YESTERDAY)) == 0
    assert f"source=farm day={YESTERDAY} state=done" in capsys.readouterr().out
    assert Fetch.objects.get().records == 3


def test_a_second_time_it_asks_for_nothing(farm, capsys):
    for _ in range(2):
        code("run_pipeline", "market", "--source", "farm", "--day", str(YESTERDAY))
    assert "run=none" in capsys.readouterr().out


def test_without_a_day_it_collects_the_last_one_that_is_over(farm):
    code("run_pipeline", "market", "--source", "farm")
    assert Run.objects.get().day == YESTERDAY


def test_all_sources_come_before_what_follows(farm):
    code("run_pipeline", "market", "--source", "all", "--day", str(YESTERDAY))
    assert list(Run.objects.order_by("pk").values_list("source", "state")) == [("farm", "done"), ("", "done")]


@pytest.mark.parametrize(("name", "why"), [("shop", "allowed: farm, mill, all"), ("mill", "mill is off")])
def test_a_source_that_cannot_be_collected_is_refused(farm, capsys, name, why):
    assert code("run_pipeline", "market", "--source", name) == 2
    assert why in capsys.readouterr().err


def test_days_are_filled_back_one_run_each(farm):
    first = YESTERDAY - timedelta(days=9)
    code("run_pipeline", "market", "--source", "farm", "--from", str(first), "--to", str(YESTERDAY))
    assert Run.objects.filter(state="done").count() == 10


# Waiting and failing


def test_a_run_that_a_server_sends_away_waits_until_then_and_has_not_failed(farm, monkeypatch, capsys):
    until = timezone.now() + timedelta(minutes=20)
    monkeypatch.setitem(market.PAGES, "2", Quiet(until, "api.example: its quota is spent"))
    assert code("run_pipeline", "market", "--source", "farm") == 1
    assert "state=waiting" in capsys.readouterr().out
    run = Run.objects.get()
    assert (run.state, run.attempts, run.next_attempt_at, run.error) == (
        "waiting", 0, until, "api.example: its quota is spent",
    )  # fmt: skip


def test_it_goes_on_where_it_was_sent_away(farm, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(market.PAGES, "2", Quiet(timezone.now(), "busy"))
        collected()
    assert (collected().state, Fetch.objects.get().records) == ("done", 3)


def test_a_day_that_was_not_given_whole_is_partly_done_and_named_missing(farm, monkeypatch):
    monkeypatch.setitem(market.PAGES, "2", Refused("private"))
    assert collected().state == "partly"
    assert sources.missing(MARKET, YESTERDAY) == ["farm"]


def test_a_source_that_gave_all_of_a_day_is_not_missing(farm):
    collected()
    assert sources.missing(MARKET, YESTERDAY) == []


# What goes before what


def opened() -> list[tuple[str, date | None]]:
    return list(Run.objects.filter(day=YESTERDAY).order_by("pk").values_list("source", "day"))


def test_a_day_is_opened_for_its_sources_first(farm):
    reconciling.open_days(timezone.now().date())
    assert opened() == [("farm", YESTERDAY)]


def test_what_follows_is_opened_when_the_sources_are_done(farm):
    collected()
    reconciling.open_days(timezone.now().date())
    assert opened() == [("farm", YESTERDAY), ("", YESTERDAY)]


@pytest.mark.parametrize(
    "gave_up",
    [
        {"state": "quarantined"},
        {"next_attempt_at": timezone.now() + timedelta(hours=5)},
        # Put off by a minute again and again, as by a server that is down.
        {"next_attempt_at": timezone.now(), "created_at": timezone.now() - timedelta(hours=2)},
    ],
)
def test_a_source_that_gave_up_or_waits_long_holds_no_day_up(farm, gave_up):
    reconciling.open_days(timezone.now().date())
    Run.objects.update(**gave_up)
    reconciling.open_days(timezone.now().date())
    assert opened() == [("farm", YESTERDAY), ("", YESTERDAY)]


def test_a_source_that_was_switched_off_is_asked_by_no_run_that_waits(farm):
    reconciling.open_days(timezone.now().date())
    run = Run.objects.get(day=YESTERDAY)
    code("sources", "--off", "farm")
    assert (list(Run.objects.due()), jobs.work(run.pk)) == ([], "not due")
    code("sources", "--on", "farm")
    assert jobs.work(run.pk) == "done"


def test_the_clock_rings_for_sources_that_wait_of_a_pipeline_without_days(farm, settings, monkeypatch):
    rung: list[Run] = []
    monkeypatch.setattr(jobs, "ring", rung.append)
    assert jobs.collect("market") == "1 sources"
    assert rung[0].source == "farm"


# The page


def test_the_page_shows_each_source_and_day_with_its_state(farm, operator):
    collected()
    said = operator.get(PAGE).content.decode()
    assert "done; 3 records, 1 of 1 questions complete" in said
    assert said.count('<button type="submit" class="cell none"') == 13


def test_ten_more_servers_and_questions_cost_no_more_queries(farm, operator):
    collected()

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert operator.get(PAGE).status_code == 200
        return len(seen)

    queries()  # the first makes a row for each source
    before = queries()
    Upstream.objects.bulk_create([Upstream(host=f"{n}.example", remaining=1, quota=2) for n in range(10)])
    for back in range(2, 12):
        collected(YESTERDAY - timedelta(days=back))
    assert queries() == before


def test_a_click_collects_a_day_again_from_its_first_page(farm, operator):
    collected()
    operator.post(COLLECT, {"source": "market/farm", "day": str(YESTERDAY)})
    assert Fetch.objects.get().state == "open"
    assert Run.objects.filter(state="waiting", source="farm").exists()
    assert Audit.objects.get().action == "collect again"


@pytest.mark.parametrize(
    "asked", [{"source": "market/mill", "day": str(YESTERDAY)}, {"source": "market/farm", "day": "2999-01-01"}, {}]
)
def test_only_a_source_that_is_on_and_a_day_that_is_over_are_collected(farm, operator, asked):
    assert operator.post(COLLECT, asked).status_code == 400


def test_who_may_not_run_pipelines_collects_nothing(farm):
    viewer = sign_in(staff("vera", "engine.view_source"))
    assert viewer.get(PAGE).status_code == 200
    assert viewer.post(COLLECT, {"source": "market/farm", "day": str(YESTERDAY)}).status_code == 403


def test_questions_that_were_left_can_be_asked_again_one_by_one(farm, operator, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(market.PAGES, "", Refused("private"))
        collected()
    fetch = Fetch.objects.get()
    left = f"{reverse('admin:engine_fetch_changelist')}?state__exact=left"
    operator.post(left, {"action": "ask_again", "_selected_action": [fetch.pk]})
    fetch.refresh_from_db()
    assert (fetch.state, fetch.reason) == ("open", "")
    assert Run.objects.get(state="waiting").day == YESTERDAY


def test_of_a_source_that_is_off_no_question_is_asked_again(farm, operator):
    collected()
    Source.objects.update(on=False)
    operator.post(
        reverse("admin:engine_fetch_changelist"),
        {"action": "ask_again", "_selected_action": [Fetch.objects.get().pk]},
    )
    assert Fetch.objects.get().state == "complete"


@pytest.fixture
def stand(settings) -> Source:
    """A source of a pipeline without days, which asks its questions anew each day."""
    settings.PIPELINES = {"stand": "engine.tests.market.STAND"}
    return Source.objects.create(pipeline="stand", name="farm", on=True)


def test_a_click_collects_again_from_a_source_without_days(stand, operator):
    runs.run(STAND, Scope(source="farm"))
    operator.post(COLLECT, {"source": "stand/farm"})
    assert Fetch.objects.get().state == "open"


def test_of_a_source_without_days_all_that_was_ever_asked_is_shown(stand, operator):
    runs.run(STAND, Scope(source="farm"))
    assert "done; 3 records, 1 of 1 questions complete" in operator.get(PAGE).content.decode()


def test_the_pace_of_a_server_is_the_operators(operator):
    row = Upstream.objects.create(host="api.example", lane="search", own_pace=30)
    address = reverse("admin:engine_upstream_change", args=[row.pk])
    seen = operator.get(address).context["adminform"].form.initial["seen"]
    operator.post(address, {"per_minute": "10", "seen": seen})
    row.refresh_from_db()
    assert row.per_minute == 10


def test_quota_and_freshness_are_figures(farm):
    collected()
    Upstream.objects.create(host="api.example", lane="core", remaining=17, quota=60, asked=3)
    said = metrics.exposition().decode()
    assert 'ost_upstream_quota_remaining{host="api.example",lane="core"} 17.0' in said
    assert 'ost_fetches{pipeline="market",source="farm",state="complete"} 1.0' in said
    assert 'ost_source_last_success_timestamp_seconds{pipeline="market",source="farm"}' in said
