"""The tables as arrays: the catalogue, people, and the digest of all that recommendations are made from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, reduce
from itertools import groupby
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet

from engine.bulk import copy_out_vectors
from engine.models import EmbeddingModel
from engine.postgresql import prepared
from engine.vectors import Matrix, digest, unit
from recommendations import scoring, spoken
from recommendations.company import Company
from recommendations.models import (
    Category,
    Interaction,
    Profile,
    Project,
    ProjectCategory,
    ProjectTechStack,
    TechStack,
    Weights,
)
from recommendations.scoring import Catalogue, Floats, Person, Positions
from recommendations.spoken import Heard

LIKED = 256  # so many of what a person liked are compared with each project
PEOPLE_AT_ONCE = 64


@dataclass(frozen=True)
class Terms:
    """Which id stands in which column of an incidence matrix, and its name."""

    ids: Positions
    names: tuple[str, ...]

    @classmethod
    def of(cls, terms: "QuerySet[Category] | QuerySet[TechStack]") -> "Terms":
        rows = list(terms.order_by("pk").values_list("pk", "name"))
        return cls(np.array([pk for pk, _ in rows], dtype=np.int64), tuple(name for _, name in rows))

    def matrix(self, rows: Positions, ids: Positions, height: int) -> Matrix:
        return scoring.incidence(rows, np.searchsorted(self.ids, ids), (height, len(self.ids)))

    def common(self, mine: Matrix, theirs: Matrix) -> list[list[str]]:
        """The names of what each of them and I both have. (t,), (k, t)."""
        names: list[list[str]] = [[] for _ in theirs]
        for row, column in np.argwhere((theirs > 0) & (mine > 0)).tolist():
            names[row].append(self.names[column])
        return names


@dataclass(frozen=True)
class Loaded:
    """The catalogue with what it takes to speak of it: names of projects, terms, dates, and who vouches for what."""

    catalogue: Catalogue
    names: tuple[str, ...]
    created: Floats
    categories: Terms
    stacks: Terms
    company: Company | None = None

    def centred(self) -> "Loaded":
        """The same with what all texts share taken away: how projects and people are compared."""
        plain = self.catalogue.vectors
        centre = scoring.centre_of(plain)
        return replace(self, catalogue=replace(self.catalogue, vectors=scoring.centred(plain, centre), centre=centre))

    @cached_property
    def owners(self) -> tuple[str, ...]:
        return tuple(name.split("/", 1)[0].lower() for name in self.names)

    @cached_property
    def by_owner(self) -> dict[str, list[int]]:
        """The positions of what each owner has."""
        found: dict[str, list[int]] = {}
        for position, owner in enumerate(self.owners):
            found.setdefault(owner, []).append(position)
        return found

    @property
    def slots(self) -> str:
        """Digest of which id stands at which place of a hybrid vector."""
        return digest(self.categories.ids, self.stacks.ids)


def load(model: EmbeddingModel) -> Loaded:
    """Every project, in the order of its id, with the vectors of that model as they are."""
    rows = list(
        Project.objects.order_by("pk").values_list(
            "pk", "full_name", "stars", "is_archived", "is_disabled", "created_at", "gone_at"
        )
    )
    ids = np.array([row[0] for row in rows], dtype=np.int64)
    categories, stacks = Terms.of(Category.objects.all()), Terms.of(TechStack.objects.all())
    return Loaded(
        catalogue=Catalogue(
            ids=ids,
            vectors=vectors_of("recommendations_projectembedding", model, ids),
            centre=np.zeros(model.dimensions, dtype=np.float32),
            categories=linked(ProjectCategory.objects.all(), "project_id", "category_id", ids, categories),
            stacks=linked(ProjectTechStack.objects.all(), "project_id", "stack_id", ids, stacks),
            stars=np.array([np.nan if row[2] is None else row[2] for row in rows], dtype=np.float64),
            served=np.array([not (row[3] or row[4] or row[6]) for row in rows], dtype=bool),
        ),
        names=tuple(row[1] for row in rows),
        created=np.array([seconds(row[5]) for row in rows], dtype=np.float64),
        categories=categories,
        stacks=stacks,
    )


def seconds(moment: datetime | None) -> float:
    return np.nan if moment is None else moment.timestamp()


def vectors_of(table: str, model: EmbeddingModel, ids: Positions) -> Matrix:
    """The unit vectors of those subjects (ids ascending), a zero row where there is none. (n,) -> (n, d)."""
    found, vectors = copy_out_vectors(
        f"SELECT subject_id::bigint, vector FROM {table}"  # noqa: S608  a constant of ours
        " WHERE model_id = %s AND vector IS NOT NULL AND subject_id = ANY(%s) ORDER BY subject_id",
        [model.pk, ids.tolist()],
        model.dimensions,
    )
    matrix = np.zeros((len(ids), model.dimensions), dtype=np.float32)
    matrix[np.searchsorted(ids, found)] = unit(vectors)
    return matrix


def linked(links: QuerySet[Any], subject: str, term: str, ids: Positions, terms: Terms) -> Matrix:
    """The links that apply as a matrix of 0 and 1: a row a subject, a column a term."""
    chosen = links.filter(applies=True, **{f"{subject}__in": ids.tolist(), f"{term}__in": terms.ids.tolist()})
    pairs = np.array(list(chosen.values_list(subject, term)), dtype=np.int64).reshape(-1, 2)
    return terms.matrix(np.searchsorted(ids, pairs[:, 0]), pairs[:, 1], len(ids))


# Of a web process these are asked all the time, and the ORM takes longer to write them than the server to answer.
SAID = """
SELECT profile_id, category_id, applies, 0 FROM recommendations_profilecategory WHERE profile_id = ANY(%s)
UNION ALL SELECT profile_id, stack_id, applies, 1 FROM recommendations_profiletechstack WHERE profile_id = ANY(%s)
UNION ALL SELECT DISTINCT user_id, 0, TRUE, 2 FROM recommendations_fact WHERE user_id = ANY(%s)
"""
ACTS = """
SELECT user_id, project_id, kind, at FROM recommendations_interaction WHERE user_id = ANY(%s) AND kind = ANY(%s)
ORDER BY user_id
"""


def people(loaded: Loaded, model: EmbeddingModel, after: int = 0) -> Iterator[list[Person]]:
    """Everyone with a profile, a block at a time, in the order of their ids, beginning after one of them."""
    while True:
        profiles = Profile.objects.filter(pk__gt=after).order_by("pk")
        ids = np.array(profiles.values_list("pk", flat=True)[:PEOPLE_AT_ONCE], dtype=np.int64)
        if not len(ids):
            return
        yield block_of_people(loaded, model, ids)
        after = int(ids[-1])


def block_of_people(
    loaded: Loaded,
    model: EmbeddingModel,
    ids: Positions,
    names: Mapping[int, str] | None = None,
    words: bool = True,
) -> list[Person]:
    """Those people (ids ascending), by a handful of queries however many they are.

    names: their own, where known. words: with what they wrote; else as if they had not.
    """
    texts = scoring.centred(vectors_of("recommendations_profileembedding", model, ids), loaded.catalogue.centre)
    categories, stacks, wrote = said_by(loaded, ids)
    heard = spoken.heard_by(wrote) if words and len(wrote) else {}
    liked, never = interactions(loaded.catalogue, ids, {pk: each.pinned for pk, each in heard.items() if each.pinned})
    owned = owned_by(loaded, names or names_of(ids))
    none = np.empty(0, dtype=np.int64)
    people = [
        Person(
            id=int(pk),
            text=texts[row] if texts[row].any() else None,
            liked=liked.get(int(pk), none),
            categories=categories.theirs[row],
            stacks=stacks.theirs[row],
            never=reduce(
                np.union1d,
                (
                    never.get(int(pk), none),
                    owned.get(int(pk), none),
                    left_out(loaded.catalogue.categories, categories.refused[row], categories.theirs[row]),
                    left_out(loaded.catalogue.stacks, stacks.refused[row], stacks.theirs[row]),
                ),
            ),
        )
        for row, pk in enumerate(ids)
    ]
    return with_words(loaded, model, people, heard) if heard else people


def with_words(
    loaded: Loaded, model: EmbeddingModel, people: Sequence[Person], heard: Mapping[int, Heard]
) -> list[Person]:
    """The same people with what they wrote; the vectors of all their messages by one query."""
    ids = np.unique(np.array([pk for each in heard.values() for pk in each.messages], dtype=np.int64))
    plain = vectors_of("recommendations_messageembedding", model, ids) if len(ids) else None
    vectors = (
        {} if plain is None else dict(zip(ids.tolist(), scoring.centred(plain, loaded.catalogue.centre), strict=True))
    )
    return [spoken_for(loaded, each, heard[each.id], vectors) if each.id in heard else each for each in people]


def spoken_for(loaded: Loaded, person: Person, heard: Heard, vectors: Mapping[int, Matrix]) -> Person:
    """vectors: of messages, the catalogue's centre taken away; one of zeros is not there yet."""
    speak = {pk: words for pk, words in heard.messages.items() if vectors[pk].any()}
    categories, of_categories = with_heard(person.categories, loaded.categories, heard.categories)
    stacks, of_stacks = with_heard(person.stacks, loaded.stacks, heard.stacks)
    pinned = {loaded.names[at]: heard.pinned[int(loaded.catalogue.ids[at])][1]
              for at in loaded.catalogue.positions(list(heard.pinned))}  # fmt: skip
    own = person.text is not None or len(person.liked) or person.categories.any() or person.stacks.any()
    return replace(
        person,
        categories=categories,
        stacks=stacks,
        spoken=np.stack([vectors[pk] for pk in speak]) if speak else None,
        wrote=tuple(speak.values()),
        because={**of_categories, **of_stacks, **pinned},
        only_wrote=bool(speak) and not own,
    )


