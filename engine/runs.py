"""Claim, renew, publish, close: the one place where a pipeline runs. The Run row is the truth about it."""

import logging
import os
import resource
import socket
import sys
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.module_loading import import_string

from engine.models import Run, Step
from engine.pipeline import Pipeline, Scope, Stage, StageError

logger = logging.getLogger(__name__)


class Busy(Exception):
    """A live run holds the partition; the message says whose it is."""


class LeaseLost(Exception):
    """Another claim has taken this run over: nothing of this one may be published."""


class Watcher(Protocol):
    """Who wants to see progress: a progress bar, a log."""

    def started(self, stage: Stage, total: int) -> None: ...
    def advanced(self, stage: Stage, counts: Counter[str]) -> None: ...


class Silent:
    def started(self, stage: Stage, total: int) -> None: ...
    def advanced(self, stage: Stage, counts: Counter[str]) -> None: ...


def get_pipeline(name: str) -> Pipeline:
    """The pipeline of that name in settings.PIPELINES. Raises KeyError."""
    found: Pipeline = import_string(settings.PIPELINES[name])
    return found


def waiting(pipeline: Pipeline, scope: Scope, only: Sequence[str] = ()) -> bool:
    """Whether any of those stages has something to do."""
    return any(stage.waiting(scope) for stage in pipeline.chosen(only))


def run(pipeline: Pipeline, scope: Scope, only: Sequence[str] = (), watcher: Watcher | None = None) -> Run:
    """Open or take over the run of the scope's partition and work through its stages; returns the closed run.

    A person asks, so a waiting or quarantined run is taken at once. Raises Busy when another owner lives,
    LeaseLost when one took over; a stage's own fault is kept on the run, which then waits for its next attempt.
    """
    stages = pipeline.chosen(only)
    claimed = claim(pipeline.name, scope)
    for stage in stages:
        if not work_through(claimed, stage, replace(scope, fence=claimed.claim_number), watcher or Silent()):
            break
    else:
        close(claimed)
    claimed.refresh_from_db()
    return claimed


