"""Watch from outside how a run that a worker does gets on."""

import time
from collections import Counter

from engine.ledger import NotAllowed
from engine.models import Run, Step, WorkerGroup
from engine.pipeline import Pipeline, Stage
from engine.runs import Watcher

PATIENCE = 60.0  # seconds without any worker before it is said that there is none
GLANCE = 0.3  # seconds between two looks


def follow(run: Run, pipeline: Pipeline, watcher: Watcher) -> Run:
    """Tell the watcher of each block, until the run is over or has failed. Raises NotAllowed without a worker."""
    told: dict[int, Counter[str]] = {}
    stages = {stage.name: stage for stage in pipeline.of(run.source)}
    alone_since = time.monotonic()
    while True:
        run.refresh_from_db()
        for step in run.steps.all():
            show(step, stages[step.name], told, watcher)
        failed = run.state == Run.State.WAITING and run.error and run.next_attempt_at and not run.postponed
        if failed or run.state not in (Run.State.WAITING, Run.State.RUNNING):
            return run
        if run.state == Run.State.RUNNING or WorkerGroup.objects.alive().exists():
            alone_since = time.monotonic()
        elif time.monotonic() - alone_since > PATIENCE:
            raise NotAllowed("no worker is there to do it; start one: ./ost up")
        time.sleep(GLANCE)


def show(step: Step, stage: Stage, told: dict[int, Counter[str]], watcher: Watcher) -> None:
    """What is new in one step since the watcher was last told of it."""
    if step.pk not in told:
        told[step.pk] = Counter()
        watcher.started(stage, step.total)
    if news := Counter(step.counts) - told[step.pk]:
        told[step.pk] = Counter(step.counts)
        watcher.advanced(stage, news)
