"""Weights as versions: publish one, go back to one, and see what it would change before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.db import connection, transaction

from engine import jobs
from engine.models import Audit, Run
from engine.pipeline import Scope
from recommendations import comparing, generations, holding, serving
from recommendations.comparing import CUT, Move
from recommendations.models import Generation, Project, Recommendation, Weights
from recommendations.people import block_of_people
from recommendations.reasons import percents
from recommendations.scoring import COMPONENTS, Person
from recommendations.stages import PIPELINE

LABELS = {
    "semantic": "Meaning",
    "category": "Category",
    "tech": "Tech stack",
    "popularity": "Popularity",
    "popularity_threshold": "Stars that count as 1",
    "popularity_scale": "Scale of the stars",
    "min_similarity": "Lowest score shown",
    "top_n": "How many are shown",
    "variety": "Of one owner at most",
}
PEOPLE = 5  # compared at once


class Newer(Exception):
    """Another version was published since this one was begun."""

    def __init__(self, newest: Weights) -> None:
        super().__init__(f"version {newest.version} was published meanwhile")
        self.newest = newest


class Unchanged(Exception):
    """What is to be published is what the newest version says already."""


# Versions


def figures_of(weights: Weights) -> dict[str, Any]:
    """What a version says, without who made it and why."""
    return {name: getattr(weights, name) for name in LABELS}


@dataclass(frozen=True)
class Share:
    """What one component weighs: raw, in percent of all, and the percents that stand before it."""

    name: str
    raw: float
    percent: float
    offset: float

    @property
    def label(self) -> str:
        return LABELS[self.name]


def shares_of(weights: Weights) -> list[Share]:
    """The shares of the four components; they add up to 100."""
    raw = weights.formula.weights
    shown = percents([value / sum(raw) for value in raw])
    offsets = [sum(shown[:index]) for index in range(len(shown))]
    return [Share(*each) for each in zip(COMPONENTS, raw, shown, offsets, strict=True)]


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Label, before and after of each figure that differs."""
    return [(label, before[name], after[name]) for name, label in LABELS.items() if before[name] != after[name]]


def publish(figures: Mapping[str, Any], *, author: User, reason: str, started_from: int) -> tuple[Weights, Run]:
    """The next version, and the run that scores with it. Raises Newer, Unchanged.

    started_from: the newest version that its author has seen.
    """
    return following(figures, author, reason, started_from, "publish weights"), ask_for_a_run()


def roll_back(old: Weights, *, author: User, started_from: int) -> tuple[Weights, Run]:
    """A new version with the figures of an old one. Raises Newer, Unchanged."""
    reason = f"Back to version {old.version}: {old.reason or 'no reason was given'}"
    return following(figures_of(old), author, reason, started_from, "roll back weights"), ask_for_a_run()


