"""A problem as lists show it: its words, proof, trend and counts, by a few queries however many they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, NamedTuple, Protocol

from django.conf import settings
from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, Max, Q, TextField, Value
from django.db.models.functions import Cast, Concat, Left
from django.urls import reverse

from engine import slots
from engine.text import clip, squeeze
from issues.labels import plain
from issues.models import Assignment, Clustering, Issue, IssueDay
from issues.models.clustering import LIVE

DRAWN = 14  # days of a sparkline
WIDTH, HEIGHT, MARGIN = 84, 24, 2
QUOTED = 180  # characters of a quote
BESIDE = 4  # projects beside a row
READ = 2_000  # of a post, from which a sentence is taken
SENTENCE = re.compile(r"(?<=[.!?])\s+")
SOURCES = {"github": "GitHub", "stackoverflow": "Stack Overflow", "hackernews": "Hacker News", "reddit": "Reddit"}


class Solver(Protocol):
    """A project that could solve a problem, or that it is about. name: owner/name; why: one sentence, or ""."""

    @property
    def name(self) -> str: ...
    @property
    def href(self) -> str: ...
    @property
    def why(self) -> str: ...
    @property
    def about(self) -> bool: ...


class Beside(NamedTuple):
    """Projects beside a problem under one word; each as (owner with its slash, name, address, why)."""

    word: str
    projects: list[tuple[str, str, str, str]]


@dataclass(frozen=True)
class Trend:
    """Posts a day, the last day last; a day without any is 0."""

    days: Sequence[date]
    counts: Sequence[int]

    @property
    def points(self) -> str:
        """The curve in an SVG of WIDTH by HEIGHT; its foot is 0, its top the largest count."""
        top = max(self.counts, default=0) or 1
        step = WIDTH / max(len(self.counts) - 1, 1)
        tall = HEIGHT - 2 * MARGIN
        places = ((at * step, HEIGHT - MARGIN - count / top * tall) for at, count in enumerate(self.counts))
        return " ".join(f"{round(x, 2):g},{round(y, 2):g}" for x, y in places)

    @property
    def told(self) -> str:
        """What a reader hears in place of the curve."""
        if not self.days:
            return ""
        counts = ", ".join(map(str, self.counts))
        return f"Posts a day over {len(self.days)} days, the last on {self.days[-1]:%-d %B %Y}: {counts}"


@dataclass(frozen=True)
class Counted:
    """Of the evidence on all live days, each post once; people: authors that are known, each once."""

    posts: int = 0
    people: int = 0
    sources: Sequence[str] = ()

    @property
    def source_names(self) -> list[str]:
        return [source_name(source) for source in self.sources]


@dataclass(frozen=True)
class Row:
    """One problem in a list. quote: verbatim from a post, clipped; solvers: what could solve it."""

    issue: Issue
    counted: Counted = field(default_factory=Counted)
    trend: Trend | None = None
    quote: str = ""
    solvers: Sequence[Solver] = ()

    @property
    def title(self) -> str:
        return shown(self.issue.title, READ)

    @property
    def sentence(self) -> str:
        """The first sentence of the description."""
        return SENTENCE.split(shown(self.issue.description, READ), maxsplit=1)[0]

    @property
    def beside(self) -> list[Beside]:
        """The first few of its projects: those that it is about, and those that could solve it."""
        words = {"about": True, "could solve it": False}
        shown = {
            word: [(*parted(each.name), each.href, each.why) for each in self.solvers[:BESIDE] if each.about == about]
            for word, about in words.items()
        }
        return [Beside(word, projects) for word, projects in shown.items() if projects]


def parted(name: str) -> tuple[str, str]:
    """owner/ and name."""
    owner, slash, rest = name.rpartition("/")
    return owner + slash, rest


def rows_of(issues: Sequence[Issue], last: date | None = None, *, solved: bool = True) -> list[Row]:
    """The rows of a list, in its order: two queries, one more without `last`, and what the bridge asks.

    last: the newest day that readers see, where it is known. solved: say what could solve each.
    """
    ids = [issue.pk for issue in issues]
    if not ids:
        return []
    evidence, trends = evidence_of(ids), trends_of(ids, last or newest_day())
    solvers = solvers_of(ids) if solved else {}
    rows = []
    for issue in issues:
        counted, words = evidence.get(issue.pk, (Counted(), ""))
        quote = quote_of(issue, words)
        rows.append(Row(issue, counted, trends.get(issue.pk), quote, solvers.get(issue.pk, ())))
    return rows


def told(row: Row) -> dict[str, Any]:
    """What programs get of a row: in the API, in feeds, in files."""
    issue, counted, trend = row.issue, row.counted, row.trend
    return {
        "id": issue.pk,
        "url": address_of(issue),
        "title": row.title,
        "category": issue.category,
        "description": shown(issue.description, READ),
        "would_pay": issue.would_pay,
        "impact": issue.impact,
        "state": issue.state,
        "first_seen": issue.first_seen,
        "last_seen": issue.last_seen,
        "posts": counted.posts,
        "people": counted.people,
        "sources": list(counted.sources),
        "quote": row.quote,
        "trend": [{"day": day, "posts": posts} for day, posts in zip(trend.days, trend.counts, strict=True)]
        if trend
        else [],
    }


def address_of(issue: Issue) -> str:
    """Where everybody reads of it."""
    return f"{settings.SITE_URL}{reverse('issue', args=[issue.pk])}"


def evidence_of(ids: Sequence[int]) -> dict[int, tuple[Counted, str]]:
    """Of each what its posts count, and what the newest of those says that speak for it first."""
    words = Concat(
        Cast("clustering__day", TextField()), Value("\n"), "item__title", Value("\n"), Left("item__said", READ),
        output_field=TextField(),
    )  # fmt: skip
    figures: Any = (
        Assignment.objects.filter(LIVE, issue__in=ids)
        .values("issue")
        .annotate(
            posts=Count("item", distinct=True),
            people=Count("item__author_hash", distinct=True, filter=~Q(item__author_hash="")),
            sources=ArrayAgg("item__source", distinct=True, order_by="item__source"),
            first=Max(words, filter=Q(exemplar=1)),  # begins with its day: the greatest is the newest, in one pass
        )
    )
    return {
        row["issue"]: (Counted(row["posts"], row["people"], row["sources"]), spoken(row["first"])) for row in figures
    }


def spoken(first: str | None) -> str:
    """The first sentence of a post, or its title."""
    _, title, said = first.split("\n", 2) if first else ("", "", "")
    return first_sentence(said) or quoted(title)


def trends_of(ids: Sequence[int], last: date | None, length: int = DRAWN) -> dict[int, Trend]:
    """Posts a day of each, up to that day."""
    if last is None:
        return {}
    days = [last - timedelta(days=back) for back in reversed(range(length))]
    seen = IssueDay.objects.filter(issue__in=ids, day__gte=days[0], day__lte=last)
    counts = {(issue, day): items for issue, day, items in seen.values_list("issue", "day", "items")}
    return {pk: Trend(days, [counts.get((pk, day), 0) for day in days]) for pk in ids}


def newest_day() -> date | None:
    """The last day with posts that readers see."""
    live = Clustering.objects.filter(state=Clustering.State.LIVE, items__gt=0)
    return live.aggregate(day=Max("day"))["day"]


def quote_of(issue: Issue, words: str) -> str:
    """The words of its strongest claim; without one those of a post that speaks for it."""
    return quoted(strongest(issue.claims)) or words


def strongest(claims: Any) -> str:
    """The words of the first claim that somebody would pay, or else of the first one."""
    found = [claim for claim in claims if isinstance(claim, dict)] if isinstance(claims, list) else []
    ordered = sorted(found, key=lambda claim: claim.get("field") != "would_pay")
    return str(ordered[0].get("words", "")) if ordered else ""


def first_sentence(text: str) -> str:
    return quoted(SENTENCE.split(squeeze(text), maxsplit=1)[0])


def quoted(words: str) -> str:
    """The words as a quote shows them."""
    return shortened(words, QUOTED)


def shortened(text: str, longest: int) -> str:
    """A stranger's words on one line, cut where they are longer."""
    whole = shown(text, READ)
    return whole if len(whole) <= longest else f"{clip(whole, longest)} …"


def shown(text: str, longest: int) -> str:
    """A stranger's words on one line, without what nobody sees or what turns the direction of others."""
    return plain(clip(text, longest))


def source_name(source: str) -> str:
    return SOURCES.get(source, source)


def solvers_of(ids: Sequence[int]) -> Mapping[int, Sequence[Solver]]:
    """What could solve each; this app knows no projects."""
    return slots.fill("solvers", ids) or {}
