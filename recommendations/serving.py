"""What a web process answers at once: lists from the rows of the live generation, or scored live over the catalogue.

A person whose profile changed after the live generation was begun is scored over the catalogue that the process holds,
by the same functions and weights.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Subquery
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from engine.embeddings.reading import READER, State
from engine.models import EmbeddingModel
from engine.recent import Recent
from engine.tallies import Figure
from engine.vectors import Matrix
from recommendations import answers, generations, scoring
from recommendations.holding import HOLDER, Served, catalogue
from recommendations.models import (
    Generation,
    Interaction,
    Profile,
    ProfileEmbedding,
    Project,
    ProjectEmbedding,
    Recommendation,
    Weights,
)
from recommendations.people import block_of_people
from recommendations.scoring import Person

LATENCY = Figure(
    "ost_recommendation_latency_seconds", "Time until a list was there: stored, scored live, or cold: nothing known",
    ("kind",), (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5), most=3,
)  # fmt: skip
ANSWERS = Figure(
    "ost_recommendation_answers_total", "Answers that were made, by what they are of and whether anything was missing",
    ("of", "outcome"), most=12,
)  # fmt: skip
TALLIES = (LATENCY, ANSWERS)
SPARE = 5  # more projects are read than are shown, in case some are gone


@dataclass(frozen=True)
class List:
    """One person's list, best first. live: scored for this request. reading: their words are not understood yet."""

    rows: list[Recommendation]
    weights: Weights
    generation: Generation | None
    computed_at: datetime
    live: bool
    reading: bool


@dataclass(frozen=True)
class Ranking:
    """A list scored for this request, its projects not read yet. rows: as they would be stored, best first."""

    rows: list[dict[str, Any]]
    weights: Weights
    generation: Generation | None
    computed_at: datetime
    reading: bool

    def keeps(self, live: int | None) -> bool:
        """Whether it may answer again: all words were read, and the catalogue was that of the generation asked for."""
        return not self.reading and self.generation is not None and self.generation.pk == live

    def best(self, top: int, user: int | None = None) -> List:
        """The first of it, rotated for that person. A project that is gone meanwhile leaves its place to the next."""
        turn = answers.turn(user) if user else None
        count = turn.needs(top) if turn else top
        rows = with_projects([Recommendation(**row) for row in self.rows[: count + SPARE]])
        rows = turn.of(rows, top) if turn else rows[:top]
        return List(rows, self.weights, self.generation, self.computed_at, live=True, reading=self.reading)


@dataclass(frozen=True)
class Place:
    """Where one project stands with a person; left_out says why it is never shown, "" when it may be.

    last: the last row of the first page, to compare with. shares: what each component may bring at most.
    """

    row: Recommendation
    shares: dict[str, float]
    rank: int | None
    among: int
    left_out: str
    last: Recommendation | None


LISTS: Recent[tuple[int, datetime | None, int | None], Ranking] = Recent(
    1000, lasts=lambda: settings.RECOMMENDATION_CACHE_TTL
)


def forget() -> None:
    """As if the process had just begun."""
    HOLDER.held = None
    LISTS.clear()


def warm() -> None:
    """Begin to load the model, and the catalogue if it is not here: somebody is about to type."""
    served = catalogue()
    if served:
        READER.warm(served.model)


# Lists


def for_user(user: User, top: int = generations.KEPT, profile: Profile | None = None) -> List | None:
    """Their best projects; None while there is no project at all.

    The rows of the live generation, unless their profile changed after it was begun: then scored live. profile:
    theirs, where it has been read already.
    """
    if profile:
        return list_of(user, Generation.objects.live(), profile.changed_at, top)
    return list_of(user, *known_of(user), top)


def known_of(user: User) -> tuple[Generation | None, datetime | None]:
    """The live generation, and when what is known of them changed; by one query where there is one."""
    theirs = Profile.objects.filter(pk=user.pk).values("changed_at")
    live = Generation.objects.annotate(theirs=Subquery(theirs)).live()
    return live, getattr(live, "theirs", None) if live else changed_at(user)


def generation(pk: int | None) -> Generation | None:
    """The live generation, of which the id is known: nothing is asked when the catalogue in hand is that of it."""
    held = HOLDER.held
    return held.generation if pk and held and held.generation.pk == pk else Generation.objects.live()


def changed_at(user: User) -> datetime | None:
    return Profile.objects.filter(pk=user.pk).values_list("changed_at", flat=True).first()


def list_of(user: User, live: Generation | None, changed: datetime | None, top: int) -> List | None:
    began = time.monotonic()
    found = listed(user, live, changed, top)
    if found:
        took(began, found.live, bool(found.rows) and found.rows[0].cold_start)
        answered("list", not (found.rows and found.rows[0].cold_start), bool(found.rows))
    return found


