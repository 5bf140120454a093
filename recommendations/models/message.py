"""What users wrote in conversations."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from engine.models import Embedding, EmbeddingModel


class MessageQuerySet(models.QuerySet["Message"]):
    def to_read(self, mark: str) -> MessageQuerySet:
        """Those that were not read with that; asked so that an index answers."""
        return self.filter(Q(read_with__lt=mark) | Q(read_with__gt=mark))

    def to_compare(self, mark: str, model: EmbeddingModel) -> MessageQuerySet:
        """Those with a vector of that model that were not compared with these intents."""
        vectors = MessageEmbedding.objects.filter(subject=OuterRef("pk"), model=model, vector__isnull=False)
        return self.filter(Q(compared_with__lt=mark) | Q(compared_with__gt=mark), Exists(vectors))


class Message(models.Model):
    """One message. message_id is the sender's, or derived from user, time and text, so that none comes twice."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="messages")
    message_id = models.CharField(max_length=100, unique=True)
    text = models.TextField()
    said_at = models.DateTimeField()
    stored_at = models.DateTimeField(db_default=Now())
    intent = models.ForeignKey(
        "recommendations.Intent", models.SET_NULL, null=True, blank=True, related_name="messages",
        help_text="what they want, when a prototype is near enough",
    )  # fmt: skip
    nearness = models.FloatField(null=True, blank=True, help_text="cosine to that intent's prototype")
    read_with = models.CharField(
        max_length=64, blank=True, default="", help_text="digest of the taxonomy that its facts were read with"
    )
    compared_with = models.CharField(
        max_length=64, blank=True, default="", help_text="digest of the intents that its vector was compared with"
    )

    objects = MessageQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["user", "-said_at"], name="message_newest"),
            models.Index(fields=["read_with"], name="message_read_with"),
            models.Index(fields=["compared_with"], name="message_compared_with"),
        ]

    def __str__(self) -> str:
        return self.message_id


class MessageEmbedding(Embedding):
    subject_name = "messages"
    subject = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="embeddings", db_index=False)

    class Meta(Embedding.Meta):
        pass
