"""What the machinery looks like now, counted in the database at the moment of asking: for /metrics and /health.

Counted there, the figures are those of all processes on all hosts, and none of them keeps any; what only a process sees
is added up in the table of tallies.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, F, Max, Min, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils.module_loading import import_string
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest

from engine import jobs, tallies
from engine.embeddings import filling
from engine.models import Anomaly, Embedding, EmbeddingModel, Run, Step, WorkerGroup


@dataclass(frozen=True)
class Queue:
    """due: runs that nobody works on yet. oldest: seconds the longest of them waits. workers: groups that live."""

    due: int
    oldest: float
    workers: int

    @property
    def late(self) -> bool:
        return self.oldest > settings.TIMING.silence + settings.TIMING.slice


def queue() -> Queue:
    """A run waits since it was made, since its next attempt was due, or since its last step was handed back."""
    steps = Step.objects.filter(run=OuterRef("pk")).exclude(finished_at=None).order_by("-finished_at")
    handed_back = Subquery(steps.values("finished_at")[:1])
    since = Greatest("created_at", Coalesce("next_attempt_at", "created_at"), Coalesce(handed_back, "created_at"))
    found = Run.objects.due().order_by().aggregate(due=Count("pk"), oldest=Min(since), now=Max(Now()))
    oldest = (found["now"] - found["oldest"]).total_seconds() if found["due"] else 0.0
    return Queue(found["due"], oldest, WorkerGroup.objects.alive().count())


def last_success() -> dict[str, datetime]:
    """When a run of each pipeline was last done, wholly or partly."""
    ended = Run.objects.filter(state__in=[Run.State.DONE, Run.State.PARTLY])
    return dict(ended.values_list("pipeline").annotate(last=Max("finished_at")).order_by("pipeline"))


def restarts() -> int:
    """How many worker groups ended by a fault."""
    return WorkerGroup.objects.exclude(fault="").count()


class Collector:
    """prometheus-client asks it at each scrape."""

    def collect(self) -> Iterator[Metric]:
        yield from runs()
        yield from texts()
        now = queue()
        yield gauge("ost_queue_due_runs", "Runs that are due and that nobody works on", now.due)
        yield gauge("ost_queue_oldest_seconds", "How long the longest of them waits", now.oldest)
        if (messages := jobs.queued()) is not None:
            yield gauge("ost_queue_messages", "Messages in the queue that every worker reads", messages)
        yield gauge("ost_worker_groups", "Worker groups that live", now.workers)
        yield counter("ost_worker_restarts", "Worker groups that ended by a fault", restarts())
        yield from anomalies()
        yield from tallies.families()
        for path in settings.FIGURES:
            yield from import_string(path)()


def runs() -> Iterator[Metric]:
    states = GaugeMetricFamily("ost_runs", "Runs that are not over, by state", labels=["pipeline", "state"])
    open_runs = Run.objects.live().values("pipeline", "state").annotate(count=Count("pk"))
    counts = {(row["pipeline"], row["state"]): row["count"] for row in open_runs}
    for pipeline in settings.PIPELINES:
        for state in Run.LIVE:
            states.add_metric([pipeline, state], counts.get((pipeline, state), 0))
    yield states
    success = GaugeMetricFamily(
        "ost_run_last_success_timestamp_seconds", "When a run was last done", labels=["pipeline"]
    )
    for pipeline, moment in last_success().items():
        success.add_metric([pipeline], moment.timestamp())
    yield success


TEXTS = {
    "waiting": "Texts without their vector",
    "oldest_seconds": "How long the longest of them waits",
    "in_flight": "Of them, those that somebody embeds at this moment",
    "quarantined": "Texts that need a person",
    "skipped": "Texts that were given up",
}


def texts() -> Iterator[Metric]:
    """By model, for those that are live or fill, and by subject; one query a table."""
    labels = ["provider", "model", "subject"]
    found = {name: GaugeMetricFamily(f"ost_embeddings_{name}", text, labels=labels) for name, text in TEXTS.items()}
    models = list(EmbeddingModel.objects.exclude(state=EmbeddingModel.State.RETIRED).order_by("pk"))
    for table in filling.tables() if models else []:
        counts = open_texts(table)
        for model in models:
            row = counts.get(model.pk, {})
            for name, family in found.items():
                family.add_metric([model.provider, model.name, table.subject_name], row.get(name) or 0)
    yield from found.values()


def open_texts(table: type[Embedding]) -> dict[int, dict[str, Any]]:
    """Of each model that has any: its texts without a vector of their present words, by what keeps them."""
    stuck, skipped = ~Q(quarantined_at=None), ~Q(skipped_at=None)
    waits = ~stuck & ~skipped
    grouped = table.objects.filter(~Q(vector_hash=F("text_hash"))).order_by().values("model")
    rows = grouped.annotate(
        waiting=Count("pk", filter=waits),
        in_flight=Count("pk", filter=waits & Q(lease_until__gte=Now())),
        quarantined=Count("pk", filter=stuck & ~skipped),
        skipped=Count("pk", filter=skipped),
        oldest=Min("wanted_at", filter=waits),
        now=Max(Now()),
    )
    return {row["model"]: {**row, "oldest_seconds": seconds_since(row["oldest"], row["now"])} for row in rows}


def seconds_since(moment: datetime | None, now: datetime) -> float:
    return (now - moment).total_seconds() if moment else 0.0


def anomalies() -> Iterator[Metric]:
    family = CounterMetricFamily("ost_anomalies", "What should not have been, by kind", labels=["kind"])
    for kind, times in Anomaly.objects.values_list("kind").annotate(times=Sum("count")).order_by("kind"):
        family.add_metric([kind], times)
    yield family


def gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def exposition() -> bytes:
    """The text of /metrics. Raises DatabaseError."""
    registry = CollectorRegistry()
    registry.register(Collector())
    return generate_latest(registry)


def database_answers() -> None:
    """Raises DatabaseError when it does not."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
