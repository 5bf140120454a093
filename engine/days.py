"""What the runs of the last weeks came to, a row for each pipeline, source and day: what later days are compared with.

A day of a pipeline that goes by days is its partition, whenever it was run: the most of its runs counts, so one that is
run again counts once. Of any other pipeline it is the day on which runs ended, and theirs add up.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import F, QuerySet, Sum, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from engine.models import Run, Step
from engine.pipeline import Pipeline, Stage
from engine.runs import get_pipeline

DAYS = 60
MOST = 5000  # runs of a partition that are read, the newest: one that runs every few minutes takes no room of others


@dataclass
class Came:
    """The runs of one day. run: the newest, which ended then. By stage: what came, seconds, the run that took these,
    and what failed of what."""

    day: date
    run: int
    ended: datetime
    records: float = 0
    came: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    slowest: dict[str, int] = field(default_factory=dict)
    failed: dict[str, tuple[int, int]] = field(default_factory=dict)


class Partition(NamedTuple):
    """The days of a source of a pipeline, ascending; "" is the pipeline itself."""

    pipeline: Pipeline
    source: str
    days: list[Came]

    def before(self, newest: Came) -> list[Came]:
        """The days that it is compared with."""
        return [each for each in self.days if newest.day - timedelta(days=DAYS) <= each.day < newest.day]


def ended(pipeline: str | None = None, source: str = "") -> QuerySet[Run]:
    """The newest runs of the last weeks that are over, of one partition or of each; the oldest first."""
    since = timezone.now() - timedelta(days=DAYS + 1)
    runs = Run.objects.filter(state__in=[Run.State.DONE, Run.State.PARTLY], finished_at__gte=since)
    if pipeline is not None:
        runs = runs.filter(pipeline=pipeline, source=source)
    newest = Window(RowNumber(), partition_by=["pipeline", "source"], order_by="-pk")
    return runs.annotate(place=newest).filter(place__lte=MOST).order_by("pk")


def partitions(pipeline: str | None = None, source: str = "") -> list[Partition]:
    """In two queries, however many there are. A pipeline that the settings no longer name has none."""
    known = {name: get_pipeline(name) for name in settings.PIPELINES}
    runs, seconds = ended(pipeline, source), seconds_of(ended(pipeline, source))
    found: dict[tuple[str, str], dict[date, Came]] = defaultdict(dict)
    columns = ("pk", "pipeline", "source", "day", "finished_at", "counts")
    for pk, name, of, day, finished, counts in runs.values_list(*columns):
        if name in known:
            when = day if known[name].by_day and day else finished.date()
            this = came_of(known[name].of(of), Came(when, pk, finished), counts, seconds[pk])
            days = found[name, of]
            days[when] = merged(days[when], this, known[name].by_day) if when in days else this
    return [
        Partition(known[name], of, [days[day] for day in sorted(days)]) for (name, of), days in sorted(found.items())
    ]


def seconds_of(runs: QuerySet[Run]) -> Mapping[int, dict[str, float]]:
    """How long the stages of each run worked, over all its claims; those that had nothing to do left out."""
    found: dict[int, dict[str, float]] = defaultdict(dict)
    steps = Step.objects.filter(run__in=runs.values("pk")).exclude(finished_at=None).exclude(counts={}).order_by()
    took = steps.values_list("run", "name").annotate(took=Sum(F("finished_at") - F("started_at")))
    for run, name, length in took:
        found[run][name] = length.total_seconds()
    return found


def came_of(
    stages: Iterable[Stage], this: Came, counts: Mapping[str, Mapping[str, Any]], seconds: dict[str, float]
) -> Came:
    """Filled in from the counts of one run."""
    this.seconds, this.slowest = seconds, dict.fromkeys(seconds, this.run)
    for stage in stages:
        if stage.name not in counts or stage.figures:
            continue
        told = Counter({name: number for name, number in counts[stage.name].items() if isinstance(number, int)})
        this.records += stage.done(told)
        if stage.came:
            this.came[stage.name] = sum(told[name] for name in stage.came)
        counted = "failed" in (stage.units or told)
        this.failed[stage.name] = (told["failed"], stage.done(told) + (0 if counted else told["failed"]))
    return this


def merged(old: Came, new: Came, by_day: bool) -> Came:
    """Both as one; what failed is what failed last."""
    both = old.came | new.came if by_day else old.came + new.came
    longer = {name: max((old, new), key=lambda each: each.seconds.get(name, -1)) for name in old.seconds | new.seconds}
    seconds = {name: each.seconds[name] for name, each in longer.items()}
    slowest = {name: each.slowest[name] for name, each in longer.items()}
    records = max(old.records, new.records) if by_day else old.records + new.records
    return Came(new.day, new.run, new.ended, records, both, seconds, slowest, old.failed | new.failed)
