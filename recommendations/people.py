"""People as arrays, to be compared with the catalogue: what they say, do, refuse and wrote."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from django.contrib.auth.models import User

from engine.models import EmbeddingModel
from engine.postgresql import prepared
from engine.vectors import Matrix
from recommendations import scoring, spoken
from recommendations.catalogue import Loaded, Terms
from recommendations.models import Interaction, MessageEmbedding, Profile, ProfileEmbedding
from recommendations.scoring import Catalogue, Person, Positions
from recommendations.spoken import Heard

LIKED = 256  # so many of what a person liked are compared with each project
PEOPLE_AT_ONCE = 64

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


def everyone(loaded: Loaded, model: EmbeddingModel, after: int = 0) -> Iterator[list[Person]]:
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
    texts = scoring.centred(ProfileEmbedding.objects.vectors_of(model, ids), loaded.catalogue.centre)
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
            never=together(
                never.get(int(pk), none),
                owned.get(int(pk), none),
                left_out(loaded.catalogue.categories, categories.refused[row], categories.theirs[row]),
                left_out(loaded.catalogue.stacks, stacks.refused[row], stacks.theirs[row]),
            ),
        )
        for row, pk in enumerate(ids)
    ]
    return with_words(loaded, model, people, heard) if heard else people


def together(*positions: Positions) -> Positions:
    """Each position once, ascending."""
    return np.unique(np.concatenate(positions))


def with_words(
    loaded: Loaded, model: EmbeddingModel, people: Sequence[Person], heard: Mapping[int, Heard]
) -> list[Person]:
    """The same people with what they wrote; the vectors of all their messages by one query."""
    ids = np.unique(np.array([pk for each in heard.values() for pk in each.messages], dtype=np.int64))
    plain = MessageEmbedding.objects.vectors_of(model, ids) if len(ids) else None
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
