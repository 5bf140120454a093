"""Texts and their vectors, which live beside their subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Exists, F, Q
from django.db.models.functions import Cast, Now
from pgvector import HalfVector
from pgvector.django import CosineDistance, HalfVectorField, VectorField

from engine.bulk import copy_in, copy_in_vectors, copy_out_vectors
from engine.models.embedding_model import EmbeddingModel
from engine.owner import claimant, owner
from engine.postgresql import neighbours
from engine.text import clip, text_hash
from engine.vectors import Matrix, Numbers, unit


class Claimed(NamedTuple):
    """One text that waits for its vector, held under a lease."""

    id: int
    text: str


class EmbeddingQuerySet(models.QuerySet[Any]):
    COMPANY = 4  # a text whose claim died comes back in a batch a fourth of the size: 256, 64, 16, 4, 1
    DEATHS = 5  # so many claims died with it, the last of them with it alone: it waits for a person

    def waiting(self, model: EmbeddingModel) -> EmbeddingQuerySet:
        """Texts without a vector of their present words, quarantined ones left out."""
        return self.filter(~Q(vector_hash=F("text_hash")), model=model, quarantined_at=None)

    def want(self, texts: Mapping[int, str]) -> int:
        """Say which text each subject has now; "" means none, and takes its row away. Returns the rows changed.

        The only writer of `text` and `text_hash`, to be called in the transaction that changed the subject.
        A changed text ends the lease of whoever embeds the old one; the old vector serves until the new comes.
        """
        table = self.model._meta.db_table
        rows = [(subject, clip(text), text_hash(clip(text))) for subject, text in sorted(texts.items()) if text]
        gone = [subject for subject, text in texts.items() if not text]
        EmbeddingModel.objects.live()
        with transaction.atomic():
            changed = self.filter(subject__in=gone).delete()[0] if gone else 0
            copy_in("wanted", {"subject_id": "bigint", "text": "text", "text_hash": "text"}, rows)
            with connection.cursor() as cursor:
                cursor.execute(EmbeddingModel.objects.WANTING)
                cursor.execute(
                    f"""
                    INSERT INTO {table} (subject_id, model_id, text, text_hash, vector_hash, attempts, lease, error)
                    SELECT w.subject_id, m.id, w.text, w.text_hash, '', 0, '', ''
                    FROM pg_temp.wanted w CROSS JOIN engine_embeddingmodel m
                    WHERE m.state <> 'retired' AND NOT EXISTS (
                        SELECT FROM {table} e
                        WHERE e.subject_id = w.subject_id AND e.model_id = m.id AND e.text_hash = w.text_hash)
                    ORDER BY w.subject_id
                    ON CONFLICT (subject_id, model_id) DO UPDATE
                    SET text = excluded.text, text_hash = excluded.text_hash, wanted_at = now(),
                        attempts = 0, lease = '', lease_until = NULL, next_attempt_at = NULL, quarantined_at = NULL,
                        skipped_at = NULL, error = ''
                    WHERE {table}.text_hash <> excluded.text_hash
                    """  # noqa: S608  the table's name comes from the model
                )
                return int(changed + cursor.rowcount)

    def nearest(self, model: EmbeddingModel, vector: Matrix, count: int) -> list[tuple[int, float]]:
        """The subjects nearest in meaning to a unit vector (d,): (id, cosine distance), nearest first.

        Exact, but where the table has an index of that model. A filter that leaves too little of what the index finds
        is answered exactly too.
        """
        near = self.filter(model=model, vector__isnull=False).annotate(distance=CosineDistance("vector", vector))
        if neighbours.ready(self.model._meta.db_table, model.pk):
            found = near.by_index(model, vector, 2 * count)
            if len(found) >= count:
                return found[:count]
        return list(near.order_by("distance", "subject").values_list("subject", "distance")[:count])

    def vectors_of(self, model: EmbeddingModel, subjects: Numbers) -> Matrix:
        """The unit vectors of those subjects (ids ascending), a zero row where there is none. (n,) -> (n, d).

        Of the whole table, whatever it is filtered by.
        """
        found, vectors = copy_out_vectors(
            f"SELECT subject_id::bigint, vector FROM {self.model._meta.db_table}"  # noqa: S608  the model's own name
            " WHERE model_id = %s AND vector IS NOT NULL AND subject_id = ANY(%s) ORDER BY subject_id",
            [model.pk, subjects.tolist()],
            model.dimensions,
        )
        matrix = np.zeros((len(subjects), model.dimensions), dtype=np.float32)
        matrix[np.searchsorted(subjects, found)] = unit(vectors)
        return matrix

    def by_index(self, model: EmbeddingModel, vector: Matrix, count: int) -> list[tuple[int, float]]:
        """About the nearest, by half the precision, in the order of all of it. Of rows with their `distance`."""
        half = Cast("vector", HalfVectorField(dimensions=model.dimensions))
        rows = self.order_by(CosineDistance(half, HalfVector(vector))).values_list("subject", "distance")
        with transaction.atomic():
            neighbours.search_widely()
            return sorted(rows[:count], key=lambda row: (row[1], row[0]))

    def due(self, model: EmbeddingModel) -> EmbeddingQuerySet:
        """Waiting texts that nobody holds; none of a model that is paused."""
        return self.waiting(model).filter(
            Q(lease_until=None) | Q(lease_until__lt=Now()),
            Q(next_attempt_at=None) | Q(next_attempt_at__lte=Now()),
            Exists(EmbeddingModel.objects.filter(pk=model.pk, paused_at=None)),
        )

    def leased(self, model: EmbeddingModel) -> EmbeddingQuerySet:
        """Waiting texts that somebody embeds at this moment."""
        return self.waiting(model).filter(lease_until__gte=Now())

    def bury(self, model: EmbeddingModel, count: int) -> int:
        """Quarantine texts whose claims keep dying, the last with the text alone in it; returns how many.

        count: the size of a full batch, as for `claim`.
        """
        alone = self.DEATHS
        while count // self.COMPANY ** (alone - 1) > 1:
            alone += 1
        error = f"at least {alone} claims of it ended without an answer"
        return self.due(model).filter(attempts__gte=alone).update(quarantined_at=Now(), error=error, lease="")

    def claim(self, model: EmbeddingModel, count: int) -> tuple[str, list[Claimed]]:
        """Lease up to `count` waiting texts, those fewest times tried first, newest first; (lease, texts)."""
        table, lease = self.model._meta.db_table, owner()
        tried = self.due(model).aggregate(least=models.Min("attempts"))["least"]
        if tried is None:
            return lease, []
        company = max(1, count // self.COMPANY**tried)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"""
                WITH mine AS MATERIALIZED (
                    SELECT id FROM {table}
                    WHERE vector_hash <> text_hash AND model_id = %s AND quarantined_at IS NULL AND attempts = %s
                      AND (lease_until IS NULL OR lease_until < now())
                      AND (next_attempt_at IS NULL OR next_attempt_at <= now())
                      AND EXISTS (SELECT FROM engine_embeddingmodel WHERE id = %s AND paused_at IS NULL)
                    ORDER BY id DESC LIMIT %s FOR UPDATE SKIP LOCKED)
                UPDATE {table} e SET lease = %s, lease_until = now() + %s::interval, attempts = e.attempts + 1
                FROM mine WHERE e.id = mine.id RETURNING e.id, e.text
                """,  # noqa: S608  the table's name comes from the model
                [model.pk, tried, model.pk, company, lease, f"{settings.TIMING.longest_block} seconds"],
            )
            return lease, [Claimed(*row) for row in cursor.fetchall()]

    def keep(self, lease: str, ids: list[int], vectors: Matrix) -> int:
        """Store the vectors of those rows whose lease is still held; returns how many."""
        table = self.model._meta.db_table
        with transaction.atomic():
            used = self.filter(pk__in=ids[:1]).values("model")
            EmbeddingModel.objects.filter(pk__in=used, used_at=None).update(used_at=Now())
            copy_in_vectors("embedded", np.asarray(ids, dtype=np.int64), vectors)
            with connection.cursor() as cursor:
                cursor.execute(
                    f"""
                    UPDATE {table} e SET vector = v.vector, vector_hash = e.text_hash, generated_at = now(),
                        attempts = 0, lease = '', lease_until = NULL, next_attempt_at = NULL, error = ''
                    FROM pg_temp.embedded v WHERE e.id = v.id AND e.lease = %s
                    """,  # noqa: S608  the table's name comes from the model
                    [lease],
                )
                return cursor.rowcount

    def refuse(self, lease: str, ids: list[int], reason: str) -> int:
        """Quarantine rows that failed alone: they wait for a person, or for another text."""
        return self.filter(pk__in=ids, lease=lease).update(
            quarantined_at=Now(), error=reason[:500], lease="", lease_until=None
        )

    def hand_back(self) -> int:
        """These rows as they were before their claim, which does not count; returns how many."""
        return self.update(lease="", lease_until=None, attempts=F("attempts") - 1)

    def release(self, lease: str, ids: list[int]) -> int:
        """Hand rows of one claim back."""
        return self.filter(pk__in=ids, lease=lease).hand_back()

    def free(self, group: str, guilty: Sequence[int]) -> int:
        """Take back what the processes of an ended worker group held; returns the rows.

        guilty: the processes that ended by themselves. Their claims count, and come again in smaller company;
        the others were ended by the watchdog, and theirs do not.
        """
        held = self.filter(~Q(vector_hash=F("text_hash")), lease__contains=f":{group}:")
        theirs = Q(pk__in=[])
        for process in guilty:
            theirs |= Q(lease__contains=f":{group}:{process}:")
        died = held.filter(theirs).update(lease="", lease_until=None)
        return died + held.hand_back()

    def release_own(self, whose: str = "") -> int:
        """Hand back what this thread still holds from a batch that the database cut off; returns the rows.

        whose: the claimant, where it is another thread's.
        """
        return self.filter(~Q(vector_hash=F("text_hash")), lease__startswith=whose or claimant()).hand_back()

    def quarantined(self) -> EmbeddingQuerySet:
        """Texts that a model refused and that wait for a person."""
        return self.filter(~Q(vector_hash=F("text_hash")), quarantined_at__isnull=False, skipped_at=None)

    def again(self) -> int:
        """Give quarantined texts another chance, and skipped ones where they are among these rows; returns how many."""
        return self.exclude(quarantined_at=None).update(
            quarantined_at=None, skipped_at=None, attempts=0, error="", lease="", lease_until=None, next_attempt_at=None
        )

    def skip(self) -> int:
        """Give quarantined texts up until their words change; returns how many."""
        return self.quarantined().update(skipped_at=Now())


class Embedding(models.Model):
    """The text of one subject and its vector by one model. Waiting while `vector_hash` is not `text_hash`.

    Subclasses name `subject` (a foreign key, without an index: the constraint has one) and `subject_name` (the
    word of `--subject`).
    """

    subject_name: ClassVar[str]

    model = models.ForeignKey(EmbeddingModel, on_delete=models.CASCADE, related_name="+")
    text = models.TextField()
    text_hash = models.CharField(max_length=64)
    wanted_at = models.DateTimeField(db_default=Now(), help_text="since when the text is this one")
    vector = VectorField(null=True, blank=True)
    vector_hash = models.CharField(max_length=64, blank=True, default="")
    generated_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    lease = models.CharField(max_length=80, blank=True, default="")
    lease_until = models.DateTimeField(null=True, blank=True)
    quarantined_at = models.DateTimeField(null=True, blank=True)
    skipped_at = models.DateTimeField(null=True, blank=True, help_text="a quarantined text that a person gave up")
    error = models.TextField(blank=True, default="")

    objects = EmbeddingQuerySet.as_manager()

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(fields=["subject", "model"], name="%(class)s_once"),
        ]
        indexes = [
            models.Index(
                fields=["model", "attempts", "-id"],
                name="%(class)s_waiting",
                condition=~Q(vector_hash=F("text_hash")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject_name} {self.pk}"
