"""How far models are, and how far two of them agree: what a person looks at before a switch."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import F
from django.utils import timezone

from engine.embeddings import filling, registering
from engine.models import Embedding, EmbeddingModel
from engine.vectors import Numbers, agreement, nearer

SAMPLE = 200  # subjects of a table whose neighbours are compared
NEIGHBOURS = 10
AMONG = 50_000  # subjects at most that are looked at for neighbours
BLOCK = 2_000  # of them in memory at a time


# Progress


@dataclass(frozen=True)
class Progress:
    """How far a model is with the texts of one subject. vectors: stored ones; waiting: without that of their present
    words, quarantined ones left out; since: when the oldest of them changed; made: the first and the last vector."""

    subject: str
    texts: int
    vectors: int
    waiting: int
    quarantined: int
    since: datetime | None
    made: tuple[datetime | None, datetime | None]

    @property
    def percent(self) -> int:
        """Of the texts that have the vector of their present words, rounded down."""
        return 100 * (self.texts - self.waiting - self.quarantined) // self.texts if self.texts else 100


def progress() -> Mapping[int, list[Progress]]:
    """By the id of each model, in the order of the tables; by one query however many there are."""
    parts = [
        # The names come from the models.
        f"SELECT {at} AS place, model_id, count(*), count(vector), count(*) FILTER (WHERE {WAITS}),"  # noqa: S608
        f" count(*) FILTER (WHERE vector_hash <> text_hash AND quarantined_at IS NOT NULL),"
        f" min(wanted_at) FILTER (WHERE {WAITS}), min(generated_at), max(generated_at)"
        f" FROM {table._meta.db_table} GROUP BY model_id"
        for at, table in enumerate(filling.tables())
    ]
    found: dict[int, list[Progress]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts) + " ORDER BY place")
        for place, model, texts, vectors, waiting, quarantined, since, *made in cursor.fetchall():
            name = filling.tables()[place].subject_name
            found[model].append(Progress(name, texts, vectors, waiting, quarantined, since, (made[0], made[1])))
    return found


WAITS = "vector_hash <> text_hash AND quarantined_at IS NULL"


# Agreement


def compare(model: EmbeddingModel, other: EmbeddingModel) -> dict[str, Any]:
    """Measure how far the first agrees with the other, and keep it with the first: what was found, with date and size.

    Memory is bounded by the block, time by how many subjects are looked at.
    """
    subjects = {table.subject_name: found for table in filling.tables() if (found := agreed(table, model, other))}
    told = {"model": other.pk, "name": str(other), "at": timezone.now().isoformat(), "subjects": subjects}
    model.refresh_from_db()
    EmbeddingModel.objects.filter(pk=model.pk).update(figures={**model.figures, "agreement": told})
    return told


def agreed(table: type[Embedding], model: EmbeddingModel, other: EmbeddingModel) -> dict[str, Any] | None:
    """The share of common nearest neighbours of a sample of subjects; None with too few that both have."""
    ids = common(table, model, other)
    if len(ids) <= NEIGHBOURS:
        return None
    sample = spread(ids, SAMPLE)
    near = [neighbours(table, each, ids, sample) for each in (model, other)]
    return {"share": round(agreement(*near), 4), "sample": len(sample), "among": len(ids)}


def common(table: type[Embedding], model: EmbeddingModel, other: EmbeddingModel) -> Numbers:
    """Subjects that have the vector of their present words by both, at most AMONG, the same each time."""
    rows: Any = table.objects  # whose subject subclasses name
    current = rows.filter(vector__isnull=False, vector_hash=F("text_hash"))
    both = current.filter(model=model, subject__in=current.filter(model=other).values("subject"))
    return spread(np.array(both.order_by("subject").values_list("subject", flat=True), dtype=np.int64), AMONG)


def spread(ids: Numbers, count: int) -> Numbers:
    """At most so many of them, evenly."""
    return ids if len(ids) <= count else ids[np.linspace(0, len(ids) - 1, count).astype(np.int64)]


def neighbours(table: type[Embedding], model: EmbeddingModel, ids: Numbers, sample: Numbers) -> Numbers:
    """The ids of those nearest to each of the sample, itself left out. (n, NEIGHBOURS)."""
    asked = table.objects.vectors_of(model, sample)
    held = np.zeros((len(sample), 0), dtype=np.int64), np.zeros((len(sample), 0), dtype=np.float32)
    for block in blocks(ids):
        cosines = asked @ table.objects.vectors_of(model, block).T
        cosines[sample[:, None] == block[None, :]] = -2  # itself
        held = nearer(held, block, cosines, NEIGHBOURS)
    return held[0]


def blocks(ids: Numbers) -> Iterator[Numbers]:
    for start in range(0, len(ids), BLOCK):
        yield ids[start : start + BLOCK]


def by_clock() -> str:
    """For the schedule: each model that is kept fresh beside the live one is compared with it."""
    registering.describe()
    live = EmbeddingModel.objects.live()
    beside = list(EmbeddingModel.objects.fresh().exclude(pk=live.pk))
    for model in beside:
        compare(model, live)
    return f"{len(beside)} models compared"
