"""Clusters become issues: who is who, what each day counted, and what happened to them. All in one transaction."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

import numpy as np
import structlog
from django.contrib.postgres.aggregates import ArrayAgg
from django.db import connection
from django.db.models import Count, Max, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, Now

from engine.ledger import LeaseLost
from issues import identity
from issues.identity import Found, Known, Match, Matches
from issues.models import Assignment, Cluster, Clustering, Issue, IssueDay, Label, Lineage
from issues.models.label import Labelled

logger = structlog.get_logger(__name__)

ISSUES_LOCK = 0x155E  # of the database: days are published one after the other
GROWTH = 1.5  # times the day before, and at least two more: growing


def publication(draft: Clustering, fence: int) -> Callable[[], None]:
    """What makes the draft the day that readers see; for the runner's transaction."""

    def go_live() -> None:
        lock()
        matches = identity.match(found_of(draft), known_of(draft, same_day=True), known_of(draft, same_day=False))
        Clustering.objects.filter(day=draft.day, state=Clustering.State.LIVE).update(state=Clustering.State.RETIRED)
        mine = Clustering.objects.filter(pk=draft.pk, fence=fence, state=Clustering.State.DRAFT)
        if not mine.update(state=Clustering.State.LIVE, published_at=Now()):
            raise LeaseLost(f"{draft} was taken over")
        settle(draft, matches)

    return go_live


def amendment(live: Clustering) -> Callable[[], None]:
    """What brings new labels of a live day to its issues."""

    def amend() -> None:
        lock()
        describe(Issue.objects.filter(clusters__clustering=live))

    return amend


def lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ISSUES_LOCK])


# Who is who


def found_of(draft: Clustering) -> list[Found]:
    members = members_of(draft.clusters.all())
    rows = draft.clusters.order_by("number").values_list("pk", "number", "fingerprint", "centroid")
    return [
        Found(number, members.get(pk, frozenset()), fingerprint, np.array(centroid, dtype=np.float32))
        for pk, number, fingerprint, centroid in rows
    ]


def known_of(draft: Clustering, *, same_day: bool) -> list[Known]:
    """The issues by their cluster in the day's present clustering, or by their newest of any other day."""
    live = Cluster.objects.filter(clustering__state=Clustering.State.LIVE, issue__isnull=False)
    if same_day:
        chosen = live.filter(clustering__day=draft.day)
    else:
        others = live.exclude(clustering__day=draft.day).exclude(issue__state=Issue.State.GONE)
        chosen = others.order_by("issue", "-clustering__day").distinct("issue")
    members = members_of(chosen) if same_day else {}
    return [
        Known(issue, members.get(pk, frozenset()), fingerprint, np.array(centroid, dtype=np.float32))
        for pk, issue, fingerprint, centroid in chosen.values_list("pk", "issue", "fingerprint", "centroid")
    ]


def members_of(clusters: Iterable[Cluster]) -> dict[int, frozenset[int]]:
    rows = Assignment.objects.filter(cluster__in=clusters).values_list("cluster", "item")
    found: dict[int, set[int]] = {}
    for cluster, item in rows.iterator():
        found.setdefault(cluster, set()).add(item)
    return {cluster: frozenset(items) for cluster, items in found.items()}


# What becomes of them


def settle(draft: Clustering, matches: Matches) -> None:
    """Give each cluster its issue, and each issue what the day made of it."""
    before = set(IssueDay.objects.filter(day=draft.day).values_list("issue", flat=True))
    clusters = list(draft.clusters.order_by("number"))
    born = give_issues(clusters, matches, draft.day)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE issues_assignment a SET issue_id = c.issue_id FROM issues_cluster c"
            " WHERE a.cluster_id = c.id AND a.clustering_id = %s",
            [draft.pk],
        )
    count(draft)
    tell(draft.day, clusters, matches, born)
    touched = before | {cluster.issue_id for cluster in clusters if cluster.issue_id}
    describe(Issue.objects.filter(pk__in=touched))
    date_issues(touched)


def give_issues(clusters: list[Cluster], matches: Matches, day: date) -> list[Issue]:
    """A known issue where one was recognised, a new one otherwise; returns the new ones."""
    fresh = [cluster for cluster in clusters if cluster.number not in matches.certain]
    born = Issue.objects.bulk_create([Issue(first_seen=day, last_seen=day) for _ in fresh])
    for cluster, issue in zip(fresh, born, strict=True):
        cluster.issue = issue
    for cluster in clusters:
        if cluster.number in matches.certain:
            cluster.issue_id = matches.certain[cluster.number].issue
    Cluster.objects.bulk_update(clusters, ["issue"], batch_size=1000)
    return born


