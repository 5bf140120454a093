"""Where a pipeline collects from, how far each question got, and how each server is to be treated."""

from __future__ import annotations

from datetime import date, timedelta

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now


class SourceQuerySet(models.QuerySet["Source"]):
    def on(self, pipeline: str) -> SourceQuerySet:
        return self.filter(pipeline=pipeline, on=True).order_by("name")


class Source(models.Model):
    """Something that a pipeline collects from. Nothing goes out before a person has switched it on."""

    pipeline = models.CharField(max_length=60)
    name = models.CharField(max_length=60)
    on = models.BooleanField(default=False, help_text="whether it is collected from")
    changed_at = models.DateTimeField(auto_now=True)

    objects = SourceQuerySet.as_manager()

    class Meta:
        ordering = ["pipeline", "name"]
        constraints = [models.UniqueConstraint(fields=["pipeline", "name"], name="source_once")]

    def __str__(self) -> str:
        return f"{self.pipeline} from {self.name}"


class FetchQuerySet(models.QuerySet["Fetch"]):
    def of(self, pipeline: str, source: str, day: date | None = None) -> FetchQuerySet:
        """The questions of one partition."""
        return self.filter(pipeline=pipeline, source=source, day=day)

    def open(self) -> FetchQuerySet:
        return self.filter(state=Fetch.State.OPEN)

    def due(self) -> FetchQuerySet:
        """Open ones whose time has come, the first first."""
        ripe = Q(next_attempt_at=None) | Q(next_attempt_at__lte=Now())
        return self.open().filter(ripe).order_by("pk")


class Fetch(models.Model):
    """One question to a source for one partition: how far it got, and why no further.

    open -> complete (the source said that this was all) | split (asked by narrower ones) | left (given up, or the
    source had more than it gave). cursor: the page that is asked for next, in the collector's words.
    """

    class State(models.TextChoices):
        OPEN = "open"
        COMPLETE = "complete"
        SPLIT = "split"
        LEFT = "left"

    pipeline = models.CharField(max_length=60)
    source = models.CharField(max_length=60)
    day = models.DateField(null=True, blank=True)
    query = models.CharField(max_length=1000)
    cursor = models.TextField(blank=True, default="")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    reason = models.CharField(max_length=400, blank=True, default="")
    pages = models.PositiveIntegerField(default=0)
    records = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="faults since the last page")
    rounds = models.PositiveSmallIntegerField(default=0, help_text="how often its source gave less than it has")
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(db_default=Now())

    objects = FetchQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "fetches"
        constraints = [
            models.UniqueConstraint(
                fields=["pipeline", "source", "day", "query"], name="fetch_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return " ".join(filter(None, [self.pipeline, self.source, str(self.day or ""), self.query[:80]]))

    def now(self, **fields: object) -> bool:
        """Keep those, if the row still stands where this copy was read. False: another owner has gone on."""
        still = Fetch.objects.filter(pk=self.pk, cursor=self.cursor, state=self.state, pages=self.pages)
        return bool(still.update(changed_at=Now(), **fields))

    def failed(self, reason: str, wait: float, at_most: int) -> None:
        """A fault: ask again after so many seconds; after that many faults in a row it is left."""
        gives_up = self.attempts + 1 >= at_most
        self.now(
            attempts=F("attempts") + 1,
            reason=reason[:400],
            state=self.State.LEFT if gives_up else self.State.OPEN,
            next_attempt_at=None if gives_up else Now() + timedelta(seconds=wait),
        )


FAILURES = 5  # in a row, after which a server is left alone, and tried again by one request


class Upstream(models.Model):
    """A server, or one of its limits: when it may be asked next, and what it last said about its quota.

    lane: which of its limits; "" is the server as a whole. One request at a time is under way to a server.
    """

    host = models.CharField(max_length=253)
    lane = models.CharField(max_length=60, blank=True, default="")
    per_minute = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0.01), MaxValueValidator(6000)],
        help_text="requests a minute, in place of the collector's own pace",
    )  # fmt: skip
    own_pace = models.FloatField(default=0, help_text="requests a minute that the collector keeps to; 0: no pace")
    next_at = models.DateTimeField(db_default=Now(), help_text="the pace lets no request through before")
    busy_until = models.DateTimeField(null=True, blank=True, help_text="a request is under way, at most until then")
    quiet_until = models.DateTimeField(null=True, blank=True, help_text="no request before then")
    reason = models.CharField(max_length=200, blank=True, default="", help_text="why it is to be left alone")
    failures = models.PositiveIntegerField(default=0, help_text="in a row")
    strikes = models.PositiveSmallIntegerField(default=0, help_text="limits in a row that named no time")
    quota = models.FloatField(null=True, blank=True, help_text="requests in a window")
    remaining = models.FloatField(null=True, blank=True, help_text="of them, in the present one")
    resets_at = models.DateTimeField(null=True, blank=True)
    asked = models.PositiveBigIntegerField(default=0, help_text="requests so far")
    answered_at = models.DateTimeField(null=True, blank=True, help_text="when it last answered well")

    class Meta:
        ordering = ["host", "lane"]
        constraints = [models.UniqueConstraint(fields=["host", "lane"], name="upstream_once")]

    def __str__(self) -> str:
        return f"{self.host} {self.lane}".strip()
