"""Puts the ledger in order: every minute, when a worker starts, and by `manage.py reconcile`.

Each part may be done twice, or by two at once: the queue hears of a run once more than it needs to, no more.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import takewhile

import structlog
from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from engine import jobs, ledger, sources
from engine.models import Anomaly, Run
from engine.pipeline import Pipeline, Scope
from engine.runs import get_pipeline

logger = structlog.get_logger(__name__)

DAYS = 7  # so far back a missing partition is made up for
MESSAGES = 1000  # the queue is topped up to so many: more would be rung again before they are read


@dataclass(frozen=True)
class Reconciled:
    """freed: runs whose owner fell silent. quarantined: those of them that need a person. opened: missing days.
    rung: runs the queue was told of. refused: rows of the schedule table that were none of ours."""

    freed: int = 0
    quarantined: int = 0
    opened: int = 0
    rung: int = 0
    refused: int = 0


def reconcile(everything: bool = False) -> Reconciled:
    """One pass. everything: ring also what was rung a moment ago, for a queue that may have lost it."""
    reaped = ledger.reap()
    opened = open_days(timezone.now().date())
    return Reconciled(reaped.freed, reaped.quarantined, opened, ring_due(everything), jobs.ring_schedules())


def open_days(today: date) -> int:
    """A run for each of the last days that a pipeline has none of; returns how many."""
    days = [today - timedelta(days=back) for back in range(1, DAYS + 1)]
    made = 0
    for name in settings.PIPELINES:
        try:
            pipeline = get_pipeline(name)
        except Exception as error:  # one that cannot be loaded must not keep the others from their days
            logger.exception("pipeline_failed", pipeline=name)
            Anomaly.objects.alarm("pipeline", name, ledger.reason_of(error))
            continue
        if not pipeline.by_day:
            continue
        made += open_missing(pipeline, days)
    return made


def open_missing(pipeline: Pipeline, days: list[date]) -> int:
    """The sources first: what follows is opened once they have given what they have, or have given up."""
    names = [*pipeline.sources(), ""]
    runs = Run.objects.filter(pipeline=pipeline.name, source__in=names, day__in=days)
    known = set(runs.values_list("source", "day"))
    made = 0
    for name in names:
        held = set() if name else sources.being_collected(pipeline, days)
        for day in sorted(set(days) - held):
            if (name, day) not in known:
                ledger.open_run(pipeline.name, Scope(day=day, source=name))
                made += 1
    return made


def ring_due(everything: bool = False) -> int:
    """Ring for the runs that are due and were not rung lately; returns how many."""
    queued = jobs.queued()
    if queued is None:
        return 0
    due = Run.objects.due()
    if not everything:
        before = Now() - timedelta(seconds=settings.TIMING.reconcile)
        due = due.filter(Q(rung_at=None) | Q(rung_at__lt=before))
    return len(list(takewhile(jobs.ring, due[: max(MESSAGES - queued, 0)])))  # until the queue goes away
