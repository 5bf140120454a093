"""Subjects that an operator promotes, and who took them up."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from recommendations.models.intent import Intent


class Campaign(models.Model):
    """A named subject. Its kind and id say which; whoever knows that kind resolves it (ostsite/bridge.py)."""

    class Kind(models.TextChoices):
        PROJECT = "project"
        CATEGORY = "category"
        STACK = "stack"
        ISSUE = "issue"

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    subject = models.BigIntegerField(help_text="the id of what is promoted")
    begins_at = models.DateTimeField(db_default=Now())
    ends_at = models.DateTimeField(null=True, blank=True)
    promoted_by = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Engagement(models.Model):
    """An edge User-Intent-Campaign: how often somebody took a campaign up with that intent, and when last."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="engagements")
    intent = models.ForeignKey(Intent, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    count = models.PositiveIntegerField(default=1)
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "campaign", "intent"], name="engagement_once", nulls_distinct=False
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.campaign_id} {self.count}"
