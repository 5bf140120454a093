"""Drafts of recommendations, filled block by block and published whole."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from psycopg.types.json import Jsonb

from engine.bulk import copy_in, copy_in_vectors, copy_into
from engine.ledger import LeaseLost
from engine.models import EmbeddingModel, Run
from engine.vectors import Matrix, digest
from recommendations import ordering, scoring
from recommendations.catalogue import Loaded
from recommendations.inputs import inputs
from recommendations.models import Generation, HybridVector, Profile, Recommendation, Weights
from recommendations.models.taxonomy import load_taxonomy
from recommendations.people import everyone
from recommendations.scoring import COMPONENTS, Person, Positions, Scored

KEPT = 50  # recommendations stored a person
EVERY = 3  # each third place may go to what people stand up for who write alike
BEHIND = "behind what people like who write like you"
COLUMNS = {
    "generation_id": "int8", "user_id": "int4", "project_id": "int8", "rank": "int2", "rank_by_score": "int2",
    "moved_because": "text", "score": "float8", "raw_score": "float8", "components": "jsonb", "parts": "jsonb",
    "stacks": "text[]", "categories": "text[]", "nearest_id": "int8", "cold_start": "bool", "wrote": "jsonb",
}  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """What a new generation would be made from."""

    weights: Weights
    model: EmbeddingModel
    taxonomy: str
    inputs: str
    inputs_at: datetime


BEFORE_ALL_THAT_COMES = """
    SELECT least(clock_timestamp(), min(xact_start)) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()
"""


def wanted() -> Wanted:
    """The present weights, model, taxonomy, and the digest of them and of all rows that count.

    inputs_at: the database's clock before any of it is read, so that a later change is later than it; and no later
    than what is not committed yet was begun, for it is not read and its changes are dated before they can be seen.
    """
    with connection.cursor() as cursor:
        cursor.execute(BEFORE_ALL_THAT_COMES)
        (moment,) = cursor.fetchone()
    weights, model, taxonomy = (
        Weights.objects.current(),
        EmbeddingModel.objects.live(),
        load_taxonomy().version,
    )
    return Wanted(weights, model, taxonomy, inputs(model, weights, taxonomy), moment)


def waiting() -> int:
    """How many people a new generation would serve; 0 when the live one is made from the same."""
    live = Generation.objects.live()
    return 0 if live and live.inputs == wanted().inputs else Profile.objects.count()


def open_draft(fresh: Wanted, fence: int) -> Generation:
    """The draft with those inputs, begun before or new, now this claim's alone to write."""
    draft, _ = Generation.objects.get_or_create(
        state=Generation.State.DRAFT,
        inputs=fresh.inputs,
        defaults={
            "weights": fresh.weights,
            "model": fresh.model,
            "taxonomy": fresh.taxonomy,
            "inputs_at": fresh.inputs_at,
        },
    )
    Generation.objects.take_over(draft, fence)
    draft.refresh_from_db()
    return draft


def fill(draft: Generation, loaded: Loaded, fence: int) -> Iterator[int]:
    """Score everyone from where the draft stopped; yields how many people each block held."""
    formula = draft.weights.formula
    popular = scoring.popular_of(loaded.catalogue, formula)
    cold = scoring.cold_start(loaded.catalogue, loaded.created)
    for block in everyone(loaded, draft.model, after=draft.done_through):
        rows: list[tuple[Any, ...]] = []
        for person in block:
            rows += rows_of(draft, loaded, person, popular, cold)
        add(draft, rows, block[-1].id, fence)
        yield len(block)


def rows_of(
    draft: Generation, loaded: Loaded, person: Person, popular: Matrix, cold: Positions
) -> list[tuple[Any, ...]]:
    """What is recommended to one person, as rows in the order of COLUMNS; nobody gets none."""
    if person.known:
        formula = draft.weights.formula
        found = scoring.best(loaded.catalogue, person, formula, KEPT, popular)
        vouched = loaded.company.vouch(person) if loaded.company else {}
        if vouched:
            among = np.setdiff1d(np.union1d(found.positions, list(vouched)), person.never)
            found = scoring.scored(loaded.catalogue, among[loaded.catalogue.served[among]], person, formula)
            found = found.qualify(formula)
        if len(found.positions):
            return scored_rows(draft, loaded, person, found, vouched)[:KEPT]
    shown = cold[~np.isin(cold, person.never)][:KEPT]
    return [
        (draft.pk, person.id, int(loaded.catalogue.ids[at]), rank, rank, "", *[None] * 4, [], [], None, True, {})
        for rank, at in enumerate(shown, 1)
    ]


