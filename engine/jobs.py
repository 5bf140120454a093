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
from datetime import date, datetime, timedelta
from functools import wraps
from types import FrameType

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.brokers import get_broker
from django_q.cluster import Cluster
from django_q.models import Schedule
from django_q.scheduler import scheduler
from django_q.signals import post_spawn
from django_q.tasks import async_task

from engine import groups, ledger, noticing, runs, sources, tracing
from engine.brokers import canary_key
from engine.embeddings import filling
from engine.heartbeat import heartbeat
from engine.models import Anomaly, Run, Step, WorkerGroup
from engine.owner import group, guarded
from engine.pipeline import Pipeline, Scope, Stage

logger = structlog.get_logger(__name__)

SCHEDULES_LOCK = 0x058
STOP = signal.SIGUSR1  # "hand back what you hold": SIGTERM would kill the queue's own processes
_stopping = False


def ring(run: Run) -> bool:
    """Tell the queue that a run is due. False: it is away, and the reconciler rings again."""
    trace = tracing.carried()
    if not send("engine.jobs.work", run.pk, *([trace] if trace else []), name=f"run {run.pk}"):
        return False
    Run.objects.filter(pk=run.pk).update(rung_at=Now())
    return True


def send(job: str, *arguments: object, name: str, to: str | None = None) -> bool:
    """to: the key of a queue that not every group reads. False: the queue is away."""
    try:
        async_task(job, *arguments, task_name=name, q_options={"cluster": to} if to else {})
    except ConnectionError as error:
        logger.warning("queue_away", reason=ledger.reason_of(error))
        return False
    return True


def request(name: str, scope: Scope, stages: Sequence[str] = ()) -> Run:
    """For a person: open the partition's run, or make the live one due at once, and ring for it."""
    run = ledger.ask_for(runs.get_pipeline(name).name, scope, stages)
    ring(run)
    return run


# Jobs: what the queue calls by name


def job(function: Callable[..., str]) -> Callable[..., str]:
    """What rises in a job would stop the queue's process, or bring the job back without end: it is logged instead."""

    @wraps(function)
    def safe(*arguments: object) -> str:
        try:
            with heartbeat(show_life, settings.TIMING.canary, settings.TIMING.timeout):
                done = function(*arguments)
            show_life()
            return done
        except (Exception, SystemExit) as error:  # whatever it is, the queue goes on
            unforeseen = not isinstance(error, DatabaseError)
            name = f"{function.__name__}{arguments}"
            logger.error("job_failed", job=name, exc_info=unforeseen, reason=ledger.reason_of(error))
            connection.close()
            return "failed"

    return safe


def show_life() -> None:
    """The queue of this process's group has come through to a worker, and the worker lives."""
    if group():
        WorkerGroup.objects.filter(name=group()).update(answered_at=Now())


@job
def work(pk: int, trace: str = "") -> str:
    """Claim that run, if it is due, and work on it until it ends or its slice is over.

    trace: of whoever asked for it.
    """
    with tracing.span("job work", parent=trace, run=pk):
        return work_on(pk)


def work_on(pk: int) -> str:
    began = time.monotonic()
    claimed = None if _stopping else ledger.claim_due(pk)
    if claimed is None:
        return "not due"
    try:
        ended = runs.resume(claimed, Log(), lambda: paused(began))
    except ledger.LeaseLost as lost:
        logger.warning("lease_lost", run=pk, reason=str(lost))
        return "taken over"
    except DatabaseError as error:
        logger.warning("database_away", run=pk, reason=ledger.reason_of(error))
        hand_back_later(claimed)
        return "handed back"
    if ended.state == Run.State.WAITING and ended.next_attempt_at is None:
        ring(ended)
    if ended.finished_at:
        noticing.after(ended)
    logger.info("run_ended", run=pk, state=ended.state, reason=ended.error, seconds=round(time.monotonic() - began, 1))
    return str(ended.state)


def hand_back_later(run: Run) -> None:
    """Hand a run back as soon as the database answers again: its going away is not the run's fault."""
    deadline = time.monotonic() + settings.TIMING.longest_block
    while time.monotonic() < deadline:
        connection.close()
        try:
            ledger.give_back(ledger.held(run))
            for table in filling.tables():
                table.objects.release_own()
            ring(run)
            return
        except DatabaseError:
            time.sleep(settings.TIMING.watch)


@job
def start(name: str, day: str | None = None) -> str:
    """A schedule's job: open the run of a pipeline if something waits, and work on it."""
    pipeline = runs.get_pipeline(name)
    if pipeline.by_day and day is None:
        return start_days(pipeline)
    scope = Scope(day=date.fromisoformat(day) if day else None)
    live = Run.objects.of(pipeline.name, scope.day).live().first()
    if live is None and not runs.waiting(pipeline, scope):
        return "nothing waits"
    return work((live or ledger.open_run(pipeline.name, scope)).pk)


