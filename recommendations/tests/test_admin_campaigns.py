"""What operators promote, by name or id, and who took it up."""

from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from engine.models import Audit
from engine.tests.staff import sign_in, staff
from issues.models import Issue
from recommendations import campaigning
from recommendations.models import Campaign
from recommendations.tests.factories import act, make_category, make_project, make_user
from recommendations.tests.taste import BEGAN

pytestmark = pytest.mark.django_db
LIST = "/admin/recommendations/campaign/"
WHEN = {"begins_at_0": "2026-01-01", "begins_at_1": "00:00:00", "ends_at_0": "", "ends_at_1": ""}


@pytest.fixture
def operator():
    rights = [f"recommendations.{verb}_campaign" for verb in ("view", "add", "change", "delete")]
    return sign_in(staff("olga", *rights))


def promote(client, kind, find, **given):
    form = {"name": "Spring", "kind": kind, "find": find, **WHEN, **given}
    return client.post(f"{LIST}add/", form)


def make_issue(title):
    today = date(2026, 1, 2)
    return Issue.objects.create(title=title, label_state="labelled", first_seen=today, last_seen=today)


SUBJECTS = {
    "project": lambda: make_project("octo/tool"),
    "category": lambda: make_category("Games"),
    "issue": lambda: make_issue("The export stops halfway"),
}


@pytest.mark.parametrize(("kind", "words"), [("project", "OCTO/tool"), ("category", "game"), ("issue", "export stops")])
def test_a_subject_is_found_by_its_name(operator, kind, words):
    subject = SUBJECTS[kind]()
    assert promote(operator, kind, words).status_code == 302
    made = Campaign.objects.get()
    assert (made.kind, made.subject, made.promoted_by) == (kind, subject.pk, "olga")


def test_a_subject_is_found_by_its_id(operator):
    subject = make_project("octo/tool")
    promote(operator, "project", str(subject.pk))
    assert Campaign.objects.get().subject == subject.pk


@pytest.mark.parametrize("words", ["nothing", "9" * 30, "0", "%", "'; --"])
def test_what_is_not_there_is_not_promoted(operator, words):
    make_project("octo/tool")
    answer = promote(operator, "project", words)
    assert "There is no project of that name or id." in answer.content.decode()
    assert not Campaign.objects.exists()


def test_of_several_the_operator_is_asked_which(operator):
    first, second = make_project("octo/tool"), make_project("octo/toolbox")
    text = promote(operator, "project", "tool").content.decode()
    assert f"octo/tool ({first.pk}); octo/toolbox ({second.pk})" in text


def test_it_ends_after_it_begins(operator):
    make_project("octo/tool")
    answer = promote(operator, "project", "octo/tool", ends_at_0="2025-12-31", ends_at_1="00:00:00")
    assert "It ends after it begins." in answer.content.decode()


def test_to_promote_is_written_down(operator):
    make_project("octo/tool")
    promote(operator, "project", "octo/tool")
    assert Audit.objects.filter(actor="olga", action="add campaign", subject="Spring").exists()


def test_the_list_says_what_is_promoted_and_who_took_it_up(operator):
    project = make_project("octo/tool")
    Campaign.objects.create(name="Spring", kind="project", subject=project.pk, begins_at=BEGAN)
    for name in ("alice", "bob"):
        act(make_user(name), project, "like", timezone.now())
    campaigning.recount()
    text = operator.get(LIST).content.decode()
    assert '<a href="/projects/octo/tool/">octo/tool</a>' in text
    assert '<td class="field-people">2</td>' in text


def test_its_page_counts_by_intent(operator):
    project = make_project("octo/tool")
    made = Campaign.objects.create(name="Spring", kind="project", subject=project.pk, begins_at=BEGAN)
    act(make_user(), project, "like", timezone.now())
    campaigning.recount()
    assert "no intent</th><td>1</td><td>1</td>" in operator.get(f"{LIST}{made.pk}/change/").content.decode()


def test_a_subject_that_is_gone_is_said(operator):
    Campaign.objects.create(name="Spring", kind="project", subject=9, begins_at=BEGAN)
    assert "gone (id 9)" in operator.get(LIST).content.decode()


@pytest.mark.parametrize(("days", "state"), [(-1, "over"), (1, "running")])
def test_its_state_is_said(operator, days, state):
    ends = timezone.now() + timedelta(days=days)
    Campaign.objects.create(name="Spring", kind="project", subject=9, begins_at=BEGAN, ends_at=ends)
    assert f'<td class="field-stands">{state}</td>' in operator.get(LIST).content.decode()


def test_more_campaigns_cost_no_more_queries(operator):
    counts, kinds = [], {"project": make_project("a/b").pk, "category": make_category("Games").pk, "issue": 1}
    for number in range(2):
        for each in range(1 + 12 * number):
            for kind, subject in kinds.items():
                name = f"{kind} {number} {each}"
                Campaign.objects.create(name=name, kind=kind, subject=subject, begins_at=BEGAN)
        with CaptureQueriesContext(connection) as asked:
            assert operator.get(LIST).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 12
