"""How collecting stands, for the operator's page and for /metrics: each source, each of its days, each server."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Q, Sum
from django.db.models.functions import Now
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from engine.models import Fetch, Run, Source, Upstream
from engine.models.source import FAILURES
from engine.runs import get_pipeline
from engine.sources import known

Partition = tuple[str, str, date | None]


@dataclass(frozen=True)
class Questions:
    """Of one partition: how many were asked, are complete, were left or are open, and what they brought."""

    asked: int = 0
    complete: int = 0
    left: int = 0
    open: int = 0
    records: int = 0


@dataclass(frozen=True)
class Cell:
    """A source on a day. run: its last one there, if any."""

    day: date | None
    run: Run | None
    questions: Questions

    @property
    def state(self) -> str:
        return self.run.state if self.run else "none"

    @property
    def sign(self) -> str:
        """A state has a sign as well as a colour."""
        return {"done": "✓", "partly": "◐", "quarantined": "✕", "running": "…", "waiting": "·"}.get(self.state, "")

    @property
    def told(self) -> str:
        """The cell in words."""
        asked = self.questions
        parts = [self.state if self.run else "never collected"]
        if asked.asked:
            parts.append(f"{asked.records:,} records, {asked.complete} of {asked.asked} questions complete")
        if asked.left:
            parts.append(f"{asked.left} left")
        if self.run and self.run.error:
            parts.append(self.run.error)
        return "; ".join(parts)


@dataclass(frozen=True)
class Row:
    """A source. usable: not without its credentials. fresh: when a run of it was last done; cells: a day each."""

    source: Source
    usable: bool
    fresh: datetime | None
    cells: Sequence[Cell]


def sources(days: Sequence[date]) -> list[Row]:
    """Each source with its cells, for each of those days; in three queries however many there are."""
    rows = known()
    runs, questions, fresh = last_runs(days), asked(days), freshness()
    usable = {name: set(get_pipeline(name).sources()) for name in {row.pipeline for row in rows}}
    return [
        Row(
            row,
            not row.on or row.name in usable[row.pipeline],
            fresh.get((row.pipeline, row.name)),
            [
                Cell(day, runs.get((row.pipeline, row.name, day)), questions[row.pipeline, row.name, day])
                for day in (days if get_pipeline(row.pipeline).by_day else [None])
            ],
        )
        for row in rows
    ]


def last_runs(days: Sequence[date]) -> Mapping[Partition, Run]:
    found = Run.objects.exclude(source="").filter(Q(day__in=days) | Q(day=None))
    newest = found.order_by("pipeline", "source", "day", "-pk").distinct("pipeline", "source", "day")
    return {(run.pipeline, run.source, run.day): run for run in newest}


def asked(days: Sequence[date]) -> Mapping[Partition, Questions]:
    """Of a pipeline without days, all that was ever asked counts for None."""
    found: dict[Partition, Questions] = defaultdict(Questions)
    counts = {"asked": Count("pk")}
    counts |= {f"are_{state}": Count("pk", filter=Q(state=state)) for state in ("complete", "left", "open")}
    whole = [name for name in settings.PIPELINES if not get_pipeline(name).by_day]
    grouped = Fetch.objects.exclude(state=Fetch.State.SPLIT).filter(Q(day__in=days) | Q(pipeline__in=whole))
    partitions = grouped.order_by().values("pipeline", "source", "day").annotate(**counts, got=Sum("records"))
    for pipeline, source, day, *numbers in partitions.values_list("pipeline", "source", "day", *counts, "got"):
        key = (pipeline, source, day if get_pipeline(pipeline).by_day else None)
        before = found[key]
        found[key] = Questions(*(old + new for old, new in zip(astuple(before), numbers, strict=True)))
    return found


def freshness() -> Mapping[tuple[str, str], datetime]:
    """When a run of each source was last done, wholly or partly."""
    ended = Run.objects.exclude(source="").filter(state__in=[Run.State.DONE, Run.State.PARTLY])
    rows = ended.values_list("pipeline", "source").annotate(last=Max("finished_at")).order_by("pipeline", "source")
    return {(pipeline, source): last for pipeline, source, last in rows}


# For /metrics


def figures() -> Iterator[Metric]:
    yield from of_sources()
    yield from of_upstreams()


def of_sources() -> Iterator[Metric]:
    labels = ["pipeline", "source"]
    on = GaugeMetricFamily("ost_source_on", "Whether a source is collected from", labels=labels)
    rows = {(row.pipeline, row.name): row.on for row in Source.objects.all()}
    for source, is_on in rows.items():
        on.add_metric(source, is_on)
    yield on
    fresh = GaugeMetricFamily(
        "ost_source_last_success_timestamp_seconds", "When a source was last collected from", labels=labels
    )
    for source, last in freshness().items():
        if source in rows:
            fresh.add_metric(source, last.timestamp())
    yield fresh
    fetches = GaugeMetricFamily("ost_fetches", "Questions to sources, by how far they got", labels=[*labels, "state"])
    grouped = Fetch.objects.values_list("pipeline", "source", "state").annotate(count=Count("pk")).order_by()
    for pipeline, name, state, count in grouped:
        if (pipeline, name) in rows:
            fetches.add_metric([pipeline, name, state], count)
    yield fetches


def of_upstreams() -> Iterator[Metric]:
    labels = ["host", "lane"]
    requests = CounterMetricFamily("ost_upstream_requests", "Requests sent to servers outside", labels=labels)
    remaining = GaugeMetricFamily("ost_upstream_quota_remaining", "Requests left of the quota", labels=labels)
    quota = GaugeMetricFamily("ost_upstream_quota", "Requests that a window of the quota holds", labels=labels)
    quiet = GaugeMetricFamily("ost_upstream_quiet_seconds", "How long a server is still left alone", labels=labels)
    breaker = GaugeMetricFamily(
        "ost_upstream_breaker_state", "0: asked as ever; 1: left alone after faults; 2: tried by one request",
        labels=["host"],
    )  # fmt: skip
    failures = GaugeMetricFamily("ost_upstream_failures", "Faults of a server in a row", labels=labels)
    for row in Upstream.objects.annotate(now=Now()):
        named = [row.host, row.lane]
        requests.add_metric(named, row.asked)
        failures.add_metric(named, row.failures)
        if not row.lane:
            breaker.add_metric([row.host], breaker_state(row))
        quiet.add_metric(named, max((row.quiet_until - row.now).total_seconds(), 0) if row.quiet_until else 0)
        if row.remaining is not None:
            remaining.add_metric(named, row.remaining)
        if row.quota is not None:
            quota.add_metric(named, row.quota)
    yield from (requests, remaining, quota, quiet, failures, breaker)


def breaker_state(row: Any) -> int:
    """Closed, open or half open. row: an Upstream with `now`, the database's."""
    if row.failures < FAILURES:
        return 0
    return 1 if row.quiet_until and row.quiet_until > row.now else 2