def with_heard(own: Matrix, terms: Terms, heard: Mapping[int, tuple[float, str]]) -> tuple[Matrix, dict[str, str]]:
    """Their set with what was heard, and the sentence of each term that only they say. own (t,) -> (t,)."""
    weights, because = own.copy(), {}
    for column in np.flatnonzero(np.isin(terms.ids, list(heard))).tolist():
        weight, words = heard[int(terms.ids[column])]
        if not own[column]:
            weights[column], because[terms.names[column]] = weight, words
    return weights, because


@dataclass(frozen=True)
class SaidTerms:
    """Which terms of one kind people named as theirs, and which they refused. (m, t) of 0 and 1 each."""

    theirs: Matrix
    refused: Matrix


def said_by(loaded: Loaded, ids: Positions) -> tuple[SaidTerms, SaidTerms, Positions]:
    """The categories and the stacks of those people, and who of them wrote anything, by one query."""
    with prepared() as cursor:
        cursor.execute(SAID, [ids.tolist()] * 3)
        rows = np.array(cursor.fetchall(), dtype=np.int64).reshape(-1, 4)

    def matrix(terms: Terms, kind: int, applies: bool) -> Matrix:
        fits = (rows[:, 3] == kind) & (rows[:, 2] == applies) & np.isin(rows[:, 1], terms.ids)
        return terms.matrix(np.searchsorted(ids, rows[fits, 0]), rows[fits, 1], len(ids))

    said = [
        SaidTerms(matrix(terms, kind, True), matrix(terms, kind, False))
        for kind, terms in enumerate((loaded.categories, loaded.stacks))
    ]
    return said[0], said[1], np.unique(rows[rows[:, 3] == 2, 0])


