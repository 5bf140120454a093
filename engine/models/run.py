"""The ledger: what ran, what waits, and what a person did about it."""

from __future__ import annotations

from datetime import date

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from engine.models.source import Source


class RunQuerySet(models.QuerySet["Run"]):
    def of(self, pipeline: str, day: date | None = None, source: str = "") -> RunQuerySet:
        """The runs of one partition."""
        return self.filter(pipeline=pipeline, day=day, source=source)

    def live(self) -> RunQuerySet:
        return self.filter(state__in=Run.LIVE)

    def due(self) -> RunQuerySet:
        """Waiting runs whose time has come, the one that waits longest first; none of a source that is off."""
        ripe = Q(next_attempt_at=None) | Q(next_attempt_at__lte=Now())
        off = Source.objects.filter(pipeline=OuterRef("pipeline"), name=OuterRef("source"), on=False)
        return self.filter(ripe, ~Exists(off), state=Run.State.WAITING).order_by("created_at")


class Run(models.Model):
    """One pass of a pipeline over one partition. waiting -> running -> done | partly; a fault -> waiting again,
    with a later `next_attempt_at`, and after five claims without progress -> quarantined, until a person asks.

    The claim raises `fence`: whatever an earlier claim still does is refused from then on.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        PARTLY = "partly"
        QUARANTINED = "quarantined"

    LIVE = (State.WAITING, State.RUNNING, State.QUARANTINED)

    pipeline = models.CharField(max_length=60)
    source = models.CharField(max_length=60, blank=True, default="")
    day = models.DateField(null=True, blank=True)
    stages = models.JSONField(default=list, blank=True, help_text="only these; all of them when empty")
    force = models.BooleanField(default=False, help_text="work even where nothing changed")
    forced_from = models.PositiveIntegerField(default=0, help_text="the fence since which force is asked for")
    state = models.CharField(max_length=12, choices=State.choices, default=State.WAITING)
    owner = models.CharField(max_length=80, blank=True, default="")
    lease_until = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="claims since the last progress")
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    rung_at = models.DateTimeField(null=True, blank=True, help_text="when the queue was last told of it")
    counts = models.JSONField(default=dict, blank=True)
    inputs = models.CharField(max_length=64, blank=True, default="", help_text="digest of what it is made from")
    error = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["pipeline", "source", "day"],
                name="one_live_run_per_partition",
                condition=Q(state__in=["waiting", "running", "quarantined"]),
                nulls_distinct=False,
            )
        ]
        indexes = [
            models.Index(fields=["pipeline", "source", "day", "-id"], name="runs_of_a_partition"),
            models.Index(fields=["pipeline", "source", "-id"], name="runs_of_a_source"),
        ]

    def __str__(self) -> str:
        return " ".join(filter(None, [self.pipeline, self.source, str(self.day or "")]))

    @property
    def postponed(self) -> bool:
        """It waits for a server that wants to be left alone, through no fault."""
        return self.state == self.State.WAITING and self.attempts == 0 and self.next_attempt_at is not None

    @property
    def claim_number(self) -> int:
        """Greater with every claim, over all runs: what a draft compares."""
        return (self.pk << 20) + self.fence


class Step(models.Model):
    """One stage of one claim of a run. An earlier claim's unfinished step is `lost`."""

    class State(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        LOST = "lost"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps", db_index=False)
    name = models.CharField(max_length=60)
    fence = models.PositiveIntegerField()
    state = models.CharField(max_length=12, choices=State.choices, default=State.RUNNING)
    total = models.PositiveIntegerField(default=0, help_text="what waited when it began")
    counts = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True, default="")
    cpu_seconds = models.FloatField(default=0)
    peak_memory = models.PositiveBigIntegerField(default=0, help_text="of the process so far, bytes")
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "name", "fence"], name="one_step_per_claim")]
        indexes = [models.Index(fields=["name", "-id"], name="steps_of_a_stage")]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.run} {self.name}"


class Audit(models.Model):
    """What a person did to the ledger by hand. Rows are only added."""

    actor = models.CharField(max_length=150)
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=150)
    note = models.TextField(blank=True, default="", help_text="what it was like before")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.subject}"
