"""Which problems a list shows and in which order: one rule for pages, API, feeds and exports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import Count, Exists, F, Func, IntegerField, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from engine.embeddings.reading import READER, by_the_live
from engine.models import EmbeddingModel
from engine.ranking import fused
from engine.vectors import Matrix
from issues.filters import Asked, Words, words_of
from issues.models import Assignment, Clustering, Issue, IssueDay, IssueEmbedding
from issues.models.issue import IssueQuerySet

MOST = 200  # problems found by a search
FAR = 0.7  # cosine distance from which on two texts have nothing to do with each other


@dataclass(frozen=True)
class Newest:
    """The last day that readers see. posts, read: how many, and from how many sources; unclustered: the share of noise.

    problems: visible ones with a post on it; known: all sources that problems were ever found in.
    """

    day: date
    posts: int
    read: int
    problems: int
    unclustered: float | None
    known: Sequence[str]

    @property
    def noise(self) -> int | None:
        """The share of noise in percent."""
        return None if self.unclustered is None else round(100 * self.unclustered)


def newest() -> Newest | None:
    """By one query; None before the first day."""
    days = Clustering.objects.filter(state=Clustering.State.LIVE, items__gt=0).order_by("-day")
    posts: Any = Assignment.objects.filter(clustering=OuterRef("pk")).order_by().values("clustering")
    seen: Any = IssueDay.objects.filter(day=OuterRef("day"), items__gt=0, issue__in=Issue.objects.visible()).order_by()
    named = IssueDay.objects.annotate(source=Func(F("sources"), function="unnest")).order_by("source").distinct()
    found = days.annotate(
        read=Subquery(posts.annotate(count=Count("item__source", distinct=True)).values("count")),
        problems=Subquery(seen.values("day").annotate(count=Count("pk")).values("count")),
        known=ArraySubquery(named.values("source")),
    )
    row = found.values_list("day", "items", "read", "problems", "outlier_ratio", "known").first()
    if row is None:
        return None
    day, items, read, problems, unclustered, known = row
    return Newest(day, items, read or 0, problems or 0, unclustered, known)


# Filters


def chosen(asked: Asked, last: date | None) -> IssueQuerySet:
    """The visible problems that fit the filters. last: the day that "in the last days" counts back from."""
    issues = Issue.objects.visible().defer("search")
    plain = {"category": asked.category, "impact": asked.impact, "state": asked.state}
    issues = issues.filter(**{name: value for name, value in plain.items() if value})
    if asked.pay:
        issues = issues.filter(would_pay=asked.pay == "yes")
    if asked.source:
        there = IssueDay.objects.filter(issue=OuterRef("pk"), items__gt=0, sources__contains=[asked.source])
        issues = issues.filter(Exists(there))
    if asked.days and last:
        issues = issues.filter(last_seen__gt=last - timedelta(days=int(asked.days)))
    return issues


# Search


class Found(NamedTuple):
    """Ids of problems, best first. by_meaning: whether their meaning was compared too, or words alone."""

    ids: list[int]
    by_meaning: bool


def search(q: str, issues: IssueQuerySet) -> Found:
    """The problems that answer best to a text, at most 200: by words and by meaning, fused.

    What is quoted must be there and what is ruled out must not, however near the rest is in meaning.
    """
    words = words_of(q)
    allowed = narrowed(issues, words)
    vector = by_the_live(words.free)
    near = [] if vector is None else nearest(allowed, *vector)
    return Found(fused(by_words(q, issues), [pk for pk, _ in near])[:MOST], vector is not None)


def narrowed(issues: IssueQuerySet, words: Words) -> IssueQuerySet:
    return issues.filter(search=websearch(words.strict)) if words.strict else issues


def by_words(q: str, issues: IssueQuerySet) -> list[int]:
    """Problems whose title or description hold every word, by cover density."""
    query = websearch(q)
    rank = SearchRank(F("search"), query, cover_density=True)
    return list(issues.filter(search=query).order_by(rank.desc(), "pk").values_list("pk", flat=True)[:MOST])


def websearch(q: str) -> SearchQuery:
    return SearchQuery(q, config="english", search_type="websearch")


def nearest(issues: QuerySet[Issue], model: EmbeddingModel, vector: Matrix) -> list[tuple[int, float]]:
    """Those of the problems that are near in meaning: (id, cosine distance), nearest first."""
    among = IssueEmbedding.objects.filter(subject__in=issues.values("pk"))
    return [(pk, distance) for pk, distance in among.nearest(model, vector, MOST) if distance < FAR]


def live_model() -> EmbeddingModel | None:
    return EmbeddingModel.objects.filter(state=EmbeddingModel.State.LIVE).first()


def warm() -> None:
    """Begin to load the model: somebody is about to type."""
    if model := live_model():
        READER.warm(model)


# Orders


def size() -> Coalesce:
    """Its posts on all days."""
    days: Any = IssueDay.objects.filter(issue=OuterRef("pk")).order_by().values("issue")
    return Coalesce(Subquery(days.annotate(total=Sum("items")).values("total")), Value(0), output_field=IntegerField())


def growth(last: date | None) -> Any:
    """By how many posts more it was seen on the newest day than on the day before."""
    return on(last) - on(last and last - timedelta(days=1))


def on(day: date | None) -> Any:
    """Its posts on one day."""
    if day is None:
        return Value(0)
    counted = IssueDay.objects.filter(issue=OuterRef("pk"), day=day).values("items")
    return Coalesce(Subquery(counted), Value(0), output_field=IntegerField())


KEYS: dict[str, Callable[[date | None], Any]] = {
    "size": lambda last: size(),
    "growth": growth,
    "recency": lambda last: F("last_seen"),
}


def key_of(order: str, last: date | None) -> Any:
    """What the problems are ordered by, the greatest first; by size for any other word."""
    return KEYS.get(order, KEYS["size"])(last)


def ordered(issues: IssueQuerySet, order: str, last: date | None) -> IssueQuerySet:
    """The problems in that order; equals by size, then by id."""
    return issues.annotate(order_key=key_of(order, last), posts=size()).order_by("-order_key", "-posts", "pk")


def found(asked: Asked, last: date | None) -> tuple[bool, IssueQuerySet | list[int]]:
    """Whether meaning was compared, and the problems in the order asked for: the best answers as ids."""
    issues = chosen(asked, last)
    words = words_of(asked.q)
    if not words.free:
        return False, ordered(narrowed(issues, words), asked.order, last)
    answer = search(asked.q, issues)
    if asked.order in ("", "relevance"):
        return answer.by_meaning, answer.ids
    return answer.by_meaning, ordered(Issue.objects.defer("search").filter(pk__in=answer.ids), asked.order, last)


def in_order(ids: Sequence[int]) -> list[Issue]:
    """The problems with those ids, in their order."""
    by_id = Issue.objects.defer("search").in_bulk(list(ids))
    return [by_id[pk] for pk in ids if pk in by_id]
