"""What came of the lists that were shown in the last sixty days: rates by version of the weights, place, page, field.

Everything is added up by the database, in as many statements however much was shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection
from django.utils import timezone

from recommendations import rates
from recommendations.models import Category
from recommendations.rates import Bias, Counts

DAYS = 60
CATEGORIES = 30  # with the most shown
PAIRS = 50_000  # with an answer, the newest: what position bias is told from
KINDS = ("click", "like", "save", "dismiss")
GROUPS = len(rates.PLACES)
PAGES = {"for you": "For you", "home": "First page", "api": "API"}


@dataclass(frozen=True)
class Rate:
    """How often what was shown was answered. share and its interval in percent; None where nothing was shown.

    at_first: the rate in percent that it would have in the first place, where places are known to be looked at.
    """

    name: str
    shown: int
    answered: int
    kinds: dict[str, int]
    low: float
    high: float
    at_first: float | None = None

    @property
    def share(self) -> float | None:
        return round(100 * self.answered / self.shown, 1) if self.shown else None

    @property
    def counts(self) -> list[int]:
        return [self.kinds.get(kind, 0) for kind in KINDS]


@dataclass(frozen=True)
class Look:
    """How much a group of places is looked at, in percent of the first; None where the data cannot tell."""

    name: str
    looked: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Step:
    """A step from a list to a like: how many, and how many percent of the projects shown."""

    name: str
    count: int
    of: float | None


@dataclass(frozen=True)
class Report:
    since: date
    weights: list[Rate] = field(default_factory=list)
    places: list[Rate] = field(default_factory=list)
    pages: list[Rate] = field(default_factory=list)
    categories: list[Rate] = field(default_factory=list)
    days: list[Rate] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    pairs: int = 0
    funnel: list[Step] = field(default_factory=list)


# One row for each set of a grouping: which columns stand for it, and the counts.
BY = """
GROUPING SETS ((w.version, g.place), (g.source), (g.day))
"""
SHOWN = f"""
SELECT GROUPING(w.version, g.place, g.source, g.day), w.version, g.place, g.source, g.day,
       sum(g.shown)::int8, sum(g.lists)::int8
FROM (
    SELECT i.weights_id, width_bucket(i.rank::int4, %(places)s::int4[]) - 1 AS place, i.source,
           (i.shown_at AT TIME ZONE 'UTC')::date AS day, count(*) AS shown, count(*) FILTER (WHERE i.rank = 1) AS lists
    FROM recommendations_impression i WHERE i.shown_at >= %(since)s GROUP BY 1, 2, 3, 4
) g LEFT JOIN recommendations_weights w ON w.id = g.weights_id
GROUP BY {BY}
"""  # noqa: S608  made of what stands here
ANSWERED = f"""
SELECT GROUPING(w.version, g.place, g.source, g.day), w.version, g.place, g.source, g.day, count(*),
       {", ".join(f"count(*) FILTER (WHERE '{kind}' = ANY(g.kinds))" for kind in KINDS)},
       count(*) FILTER (WHERE g.kinds && '{{like,save}}')
FROM (
    SELECT i.id, i.user_id, i.weights_id, width_bucket(i.rank::int4, %(places)s::int4[]) - 1 AS place, i.source,
           (i.shown_at AT TIME ZONE 'UTC')::date AS day, array_agg(r.kind::text) AS kinds
    FROM recommendations_response r JOIN recommendations_impression i ON i.id = r.impression_id
    WHERE i.shown_at >= %(since)s GROUP BY i.id
) g LEFT JOIN recommendations_weights w ON w.id = g.weights_id
GROUP BY {BY}
"""  # noqa: S608  made of what stands here
CATEGORY_SHOWN = """
SELECT l.category_id, sum(i.shown)::int8
FROM (
    SELECT project_id, count(*) AS shown FROM recommendations_impression WHERE shown_at >= %(since)s GROUP BY 1
) i JOIN recommendations_projectcategory l ON l.project_id = i.project_id AND l.applies
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %(categories)s
"""
CATEGORY_ANSWERED = f"""
SELECT l.category_id, count(*),
       {", ".join(f"count(*) FILTER (WHERE '{kind}' = ANY(g.kinds))" for kind in KINDS)}
