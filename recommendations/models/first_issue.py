"""Issues that projects offer to newcomers, and when each project was last asked for them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from recommendations.models.project import Project
from recommendations.taking import Known, Readiness, readiness

SHOWN = timedelta(days=2)  # what was not looked at for longer is shown to nobody
FRESH = timedelta(minutes=15)  # what was looked at within is shown as it is


class FirstIssueQuerySet(models.QuerySet["FirstIssue"]):
    def offered(self) -> FirstIssueQuerySet:
        """Open ones of projects that are kept, looked at within two days."""
        kept = Project.objects.offered()
        return self.filter(state=FirstIssue.State.OPEN, checked_at__gt=Now() - SHOWN, project__in=kept)

    def takeable(self) -> FirstIssueQuerySet:
        """Of those the ones that nothing stands in the way of, the readiest first."""
        return self.offered().filter(score__gt=0).order_by("-score", "-pk")

    def with_project(self) -> FirstIssueQuerySet:
        """With what a row shows of its project and is judged by."""
        long = ("readme", "search", "languages")
        return self.select_related("project__activity").defer("search", *(f"project__{name}" for name in long))

    def stale(self) -> FirstIssueQuerySet:
        """Those not looked at lately, nor asked about: what was asked for in vain is left alone as long."""
        quiet = Q(asked_at=None) | Q(asked_at__lte=Now() - FRESH)
        return self.filter(quiet, checked_at__lte=Now() - FRESH)


class FirstIssue(models.Model):
    """An issue with a label that invites, as it stood when it was last looked at.

    names: its labels brought to one spelling. assignees, pulls: how many; pulls are open ones that would close it.
    claimed_at: when somebody last said that they take it. body: characters of its text. score: its readiness at
    checked_at, to order by. asked_at: when its state was last asked for, answered or not.
    """

    class State(models.TextChoices):
        OPEN = "open"
        CLOSED = "closed"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="first_issues", db_index=False)
    number = models.PositiveIntegerField()
    node_id = models.CharField(max_length=100)
    title = models.TextField()
    labels = ArrayField(models.TextField(), default=list)
    names = ArrayField(models.TextField(), default=list)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    locked = models.BooleanField(default=False)
    assignees = models.PositiveSmallIntegerField(default=0)
    pulls = models.PositiveSmallIntegerField(default=0)
    comments = models.PositiveIntegerField(default=0)
    claimed_at = models.DateTimeField(null=True, blank=True)
    author_association = models.CharField(max_length=30, blank=True, default="")
    body = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField()
    asked_at = models.DateTimeField(null=True, blank=True)
    score = models.FloatField(default=0)
    search = models.GeneratedField(
        expression=SearchVector("title", config="english"), output_field=SearchVectorField(), db_persist=True
    )

    objects = FirstIssueQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="first_issue_once")]
        indexes = [
            models.Index(fields=["-score", "-id"], condition=Q(state="open"), name="first_issue_readiest"),
            GinIndex(fields=["names"], name="first_issue_names"),
            GinIndex(fields=["search"], name="first_issue_search"),
        ]

    def __str__(self) -> str:
        return f"{self.project}#{self.number}"

    @property
    def url(self) -> str:
        """Where it is. Made of names and numbers that were checked."""
        return f"{self.project.url}/issues/{self.number}"

    @property
    def ready(self) -> Readiness:
        """As it stood when it was last looked at."""
        return readiness(self.known, self.checked_at)

    @property
    def known(self) -> Known:
        project = self.project
        activity = getattr(project, "activity", None)
        return Known(
            open=self.state == self.State.OPEN,
            locked=self.locked,
            assignees=self.assignees,
            pulls=self.pulls,
            claimed_at=self.claimed_at,
            updated_at=self.updated_at,
            body=self.body,
            pushed_at=project.pushed_at,
            response_hours=activity.response_hours if activity else None,
            kept=not (project.is_archived or project.is_disabled or project.gone_at),
        )

    def is_stale(self, now: datetime) -> bool:
        """Whether it is worth asking for how it stands."""
        return now - self.checked_at > FRESH and (self.asked_at is None or now - self.asked_at > FRESH)


class FirstIssueCheck(models.Model):
    """That a project was asked for its first issues. found: how many there were; reason: why it could not be had."""

    project = models.OneToOneField(
        Project, on_delete=models.CASCADE, primary_key=True, related_name="first_issue_check"
    )
    asked_at = models.DateTimeField()
    found = models.PositiveIntegerField(null=True, blank=True)
    reason = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        indexes = [models.Index(F("asked_at"), name="first_issue_check_oldest")]

    def __str__(self) -> str:
        return f"first issues of {self.project_id}"
