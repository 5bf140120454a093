"""What curators say is law: later runs obey, and undoing leaves no trace."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from issues import edits
from issues.edits import Conflict, Refused
from issues.exporting import clusters as exported
from issues.models import Cluster, Issue, RawItem, Suggestion
from issues.tests.factories import DAY, NEXT, THIRD, issue_of, make_item, make_topic, publish

pytestmark = pytest.mark.django_db

TABLES = ("issue", "assignment", "cluster", "issueday", "lineage", "suggestion")


def tables() -> dict[str, list[tuple[Any, ...]]]:
    """Every row that readers see, without the surrogate keys of counted days."""
    found = {}
    with connection.cursor() as cursor:
        for name in TABLES:
            columns = "issue_id, day, items, authors, sources, votes, comments" if name == "issueday" else "*"
            cursor.execute(f"SELECT {columns} FROM issues_{name} ORDER BY 1, 2")
            found[name] = cursor.fetchall()
    return found


@pytest.fixture(scope="module")
def two_days(kept_for_the_file) -> None:
    for day in (DAY, NEXT):
        for topic in (0, 1, 2):
            make_topic(topic, 8, day, first=10 * (day == NEXT))
        publish(day)


def third_day() -> None:
    for topic in (0, 1, 2):
        make_topic(topic, 8, THIRD, first=20)
    publish(THIRD)


def posts_of(topic: int, day=NEXT) -> list[int]:
    return list(RawItem.objects.filter(url__contains=f"/{topic}-", collected_on=day).values_list("pk", flat=True))


ACTS = {
    "merge": lambda: edits.merge(issue=issue_of(0), other=issue_of(1), by=None),
    "split": lambda: edits.split(issue=issue_of(0), items=posts_of(0), title="Its own matter", by=None),
    "rename": lambda: edits.change(issue=issue_of(0), fields={"title": "As it is called", "impact": "high"}, by=None),
    "hide": lambda: edits.hide(issue=issue_of(0), by=None),
    "lock": lambda: edits.lock(issue=issue_of(0), by=None),
    "pin": lambda: edits.pin(issue=issue_of(0), items=posts_of(1)[:3], by=None),
    "pin to none": lambda: edits.pin(issue=issue_of(0), items=posts_of(0)[:3], here=False, by=None),
    "differ": lambda: edits.differ(issue=issue_of(0), other=issue_of(1), by=None),
}


@pytest.mark.parametrize("act", ACTS)
def test_undoing_an_act_leaves_every_row_as_it_was(two_days, act):
    before = tables()
    edit = ACTS[act]()
    assert act in ("lock", "differ") or tables() != before
    edits.undo(edit=edit, by=None)
    assert tables() == before


@pytest.mark.parametrize("act", ACTS)
def test_a_day_run_again_after_an_act_changes_nothing(two_days, act):
    ACTS[act]()
    before = {issue.pk: str(issue) for issue in Issue.objects.all()}, list(exported_homes())
    publish(NEXT, force=True)
    assert ({issue.pk: str(issue) for issue in Issue.objects.all()}, list(exported_homes())) == before


def exported_homes():
    return [(line["url"], line["day"], line["issue"]) for line in exported()]


def test_a_merge_holds_on_the_next_day(two_days):
    one, other = issue_of(0), issue_of(1)
    edits.merge(issue=one, other=other, by=None)
    third_day()
    assert issue_of(0, THIRD) == issue_of(1, THIRD) == other
    assert other.days.get(day=THIRD).items == 16


def test_a_merge_that_is_undone_after_the_next_day_leaves_two_issues_on_all_days(two_days):
    one, other = issue_of(0), issue_of(1)
    edit = edits.merge(issue=one, other=other, by=None)
    third_day()
    edits.undo(edit=edit, by=None)
    assert (issue_of(0, THIRD), issue_of(1, THIRD)) == (one, other)
    assert [each.days.count() for each in (one, other)] == [3, 3]


def test_a_merged_issue_leads_to_the_other(two_days):
    one, other = issue_of(0), issue_of(1)
    edits.merge(issue=one, other=other, by=None)
    one.refresh_from_db()
    assert (one.into, one.state) == (other, Issue.State.GONE)


def test_merges_lead_to_their_end(two_days):
    one, two, three = issue_of(0), issue_of(1), issue_of(2)
    edits.merge(issue=one, other=two, by=None)
    edits.merge(issue=two, other=three, by=None)
    assert set(Issue.objects.filter(into=three)) == {one, two}


def test_a_name_holds_on_the_next_day(two_days):
    edits.change(issue=issue_of(0), fields={"title": "As it is called"}, by=None)
    third_day()
    assert issue_of(0, THIRD).title == "As it is called"


def test_a_split_is_recognised_on_the_next_day(two_days):
    edit = edits.split(issue=issue_of(0), items=posts_of(0), title="Its own matter", by=None)
    third_day()
    assert issue_of(0, THIRD) == edit.other


def test_a_split_that_is_undone_after_the_next_day_is_one_issue_again(two_days):
    one = issue_of(0)
    edit = edits.split(issue=one, items=posts_of(0), title="Its own matter", by=None)
    third_day()
    edits.undo(edit=edit, by=None)
    assert issue_of(0, THIRD) == issue_of(0, NEXT) == one
    assert not Issue.objects.filter(title="Its own matter").exists()


def test_what_is_not_the_same_stays_apart_when_a_run_puts_it_together(two_days):
    one, other = issue_of(0), issue_of(1)
    edits.differ(issue=one, other=other, by=None)
    Cluster.objects.filter(found=other).update(found=one)
    publish(NEXT, force=True)
    assert (issue_of(0), issue_of(1)) == (one, other)


def test_two_that_are_not_the_same_are_not_suggested_again(two_days):
    one, other = issue_of(0), issue_of(1)
    edits.differ(issue=one, other=other, by=None)
    third_day()
    assert not Suggestion.objects.filter(issue__in=[one, other], other__in=[one, other]).exists()


def test_a_post_in_no_cluster_can_be_evidence(two_days):
    stray = make_item(-1, 1, NEXT)
    publish(NEXT)
    before = issue_of(0).days.get(day=NEXT).items
    edits.pin(issue=issue_of(0), items=[stray.pk], by=None)
    assert stray.pk in issue_of(0).evidence.values_list("item", flat=True)
    assert issue_of(0).days.get(day=NEXT).items == before + 1


def test_a_hidden_issue_is_not_visible(two_days):
    issue = issue_of(0)
    edits.hide(issue=issue, by=None)
    assert issue not in Issue.objects.visible()


def test_the_second_of_two_curators_is_told(two_days, django_user_model):
    first = django_user_model.objects.create_user("carla")
    issue = issue_of(0)
    seen = edits.seen_of(issue.pk)
    edits.change(issue=issue, fields={"title": "As it is called"}, by=first, seen=seen)
    with pytest.raises(Conflict, match="carla"):
        edits.merge(issue=issue, other=issue_of(1), by=None, seen=seen)


def test_an_undo_is_news_to_who_has_the_page_open(two_days):
    issue = issue_of(0)
    edit = edits.hide(issue=issue, by=None)
    seen = edits.seen_of(issue.pk)
    edits.undo(edit=edit, by=None)
    with pytest.raises(Conflict):
        edits.lock(issue=issue, by=None, seen=seen)


@pytest.mark.parametrize(
    "act",
    [
        lambda: edits.merge(issue=issue_of(0), other=issue_of(0), by=None),
        lambda: edits.differ(issue=issue_of(0), other=issue_of(0), by=None),
        lambda: edits.pin(issue=issue_of(0), items=[], by=None),
        lambda: edits.pin(issue=issue_of(0), items=[999_999], by=None),
        lambda: edits.split(issue=issue_of(0), items=posts_of(1), title="Of another", by=None),
        lambda: edits.split(issue=issue_of(0), items=[*posts_of(0, DAY), *posts_of(0)], title="All", by=None),
        lambda: edits.change(issue=issue_of(0), fields={"title": issue_of(0).title}, by=None),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(two_days, act):
    before = tables()
    with pytest.raises(Refused):
        act()
    assert tables() == before


@pytest.mark.parametrize("title", ["", " \u200b\u200d ", "x" * 121, "\x00"])
def test_a_title_that_says_nothing_is_refused(two_days, title):
    with pytest.raises(ValidationError):
        edits.change(issue=issue_of(0), fields={"title": title}, by=None)


def test_a_merged_issue_takes_no_acts(two_days):
    one = issue_of(0)
    edits.merge(issue=one, other=issue_of(1), by=None)
    with pytest.raises(Refused, match="merged"):
        edits.hide(issue=one, by=None)


def test_an_act_that_others_rest_on_is_undone_last(two_days):
    edit = edits.split(issue=issue_of(0), items=posts_of(0), title="Its own matter", by=None)
    edits.change(issue=edit.other, fields={"impact": "high"}, by=None)
    with pytest.raises(Refused, match="rests on it"):
        edits.undo(edit=edit, by=None)


def test_an_act_is_undone_once(two_days):
    edit = edits.hide(issue=issue_of(0), by=None)
    edits.undo(edit=edit, by=None)
    with pytest.raises(Refused):
        edits.undo(edit=edit, by=None)
