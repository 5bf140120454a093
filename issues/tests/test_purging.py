"""What vanished where it was said."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F

from engine.models import Anomaly
from engine.testing.serving import Reply
from issues import clusterings, purging
from issues.models import Assignment, Cluster, Clustering, Issue, IssueDay, ItemEmbedding, RawItem
from issues.tests import upstreams
from issues.tests.factories import DAY, issue_of, make_item, make_topic, publish, run
from issues.tests.upstreams import served

pytestmark = pytest.mark.django_db

TODAY = datetime.now(UTC).date()


def brought(source: str, *names: str, **facts) -> list[RawItem]:
    """Items of today, as that source gave them."""
    return [
        make_item(0, number, TODAY, source=source, upstream_id=name, **facts) for number, name in enumerate(names, 1)
    ]


def left() -> set[str]:
    return set(RawItem.objects.values_list("upstream_id", flat=True))


# Each source


def test_deleted_and_dead_stories_go():
    brought("hackernews", "1", "2", "3")
    with served("hackernews", upstreams.stories("A tool", "Another", "A third")) as server:
        server.upstream.delete(1)
        server.upstream.kill(2)
        assert purging.by_clock() == "checked=3 purged=2"
    assert left() == {"3"}


def test_deleted_questions_go_by_one_request():
    brought("stackoverflow", "1", "2", "3")
    with served("stackoverflow", upstreams.questions(1.0, 2.0, 3.0)) as server:
        server.upstream.delete(2)
        purging.by_clock()
        assert len(server.asked) == 1
    assert left() == {"1", "3"}


def test_removed_posts_go():
    brought("reddit", "t3_a1", "t3_a2")
    with served("reddit", upstreams.submissions("Good morning", "Good night")) as server:
        server.upstream.remove("a2")
        purging.by_clock()
    assert left() == {"t3_a1"}


def test_deleted_issues_go_and_those_of_a_renamed_repository_stay():
    brought("github", "acme/reports#1", "acme/reports#2")
    with served("github", upstreams.issues("Times out", "Does not work")) as server:
        server.upstream.delete_issue("acme/reports", 2)
        server.upstream.rename("acme/reports", "acme/papers")
        purging.by_clock()
    assert left() == {"acme/reports#1"}


# In turn


def test_the_one_goes_first_whose_last_look_is_oldest(monkeypatch):
    monkeypatch.setattr(purging, "REQUESTS", 2)
    brought("hackernews", "1", "2", "3")
    RawItem.objects.filter(upstream_id="3").update(checked_at=F("checked_at") - timedelta(days=2))
    with served("hackernews", upstreams.stories("A", "B", "C")) as server:
        purging.by_clock()
        assert [asked.path for asked in server.asked] == ["/v0/item/3.json", "/v0/item/1.json"]
        purging.by_clock()
        assert server.asked[2].path == "/v0/item/2.json"


def test_items_older_than_a_month_and_items_of_files_are_not_looked_at():
    make_item(0, 1, TODAY - timedelta(days=31), source="hackernews", upstream_id="1")
    make_item(0, 2, TODAY, source="hackernews")
    with served("hackernews", upstreams.stories()) as server:
        assert purging.by_clock() == "checked=0 purged=0"
        assert server.asked == []


def test_what_no_source_could_have_said_is_asked_of_nobody():
    brought("github", "../../admin#1", "acme/reports")
    with served("github", upstreams.issues()) as server:
        purging.by_clock()
        assert (server.asked, RawItem.objects.count()) == ([], 2)


# What is not believed


@pytest.mark.parametrize(
    "reply", [Reply(b"<html>Sign in</html>"), Reply(b"[]"), Reply({"items": None}), Reply(b"", 403)]
)
def test_an_answer_that_is_none_purges_nothing(reply):
    brought("stackoverflow", "1", "2")
    with served("stackoverflow", upstreams.questions()) as server:
        server.faults.script("/", reply, times=None)
        purging.by_clock()
    assert left() == {"1", "2"}


def test_that_all_vanished_at_once_is_not_believed_and_told():
    brought("stackoverflow", *map(str, range(1, 41)))
    with served("stackoverflow", upstreams.questions()):
        assert purging.by_clock() == "checked=40 purged=0"
    assert RawItem.objects.count() == 40
    assert "vanished at once" in Anomaly.objects.get().message


def test_that_twenty_vanished_one_after_the_other_is_not_believed_either():
    brought("hackernews", *map(str, range(1, 21)))
    with served("hackernews", upstreams.stories()):
        assert purging.by_clock() == "checked=20 purged=0"
    assert Anomaly.objects.exists()


def test_one_post_that_its_source_does_not_speak_of_keeps_no_other_from_its_turn():
    brought("github", "acme/reports#1", "acme/reports#2", "acme/reports#3")
    with served("github", upstreams.issues("Times out", "Does not work", "Is slow")) as server:
        blocked = Reply({"message": "Repository access blocked"}, 403)
        server.faults.script(lambda asked: asked.path.endswith("/issues/1"), blocked, times=None)
        server.upstream.delete_issue("acme/reports", 2)
        assert purging.by_clock() == "checked=3 purged=1"
    assert left() == {"acme/reports#1", "acme/reports#3"}


def test_a_slow_source_takes_no_other_its_time(monkeypatch, settings):
    settings.TIMING = replace(settings.TIMING, slice=100.0)
    ends: list[float] = []

    def check(source: str, until: float) -> dict[str, int]:
        ends.append(until)
        return {}

    monkeypatch.setattr(purging.collecting, "sources", lambda: ["github", "hackernews"])
    monkeypatch.setattr(purging, "check", check)
    began = purging.time.monotonic()
    purging.by_clock()
    assert [pytest.approx(50, abs=5), pytest.approx(100, abs=5)] == [until - began for until in ends]


def test_one_source_that_is_away_keeps_no_other_from_its_turn():
    brought("github", "acme/reports#1")
    brought("hackernews", "1", url_hash="x")
    with served("github", upstreams.issues()) as away, served("hackernews", upstreams.stories("A tool")) as server:
        away.faults.script("/", Reply({"message": "Bad credentials"}, 401), times=None)
        server.upstream.delete(1)
        assert purging.by_clock() == "checked=1 purged=1"


# Days and issues count without it


def test_counts_of_days_and_issues_fall_at_once():
    gone, *others = make_topic(0)
    make_item(-1, 1)
    live = publish()
    issue = issue_of(0)
    purging.forget([gone.pk])
    live.refresh_from_db()
    assert (live.items, Cluster.objects.get(clustering=live).size) == (len(others) + 1, len(others))
    assert live.outlier_ratio == pytest.approx(1 / (len(others) + 1))
    assert IssueDay.objects.get(issue=issue).items == len(others)
    assert issue.evidence.count() == len(others)


def test_an_issue_without_posts_is_gone():
    items = make_topic(0)
    make_topic(1)
    publish()
    lost, kept = issue_of(0), issue_of(1)
    purging.forget([item.pk for item in items])
    assert set(Issue.objects.visible()) == {kept}
    lost.refresh_from_db()
    assert lost.state == Issue.State.GONE
    assert not Cluster.objects.filter(size=0).exists()


def test_nothing_is_left_of_it():
    gone, *_ = make_topic(0)
    publish()
    purging.forget([gone.pk])
    assert not Assignment.objects.filter(item=gone.pk).exists()
    assert not ItemEmbedding.objects.filter(subject=gone.pk).exists()


def test_the_next_run_groups_the_day_anew_and_issues_stay_who_they_are():
    gone, *others = make_topic(0, 9)
    publish()
    before = issue_of(0)
    purging.forget([gone.pk])
    assert clusterings.waiting(clusterings.wanted(DAY))
    run("cluster", "label")
    live = Clustering.objects.live(DAY)
    assert (live.items, issue_of(0)) == (len(others), before)
    assert not clusterings.waiting(clusterings.wanted(DAY))


def test_a_copy_outlives_what_it_was_a_copy_of():
    first = make_item(0, 1)
    copy = make_item(0, 2, twin_of=first)
    purging.forget([first.pk])
    copy.refresh_from_db()
    assert copy.twin_of is None


def test_forgetting_twice_changes_nothing():
    gone, *_ = make_topic(0)
    publish()
    purging.forget([gone.pk])
    before = list(IssueDay.objects.values())
    purging.forget([gone.pk])
    assert list(IssueDay.objects.values()) == before