def interactions(
    catalogue: Catalogue, users: Positions, pinned: Mapping[int, Mapping[int, tuple[float, str]]] | None = None
) -> tuple[dict[int, Positions], dict[int, Positions]]:
    """By user: the positions of what stands for their taste, and of what must not come back.

    pinned: projects that they wrote of and pinned, as good as liked.
    """
    pinned = pinned or {}
    with prepared() as cursor:
        cursor.execute(ACTS, [users.tolist(), list(Interaction.KNOWN)])
        rows = cursor.fetchall()
    did = {user: list(acts) for user, acts in groupby(rows, key=lambda row: row[0])}
    liked, never = {}, {}
    for user in did.keys() | pinned.keys():
        acts = did.get(user, [])
        dismissed = {project for _, project, kind, _ in acts if kind == Interaction.Kind.DISMISS}
        latest = {project: at for project, (at, _) in pinned.get(user, {}).items() if project not in dismissed}
        for _, project, kind, at in acts:
            if kind in Interaction.TASTE and project not in dismissed:
                latest[project] = max(at.timestamp(), latest.get(project, -np.inf))
        liked[user] = liked_positions(catalogue, latest)
        never[user] = catalogue.positions([*(project for _, project, _, _ in acts), *pinned.get(user, ())])
    return liked, never


