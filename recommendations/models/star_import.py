"""The list of stars that a person has on GitHub, and how far it was read."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

LEASE = timedelta(seconds=120)  # how long a list stays its reader's without a page; a request may take its patience


class StarImportQuerySet(models.QuerySet["StarImport"]):
    def due(self) -> StarImportQuerySet:
        """Those whose time has come and that nobody reads, the longest waiting first."""
        free = Q(lease_until=None) | Q(lease_until__lte=Now())
        return self.filter(free, next_at__lte=Now()).order_by("next_at")


class StarImport(models.Model):
    """One a person. Only they begin it, and only they end it.

    waiting -> reading -> done, and a day later again; lost: GitHub knows no such list; stopped: they said so.
    found: stars on the list; stored: those of them that are here. pages: of the list when it was last read whole, each
    as [etag, how many stars, the numbers of their repositories]; begun: the pages of the reading that is under way;
    last: how many there are, as far as GitHub says. left_out: repositories whose star they took away here. next_at:
    when it is read next, None never.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        READING = "reading"
        DONE = "done"
        LOST = "lost"
        STOPPED = "stopped"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="star_import"
    )
    login = models.CharField(max_length=39)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    found = models.PositiveIntegerField(default=0)
    stored = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0, help_text="stars that could not be read")
    pages = models.JSONField(default=list, blank=True)
    begun = models.JSONField(default=list, blank=True)
    last = models.PositiveIntegerField(default=0)
    left_out = ArrayField(models.BigIntegerField(), default=list, blank=True)
    error = models.CharField(max_length=300, blank=True, default="")
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True, blank=True, db_default=Now())
    lease_until = models.DateTimeField(null=True, blank=True)
    fetched_at = models.DateTimeField(null=True, blank=True, help_text="when the whole list was last read")

    objects = StarImportQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="star_import_due")]

    def __str__(self) -> str:
        return f"stars of {self.login}"

    @property
    def read(self) -> int:
        """How many stars of the reading under way have come so far."""
        return sum(count for _, count, _ in self.begun)

    @property
    def working(self) -> bool:
        """Whether there is more to come soon."""
        return self.state in (self.State.WAITING, self.State.READING)