def scored_rows(
    draft: Generation, loaded: Loaded, person: Person, found: Scored, vouched: Mapping[int, str] | None = None
) -> list[tuple[Any, ...]]:
    """vouched: positions that people like them stand up for, best first, and in which words."""
    vouched = vouched or {}
    catalogue, score, raw = loaded.catalogue, found.score, found.raw_score
    owners = [loaded.owners[at] for at in found.positions]
    stacks = loaded.stacks.common(person.stacks, catalogue.stacks[found.positions])
    categories = loaded.categories.common(person.categories, catalogue.categories[found.positions])
    variety = f"at most {draft.weights.variety} of one owner are shown"
    order = ordering.varied(owners, draft.weights.top_n, draft.weights.variety)
    places = {int(at): index for index, at in enumerate(found.positions)}
    order = ordering.interleaved(order, [places[at] for at in vouched if at in places], EVERY)
    rows = []
    for rank, index in enumerate(order, 1):
        at, near = int(found.positions[index]), int(found.nearest[index])
        liked = loaded.names[near] if near >= 0 else ""
        moved = "" if rank == index + 1 else vouched.get(at, BEHIND if vouched else variety)
        rows.append((
            draft.pk, person.id, int(catalogue.ids[at]), rank, index + 1, moved,
            float(score[index]), float(raw[index]), named(found.components[index]), named(found.parts[index]),
            stacks[index], categories[index], int(catalogue.ids[near]) if near >= 0 else None, False,
            words_for(person, int(found.spoken[index]), [*stacks[index], *categories[index], liked]),
        ))  # fmt: skip
    return rows


def words_for(person: Person, spoken: int, names: Sequence[str]) -> dict[str, str]:
    """Which words of theirs led to a project: by the name of what they say, by "" what is near in meaning."""
    meaning = {"": person.wrote[spoken]} if spoken >= 0 else {}
    return {**meaning, **{name: person.because[name] for name in names if name in person.because}}


def named(values: Sequence[float]) -> dict[str, float]:
    return dict(zip(COMPONENTS, map(float, values), strict=True))


def add(draft: Generation, rows: Sequence[tuple[Any, ...]], through: int, fence: int) -> None:
    """Write one block. Raises LeaseLost when a later claim has the draft."""
    with transaction.atomic():
        if not Generation.objects.held(draft, fence).update(done_through=through):
            raise LeaseLost(f"{draft} was taken over")
        copy_into(Recommendation._meta.db_table, COLUMNS, [with_json(row) for row in rows])


def with_json(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(Jsonb(value) if isinstance(value, dict) else value for value in row)


def publication(draft: Generation, fence: int) -> Callable[[], None]:
    """What makes the draft the one that readers see; for the runner's transaction."""

    def go_live() -> None:
        Generation.objects.filter(state=Generation.State.LIVE).update(state=Generation.State.RETIRED)
        if not Generation.objects.held(draft, fence).update(state=Generation.State.LIVE, published_at=Now()):
            raise LeaseLost(f"{draft} was taken over")

    return go_live


def refresh_hybrid(loaded: Loaded, model: EmbeddingModel) -> Iterator[int]:
    """Rewrite the hybrid vectors that changed; yields how many, by blocks.

    loaded: with plain vectors. Were the centre taken away, one new project would rewrite them all.
    """
    kept = HybridVector.objects.filter(model=model, slots=loaded.slots)
    known = dict(kept.values_list("project_id", "vector_hash"))
    for at, vectors in scoring.hybrid(loaded.catalogue):
        projects, hashes = loaded.catalogue.ids[at], [digest(vector) for vector in vectors]
        changed = np.array(
            [known.get(int(pk)) != found for pk, found in zip(projects, hashes, strict=True)], dtype=bool
        )
        if changed.any():
            rows = [(int(projects[row]), hashes[row]) for row in np.flatnonzero(changed)]
            yield write_hybrid(rows, vectors[changed], model, loaded.slots)


def write_hybrid(rows: Sequence[tuple[int, str]], vectors: Matrix, model: EmbeddingModel, slots: str) -> int:
    """Store the vectors of those (project, digest), in the same order."""
    with transaction.atomic():
        copy_in("hybrid_hashes", {"id": "bigint", "vector_hash": "text"}, rows)
        copy_in_vectors("hybrid", np.array([project for project, _ in rows], dtype=np.int64), vectors)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO recommendations_hybridvector (project_id, model_id, slots, vector, vector_hash)"
                " SELECT id, %s, %s, vector, vector_hash FROM pg_temp.hybrid JOIN pg_temp.hybrid_hashes USING (id)"
                " ORDER BY id ON CONFLICT (project_id, model_id) DO UPDATE"
                " SET slots = excluded.slots, vector = excluded.vector, vector_hash = excluded.vector_hash",
                [model.pk, slots],
            )
            return cursor.rowcount


def models_read() -> set[int]:
    """The models whose vectors the live generation, or one that is being made, is read with."""
    states = (Generation.State.LIVE, Generation.State.DRAFT)
    return set(Generation.objects.filter(state__in=states).values_list("model", flat=True))


def prune(keep: int) -> int:
    """Delete drafts whose inputs are stale and all but the newest `keep` retired generations; returns how many."""
    retired = Generation.objects.filter(state=Generation.State.RETIRED).order_by("-pk").values_list("pk", flat=True)
    at_work = [run.claim_number for run in Run.objects.filter(state=Run.State.RUNNING, lease_until__gt=Now())]
    live = Generation.objects.live()
    useful = Q(inputs=wanted().inputs) & ~Q(inputs=live.inputs if live else "")
    stale = Q(state=Generation.State.DRAFT) & ~useful & ~Q(fence__in=at_work)
    doomed = Generation.objects.filter(stale | Q(pk__in=list(retired[keep:])))
    count = doomed.count()
    doomed.delete()
    return count