FROM (
    SELECT i.id, i.project_id, array_agg(r.kind::text) AS kinds
    FROM recommendations_response r JOIN recommendations_impression i ON i.id = r.impression_id
    WHERE i.shown_at >= %(since)s GROUP BY i.id
) g JOIN recommendations_projectcategory l ON l.project_id = g.project_id AND l.applies
GROUP BY 1
"""  # noqa: S608  made of what stands here
MOVED = """
WITH told AS (
    SELECT i.user_id, i.project_id, max(r.id) AS newest
    FROM recommendations_response r JOIN recommendations_impression i ON i.id = r.impression_id
    WHERE i.shown_at >= %(since)s GROUP BY 1, 2 ORDER BY newest DESC LIMIT %(pairs)s
)
SELECT dense_rank() OVER (ORDER BY i.user_id, i.project_id) - 1, width_bucket(i.rank::int4, %(places)s::int4[]) - 1,
       count(*), count(*) FILTER (WHERE EXISTS (SELECT FROM recommendations_response r WHERE r.impression_id = i.id))
FROM told JOIN recommendations_impression i ON i.user_id = told.user_id AND i.project_id = told.project_id
WHERE i.shown_at >= %(since)s
GROUP BY i.user_id, i.project_id, 2
"""
SET = {0b0011: "weights", 0b1101: "pages", 0b1110: "days"}  # GROUPING: a bit for each column that is left out


def report(now: datetime | None = None) -> Report:
    since = (now or timezone.now()).date() - timedelta(days=DAYS - 1)
    asked = {"since": since, "places": list(rates.PLACES), "categories": CATEGORIES, "pairs": PAIRS}
    shown, answered = asked_of(SHOWN, asked), asked_of(ANSWERED, asked)
    if not shown:
        return Report(since)
    bias = rates.position_bias(*moved(asked_of(MOVED, asked)))
    at = cells(shown, answered)
    return Report(
        since,
        weights=by_weights(at["weights"], bias),
        places=by_place(at["weights"]),
        pages=by_page(at["pages"]),
        categories=by_category(asked),
        days=by_day(at["days"], since),
        looks=looks(bias),
        pairs=bias.pairs,
        funnel=funnel(shown, answered),
    )


def asked_of(statement: str, asked: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, asked)
        return list(cursor.fetchall())


Cell = list[int]  # shown, answered, then one for each kind
Cells = dict[Any, Cell]
NOTHING: Cell = [0] * (2 + len(KINDS))


def cells(shown: Sequence[tuple[Any, ...]], answered: Sequence[tuple[Any, ...]]) -> dict[str, Cells]:
    """The counts of each grouping by what they are of: (version, place), page, day."""
    found: dict[str, Cells] = {name: {} for name in SET.values()}
    for grouping, *key, count, _ in shown:
        found[SET[grouping]][key_of(SET[grouping], key)] = [count, *NOTHING[1:]]
    for grouping, *rest in answered:
        cell = found[SET[grouping]].get(key_of(SET[grouping], rest[:4]))
        if cell:
            cell[1:] = rest[4 : 5 + len(KINDS)]
    return found


def key_of(name: str, key: Sequence[Any]) -> Any:
    version, place, source, day = key
    return {"weights": (version, place), "pages": source, "days": day}[name]


def rated(named: dict[str, Cell], at_first: Sequence[float] | None = None) -> list[Rate]:
    """Rates of those counts, with their intervals."""
    table = np.array(list(named.values()), dtype=np.int64).reshape(len(named), 2 + len(KINDS))
    low, high = rates.interval(table[:, 1].astype(np.float64), table[:, 0].astype(np.float64))
    firsts = at_first if at_first is not None else [np.nan] * len(named)
    return [
        Rate(
            name,
            cell[0],
            cell[1],
            dict(zip(KINDS, cell[2:], strict=True)),
            percent(low[at]) or 0.0,
            percent(high[at]) or 0.0,
            percent(firsts[at]),
        )
        for at, (name, cell) in enumerate(named.items())
    ]


def percent(share: float) -> float | None:
    return None if np.isnan(share) else round(100 * float(share), 1)


def total(some: Sequence[Cell]) -> Cell:
    return [sum(column) for column in zip(*some, strict=True)]


def by_weights(counts: Cells, bias: Bias) -> list[Rate]:
    """The newest version first; rows whose version is not known last."""
    versions = sorted({version for version, _ in counts}, key=lambda version: -(version or 0))
    tables = [
        np.array([counts.get((version, place), NOTHING)[:2] for place in range(GROUPS)], dtype=np.int64)
        for version in versions
    ]
    both = np.array(tables)
    sums = [total([cell for key, cell in counts.items() if key[0] == version]) for version in versions]
    names = [f"version {version}" if version else "unknown" for version in versions]
    return rated(
        dict(zip(names, sums, strict=True)), list(rates.at_first_place(both[:, :, 1], both[:, :, 0], bias.looked))
    )


def by_place(counts: Cells) -> list[Rate]:
    places = sorted({place for _, place in counts})
    return rated({rates.named(at): total([cell for key, cell in counts.items() if key[1] == at]) for at in places})


def by_page(counts: Cells) -> list[Rate]:
    most = sorted(counts.items(), key=lambda item: (-item[1][0], item[0]))
    return rated({PAGES.get(source, source or "unknown"): cell for source, cell in most})


def by_day(counts: Cells, since: date) -> list[Rate]:
    """Every day, those on which nothing was shown with 0."""
    days = [since + timedelta(days=at) for at in range(DAYS)]
    return rated({day.isoformat(): counts.get(day, NOTHING) for day in days})


def by_category(asked: dict[str, Any]) -> list[Rate]:
    """Those shown most; a project of several counts in each."""
    shown = asked_of(CATEGORY_SHOWN, asked)
    answered = {pk: list(rest) for pk, *rest in asked_of(CATEGORY_ANSWERED, asked)}
    names = dict(Category.objects.filter(pk__in=[pk for pk, _ in shown]).values_list("pk", "name"))
    return rated({names[pk]: [count, *answered.get(pk, NOTHING[1:])] for pk, count in shown if pk in names})


def moved(rows: Sequence[tuple[int, int, int, int]]) -> tuple[Counts, Counts]:
    """Pairs of a person and a project by groups of places: how often shown, how often answered. (m, g), (m, g)."""
    if not rows:
        return np.zeros((0, GROUPS), np.int64), np.zeros((0, GROUPS), np.int64)
    pair, place, count, answers = np.array(rows, dtype=np.int64).T
    shown = np.zeros((pair.max() + 1, GROUPS), np.int64)
    answered = np.zeros_like(shown)
    shown[pair, place], answered[pair, place] = count, answers
    return shown, answered


def looks(bias: Bias) -> list[Look]:
    figures = zip(bias.looked, bias.low, bias.high, strict=True)
    return [Look(rates.named(at), *map(percent, each)) for at, each in enumerate(figures)]


def funnel(shown: Sequence[tuple[Any, ...]], answered: Sequence[tuple[Any, ...]]) -> list[Step]:
    """From lists to likes and saves, by projects shown."""
    days = [row for row in shown if SET[row[0]] == "days"]
    sums = total([list(row[5:]) for row in answered if SET[row[0]] == "days"] or [NOTHING])
    counts = [
        ("Projects shown", sum(row[5] for row in days)),
        ("Answered in any way", sums[0]),
        ("Opened", sums[1]),
        ("Liked or saved", sums[1 + len(KINDS)]),
    ]
    lists = Step("Lists shown", sum(row[6] for row in days), None)
    all_shown = counts[0][1]
    return [lists, *(Step(name, count, round(100 * count / all_shown, 1)) for name, count in counts)]
