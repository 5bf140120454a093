"""The one place where a pipeline runs: stage after stage, block after block, the ledger kept at each."""

import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import replace
from typing import Protocol

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils.module_loading import import_string
from structlog.contextvars import bound_contextvars

from engine import ledger, tallies, tracing
from engine.heartbeat import heartbeat
from engine.ledger import LeaseLost
from engine.models import Run, Step
from engine.pipeline import Later, Pipeline, Scope, Stage, StageError, Terminated
from engine.tallies import Figure

logger = structlog.get_logger(__name__)

SECONDS = Figure(
    "ost_stage_duration_seconds", "Time that a stage took, of one claim of a run", ("pipeline", "stage"),
    (1.0, 10.0, 60.0, 600.0), most=16,
)  # fmt: skip
TALLIES = (SECONDS,)


class Watcher(Protocol):
    """Who wants to see progress: a progress bar, a log."""

    def started(self, stage: Stage, total: int) -> None: ...
    def advanced(self, stage: Stage, counts: Counter[str]) -> None: ...
    def finished(self, step: Step) -> None: ...


class Silent:
    def started(self, stage: Stage, total: int) -> None: ...
    def advanced(self, stage: Stage, counts: Counter[str]) -> None: ...
    def finished(self, step: Step) -> None: ...


def get_pipeline(name: str) -> Pipeline:
    """The pipeline of that name in settings.PIPELINES. Raises KeyError."""
    found: Pipeline = import_string(settings.PIPELINES[name])
    return found


def waiting(pipeline: Pipeline, scope: Scope, only: Sequence[str] = ()) -> bool:
    """Whether any of those stages has something to do."""
    return any(stage.waiting(scope) for stage in pipeline.chosen(only, scope.source))


def run(pipeline: Pipeline, scope: Scope, only: Sequence[str] = (), watcher: Watcher | None = None) -> Run:
    """Open or take over the run of the scope's partition and work through its stages; returns the closed run.

    A person asks, so a waiting or quarantined run is taken at once. Raises Busy when another owner lives,
    LeaseLost when one took over; a stage's own fault is kept on the run, which then waits for its next attempt.
    """
    pipeline.chosen(only, scope.source)  # a name that it does not have is refused before anything is written
    return go_through(pipeline, ledger.claim(pipeline.name, scope, only), watcher or Silent())


def resume(claimed: Run, watcher: Watcher, pause: Callable[[], bool]) -> Run:
    """A worker's: go on with a run that it has claimed, until it ends or `pause` says so; returns it as it then is."""
    try:
        pipeline = get_pipeline(claimed.pipeline)
        pipeline.chosen(claimed.stages, claimed.source)  # which it may have lost since they were asked for
    except (Exception, SystemExit) as error:  # whatever its module does when it is imported
        logger.exception("pipeline_failed", run=claimed.pk, pipeline=claimed.pipeline)
        ledger.give_up(claimed, error)
        claimed.refresh_from_db()
        return claimed
    return go_through(pipeline, claimed, watcher, pause)


def go_through(pipeline: Pipeline, claimed: Run, watcher: Watcher, pause: Callable[[], bool] = lambda: False) -> Run:
    """Work through the stages of a claimed run; returns it as it then is.

    pause: asked after each block; where it says yes the run is handed back, and its next claim goes on.
    """
    scope = Scope(claimed.day, claimed.source, claimed.force, claimed.claim_number)
    done = claimed.steps.filter(state=Step.State.DONE, fence__gte=claimed.forced_from)
    forced = set(done.values_list("name", flat=True))
    with bound_contextvars(run=claimed.pk), tracing.span(f"run {pipeline.name}", run=claimed.pk, source=claimed.source):
        for stage in pipeline.chosen(claimed.stages, claimed.source):
            # What an earlier claim of this run forced to its end is not forced again.
            fresh = replace(scope, force=scope.force and stage.name not in forced)
            began = time.monotonic()
            try:
                with tracing.span(f"step {stage.name}", pipeline=pipeline.name, stage=stage.name):
                    going_on = work_through(claimed, stage, fresh, watcher, pause)
            finally:
                SECONDS.observe(time.monotonic() - began, pipeline.name, stage.name)
                tallies.flush()
            if not going_on:
                break
        else:
            ledger.close(claimed)
    claimed.refresh_from_db()
    return claimed


def work_through(run: Run, stage: Stage, scope: Scope, watcher: Watcher, pause: Callable[[], bool]) -> bool:
    """One stage from its first yield to its publication. False: it failed or was paused, and the run says which."""
    step = Step.objects.create(run=run, name=stage.name, fence=run.fence)
    cpu = time.process_time()
    counts: Counter[str] = Counter()
    earlier: Counter[str] = Counter({} if stage.figures else run.counts.get(stage.name, {}))  # by claims before this
    with closing(stage.work(scope)) as work, faults_kept(run, step), lease_kept(run) as going_on:
        step.total = stage.waiting(scope)
        step.save(update_fields=["total"])
        watcher.started(stage, step.total)
        while True:
            try:
                done = next(work)
            except StopIteration as stop:
                publish = stop.value
                break
            finally:
                step.cpu_seconds, step.peak_memory = time.process_time() - cpu, peak_memory()
            counts.update(done)
            step.counts, run.counts[stage.name] = dict(counts), added(earlier, counts)
            ledger.record(run, step, progress=stage.done(done) > 0)
            going_on()
            watcher.advanced(stage, done)
            if pause():
                ledger.hand_back(run, step)
                return False
        run.counts[stage.name] = added(earlier, counts)
        ledger.finish(run, step, publish)
        watcher.finished(step)
        return True
    return False


@contextmanager
def faults_kept(run: Run, step: Step) -> Iterator[None]:
    """What ends a step before its time is written down, and rises only where the whole run is to end."""
    try:
        with bound_contextvars(step=step.pk):
            yield
    except LeaseLost:
        raise
    except Later as later:
        ledger.postpone(run, step, later.until, str(later))
    except (KeyboardInterrupt, Terminated):
        leave_a_dead_connection()
        ledger.hand_back(run, step, "interrupted")
        raise
    except (Exception, SystemExit) as error:  # whatever a stage does, the run says so and is tried again
        unforeseen = not isinstance(error, StageError | DatabaseError)
        logger.error("stage_failed", run=run.pk, stage=step.name, exc_info=unforeseen)
        leave_a_dead_connection()
        ledger.give_up(run, error, step)


def leave_a_dead_connection() -> None:
    """It may be the database that failed; what is to be written now takes a connection that works."""
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def lease_kept(run: Run) -> AbstractContextManager[Callable[[], None]]:
    """Renews the lease while one block is computed. Whether it was lost, the run's own next renewal finds out."""

    def renew() -> None:
        with suppress(LeaseLost):
            ledger.renew(run)

    return heartbeat(renew, settings.TIMING.heartbeat, settings.TIMING.longest_block)


def added(earlier: Counter[str], counts: Counter[str]) -> dict[str, int]:
    """Both together; unlike the sum of Counters it keeps what is 0."""
    return {key: earlier[key] + counts[key] for key in {**earlier, **counts}}


def peak_memory() -> int:
    """The most this process has held so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
