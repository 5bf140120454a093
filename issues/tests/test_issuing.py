"""Problems that live across days."""

from datetime import date

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from issues import issuing, labelling
from issues.models import Assignment, Clustering, Issue, IssueDay, Lineage, RawItem
from issues.tests.factories import (
    DAY,
    NEXT,
    THIRD,
    give_vector,
    issue_of,
    make_item,
    make_topic,
    publish,
    run,
    vector_of,
)

pytestmark = pytest.mark.django_db


def kinds(issue: Issue) -> list[str]:
    return list(issue.lineage.order_by("day", "kind").values_list("kind", flat=True))


def test_each_cluster_is_one_issue():
    make_topic(0)
    make_topic(1)
    live = publish()
    assert len(set(live.clusters.values_list("issue", flat=True))) == 2


def test_the_evidence_of_an_issue_is_what_is_assigned_to_its_clusters():
    make_topic(0)
    make_topic(1)
    make_item(-1)
    publish()
    issue = issue_of(0)
    members = Assignment.objects.filter(cluster__issue=issue).values_list("item", flat=True)
    assert sorted(issue.evidence.values_list("item", flat=True)) == sorted(members)


def test_noise_is_evidence_of_nothing():
    make_topic(0)
    lone = make_item(-1, 3)
    publish()
    assert Assignment.objects.get(item=lone).issue is None


def test_the_same_problem_the_next_day_is_the_same_issue():
    make_topic(0)
    make_topic(1)
    publish()
    first = issue_of(0)
    make_topic(0, day=NEXT)
    publish(NEXT)
    assert issue_of(0, NEXT) == first


def test_a_day_done_anew_keeps_its_issues():
    make_topic(0)
    make_topic(1)
    publish()
    before = {topic: issue_of(topic).pk for topic in (0, 1)}
    publish(force=True)
    assert {topic: issue_of(topic).pk for topic in (0, 1)} == before


def test_a_flood_of_posts_on_one_problem_takes_its_issue_from_nobody():
    make_topic(0)
    publish()
    before = issue_of(0)
    make_topic(0, count=40, first=20)
    publish()
    assert issue_of(0) == before


def test_a_day_done_anew_with_more_posts_keeps_its_issues():
    make_topic(0)
    publish()
    before = issue_of(0)
    make_topic(0, count=3, first=20)
    publish()
    assert issue_of(0) == before


def test_each_day_counts_its_posts_authors_and_sources():
    make_topic(0, count=8)
    publish()
    day = IssueDay.objects.get()
    assert (day.items, day.authors, day.sources) == (8, 8, ["github", "reddit"])


def test_first_and_last_seen_are_days_with_posts():
    make_topic(0)
    publish()
    make_topic(0, day=THIRD)
    publish(THIRD)
    issue = issue_of(0)
    assert (issue.first_seen, issue.last_seen) == (DAY, THIRD)


def test_what_is_first_seen_is_new_and_born():
    make_topic(0)
    publish()
    assert (issue_of(0).state, kinds(issue_of(0))) == ("new", ["born"])


def test_what_is_not_seen_on_the_newest_day_is_quiet():
    make_topic(0)
    make_topic(1)
    publish()
    make_topic(1, day=NEXT)
    publish(NEXT)
    assert (issue_of(0).state, issue_of(1).state) == ("quiet", "steady")


def test_what_doubles_is_growing():
    make_topic(0, count=6)
    publish()
    make_topic(0, count=12, day=NEXT)
    publish(NEXT)
    assert issue_of(0, NEXT).state == "growing"


def test_an_older_day_done_late_does_not_take_the_place_of_the_newest():
    make_topic(0, day=NEXT)
    publish(NEXT)
    title = issue_of(0, NEXT).title
    make_topic(0, day=DAY, said="Another thing altogether.")
    publish(DAY)
    issue = issue_of(0, NEXT)
    assert (issue.first_seen, issue.title) == (DAY, title)


def test_two_clusters_of_what_was_one_tell_of_the_split():
    near, far = make_topic(0, count=10), make_topic(0, count=6, first=40)
    publish()
    parent = issue_of(0)
    for number, item in enumerate(far):
        give_vector(item, vector_of(3, number))
    publish(force=True)
    assert Assignment.objects.get(item=near[0], clustering__state="live").issue == parent
    child = Assignment.objects.get(item=far[0], clustering__state="live").issue
    told = Lineage.objects.get(issue=child, kind="split")
    assert told.other == parent


def test_one_cluster_of_what_were_two_tells_of_the_merge():
    make_topic(0, count=10)
    others = make_topic(1, count=6)
    publish()
    kept, lost = issue_of(0), issue_of(1)
    for number, item in enumerate(others):
        give_vector(item, vector_of(0, 100 + number))
    publish(force=True)
    told = Lineage.objects.get(issue=lost, kind="merged")
    assert (told.other, Issue.objects.get(pk=lost.pk).state) == (kept, "gone")


def test_a_problem_whose_posts_are_gone_is_gone():
    make_topic(0)
    publish()
    issue = issue_of(0)
    RawItem.objects.all().delete()
    assert publish().outcome == "empty"
    assert Issue.objects.get(pk=issue.pk).state == "gone"


def test_one_clustering_a_day_is_live():
    make_topic(0)
    publish()
    publish(force=True)
    assert Clustering.objects.filter(day=DAY, state="live").count() == 1


def queries_to_publish(day: date, topics: int) -> int:
    for topic in range(topics):
        make_topic(topic, day=day)
    run("cluster", day=day)
    draft = Clustering.objects.get(day=day, state="draft")
    list(labelling.label(draft))
    with CaptureQueriesContext(connection) as seen, transaction.atomic():
        issuing.publication(draft, draft.fence)()
    return len(seen)


def test_more_issues_cost_no_more_queries():
    assert queries_to_publish(DAY, topics=2) == queries_to_publish(NEXT, topics=5)