def liked_positions(catalogue: Catalogue, latest: Mapping[int, float]) -> Positions:
    """The representatives of liked projects, id -> seconds; those without a vector cannot speak for the rest."""
    ids = np.array(sorted(latest), dtype=np.int64)
    at = np.array([latest[int(pk)] for pk in ids], dtype=np.float64)
    where = catalogue.positions(ids)
    speaks = catalogue.vectors[where].any(axis=1)
    at = at[np.isin(ids, catalogue.ids)]
    return scoring.representatives(where[speaks], at[speaks], catalogue.stars[where][speaks], LIKED)


def names_of(users: Positions) -> dict[int, str]:
    return dict(User.objects.filter(pk__in=users.tolist()).values_list("pk", "username"))


def owned_by(loaded: Loaded, names: Mapping[int, str]) -> dict[int, Positions]:
    """By user: the positions of the projects whose owner has their name."""
    return {pk: np.array(loaded.by_owner.get(name.lower(), ()), dtype=np.int64) for pk, name in names.items()}


def left_out(projects: Matrix, refused: Matrix, theirs: Matrix) -> Positions:
    """The positions of the projects under a term they refused, unless also under one of theirs. (n, t), (t,), (t,)."""
    if not refused.any():
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero((projects @ refused > 0) & (projects @ theirs == 0))


# Of campaigns only those for a project, while they run, lead to one.
RUNNING_PROJECT = "c.kind = 'project' AND c.begins_at <= now() AND (c.ends_at IS NULL OR c.ends_at > now())"


def inputs(model: EmbeddingModel, weights: Weights, taxonomy: str) -> str:
    """Digest of all that a generation is made from, computed where the rows are.

    Rows are hashed one by one and the hashes summed, so that order does not matter and memory stays constant.
    """
    kinds = ", ".join(f"'{kind}'" for kind in Interaction.KNOWN)
    offered = "id, full_name, stars, is_archived, is_disabled, gone_at IS NULL"
    totals = [
        ("recommendations_project", f"{offered}, created_at", "TRUE"),
        ("recommendations_projectcategory", "project_id, category_id", "applies"),
        ("recommendations_projecttechstack", "project_id, stack_id", "applies"),
        ("recommendations_projectembedding", "subject_id, vector_hash", f"model_id = {int(model.pk)}"),
        ("recommendations_profile", "user_id", "TRUE"),
        ("recommendations_profilecategory", "profile_id, category_id, applies", "TRUE"),
        ("recommendations_profiletechstack", "profile_id, stack_id, applies", "TRUE"),
        ("recommendations_profileembedding", "subject_id, vector_hash", f"model_id = {int(model.pk)}"),
        (
            "recommendations_interaction",
            "user_id, project_id, kind, at",
            f"kind IN ({kinds})",
        ),
        ("auth_user", "id, username", "TRUE"),
        (
            "recommendations_fact",
            "user_id, stack_id, category_id, project_id, interest, confidence, sentence, state, said_at, message_id",
            "TRUE",
        ),
        (
            "recommendations_saying y JOIN recommendations_message m ON m.id = y.message_id"
            " LEFT JOIN recommendations_intent i ON i.id = m.intent_id",
            "y.fact_id, m.id, y.sentence, m.said_at, i.counts",
            "TRUE",
        ),
        (
            "recommendations_messageembedding",
            "subject_id, vector_hash",
            f"model_id = {int(model.pk)}"
            " AND EXISTS (SELECT FROM recommendations_saying y WHERE y.message_id = subject_id)",
        ),
        (
            "recommendations_engagement e JOIN recommendations_campaign c ON c.id = e.campaign_id",
            "e.user_id, c.name, c.subject, e.count",
            RUNNING_PROJECT,
        ),
    ]
    sums = ", ".join(
        f"(SELECT concat(count(*), ':', sum(hashtextextended(concat_ws('|', {columns}), 0)::numeric))"  # noqa: S608
        f" FROM {table} WHERE {condition})"
        for table, columns, condition in totals
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sums}")
        row = cursor.fetchone()
    return digest(scoring.VERSION, str(LIKED), taxonomy, str(weights.version), str(model.pk), *map(str, row))