@transaction.atomic
def following(figures: Mapping[str, Any], author: User, reason: str, started_from: int, action: str) -> Weights:
    """Store and audit the version after the newest, one author at a time; readers wait for nobody."""
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {Weights._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")
    newest = Weights.objects.current()
    if newest.version != started_from:
        raise Newer(newest)
    changed = changes(figures_of(newest), figures)
    if not changed:
        raise Unchanged
    made = Weights.objects.create(version=newest.version + 1, author=author, reason=reason, **figures)
    told = "; ".join(f"{label}: {before} to {after}" for label, before, after in changed)
    Audit.objects.create(actor=author.get_username(), action=action, subject=str(made), note=f"{told}. {reason}")
    return made


def ask_for_a_run() -> Run:
    """All stages: a run that waits for other reasons keeps what it was to do. Should this be lost, the clock asks."""
    return jobs.request(PIPELINE, Scope())


def state_of(weights: Weights, newest: int, live: int | None) -> str:
    """live, waiting or past. newest, live: the ids of those versions."""
    if weights.pk == live:
        return "live"
    return "waiting" if weights.pk == newest else "past"


def begun_run() -> Run | None:
    """The run that is to bring the newest version, if it is not over."""
    return Run.objects.of(PIPELINE).live().first()


# Before and after


@dataclass(frozen=True)
class Line:
    """One project in a list, and how it moved."""

    project: Project
    row: Recommendation
    move: Move


@dataclass(frozen=True)
class Compared:
    """One person's first ten by the weights that are live and by others."""

    user: User
    before: list[Line]
    after: list[Line]

    @property
    def orders(self) -> tuple[list[int], list[int]]:
        return [line.project.pk for line in self.before], [line.project.pk for line in self.after]

    @property
    def overlap(self) -> float:
        return comparing.overlap(*self.orders)

    @property
    def tau(self) -> float | None:
        return comparing.kendall(*self.orders)

    @property
    def kept(self) -> int:
        return len(self.after) - self.entered

    @property
    def places(self) -> int:
        return max(len(self.before), len(self.after))

    @property
    def cold(self) -> bool:
        """Whether nothing known of them led to their list."""
        return bool(self.after) and all(line.row.cold_start for line in self.after)

    @property
    def entered(self) -> int:
        return sum(line.move.kind == "new" for line in self.after)

    @property
    def left(self) -> int:
        return sum(line.move.kind == "gone" for line in self.before)


@dataclass(frozen=True)
class Side:
    """The figures of all lists of one side. score: the mean; projects: how many different ones; places: in all."""

    score: float | None
    projects: int
    places: int

    @classmethod
    def of(cls, lists: Iterable[list[Line]]) -> "Side":
        lines = [line for each in lists for line in each]
        score = comparing.mean([line.row.score for line in lines])
        return cls(score, len({line.project.pk for line in lines}), len(lines))


@dataclass(frozen=True)
class Replay:
    """What other weights would change for some people. live: the weights it is compared with."""

    live: Weights
    people: list[Compared]

    @property
    def overlap(self) -> float | None:
        return comparing.mean([person.overlap for person in self.people])

    @property
    def tau(self) -> float | None:
        return comparing.mean([person.tau for person in self.people])

    @property
    def entered(self) -> int:
        return sum(person.entered for person in self.people)

    @property
    def left(self) -> int:
        return sum(person.left for person in self.people)

    @property
    def before(self) -> Side:
        return Side.of(person.before for person in self.people)

    @property
    def after(self) -> Side:
        return Side.of(person.after for person in self.people)


def preview(figures: Mapping[str, Any], users: Sequence[User]) -> Replay | None:
    """The first ten of those people now and with other weights; None while there is no catalogue.

    Both are scored at once over the catalogue that this process holds, by the functions that make a generation.
    """
    served = holding.catalogue()
    if served is None:
        return None
    ids = np.array(sorted(user.pk for user in users), dtype=np.int64)
    people = {person.id: person for person in block_of_people(served.loaded, served.model, ids)}
    tried = Weights(**figures)
    lists = {
        user.pk: (first_rows(served, people[user.pk], served.weights), first_rows(served, people[user.pk], tried))
        for user in users
    }
    projects = projects_of(row for pair in lists.values() for rows in pair for row in rows)
    return Replay(served.weights, [compared(user, *lists[user.pk], projects) for user in users])


def first_rows(served: holding.Served, person: Person, weights: Weights) -> list[Recommendation]:
    """One person's best by those weights, none of them stored."""
    draft = Generation(weights=weights, model=served.model)
    rows = generations.rows_of(draft, served.loaded, person, served.popular(weights.formula), served.cold)
    return [serving.recommendation(row) for row in rows[:CUT]]


def projects_of(rows: Iterable[Recommendation]) -> dict[int, Project]:
    return Project.objects.lean().in_bulk({row.project_id for row in rows})


def compared(
    user: User, before: list[Recommendation], after: list[Recommendation], projects: Mapping[int, Project]
) -> Compared:
    """A project that was deleted since the catalogue was loaded is left out of both lists."""
    old, new = ([row for row in rows if row.project_id in projects] for rows in (before, after))
    found = comparing.moves([row.project_id for row in old], [row.project_id for row in new])
    by_id = {move.id: move for move in found}
    lines = [[Line(projects[row.project_id], row, by_id[row.project_id]) for row in rows] for rows in (old, new)]
    return Compared(user, *lines)


def chosen(names: Sequence[str]) -> list[User]:
    """Those people who have a profile, in that order; the first three by name when none is named."""
    known = User.objects.filter(profile__isnull=False)
    if not names:
        return list(known.order_by("username")[:3])
    found = {user.username: user for user in known.filter(username__in=names)}
    return [found[name] for name in names if name in found]
