"""What the pages of an issue, of a day and of its map ask: each question is one query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection
from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Left

from issues.models import (
    Assignment,
    Chart,
    Cluster,
    Clustering,
    Issue,
    IssueDay,
    IssueEdit,
    Label,
    Lineage,
    Place,
    RawItem,
    Spot,
)
from issues.models.clustering import LIVE

READ = 20_000  # characters of a post in which the words of a claim are sought
BEGINNING = 1_000  # of a post in a list
SPEAKING = 50  # posts that spoke for an issue, of which its claims are

# --- an issue ---


@dataclass(frozen=True)
class Figures:
    """What an issue rests on: each post once. people: authors that are known. days: day -> source -> posts.

    newest: the last day with posts that readers see, of any issue.
    """

    posts: int
    people: int
    days: Mapping[date, Mapping[str, int]]
    newest: date | None

    @property
    def sources(self) -> dict[str, int]:
        """Posts of each source, the most first."""
        found: dict[str, int] = {}
        for counts in self.days.values():
            for source, count in counts.items():
                found[source] = found.get(source, 0) + count
        return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def figures(issue: Issue) -> Figures:
    with connection.cursor() as cursor:
        cursor.execute(FIGURES, [issue.pk])
        rows = cursor.fetchall()
    days: dict[date, dict[str, int]] = {}
    posts, people, newest = 0, 0, None
    for day, source, count, authors, last in rows:
        if day is None:
            posts, people, newest = count, authors, last
        else:
            days.setdefault(day, {})[source] = count
    return Figures(posts, people, dict(sorted(days.items())), newest)


FIGURES = """
SELECT i.collected_on, i.source, count(DISTINCT a.item_id), count(DISTINCT nullif(i.author_hash, '')),
    (SELECT max(day) FROM issues_clustering WHERE state = 'live' AND items > 0)
FROM issues_assignment a
JOIN issues_clustering c ON c.id = a.clustering_id AND c.state = 'live'
JOIN issues_rawitem i ON i.id = a.item_id
WHERE a.issue_id = %s
GROUP BY GROUPING SETS ((i.collected_on, i.source), ())
"""


def posts(issue: Issue) -> QuerySet[Any]:
    """Its posts without their bodies, each once, on however many days a window shows it.

    sure: its membership; speaks: its place among those that its cluster speaks by, None for others; clusters: how many
    of the issue hold it, none where a curator put it there; begins: as much of what it says as a page reads.
    """
    mine = RawItem.objects.filter(assignments__issue=issue, assignments__clustering__state=Clustering.State.LIVE)
    told = mine.defer("body", "said").annotate(
        sure=Max("assignments__membership"),
        speaks=Min("assignments__exemplar"),
        clusters=Count("assignments__cluster", filter=Q(assignments__cluster__issue=issue)),
        last=Max("assignments__clustering__day"),
    )
    return told.annotate(begins=Left("said", READ))


def surest(issue: Issue, start: int, stop: int) -> list[Any]:
    """Posts start to stop of it, the surest first."""
    return list(posts(issue).order_by("-sure", "pk")[start:stop])


def speaking(issue: Issue) -> list[Any]:
    """The posts that its label was made from, or that spoke for it on other days, those of the newest day first."""
    return list(posts(issue).filter(speaks__isnull=False).order_by("-last", "speaks", "pk")[:SPEAKING])


def issues() -> QuerySet[Any]:
    """Issues with what is to be said of their newest clusters: how far its posts lie apart, and its phrases."""
    newest = Cluster.objects.filter(LIVE, issue=OuterRef("pk")).order_by("-clustering__day", "number")
    return Issue.objects.defer("search").annotate(
        distance=Subquery(newest.values("mean_distance")[:1]), phrases=Subquery(newest.values("place__phrases")[:1])
    )


def alike(issue: Issue, count: int = 5) -> list[tuple[Issue, float]]:
    """The visible issues whose newest clusters lie nearest to that of this one, with the cosine of their centroids."""
    found: Any = Issue.objects.raw(ALIKE, {"issue": issue.pk, "count": count})
    return [(each, float(each.alike)) for each in found if each.alike == each.alike]


ALIKE = """
WITH mine AS (
    SELECT c.centroid::vector AS centroid, k.model_id
    FROM issues_cluster c JOIN issues_clustering k ON k.id = c.clustering_id AND k.state = 'live'
    WHERE c.issue_id = %(issue)s ORDER BY k.day DESC, c.number LIMIT 1
), newest AS (
    SELECT DISTINCT ON (c.issue_id) c.issue_id, c.centroid
    FROM issues_cluster c JOIN issues_clustering k ON k.id = c.clustering_id AND k.state = 'live'
    JOIN mine ON mine.model_id = k.model_id
    WHERE c.issue_id <> %(issue)s ORDER BY c.issue_id, k.day DESC, c.number
)
SELECT i.id, i.title, i.category, i.impact, i.state, i.would_pay, i.last_seen,
    1 - (newest.centroid::vector <=> mine.centroid) AS alike
