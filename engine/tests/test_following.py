"""Watching a run from outside: what is told, and when it ends. Each glance of the follower lets something happen."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.db.models.functions import Now

from engine import following
from engine.following import follow
from engine.ledger import NotAllowed
from engine.models import Run, Step, WorkerGroup
from engine.pipeline import Pipeline, Stage
from engine.tests.test_runs import stage

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)
MEAL = Pipeline("meal", (stage("cook"), stage("eat")))


class Listener:
    def __init__(self) -> None:
        self.heard: list[object] = []

    def started(self, stage: Stage, total: int) -> None:
        self.heard.append((stage.name, total))

    def advanced(self, stage: Stage, counts: Counter[str]) -> None:
        self.heard.append((stage.name, dict(counts)))

    def finished(self, step: Step) -> None: ...


@pytest.fixture
def happens(monkeypatch):
    """One of these things happens at each glance; when none is left the follower should have ended."""

    def script(*acts: Callable[[], object]) -> None:
        left = iter(acts)
        clock = SimpleNamespace(sleep=lambda seconds: next(left)(), monotonic=time.monotonic)
        monkeypatch.setattr(following, "time", clock)

    script()
    return script


def made(**fields: Any) -> Run:
    return Run.objects.create(**{"pipeline": "meal", "state": Run.State.RUNNING, **fields})


def becomes(run: Run, **fields: Any) -> Callable[[], object]:
    return lambda: Run.objects.filter(pk=run.pk).update(**fields)


def begins(run: Run, name: str, total: int) -> Callable[[], object]:
    return lambda: Step.objects.create(run=run, name=name, fence=1, total=total)


def counts(name: str, **counts: int) -> Callable[[], object]:
    return lambda: Step.objects.filter(name=name).update(counts=counts)


def heard(run: Run) -> list[object]:
    listener = Listener()
    follow(run, MEAL, listener)
    return listener.heard


def nothing() -> None: ...


def test_each_step_is_told_when_it_begins_and_then_what_is_new(happens):
    run = made()
    happens(
        begins(run, "cook", 3),
        counts("cook", cooked=1),
        counts("cook", cooked=3, burnt=1),
        begins(run, "eat", 2),
        counts("eat", eaten=2),
        becomes(run, state="done"),
    )
    assert heard(run) == [
        ("cook", 3), ("cook", {"cooked": 1}), ("cook", {"cooked": 2, "burnt": 1}), ("eat", 2), ("eat", {"eaten": 2}),
    ]  # fmt: skip


def test_nothing_new_is_not_told(happens):
    run = made()
    happens(begins(run, "cook", 3), nothing, nothing, becomes(run, state="done"))
    assert heard(run) == [("cook", 3)]


def test_what_was_done_at_the_very_end_is_told_too(happens):
    run = made()

    def at_once() -> None:
        for act in (begins(run, "cook", 3), counts("cook", cooked=3), becomes(run, state="done")):
            act()

    happens(at_once)
    assert heard(run) == [("cook", 3), ("cook", {"cooked": 3})]


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "done"},
        {"state": "partly"},
        {"state": "quarantined"},
        {"state": "waiting", "next_attempt_at": FAR_AWAY, "attempts": 1, "error": "cook: burnt"},
    ],
    ids=["done", "partly", "quarantined", "failed"],
)
def test_it_ends_with_a_run_that_is(happens, fields):
    run = made()
    happens(becomes(run, **fields))
    assert follow(run, MEAL, Listener()).state == fields["state"]


def test_a_run_that_was_handed_back_is_followed_into_its_next_claim(happens):
    run = made()
    happens(
        becomes(run, state="waiting", error="interrupted"), becomes(run, state="running"), becomes(run, state="done")
    )
    assert follow(run, MEAL, Listener()).state == "done"


def test_a_run_that_is_to_be_run_again_is_followed(happens):
    run = made(state="waiting", next_attempt_at=LONG_AGO)
    happens(becomes(run, state="running", next_attempt_at=None), becomes(run, state="done"))
    assert follow(run, MEAL, Listener()).state == "done"


# Without a worker


@pytest.fixture
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(following, "PATIENCE", 0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fields", [None, {"seen_at": LONG_AGO}, {"ended_at": LONG_AGO}])
def test_without_a_living_worker_it_ends_and_says_how_to_start_one(happens, fields):
    if fields:
        WorkerGroup.objects.create(name="crew", host="galley", pid=1, **fields)
    with pytest.raises(NotAllowed, match=r"no worker is there to do it; start one: \./ost up"):
        follow(made(state="waiting"), MEAL, Listener())


@pytest.mark.usefixtures("impatient")
def test_with_a_living_worker_it_waits(happens):
    WorkerGroup.objects.create(name="crew", host="galley", pid=1, seen_at=Now())
    run = made(state="waiting")
    happens(nothing, nothing, becomes(run, state="done"))
    assert follow(run, MEAL, Listener()).state == "done"


@pytest.mark.usefixtures("impatient")
def test_while_the_run_is_worked_on_no_worker_is_needed(happens):
    run = made()
    happens(nothing, becomes(run, state="done"))
    assert follow(run, MEAL, Listener()).state == "done"


def test_a_worker_that_is_away_for_a_moment_is_waited_for(happens):
    run = made(state="waiting")
    happens(nothing, becomes(run, state="done"))
    assert follow(run, MEAL, Listener()).state == "done"