def claim(pipeline: str, scope: Scope) -> Run:
    """Make the partition's run if none lives, and lease it, in one statement on the database's clock."""
    key = {"pipeline": pipeline, "day": scope.day, "source": scope.source}
    owner = f"{socket.gethostname()[:30]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    Run.objects.bulk_create([Run(**key)], ignore_conflicts=True)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH mine AS MATERIALIZED (
                SELECT id, state FROM engine_run
                WHERE pipeline = %s AND source = %s AND day IS NOT DISTINCT FROM %s
                  AND (state IN ('waiting', 'quarantined') OR state = 'running' AND lease_until < clock_timestamp())
                LIMIT 1 FOR UPDATE SKIP LOCKED)
            UPDATE engine_run r SET state = 'running', owner = %s, fence = r.fence + 1, next_attempt_at = NULL,
                attempts = CASE mine.state WHEN 'quarantined' THEN 1 ELSE r.attempts + 1 END,
                lease_until = clock_timestamp() + %s::interval
            FROM mine WHERE r.id = mine.id RETURNING r.id
            """,
            [pipeline, scope.source, scope.day, owner, f"{settings.TIMING.lease} seconds"],
        )
        row = cursor.fetchone()
    if row is None:
        holder = Run.objects.of(pipeline, scope.day, scope.source).live().first()
        raise Busy(f"{pipeline} is run by {holder.owner}" if holder else f"{pipeline} is being claimed")
    claimed = Run.objects.get(pk=row[0])
    claimed.steps.filter(state=Step.State.RUNNING).update(state=Step.State.LOST, finished_at=Now())
    return claimed


def work_through(run: Run, stage: Stage, scope: Scope, watcher: Watcher) -> bool:
    """One stage from its first yield to its publication. False: it failed, and the run says why."""
    step = Step.objects.create(run=run, name=stage.name, fence=run.fence)
    counts: Counter[str] = Counter()
    cpu = time.process_time()
    work = stage.work(scope)
    try:
        step.total = stage.waiting(scope)
        watcher.started(stage, step.total)
        while True:
            try:
                done = next(work)
            except StopIteration as stop:
                publish = stop.value
                break
            counts.update(done)
            step.cpu_seconds, step.peak_memory = time.process_time() - cpu, peak_memory()
            renew(run, step, counts)
            watcher.advanced(stage, done)
        step.cpu_seconds, step.peak_memory = time.process_time() - cpu, peak_memory()
        finish(run, step, counts, publish)
    except LeaseLost:
        raise
    except (KeyboardInterrupt, SystemExit):
        hand_back(run, step)
        raise
    except Exception as error:
        unforeseen = not isinstance(error, StageError | DatabaseError)
        logger.error("event=stage_failed run=%s stage=%s", run.pk, stage.name, exc_info=unforeseen)
        give_up(run, step, error)
        return False
    finally:
        work.close()
    return True


def renew(run: Run, step: Step, counts: Counter[str]) -> None:
    """A sign of life after each block, with what was done so far. Raises LeaseLost when the run has a new owner."""
    run.counts[step.name] = dict(counts)
    run.attempts = 1
    mine = Run.objects.filter(pk=run.pk, fence=run.fence, state=Run.State.RUNNING)
    lease = Now() + timedelta(seconds=settings.TIMING.lease)
    if not mine.update(lease_until=lease, counts=run.counts, attempts=run.attempts):
        raise LeaseLost(f"{run} was taken over")
    Step.objects.filter(pk=step.pk).update(
        total=step.total, counts=dict(counts), cpu_seconds=step.cpu_seconds, peak_memory=step.peak_memory
    )


def finish(run: Run, step: Step, counts: Counter[str], publish: object) -> None:
    """Publish and close the step in the transaction that holds the run and has looked at its fence."""
    with transaction.atomic():
        mine = Run.objects.select_for_update().filter(pk=run.pk, fence=run.fence, state=Run.State.RUNNING)
        if not mine.exists():
            raise LeaseLost(f"{run} was taken over")
        if callable(publish):
            publish()
        run.counts[step.name] = dict(counts)
        mine.update(counts=run.counts, lease_until=Now() + timedelta(seconds=settings.TIMING.lease))
        Step.objects.filter(pk=step.pk).update(
            state=Step.State.DONE,
            total=step.total,
            counts=dict(counts),
            cpu_seconds=step.cpu_seconds,
            peak_memory=step.peak_memory,
            finished_at=Now(),
        )


def close(run: Run) -> None:
    """Done; partly, when some stage left something behind as `failed`."""
    failed = sum(counts.get("failed", 0) for counts in run.steps.values_list("counts", flat=True))
    mine = Run.objects.filter(pk=run.pk, fence=run.fence, state=Run.State.RUNNING).update(
        state=Run.State.PARTLY if failed else Run.State.DONE,
        error=f"{failed} left behind, each with its reason on its row" if failed else "",
        owner="",
        lease_until=None,
        finished_at=Now(),
    )
    if not mine:
        raise LeaseLost(f"{run} was taken over")


def give_up(run: Run, step: Step, error: Exception) -> None:
    """Keep the reason; the run waits for its next attempt, or for a person after too many."""
    reason = reason_of(error)
    quarantined = run.attempts >= settings.TIMING.attempts
    wait = timedelta(seconds=settings.TIMING.wait_after(run.attempts))
    with transaction.atomic():
        mine = Run.objects.filter(pk=run.pk, fence=run.fence, state=Run.State.RUNNING).update(
            state=Run.State.QUARANTINED if quarantined else Run.State.WAITING,
            next_attempt_at=None if quarantined else Now() + wait,
            error=f"{step.name}: {reason}",
            owner="",
            lease_until=None,
        )
        if not mine:
            raise LeaseLost(f"{run} was taken over") from error
        Step.objects.filter(pk=step.pk).update(state=Step.State.FAILED, error=reason, finished_at=Now())


def hand_back(run: Run, step: Step) -> None:
    """Interrupted: the claim is not counted, and a draft stays for whoever goes on."""
    Run.objects.filter(pk=run.pk, fence=run.fence, state=Run.State.RUNNING).update(
        state=Run.State.WAITING, attempts=F("attempts") - 1, owner="", lease_until=None, error="interrupted"
    )
    Step.objects.filter(pk=step.pk).update(state=Step.State.LOST, finished_at=Now())


def reason_of(error: Exception) -> str:
    """One line a person can act on; a database's answer without its statement, which may hold data."""
    first = str(error).strip().split("\n")[0][:400]
    if isinstance(error, StageError):
        return first
    return f"{type(error).__name__}: {first}" if first or isinstance(error, DatabaseError) else type(error).__name__


def peak_memory() -> int:
    """The most this process has held so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
