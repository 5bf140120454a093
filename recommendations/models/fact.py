"""What was understood of what a person wrote, each with the sentence that says it."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from recommendations.models.message import Message
from recommendations.models.project import Project
from recommendations.models.taxonomy import Category, TechStack


class Fact(models.Model):
    """One thing that a person's messages say of them: a stack, a category, a project or a free interest.

    A deleted one stays as a row that counts for nothing, so that the same words do not bring it back.
    """

    class State(models.TextChoices):
        HEARD = "heard"
        MUTED = "muted"  # shown, and counts for nothing
        PINNED = "pinned"  # counts as if they had said it in their profile
        DELETED = "deleted"

    COUNTS = (State.HEARD, State.PINNED)

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="facts", db_index=False)
    stack = models.ForeignKey(TechStack, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    category = models.ForeignKey(Category, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    interest = models.CharField(max_length=80, blank=True, default="")
    message = models.ForeignKey(
        Message, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", help_text="the newest that says it"
    )
    sentence = models.CharField(max_length=400, help_text="of that message, as it was written")
    confidence = models.FloatField()
    count = models.PositiveIntegerField(default=1, help_text="messages that say it")
    state = models.CharField(max_length=10, choices=State.choices, default=State.HEARD)
    said_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "stack", "category", "project", "interest"], name="fact_once", nulls_distinct=False
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.stack or self.category or self.project or self.interest}"


class Saying(models.Model):
    """That a message says a fact. What a fact shows is added up from these, so a message counts once and can go."""

    fact = models.ForeignKey(Fact, on_delete=models.CASCADE, related_name="sayings", db_index=False)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="sayings")
    sentence = models.CharField(max_length=400)
    confidence = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["fact", "message"], name="saying_once")]

    def __str__(self) -> str:
        return self.sentence