FROM newest CROSS JOIN mine JOIN issues_issue i ON i.id = newest.issue_id
WHERE i.label_state = 'labelled' AND NOT i.hidden AND i.state <> 'gone'
ORDER BY alike DESC, i.id LIMIT %(count)s
"""


def lineage(issue: Issue) -> QuerySet[Lineage]:
    """What runs did with it, and with others that came from it or went into it."""
    about = Lineage.objects.filter(Q(issue=issue) | Q(other=issue))
    return about.select_related("issue", "other").defer("issue__search", "other__search").order_by("day", "pk")


def edits(issue: Issue) -> QuerySet[IssueEdit]:
    """What curators did with it, standing or undone."""
    about = IssueEdit.objects.filter(Q(issue=issue) | Q(other=issue))
    named = about.select_related("issue", "other", "actor", "undone_by").defer("issue__search", "other__search")
    return named.order_by("at", "pk")


# --- days ---


def days() -> QuerySet[Clustering]:
    """The days that readers see, the newest first."""
    return Clustering.objects.filter(state=Clustering.State.LIVE).order_by("-day")


def day(on: date) -> Any:
    """That day, if readers see it, with those before and after it, and how many of its clusters nobody could name."""
    live = Clustering.objects.filter(state=Clustering.State.LIVE)
    nameless = Cluster.objects.filter(clustering=OuterRef("pk")).exclude(label__state=Label.State.LABELLED)
    counted: Any = nameless.order_by().values("clustering").annotate(count=Count("pk"))
    return (
        live.filter(day=on)
        .annotate(
            before=Subquery(live.filter(day__lt=OuterRef("day")).order_by("-day").values("day")[:1]),
            after=Subquery(live.filter(day__gt=OuterRef("day")).order_by("day").values("day")[:1]),
            nameless=Coalesce(Subquery(counted.values("count")), 0),
            drawn=Exists(Chart.objects.filter(clustering=OuterRef("pk"))),
        )
        .first()
    )


def sources_on(days: Sequence[date]) -> dict[date, dict[str, int]]:
    """Posts of each source on each of those days, the most first."""
    counted = RawItem.objects.filter(collected_on__in=days).values_list("collected_on", "source")
    found: dict[date, dict[str, int]] = {}
    for day, source, count in counted.annotate(count=Count("pk")).order_by("-count", "source"):
        found.setdefault(day, {})[source] = count
    return found


def problems_on(days: Sequence[date]) -> dict[date, int]:
    """How many issues that readers see were found on each of those days."""
    seen = IssueDay.objects.filter(day__in=days, items__gt=0, issue__in=Issue.objects.visible())
    return dict(seen.values_list("day").annotate(count=Count("pk")))


def issues_on(day: date) -> QuerySet[IssueDay]:
    """The issues of a day that readers see, with what it brought to each, the largest first."""
    seen = IssueDay.objects.filter(day=day, items__gt=0, issue__in=Issue.objects.visible())
    return seen.select_related("issue").defer("issue__search").order_by("-items", "issue")


def noise(clustering: Clustering) -> QuerySet[Assignment]:
    """The posts of a day that are evidence of nothing, those nearest to an issue first."""
    lone = Assignment.objects.filter(clustering=clustering, cluster=None, issue=None)
    told = lone.select_related("item", "spot__nearest__issue").annotate(begins=Left("item__said", BEGINNING))
    short = told.defer("item__body", "item__said", "spot__nearest__centroid", "spot__nearest__issue__search")
    return short.order_by(F("spot__alike").desc(nulls_last=True), "item")


def pockets(clustering: Clustering, most: int) -> dict[int, list[RawItem]]:
    """Posts of the noise that stand close together, the closest pockets first; a curator's posts are no noise."""
    inside = Spot.objects.filter(assignment__clustering=clustering, assignment__issue=None, pocket__lt=most)
    found: dict[int, list[RawItem]] = {}
    told = inside.select_related("assignment__item").defer("assignment__item__body", "assignment__item__said")
    for spot in told.order_by("pocket", "assignment__item"):
        found.setdefault(spot.pocket or 0, []).append(spot.assignment.item)
    return found


# --- the map ---


@dataclass(frozen=True)
class Dot:
    """An item on the map. cluster: None for noise."""

    item: int
    cluster: int | None
    x: float
    y: float
    title: str
    source: str


def dots(clustering: Clustering, most: int) -> list[Dot]:
    """At most so many of its items: of more every so many-th, always the same ones."""
    every = -(-clustering.items // most) or 1
    rows = Spot.objects.filter(assignment__clustering=clustering).order_by("assignment")
    if every > 1:
        rows = rows.annotate(turn=F("assignment") % every).filter(turn=0)
    told = rows.values_list(
        "assignment__item", "assignment__cluster", "x", "y", Left("assignment__item__title", 200),
        "assignment__item__source",
    )  # fmt: skip
    return [Dot(*row) for row in told[:most]]


def discs(clustering: Clustering) -> list[Place]:
    """The places of its clusters, the largest first, each with its cluster and the issue that it speaks for."""
    placed = Place.objects.filter(cluster__clustering=clustering).select_related("cluster__issue")
    return list(placed.defer("cluster__centroid", "cluster__issue__search").order_by("cluster__number"))
