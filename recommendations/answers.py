"""What is served: a person's recommendations as rows of the live generation, in words and figures."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import numpy as np
from django.contrib.auth.models import User
from django.db.models import QuerySet

from engine.postgresql import prepared
from recommendations import ordering, reasons, showing
from recommendations.models import Generation, Recommendation
from recommendations.scoring import COMPONENTS

PEOPLE_AT_ONCE = 500
RESTED = f"seen on {showing.SEEN_DAYS} days without an answer"
MOVED = ordering.PLACES + ordering.PLACES // ordering.RESTS  # rows: behind them no order changes


class Named(NamedTuple):
    """What an answer says of a project."""

    full_name: str
    stars: int | None


class Stored(NamedTuple):
    """A stored recommendation, with no more of it than an answer says."""

    project_id: int
    rank: int
    score: float | None
    raw_score: float | None
    components: dict[str, float] | None
    parts: dict[str, float] | None
    stacks: list[str]
    categories: list[str]
    cold_start: bool
    moved_because: str
    wrote: dict[str, str]
    project: Named
    nearest: Named | None


STORED = """
SELECT r.project_id, r.rank, r.score, r.raw_score, r.components, r.parts, r.stacks, r.categories, r.cold_start,
       r.moved_because, r.wrote, p.full_name, p.stars, n.full_name, n.stars
FROM recommendations_recommendation r JOIN recommendations_project p ON p.id = r.project_id
LEFT JOIN recommendations_project n ON n.id = r.nearest_id
WHERE r.generation_id = %s AND r.user_id = %s AND r.rank <= %s ORDER BY r.rank
"""


def stored(generation: int, user: int | None, top: int) -> list[Stored]:
    """The rows of one person in a generation. Written out: of all that is asked, this is asked most often."""
    with prepared() as cursor:
        cursor.execute(STORED, [generation, user, top])
        return [as_stored(*row) for row in cursor]


NAMES = "SELECT id, full_name, stars FROM recommendations_project WHERE id = ANY(%s)"


def unstored(rows: Iterable[Mapping[str, Any]]) -> list[Stored]:
    """The same of rows that were scored just now; a row whose project is gone is left out."""
    rows = list(rows)
    with prepared() as cursor:
        cursor.execute(NAMES, [[pk for row in rows for pk in (row["project_id"], row["nearest_id"]) if pk]])
        named = {pk: Named(*facts) for pk, *facts in cursor}
    own = [name for name in Stored._fields if name not in ("project", "nearest")]
    return [
        Stored(
            **{name: row[name] for name in own}, project=named[row["project_id"]], nearest=named.get(row["nearest_id"])
        )
        for row in rows
        if row["project_id"] in named
    ]


def as_stored(
    project: int, rank: int, score: float, raw: float, components: str | None, parts: str | None, *rest: Any
) -> Stored:
    """The database hands JSON over as text."""
    stacks, categories, cold_start, moved_because, wrote, name, stars, nearest, its_stars = rest
    return Stored(
        project,
        rank,
        score,
        raw,
        json.loads(components) if components else None,
        json.loads(parts) if parts else None,
        stacks,
        categories,
        cold_start,
        moved_because,
        json.loads(wrote),
        Named(name, stars),
        Named(nearest, its_stars) if nearest else None,
    )


Row = TypeVar("Row", Recommendation, Stored)


@dataclass(frozen=True)
class Turn:
    """What of one person's list may rest on a day. often: what they saw on several days and did nothing with."""

    user: int
    day: date
    often: Collection[int]

    def needs(self, top: int) -> int:
        """How many rows to read for the first `top`."""
        return max(top, MOVED) if self.often else top

    def of(self, rows: list[Row], top: int) -> list[Row]:
        """The first of the rows, in today's order. Scores and ranks by score stay; a row that rests says why."""
        if not self.often:
            return rows[:top]
        tired = np.array([row.project_id in self.often for row in rows], dtype=bool)
        order = ordering.rotated(tired, (self.user, self.day.toordinal()))
        return [moved(rows[index], rank, resting=rank > index + 1) for rank, index in enumerate(order[:top], 1)]


def turn(user: int) -> Turn:
    day = showing.today()
    return Turn(user, day, showing.tired(user, day))


def moved(row: Row, rank: int, resting: bool) -> Row:
    because = RESTED if resting else row.moved_because
    if isinstance(row, Stored):
        return row._replace(rank=rank, moved_because=because)
    row.rank, row.moved_because = rank, because
    return row


def recommendations(generation: Generation) -> "QuerySet[Recommendation]":
    """The rows of a generation with the projects they name, best first."""
    rows = generation.recommendations.select_related("project", "nearest").order_by("user_id", "rank")
    unread = ("readme", "languages", "topics")  # a README is long, and fifty a person come along
    return rows.defer(*(f"{project}__{name}" for project in ("project", "nearest") for name in unread))


def answer(row: Recommendation | Stored) -> dict[str, Any]:
    """One recommendation as exports, commands and the API give it."""
    return {
        "full_name": row.project.full_name,
        "rank": row.rank,
        "score": row.score,
        "raw_score": row.raw_score,
        "components": in_order(row.components),
        "parts": in_order(row.parts),
        "reasons": sentences(row),
        "cold_start": row.cold_start,
    }


def in_order(figures: dict[str, float] | None) -> dict[str, float] | None:
    """The figures in the order of the formula; the database keeps keys in one of its own."""
    return figures and {name: figures[name] for name in (*COMPONENTS, *sorted(set(figures) - set(COMPONENTS)))}


def sentences(row: Recommendation | Stored) -> list[str]:
    said = reasons.sentences(
        parts=row.parts or {},
        stacks=row.stacks,
        categories=row.categories,
        nearest=row.nearest.full_name if row.nearest else None,
        stars=row.project.stars,
        wrote=row.wrote,
    )
    return [*said, f"Moved: {row.moved_because}."] if row.moved_because else said


def everyone(generation: Generation, top: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each user's best in the order of their names, a few hundred people at a time."""
    users = User.objects.filter(profile__isnull=False).order_by("username").values_list("pk", "username").iterator()
    while block := list(islice(users, PEOPLE_AT_ONCE)):
        rows = recommendations(generation).filter(user__in=[pk for pk, _ in block], rank__lte=top)
        by_user: dict[int, list[dict[str, Any]]] = {}
        for row in rows:
            by_user.setdefault(row.user_id, []).append(answer(row))
        for pk, name in block:
            yield name, by_user.get(pk, [])
