"""The worker groups and what was noticed about the machinery."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import models
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

logger = structlog.get_logger(__name__)


class WorkerGroupQuerySet(models.QuerySet["WorkerGroup"]):
    def alive(self) -> WorkerGroupQuerySet:
        """Groups whose watchdog was heard of lately."""
        return self.filter(ended_at=None, seen_at__gt=Now() - timedelta(seconds=settings.TIMING.silence))


class WorkerGroup(models.Model):
    """One life of `manage.py worker`: a watchdog with the processes it guards."""

    name = models.CharField(max_length=12, unique=True)
    host = models.CharField(max_length=64)
    pid = models.PositiveIntegerField(help_text="of the watchdog")
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now(), help_text="the watchdog's last sign of life")
    rung_at = models.DateTimeField(null=True, blank=True, help_text="when its canary was last sent into the queue")
    answered_at = models.DateTimeField(null=True, blank=True, help_text="the last sign of life of its queue")
    ended_at = models.DateTimeField(null=True, blank=True)
    fault = models.CharField(max_length=200, blank=True, default="", help_text="why it ended; empty: it was told to")

    objects = WorkerGroupQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.host}:{self.name}"


class AnomalyManager(models.Manager["Anomaly"]):
    def alarm(self, kind: str, subject: str, message: str) -> None:
        """Note it, once for each subject however often it is seen, and log it."""
        logger.error("anomaly", kind=kind, subject=subject, message=message)
        key = {"kind": kind, "subject": subject[:200]}
        self.bulk_create([Anomaly(**key, message=message)], ignore_conflicts=True)
        self.filter(**key).update(count=F("count") + 1, message=message, last_at=Now(), seen_at=None)

    def notice(self, found: Iterable[Anomaly]) -> int:
        """Keep what was found in figures, once however often they are looked at; returns how many are new or longer.

        Of what lasts the count grows, and it is unseen again; of any other only the sentence is renewed.
        """
        wanted = {(each.kind, each.subject): each for each in found}
        known = self.filter(kind__in={kind for kind, _ in wanted}, subject__in={subject for _, subject in wanted})
        kept = {(each.kind, each.subject): each for each in known}
        fresh = [each for key, each in wanted.items() if key not in kept]
        told = [each for key, each in wanted.items() if key in kept and kept[key].message != each.message]
        longer = 0
        for each in told:
            before = kept[each.kind, each.subject]
            each.pk, each.first_at, each.last_at = before.pk, before.first_at, timezone.now()
            each.seen_at = None if each.count > before.count else before.seen_at
            longer += each.count > before.count
        for each in fresh:
            logger.error("anomaly", kind=each.kind, subject=each.subject, message=each.message)
        self.bulk_create(fresh, ignore_conflicts=True)
        self.bulk_update(told, ["message", "figures", "count", "run", "last_at", "seen_at"])
        return len(fresh) + longer


class Anomaly(models.Model):
    """Something that should not be, and that stopped nothing."""

    kind = models.CharField(max_length=60)
    subject = models.CharField(max_length=200)
    message = models.TextField()
    count = models.PositiveIntegerField(default=0)
    run = models.ForeignKey("engine.Run", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    figures = models.JSONField(blank=True, default=dict, help_text="what was seen, and what was to be expected")
    first_at = models.DateTimeField(db_default=Now())
    last_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(null=True, blank=True, help_text="when a person said so; empty: it waits for one")

    objects = AnomalyManager()

    class Meta:
        verbose_name_plural = "anomalies"
        constraints = [models.UniqueConstraint(fields=["kind", "subject"], name="anomaly_once")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}"