def answered(of: str, vector: bool, neighbour: bool = True) -> None:
    """Count an answer. of: list, similar, search. vector: there was one to compare; neighbour: something was near."""
    ANSWERS.add(of, "found" if vector and neighbour else "no_neighbour" if vector else "no_vector")


def took(began: float, live: bool, cold: bool) -> None:
    """A list is there: of a generation's rows or scored live, or cold where nothing is known of the person."""
    LATENCY.observe(time.monotonic() - began, "stored" if not live else "cold" if cold else "live")


def figures() -> Iterator[Metric]:
    """For /metrics: the texts of projects that wait, under the name that embed_star gave them."""
    live = EmbeddingModel.objects.filter(state=EmbeddingModel.State.LIVE).first()
    waiting = ProjectEmbedding.objects.waiting(live).count() if live else 0
    yield GaugeMetricFamily("embed_star_repos_pending", "Projects whose text waits for its vector", value=waiting)


def listed(user: User, live: Generation | None, changed: datetime | None, top: int) -> List | None:
    if live and changed and changed <= live.inputs_at:
        turn = answers.turn(user.pk)
        rows = turn.of(list(answers.recommendations(live).filter(user=user)[: turn.needs(top)]), top)
        if rows:
            return List(rows, live.weights, live, live.published_at or live.inputs_at, live=False, reading=False)
    found = ranking_of(user, live, changed)
    return found.best(top, user.pk) if found else None


def ranking_of(user: User, live: Generation | None, changed: datetime | None) -> Ranking | None:
    """Their live list, scored now unless nothing changed since it last was."""
    key = (user.pk, changed, live.pk if live else None)
    found = LISTS.get(key) if live else None
    if found is None:
        found = scored_live(user, live)
        if live and found and found.keeps(live.pk):
            LISTS.put(key, found)
    return found


def scored_live(user: User, live: Generation | None) -> Ranking | None:
    served = HOLDER.get(live)
    if served is None:
        return None
    person, reading = person_of(user, served)
    return ranked(served, person, reading)


def try_out(text: str, stacks: list[int], categories: list[int], top: int = 10) -> List | None:
    """The list of somebody who says only this; nothing of it is kept. None while there is no project at all."""
    served = catalogue()
    if served is None:
        return None
    loaded, vector = served.loaded, read(served, text)
    person = Person(
        id=0,
        text=vector,
        liked=np.empty(0, dtype=np.int64),
        categories=np.isin(loaded.categories.ids, categories).astype(np.float32),
        stacks=np.isin(loaded.stacks.ids, stacks).astype(np.float32),
        never=np.empty(0, dtype=np.int64),
    )
    return ranked(served, person, reading=bool(text.strip()) and vector is None and waits(served)).best(top)


def ranked(served: Served, person: Person, reading: bool) -> Ranking:
    popular = served.popular(served.weights.formula)
    rows = generations.rows_of(served.generation, served.loaded, person, popular, served.cold)
    generation = served.generation if served.generation.pk else None
    return Ranking([values_of(row) for row in rows], served.weights, generation, timezone.now(), reading)


def recommendation(row: tuple[object, ...]) -> Recommendation:
    """A row that is not stored, from the values of one that would be."""
    return Recommendation(**values_of(row))


def values_of(row: tuple[object, ...]) -> dict[str, Any]:
    """The values of a row by the names of their columns; who tries it out is no user."""
    values = dict(zip(generations.COLUMNS, row, strict=True))
    return {**values, "user_id": values["user_id"] or None}


def with_projects(rows: list[Recommendation]) -> list[Recommendation]:
    """The rows with the projects they name, by one query; a row whose project is gone goes too."""
    named = {pk for row in rows for pk in (row.project_id, row.nearest_id) if pk}
    projects = Project.objects.lean().in_bulk(named)
    kept = [row for row in rows if row.project_id in projects]
    for row in kept:
        row.project = projects[row.project_id]
        row.nearest = projects.get(row.nearest_id) if row.nearest_id else None
    return kept


# People and their words


def person_of(user: User, served: Served) -> tuple[Person, bool]:
    """A person as arrays, and whether their present words still wait to be read.

    The stored vector of their text serves when it is that of their present words, otherwise the process reads them.
    Meanwhile an older vector goes on serving.
    """
    known = {user.pk: user.username}
    (person,) = block_of_people(served.loaded, served.model, np.array([user.pk], dtype=np.int64), known)
    row = (
        ProfileEmbedding.objects.filter(subject=user.pk, model=served.model)
        .values_list("text", "text_hash", "vector_hash")
        .first()
    )
    if row is None or row[1] == row[2]:
        return person, False
    vector = read(served, row[0])
    return (person, waits(served)) if vector is None else (replace(person, text=vector), False)


