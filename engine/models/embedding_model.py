"""Which model makes the vectors: one is live, others may fill beside it until a switch."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Q
from django.db.models.functions import Now


class EmbeddingModelManager(models.Manager["EmbeddingModel"]):
    # Whoever says which texts there are holds the first of these to the end of the transaction, whoever changes which
    # models there are the second: they wait for each other, and nobody who only reads waits for either.
    WANTING = "LOCK TABLE engine_embeddingmodel IN ROW EXCLUSIVE MODE"
    CHANGING = "LOCK TABLE engine_embeddingmodel IN SHARE ROW EXCLUSIVE MODE"

    def live(self) -> EmbeddingModel:
        """The one model whose vectors are served. The first ever wanted is live at once."""
        found = self.filter(state=EmbeddingModel.State.LIVE).first()
        if found is None:
            return self.wanted()
        wanted = self.named_by_settings()
        differs = any(getattr(found, name) != value for name, value in wanted.items())
        if differs and found.used_at is None and not self.filter(**wanted).exists():
            self.filter(pk=found.pk, used_at=None).update(**wanted)  # it never made a vector: a mistake, perhaps
            found.refresh_from_db()
        return found

    def fresh(self) -> models.QuerySet[EmbeddingModel]:
        """Those whose texts are kept as they are now: the live one first, then the newest."""
        live = models.Case(models.When(state=EmbeddingModel.State.LIVE, then=0), default=1)
        return self.exclude(state=EmbeddingModel.State.RETIRED).order_by(live, "-pk")

    def named_by_settings(self) -> dict[str, Any]:
        return {
            "provider": settings.EMBEDDING_PROVIDER,
            "name": settings.MODEL_NAME if settings.EMBEDDING_PROVIDER == "local" else settings.EMBEDDING_MODEL,
            "dimensions": settings.MODEL_DIMENSIONS,
        }

    def wanted(self) -> EmbeddingModel:
        """The model that the settings name; registered as filling when another one is live, as yet without texts."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(self.CHANGING)
            live = self.filter(state=EmbeddingModel.State.LIVE).exists()
            first = {"state": EmbeddingModel.State.LIVE, "live_since": Now(), "put_live_by": "the settings"}
            return self.get_or_create(**self.named_by_settings(), defaults={} if live else first)[0]


class EmbeddingModel(models.Model):
    """A model whose vectors are kept. One is live; another may fill beside it until a switch."""

    class State(models.TextChoices):
        FILLING = "filling"
        LIVE = "live"
        RETIRED = "retired"

    name = models.CharField(max_length=200)
    provider = models.CharField(max_length=30)
    dimensions = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.FILLING)
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True, blank=True, help_text="when its first vector was stored")
    paused_at = models.DateTimeField(null=True, blank=True, help_text="since when nobody embeds with it")
    live_since = models.DateTimeField(null=True, blank=True, help_text="when it was put live last")
    put_live_by = models.CharField(max_length=150, blank=True, default="")
    replaced = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="+", help_text="the model that was live before it"
    )
    checksum = models.CharField(max_length=64, blank=True, default="", help_text="SHA-256 of its weights, where known")
    parameters = models.JSONField(blank=True, default=dict, help_text="precision, runtime, tokens at most")
    figures = models.JSONField(blank=True, default=dict, help_text="what was measured of it, and when")

    objects = EmbeddingModelManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "name", "dimensions"], name="embedding_model_once"),
            models.UniqueConstraint(fields=["state"], condition=Q(state="live"), name="one_live_embedding_model"),
            models.CheckConstraint(condition=Q(dimensions__range=(1, 2000)), name="dimensions_an_index_takes"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.dimensions})"
