"""Vectors that a remote provider made, by what they were made of: the same text is never paid for twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from django.db import connection, models
from pgvector.django import VectorField

from engine.bulk import copy_in_vectors, copy_out_vectors
from engine.models.embedding_model import EmbeddingModel
from engine.vectors import Matrix


class PaidVectorManager(models.Manager["PaidVector"]):
    def known(self, model: EmbeddingModel, hashes: Sequence[str]) -> dict[str, Matrix]:
        """The vectors (d,) of those texts that were paid for; one query."""
        query = """
            SELECT array_position(%s::varchar[], text_hash)::bigint, vector FROM engine_paidvector
            WHERE model_id = %s AND text_hash = ANY(%s::varchar[])
        """
        given = list(hashes)
        places, vectors = copy_out_vectors(query, [given, model.pk, given], model.dimensions)
        return {given[place - 1]: vector for place, vector in zip(places, vectors, strict=True)}

    def keep(self, model: EmbeddingModel, hashes: Sequence[str], vectors: Matrix) -> None:
        """Store what was paid for. To be called in a transaction. In one order, else two at once would wait in turn."""
        copy_in_vectors("paid", np.arange(1, len(hashes) + 1), vectors)
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO engine_paidvector (model_id, text_hash, vector, used_at)
                SELECT %s, (%s::varchar[])[p.id], p.vector, now() FROM pg_temp.paid p ORDER BY 2
                ON CONFLICT (model_id, text_hash) DO NOTHING
                """,
                [model.pk, list(hashes)],
            )

    def use(self, model: EmbeddingModel, hashes: Sequence[str]) -> None:
        """Note that those are of use still; once a day is enough. In one order, as above."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE engine_paidvector SET used_at = now() WHERE id IN (
                    SELECT id FROM engine_paidvector
                    WHERE model_id = %s AND text_hash = ANY(%s::varchar[]) AND used_at < now() - interval '1 day'
                    ORDER BY text_hash FOR UPDATE)
                """,
                [model.pk, list(hashes)],
            )


class PaidVector(models.Model):
    """One answer of a provider. Two subjects with the same words share it, and words that come back find it again."""

    model = models.ForeignKey(EmbeddingModel, on_delete=models.CASCADE, related_name="+")
    text_hash = models.CharField(max_length=64)
    vector = VectorField()
    used_at = models.DateTimeField(auto_now_add=True, help_text="when a subject took it last")

    objects = PaidVectorManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "text_hash"], name="paid_once")]
        indexes = [models.Index(fields=["used_at"], name="paid_used_at")]

    def __str__(self) -> str:
        return self.text_hash[:8]
