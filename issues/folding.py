"""The live days as the law has them: whose evidence each post is, what each issue says, counts, and is."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db import connection
from django.db.models import Case, Count, F, IntegerField, Max, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Coalesce

from issues import publishing
from issues.law import Law, law_of
from issues.models import Assignment, Cluster, Clustering, Issue, IssueDay, IssueEdit, IssueEmbedding, Label
from issues.models.clustering import LIVE
from issues.models.label import Labelled

GROWTH = 1.5  # times the day before, and at least two more: growing
SAID = [field.name for field in Labelled._meta.local_fields]


@dataclass(frozen=True)
class Where:
    """Which live assignments to look at: those of a clustering, or of posts and of issues (found as, or counted as)."""

    clustering: Clustering | None = None
    items: Collection[int] = ()
    issues: Collection[int] = ()

    @property
    def rows(self) -> Q:
        by_hand = Q(item__in=self.items) | Q(issue__in=self.issues) | Q(cluster__found__in=self.issues)
        return Q(clustering=self.clustering) if self.clustering else by_hand


def law() -> Law:
    return law_of(IssueEdit.objects.standing())


def lock() -> None:
    """Until the transaction ends nobody else publishes a day or edits an issue."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ISSUES_LOCK])


ISSUES_LOCK = 0x155E  # of the database


def fold(where: Where, touched: Iterable[int] = (), present: Law | None = None) -> set[int]:
    """Do as the law says; the caller holds the lock. touched: more issues to count again. Returns what may be new."""
    present = present or law()
    changed = {*touched, *reassign(where, present)}
    reclaim(where, present)
    changed |= present.family(changed)
    mark(changed, present)
    count(changed, where)
    describe(Issue.objects.filter(pk__in=changed), present)
    changed |= date_issues(changed)
    want_texts(changed)
    publishing.enqueue(changed)
    return changed


# Whose evidence each post is


def reassign(where: Where, present: Law) -> set[int]:
    """Give each post the issue of its cluster, or the one that a curator gave it; returns all issues concerned."""
    rows = Assignment.objects.filter(LIVE & where.rows)
    before = set(rows.filter(issue__isnull=False).values_list("issue", flat=True).distinct())
    pinned = [(item, present.home(item)) for item in present.homes]
    with connection.cursor() as cursor:
        cursor.execute(
            REASSIGN,
            {
                "rows": list(rows.values_list("pk", flat=True)),
                "items": [item for item, _ in pinned],
                "homes": [home for _, home in pinned],
                "merged": list(present.into),
                "into": list(present.into.values()),
            },
        )
    return before | set(rows.filter(issue__isnull=False).values_list("issue", flat=True).distinct())


REASSIGN = """
UPDATE issues_assignment a SET issue_id = s.issue_id FROM (
    SELECT a.id, CASE WHEN p.item_id IS NULL THEN coalesce(m.into_id, c.found_id) ELSE p.issue_id END AS issue_id
    FROM issues_assignment a
    LEFT JOIN issues_cluster c ON c.id = a.cluster_id
    LEFT JOIN unnest(%(items)s::bigint[], %(homes)s::bigint[]) AS p(item_id, issue_id) ON p.item_id = a.item_id
    LEFT JOIN unnest(%(merged)s::bigint[], %(into)s::bigint[]) AS m(issue_id, into_id) ON m.issue_id = c.found_id
    WHERE a.id = ANY(%(rows)s)
) s WHERE s.id = a.id AND a.issue_id IS DISTINCT FROM s.issue_id
"""


def claimed(clusters: QuerySet[Cluster], present: Law) -> dict[int, int]:
    """Clusters most of whose posts a curator gave to one issue: cluster -> that issue, merged or not."""
    members = Assignment.objects.filter(cluster__in=clusters, item__in=present.homes.keys())
    votes: dict[tuple[int, int], int] = {}
    for cluster, item in members.values_list("cluster", "item"):
        home = present.homes[item]
        if cluster and home:
            votes[cluster, home] = votes.get((cluster, home), 0) + 1
    sizes = dict(clusters.filter(pk__in={cluster for cluster, _ in votes}).values_list("pk", "size"))
    return {cluster: home for (cluster, home), count in votes.items() if 2 * count > sizes[cluster]}


def reclaim(where: Where, present: Law) -> None:
    """Say of each cluster which issue it speaks for."""
    chosen = Assignment.objects.filter(LIVE & where.rows, cluster__isnull=False).values("cluster").distinct()
    clusters = Cluster.objects.filter(pk__in=chosen)
    homes = claimed(clusters, present)
    changed = []
    for cluster in clusters.only("pk", "found", "issue"):
        speaks = homes.get(cluster.pk, cluster.found_id)
        speaks = present.root(speaks) if speaks else None
        if cluster.issue_id != speaks:
            cluster.issue_id = speaks
            changed.append(cluster)
    Cluster.objects.bulk_update(changed, ["issue"], batch_size=1000)


