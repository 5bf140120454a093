"""Which sources there are, which are on, and whether a day has what they give."""

from collections.abc import Iterable
from datetime import date, timedelta

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now

from engine.models import Run, Source
from engine.pipeline import Pipeline
from engine.runs import get_pipeline

WORTH_WAITING = timedelta(hours=1)  # for a source that has to wait longer, or is put off for longer, the day does not


def known() -> list[Source]:
    """A row for each source of each pipeline; those that are new are off."""
    names = [(name, source) for name in settings.PIPELINES for source in get_pipeline(name).known]
    rows = {(row.pipeline, row.name): row for row in Source.objects.all()}
    if fresh := [Source(pipeline=name, name=source) for name, source in names if (name, source) not in rows]:
        Source.objects.bulk_create(fresh, ignore_conflicts=True)
        return known()
    return [row for name, row in rows.items() if name in names]


def named(name: str, rows: Iterable[Source]) -> list[Source]:
    """The rows that a person means: `github` in every pipeline, `issues/github` in that one."""
    pipeline, _, source = name.rpartition("/")
    return [row for row in rows if row.name == source and pipeline in ("", row.pipeline)]


def being_collected(pipeline: Pipeline, days: Iterable[date]) -> set[date]:
    """Those days of which a source is still to be collected soon: what follows waits for it."""
    runs = Run.objects.live().filter(pipeline=pipeline.name, source__in=pipeline.sources(), day__in=days)
    again_and_again = Q(next_attempt_at__isnull=False, created_at__lt=Now() - WORTH_WAITING)
    long = Q(next_attempt_at__gt=Now() + WORTH_WAITING) | again_and_again
    waiting = runs.exclude(state=Run.State.QUARANTINED).exclude(long)
    return {day for day in waiting.values_list("day", flat=True) if day}


def missing(pipeline: Pipeline, day: date) -> list[str]:
    """The sources that are on and have not given all of that day."""
    done = Run.objects.filter(pipeline=pipeline.name, day=day, source__in=pipeline.sources(), state=Run.State.DONE)
    return sorted(set(pipeline.sources()) - set(done.values_list("source", flat=True)))
