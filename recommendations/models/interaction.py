"""What people did with projects, and what they were shown."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.functions import Now

from recommendations.models.project import Project


class Interaction(models.Model):
    """One kind of act of one user on one project: how often, and when last.

    from_github: a star that their list on GitHub brought, and takes away again when it is no longer on it.
    """

    class Kind(models.TextChoices):
        STAR = "star"
        LIKE = "like"
        SAVE = "save"
        CLICK = "click"
        VIEW = "view"
        DISMISS = "dismiss"

    TASTE = (Kind.STAR, Kind.LIKE, Kind.SAVE)
    KNOWN = (*TASTE, Kind.DISMISS)  # found or refused already: never recommended again

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="interactions", db_index=False
    )
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="interactions")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    at = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)
    from_github = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "project", "kind"], name="interaction_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.kind} {self.project_id}"


class Impression(models.Model):
    """A project shown to a user at a rank. request: what a click is joined to."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="impressions")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="impressions")
    generation = models.ForeignKey("Generation", null=True, on_delete=models.SET_NULL, related_name="impressions")
    request = models.UUIDField()
    weights = models.ForeignKey("Weights", null=True, on_delete=models.SET_NULL, related_name="+")
    source = models.CharField(max_length=20, blank=True, default="", help_text="the page or endpoint that showed it")
    rank = models.PositiveSmallIntegerField()
    shown_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["request", "project"], name="impression_once")]
        indexes = [
            models.Index(fields=["user", "-shown_at"], name="impression_newest"),
            BrinIndex(fields=["shown_at"], name="impression_by_time"),  # rows come in its order, and it costs no write
        ]
        permissions = [("measure_impression", "Can see the rates of what was shown, of all people together")]

    def __str__(self) -> str:
        return f"{self.project_id} shown to {self.user_id} at {self.rank}"


class Response(models.Model):
    """What somebody did with what they were shown, once of each kind. Joined by request, so that its rank is known."""

    impression = models.ForeignKey(Impression, on_delete=models.CASCADE, related_name="responses", db_index=False)
    kind = models.CharField(max_length=10, choices=Interaction.Kind.choices)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["impression", "kind"], name="response_once")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.impression_id}"