def mark(ids: Collection[int], present: Law) -> None:
    """What curators made of the issues themselves."""
    changed = []
    for issue in Issue.objects.filter(pk__in=ids).only("pk", "into", "hidden", "locked"):
        now = present.into.get(issue.pk), issue.pk in present.hidden, issue.pk in present.locked
        if now != (issue.into_id, issue.hidden, issue.locked):
            issue.into_id, issue.hidden, issue.locked = now
            changed.append(issue)
    Issue.objects.bulk_update(changed, ["into", "hidden", "locked"], batch_size=1000)


# What each counted


def count(ids: Collection[int], where: Where) -> None:
    """What each live day, or that of the clustering, brought to those issues; of a window of days, its last's posts."""
    rows, days = Assignment.objects.filter(LIVE, issue__in=ids), IssueDay.objects.filter(issue__in=ids)
    if where.clustering:
        rows, days = rows.filter(clustering=where.clustering), days.filter(day=where.clustering.day)
    found = list(figures(rows))
    kept = {(row.issue_id, row.day) for row in found}
    known = days.values_list("pk", "issue", "day")
    IssueDay.objects.filter(pk__in=[pk for pk, *key in known if tuple(key) not in kept]).delete()
    IssueDay.objects.bulk_create(
        found, batch_size=1000, update_conflicts=True, unique_fields=["issue", "day"], update_fields=COUNTED
    )


COUNTED = ["items", "authors", "sources", "votes", "comments"]


def figures(assignments: QuerySet[Assignment]) -> Iterator[IssueDay]:
    day = F("clustering__day")
    rows: Any = (
        assignments.values("issue_id", day=day)
        .annotate(
            items=Count("item", filter=Q(item__collected_on=day)),
            authors=Count("item__author_hash", distinct=True, filter=~Q(item__author_hash="")),
            sources=ArrayAgg("item__source", distinct=True, order_by="item__source"),
            votes=Coalesce(Sum("item__vote_count"), 0),
            comments=Coalesce(Sum("item__comment_count"), 0),
        )
        .order_by("issue_id", "day")
    )
    for row in rows:
        yield IssueDay(**bounded(row))


def bounded(row: dict[str, Any]) -> dict[str, Any]:
    """Sums of what strangers claim may be more than a column holds."""
    largest = 2**31 - 1
    sums = {name: max(min(row[name], largest), -largest) for name in ("votes", "comments")}
    return row | sums


# What each says


def describe(issues: QuerySet[Issue], present: Law) -> None:
    """Title, category and the rest: of the newest cluster's label, the issue's own clusters before merged ones.

    A label that failed never takes a title away, and what a curator said stands above all.
    """
    own = Case(When(found=F("issue"), then=Value(1)), default=Value(0), output_field=IntegerField())
    newest = (
        Cluster.objects.filter(LIVE, issue__in=issues, label__isnull=False)
        .annotate(own=own)
        .order_by("issue", "-own", "-clustering__day", "number")
        .distinct("issue")
        .select_related("label")
    )
    labels = {cluster.issue_id: cluster.label for cluster in newest}
    changed = []
    for issue in issues.select_related("label"):
        before = [getattr(issue, name) for name in DESCRIBED]
        say(issue, labels.get(issue.pk), present)
        if before != [getattr(issue, name) for name in DESCRIBED]:
            changed.append(issue)
    Issue.objects.bulk_update(changed, DESCRIBED, batch_size=500)


DESCRIBED = [*SAID, "label", "label_state", "label_source", "reason"]


def say(issue: Issue, label: Label | None, present: Law) -> None:
    if label and (label.state == Label.State.LABELLED or not issue.title):
        issue.label, issue.label_state, issue.label_source = label, label.state, label.source
        issue.reason = label.reason
    said = {name: getattr(issue.label, name) for name in SAID} if issue.label and issue.label.title else {}
    for name, value in {**said, **present.fields.get(issue.pk, {})}.items():
        setattr(issue, name, value)


def text_of(issue: Issue) -> str:
    return f"{issue.title}\n{issue.description}".strip()


def want_texts(ids: Collection[int]) -> None:
    """Say what those issues say, for embedding."""
    labelled = Issue.objects.filter(pk__in=ids, label_state=Label.State.LABELLED)
    IssueEmbedding.objects.want({issue.pk: text_of(issue) for issue in labelled.only("pk", "title", "description")})


# What each is


def date_issues(ids: Iterable[int]) -> set[int]:
    """First and last seen, and what that makes of them; all others only may have become quiet. Returns who changed."""
    newest = Clustering.objects.filter(state=Clustering.State.LIVE, items__gt=0).aggregate(day=Max("day"))["day"]
    with connection.cursor() as cursor:
        cursor.execute(DATES, [list(ids)])
        cursor.execute(STATES, {"newest": newest, "growth": GROWTH})
        return {pk for (pk,) in cursor.fetchall()}


DATES = """
UPDATE issues_issue i SET first_seen = s.first, last_seen = s.last FROM (
    SELECT issue_id, min(day) AS first, max(day) AS last FROM issues_issueday WHERE items > 0 GROUP BY issue_id
) s WHERE s.issue_id = i.id AND i.id = ANY(%s) AND (i.first_seen, i.last_seen) IS DISTINCT FROM (s.first, s.last)
"""
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
) s WHERE s.id = i.id AND s.state <> i.state RETURNING i.id
"""
