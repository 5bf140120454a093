"""Vectors that a remote provider made, by what they were made of: the same text is never paid for twice."""

from django.db import models
from pgvector.django import VectorField

from engine.models.embedding_model import EmbeddingModel


class PaidVector(models.Model):
    """One answer of a provider. Two subjects with the same words share it, and words that come back find it again."""

    model = models.ForeignKey(EmbeddingModel, on_delete=models.CASCADE, related_name="+")
    text_hash = models.CharField(max_length=64)
    vector = VectorField()
    used_at = models.DateTimeField(auto_now_add=True, help_text="when a subject took it last")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "text_hash"], name="paid_once")]
        indexes = [models.Index(fields=["used_at"], name="paid_used_at")]

    def __str__(self) -> str:
        return self.text_hash[:8]