def start_days(pipeline: Pipeline) -> str:
    """Ring for each day that has something waiting, and whose sources were collected from or have given up."""
    days = pipeline.days()
    collected = set(days) - sources.being_collected(pipeline, days)
    waiting = [Scope(day=day) for day in days if day in collected and runs.waiting(pipeline, Scope(day=day))]
    for scope in waiting:
        live = Run.objects.of(pipeline.name, scope.day).live().first()
        ring(live or ledger.open_run(pipeline.name, scope))
    return f"{len(waiting)} days" if waiting else "nothing waits"


@job
def collect(name: str) -> str:
    """Ring for each source that is on and has something waiting, of a pipeline without days.

    Days are opened by the reconciler.
    """
    pipeline = runs.get_pipeline(name)
    due = [scope for scope in map(scope_of, pipeline.sources()) if runs.waiting(pipeline, scope)]
    for scope in due:
        ring(ledger.open_run(pipeline.name, scope))
    return f"{len(due)} sources" if due else "nothing waits"


def scope_of(source: str) -> Scope:
    return Scope(source=source)


@job
def prune() -> str:
    """Delete what no reader sees any more."""
    return " ".join(f"{name}={import_string(path)(3)}" for name, path in settings.PRUNED.items())


@job
def chore(name: str) -> str:
    """One of the settings' own, which says in a few words what it did."""
    return str(import_string(settings.CHORES[name])())


@job
def canary(name: str) -> str:
    """Shows that the queue reaches this group's workers, as any job does; this one is sent when there is no other."""
    return f"{name} lives"


def release_canary(worker: WorkerGroup) -> bool:
    """Send it to that group alone. False: the queue is away, which is not the group's fault."""
    WorkerGroup.objects.filter(pk=worker.pk).update(rung_at=Now())
    return send("engine.jobs.canary", worker.name, name=f"canary {worker.name}", to=canary_key(worker.name))


def forget_canary(name: str) -> None:
    """Take what an ended group did not answer out of the queue."""
    with suppress(ConnectionError):
        get_broker(canary_key(name)).delete_queue()


JOBS: dict[str, Callable[..., str]] = {"start": start, "collect": collect, "prune": prune, "chore": chore}


# The cluster


def serve() -> None:
    """Be a django-q cluster until SIGTERM, or until the watchdog is gone.

    Its workers hand their runs back on STOP; the watchdog has seen to it that all else ignores that signal.
    """
    post_spawn.connect(listen)
    cluster = Cluster()
    cluster.start()
    while cluster.sentinel and cluster.sentinel.is_alive():
        cluster.sentinel.join(1)
        if not guarded():  # the watchdog was killed
            groups.end_own(settings.RUN_FOLDER)


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


def queued() -> int | None:
    """How many messages lie in the queue that every worker reads; None while it is away."""
    try:
        return int(get_broker().queue_size())
    except ConnectionError:
        return None


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


@dataclass(frozen=True)
class Coming:
    """A schedule as its row has it. late: it should have been rung by now, whatever its clock is off by."""

    name: str
    cron: str
    next_run: datetime
    late: bool


def coming() -> list[Coming]:
    """The schedules, the next one first."""
    longest = timedelta(seconds=2 * settings.TIMING.schedule + settings.TIMING.silence)
    rows = Schedule.objects.order_by("next_run", "pk").values_list("name", "cron", "next_run")
    return [Coming(name, cron, due, timezone.now() - due > longest) for name, cron, due in rows if due]


def ring_schedules() -> int:
    """Ring what the clock says. Returns how many rows were refused.

    django-q's own pass ends at the first row that it cannot read, and calls whatever a row names: so a row that
    is not as the code has it is taken away before, and alarmed.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [SCHEDULES_LOCK])
        if not cursor.fetchone()[0]:  # another worker is at it; two at once would both add what is missing
            return 0
        refused = reconcile_schedules(import_string(settings.SCHEDULES))
    for row in refused:
        found = f"refused: func={row.func!r:.200} args={row.args!r:.200} cron={row.cron!r:.100}"
        Anomaly.objects.alarm("schedule", str(row.name or row.pk), found)
    scheduler()
    return len(refused)


def in_time(row: Schedule) -> bool:
    """Whether the row comes up when its cron line says; one that was put off would never be missed.

    The hour: the clock of another host may be ahead, and have set it one turn further.
    """
    try:
        return bool(row.next_run and row.next_run <= row.calculate_next_run() + timedelta(hours=1))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):  # a cron line that is none
        return False


def reconcile_schedules(planned: Sequence[Planned]) -> list[Schedule]:
    """Make the table of schedules what the code says; returns the rows that were none of ours."""
    wanted = {plan.name: plan.row for plan in planned}
    refused = []
    for row in Schedule.objects.select_for_update().order_by("pk"):
        plan = wanted.get(row.name)
        if plan and in_time(row) and all((getattr(row, field) or None) == (plan[field] or None) for field in plan):
            del wanted[row.name]  # a second row of that name is one too many
        else:
            refused.append(row)
    Schedule.objects.filter(pk__in=[row.pk for row in refused]).delete()
    for plan in wanted.values():
        Schedule(**plan).save()  # which works out when it is next due
    return refused