def count(draft: Clustering) -> None:
    """What the day itself brought to each issue; of a window of days, the items of its last."""
    IssueDay.objects.filter(day=draft.day).delete()
    figures: Any = (
        Assignment.objects.filter(clustering=draft, issue__isnull=False)
        .values("issue")
        .annotate(
            items=Count("item", filter=Q(item__collected_on=draft.day)),
            authors=Count("item__author_hash", distinct=True, filter=~Q(item__author_hash="")),
            sources=ArrayAgg("item__source", distinct=True, order_by="item__source"),
            votes=Coalesce(Sum("item__vote_count"), 0),
            comments=Coalesce(Sum("item__comment_count"), 0),
        )
    )
    IssueDay.objects.bulk_create(
        [IssueDay(day=draft.day, issue_id=row.pop("issue"), **bounded(row)) for row in figures], batch_size=1000
    )


def bounded(row: dict[str, Any]) -> dict[str, Any]:
    """Sums of what strangers claim may be more than a column holds."""
    largest = 2**31 - 1
    return {
        name: max(min(value, largest), -largest) if isinstance(value, int) else value for name, value in row.items()
    }


def tell(day: date, clusters: list[Cluster], matches: Matches, born: list[Issue]) -> None:
    """The day's lineage: who was born, split off, or merged into another."""
    issue_of = {cluster.number: cluster.issue_id for cluster in clusters}
    number_of = {issue_id: number for number, issue_id in issue_of.items()}
    Lineage.objects.filter(day=day).delete()
    rows = []
    for issue in born:
        parent = matches.split.get(number_of[issue.pk])
        kind = Lineage.Kind.SPLIT if parent else Lineage.Kind.BORN
        other = parent.issue if parent else None
        rows.append(Lineage(issue=issue, day=day, kind=kind, other_id=other, why=why(parent)))
    for issue_id, pair in matches.merged.items():
        into = issue_of[pair.cluster]
        rows.append(Lineage(issue_id=issue_id, day=day, kind=Lineage.Kind.MERGED, other_id=into, why=why(pair)))
    Lineage.objects.bulk_create(rows, batch_size=1000)


def why(pair: Match | None) -> str:
    if pair is None:
        return ""
    return f"{pair.alike:.0%} of the posts in common" if pair.how == "members" else f"{pair.alike:.2f} alike in meaning"


def describe(issues: QuerySet[Issue]) -> None:
    """Title, category and the rest from the label of the newest cluster; a failure never takes a title away."""
    newest = (
        Cluster.objects.filter(issue__in=issues, clustering__state=Clustering.State.LIVE)
        .order_by("issue", "-clustering__day")
        .distinct("issue")
        .select_related("label", "issue")
    )
    changed = []
    for cluster in newest:
        issue, label = cluster.issue, cluster.label
        if issue and label:
            take(issue, label)
            changed.append(issue)
    Issue.objects.bulk_update(changed, [*TAKEN, "label", "label_state", "label_source", "reason"], batch_size=500)


TAKEN = [field.name for field in Labelled._meta.local_fields]


def take(issue: Issue, label: Label) -> None:
    if label.state == Label.State.LABELLED:
        for name in TAKEN:
            setattr(issue, name, getattr(label, name))
    elif issue.title:  # what it was called yesterday still fits
        return
    issue.label, issue.label_state, issue.label_source, issue.reason = label, label.state, label.source, label.reason


def date_issues(ids: Iterable[int | None]) -> None:
    """First and last seen, and what that makes of them; all others only may have become quiet."""
    newest = Clustering.objects.filter(state=Clustering.State.LIVE, items__gt=0).aggregate(day=Max("day"))["day"]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE issues_issue i SET first_seen = s.first, last_seen = s.last FROM"
            " (SELECT issue_id, min(day) AS first, max(day) AS last FROM issues_issueday WHERE items > 0"
            " GROUP BY issue_id) s WHERE s.issue_id = i.id AND i.id = ANY(%s)"
            " AND (i.first_seen, i.last_seen) IS DISTINCT FROM (s.first, s.last)",
            [list(ids)],
        )
        cursor.execute(STATES, {"newest": newest, "growth": GROWTH})


STATES = """
UPDATE issues_issue i SET state = s.state FROM (
    SELECT i.id, CASE
        WHEN NOT EXISTS (SELECT FROM issues_issueday d WHERE d.issue_id = i.id AND d.items > 0) THEN 'gone'
        WHEN i.last_seen < %(newest)s THEN 'quiet'
        WHEN i.first_seen = i.last_seen THEN 'new'
        WHEN today.items >= %(growth)s * coalesce(before.items, 0) AND today.items >= coalesce(before.items, 0) + 2
            THEN 'growing'
        ELSE 'steady' END AS state
    FROM issues_issue i
    LEFT JOIN issues_issueday today ON today.issue_id = i.id AND today.day = i.last_seen
    LEFT JOIN issues_issueday before ON before.issue_id = i.id AND before.day = i.last_seen - 1
) s WHERE s.id = i.id AND s.state <> i.state
"""


def figures(day: date) -> Counter[str]:
    """What a reader of that day finds."""
    found = IssueDay.objects.filter(day=day).values_list("issue__label_state").annotate(count=Count("pk"))
    return Counter({f"issues_{state}": number for state, number in found})
