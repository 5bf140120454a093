"""What people want when they write: a few words that stand for it, and the vector of those."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from engine.models import Embedding


class Intent(models.Model):
    """One kind of wish. A message has the intent whose prototype is nearest in meaning, where one is near enough."""

    class State(models.TextChoices):
        PROPOSED = "proposed"  # found in messages; counts for nothing until a person takes it
        USED = "used"
        OFF = "off"

    name = models.CharField(max_length=60, unique=True)
    prototype = models.TextField(max_length=2_000, help_text="sentences that say it, as people write them")
    state = models.CharField(max_length=10, choices=State.choices, default=State.USED)
    counts = models.BooleanField(
        default=True, help_text="whether such a message tells anything of a person; small talk does not"
    )
    made_from = models.PositiveIntegerField(default=0, help_text="messages of the cluster that it was proposed from")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class IntentEmbedding(Embedding):
    subject_name = "intents"
    subject = models.ForeignKey(Intent, on_delete=models.CASCADE, related_name="embeddings", db_index=False)

    class Meta(Embedding.Meta):
        pass