def read(served: Served, text: str) -> Matrix | None:
    """The vector of a text with the catalogue's centre taken away, (d,); None for no text, or while nobody reads."""
    vector = READER.vector(served.model, text) if text.strip() else None
    return None if vector is None else scoring.centred(vector[None, :], served.loaded.catalogue.centre)[0]


def waits(served: Served) -> bool:
    """Whether a text that was not read may be read soon."""
    return READER.state(served.model) is not State.OFF


# One project


def why(user: User, project: Project) -> Place | None:
    """How a project stands with a person, whatever its rank; None while there is no catalogue or it is not in it."""
    live = Generation.objects.live()
    served = HOLDER.get(live)
    if served is None:
        return None
    found = served.loaded.catalogue.positions([project.pk])
    if not len(found):
        return None
    at = int(found[0])
    person, _ = person_of(user, served)
    formula = served.weights.formula
    standing = scoring.standing(served.loaded.catalogue, person, formula, served.popular(formula))
    listing = list_of(user, live, changed_at(user), generations.KEPT)
    shown = listing.rows if listing else []
    (row,) = with_projects([recommendation(one_row(served, person, at))])
    left_out = reason_left_out(user, project, served, person, bool(standing.fit[at]), row)
    place = next((each for each in shown if each.project_id == project.pk), None)
    rank = place.rank if place else None
    row.moved_because = place.moved_because if place else ""
    if rank is None and not left_out:
        rank = max(standing.rank(at), len(shown) + 1)
    last = shown[: served.weights.top_n][-1] if shown else None
    shares = generations.named(scoring.shares(formula.weights, person.heard).tolist())
    return Place(row, shares, rank, int(standing.fit.sum()), left_out, last)


def one_row(served: Served, person: Person, at: int) -> tuple[object, ...]:
    """The row of one project for a person, as if it were the whole list."""
    only = np.array([at], dtype=np.int64)
    found = scoring.scored(served.loaded.catalogue, only, person, served.weights.formula)
    (row,) = generations.scored_rows(served.generation, served.loaded, person, found)
    return row


def reason_left_out(
    user: User, project: Project, served: Served, person: Person, fit: bool, row: Recommendation
) -> str:
    """Why a project is never shown to a person, "" when it may be."""
    kinds = set(Interaction.objects.filter(user=user, project=project).values_list("kind", flat=True))
    said = {"dismiss": "you hid it", "star": "you starred it", "like": "you liked it", "save": "you saved it"}
    if project.gone_at:
        return "it is there no more"
    if project.is_archived or project.is_disabled:
        return "it is archived" if project.is_archived else "it is disabled"
    if project.owner.lower() == user.username.lower():
        return "its owner is you"
    for kind, reason in said.items():
        if kind in kinds:
            return reason
    position = int(served.loaded.catalogue.positions([project.pk])[0])
    if position in person.never:
        return "it is under something you refused"
    if not fit:
        told = sum((row.parts or {}).get(name, 0) for name in ("semantic", "category", "tech"))
        least = served.weights.min_similarity
        return f"its score is below the least, {least:.0%}" if told else "nothing that you said or did leads to it"
    return ""


def similar(project: Project, count: int = 6) -> list[tuple[Project, float]]:
    """The projects nearest in meaning, with their cosines; archived ones left out."""
    served = catalogue()
    if served is None:
        return []
    found = served.loaded.catalogue.positions([project.pk])
    if not len(found):
        answered("similar", vector=False)
        return []
    at = int(found[0])
    near = nearest_positions(served, served.loaded.catalogue.vectors[at], count + 1)
    kept = [(position, cosine) for position, cosine in near if position != at][:count]
    answered("similar", vector=True, neighbour=bool(kept))
    projects = Project.objects.lean().in_bulk([int(served.loaded.catalogue.ids[position]) for position, _ in kept])
    pairs = [(projects.get(int(served.loaded.catalogue.ids[position])), cosine) for position, cosine in kept]
    return [(other, cosine) for other, cosine in pairs if other is not None]


def nearest(text: str, count: int = 200) -> list[int] | None:
    """The ids of the projects nearest in meaning to a text, nearest first; None while nobody reads it."""
    served = catalogue()
    vector = read(served, text) if served else None
    answered("search", vector is not None)
    if served is None or vector is None:
        return None
    return [int(served.loaded.catalogue.ids[position]) for position, _ in nearest_positions(served, vector, count)]


def nearest_positions(served: Served, vector: Matrix, count: int) -> list[tuple[int, float]]:
    """Positions and cosines of the served projects that are nearest to a unit vector (d,) and not opposed to it."""
    cosines = np.where(served.loaded.catalogue.served, served.loaded.catalogue.vectors @ vector, -1)
    order = np.lexsort((served.loaded.catalogue.ids, -cosines))[:count]
    return [(int(position), float(cosines[position])) for position in order if cosines[position] > 0]
