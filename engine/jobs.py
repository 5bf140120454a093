"""The doorbell: the only module that knows django-q. The ledger decides whether there is work; a job only asks it.

A job takes ids and ISO dates, never raises, and returns a few words. One that comes twice, late or never does
no harm: what is due the reconciler rings again.
"""

import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from types import FrameType

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils.module_loading import import_string
from django_q.brokers import get_broker
from django_q.cluster import Cluster
from django_q.models import Schedule
from django_q.scheduler import scheduler
from django_q.signals import post_spawn
from django_q.tasks import async_task

from engine import ledger, runs
from engine.models import Anomaly, Run, Step, WorkerGroup
from engine.owner import group
from engine.pipeline import Scope, Stage

logger = structlog.get_logger(__name__)

STOP = signal.SIGUSR1  # "hand back what you hold": SIGTERM would kill the queue's own processes
_stopping = False


def ring(run: Run) -> None:
    """Tell the queue that a run is due."""
    Run.objects.filter(pk=run.pk).update(rung_at=Now())
    async_task("engine.jobs.work", run.pk, task_name=f"run {run.pk}")


def request(name: str, scope: Scope, stages: Sequence[str] = ()) -> Run:
    """Open the partition's run, or find the live one, and ring for it."""
    run = ledger.open_run(runs.get_pipeline(name).name, scope, stages)
    ring(run)
    return run


# Jobs: what the queue calls by name


def work(pk: int) -> str:
    """Claim that run, if it is due, and work on it until it ends or its slice is over."""
    began = time.monotonic()
    try:
        claimed = None if _stopping else ledger.claim_due(pk)
        if claimed is None:
            return "not due"
        pipeline = runs.get_pipeline(claimed.pipeline)
        ended = runs.go_through(pipeline, claimed, Log(), lambda: paused(began))
        if ended.state == Run.State.WAITING and ended.next_attempt_at is None:
            ring(ended)
    except ledger.LeaseLost as lost:
        logger.warning("lease_lost", run=pk, reason=str(lost))
        return "taken over"
    except (Exception, SystemExit) as error:  # what stops here would stop the queue
        logger.error("job_failed", run=pk, exc_info=not isinstance(error, DatabaseError), reason=str(error)[:300])
        connection.close()
        return "failed"
    logger.info("run_ended", run=pk, state=ended.state, reason=ended.error, seconds=round(time.monotonic() - began, 1))
    return str(ended.state)


def start(name: str, day: str | None = None) -> str:
    """A schedule's job: open the run of a pipeline if something waits, and work on it."""
    try:
        pipeline = runs.get_pipeline(name)
        scope = Scope(day=date.fromisoformat(day) if day else None)
        live = Run.objects.of(pipeline.name, scope.day).live().first()
        if live is None and not runs.waiting(pipeline, scope):
            return "nothing waits"
        return work((live or ledger.open_run(pipeline.name, scope)).pk)
    except (Exception, SystemExit) as error:
        logger.error("job_failed", job=f"start {name}", exc_info=True, reason=str(error)[:300])
        connection.close()
        return "failed"


def prune() -> str:
    """Delete what no reader sees any more."""
    try:
        return " ".join(f"{name}={import_string(path)(3)}" for name, path in settings.PRUNED.items())
    except (Exception, SystemExit) as error:
        logger.error("job_failed", job="prune", exc_info=True, reason=str(error)[:300])
        connection.close()
        return "failed"


def canary(name: str) -> str:
    """Show that the queue reaches a worker: any group says it took it, the one that sent it that it lives."""
    with suppress(DatabaseError):
        answered = {"answered_at": Now()} if name == group() else {}
        WorkerGroup.objects.filter(name=name).update(taken_at=Now(), **answered)
    return "seen"


def release_canary(worker: WorkerGroup) -> None:
    WorkerGroup.objects.filter(pk=worker.pk).update(rung_at=Now())
    async_task("engine.jobs.canary", worker.name, task_name=f"canary {worker.name}")


JOBS: dict[str, Callable[..., str]] = {"start": start, "prune": prune}


# The cluster


def serve() -> None:
    """Be a django-q cluster until SIGTERM. Its workers hand their runs back on STOP, the rest of it ignores that."""
    signal.signal(STOP, signal.SIG_IGN)
    post_spawn.connect(listen)
    cluster = Cluster()
    cluster.start()
    cluster.sentinel.join()


def listen(**_: object) -> None:
    """In a fresh worker process: hear STOP."""
    signal.signal(STOP, stop)


def stop(signum: int, frame: FrameType | None) -> None:
    global _stopping
    _stopping = True


def paused(began: float) -> bool:
    """Whether a run should be handed back now: its slice is over, or the process was told to end."""
    return _stopping or time.monotonic() - began > settings.TIMING.slice


class Log:
    """Tells the log which stages a run went through."""

    def started(self, stage: Stage, total: int) -> None:
        logger.info("step_started", stage=stage.name, waiting=total)

    def advanced(self, stage: Stage, counts: Counter[str]) -> None: ...

    def finished(self, step: Step) -> None:
        cpu, memory = round(step.cpu_seconds, 1), step.peak_memory // 1_000_000
        logger.info("step_ended", stage=step.name, cpu_seconds=cpu, peak_mb=memory, **step.counts)


def queued() -> int:
    """How many messages lie in the queue, canaries included."""
    return int(get_broker().queue_size())


# Schedules


@dataclass(frozen=True)
class Planned:
    """A job of JOBS that runs by the clock. cron: five fields, UTC."""

    name: str
    cron: str
    job: str
    arguments: tuple[str, ...] = ()

    @property
    def row(self) -> dict[str, object]:
        """What its row in the table of schedules holds."""
        return {
            "name": self.name,
            "func": f"engine.jobs.{JOBS[self.job].__name__}",
            "args": repr(self.arguments) if self.arguments else "",
            "kwargs": "",
            "hook": None,
            "schedule_type": Schedule.CRON,
            "cron": self.cron,
            "minutes": None,
            "repeats": -1,
            "cluster": None,
            "intended_date_kwarg": None,
        }


def ring_schedules() -> int:
    """Ring what the clock says. Returns how many rows were refused.

    django-q's own pass ends at the first row that it cannot read, and calls whatever a row names: so a row that
    is not as the code has it is taken away before, and alarmed.
    """
    with transaction.atomic():
        refused = reconcile_schedules(import_string(settings.SCHEDULES))
    for row in refused:
        found = f"refused: func={row.func!r:.200} args={row.args!r:.200} cron={row.cron!r:.100}"
        Anomaly.objects.alarm("schedule", str(row.name or row.pk), found)
    scheduler()
    return len(refused)


def reconcile_schedules(planned: Sequence[Planned]) -> list[Schedule]:
    """Make the table of schedules what the code says; returns the rows that were none of ours."""
    wanted = {plan.name: plan.row for plan in planned}
    refused = []
    for row in Schedule.objects.select_for_update().order_by("pk"):
        plan = wanted.get(row.name)
        if plan and row.next_run and all((getattr(row, field) or None) == (plan[field] or None) for field in plan):
            del wanted[row.name]  # a second row of that name is one too many
        else:
            refused.append(row)
    Schedule.objects.filter(pk__in=[row.pk for row in refused]).delete()
    for plan in wanted.values():
        Schedule(**plan).save()  # which works out when it is next due
    return refused
