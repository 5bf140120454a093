"""Who gets a run, who loses it, and what a person may do about it."""

import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from engine import ledger, owner, runs
from engine.models import Anomaly, Audit, Run, Step
from engine.pipeline import Pipeline, Scope, Stage, Work
from engine.runs import Silent
from engine.tests.test_runs import acting, failing, pipeline, stage
from engine.timing import Timing

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)
WAITING, RUNNING, DONE, PARTLY, QUARANTINED = Run.State


def made(**fields: Any) -> Run:
    return Run.objects.create(**{"pipeline": "meal", **fields})


def running(holder: str = "host:crew:41:x", until: datetime = FAR_AWAY, **fields: Any) -> Run:
    """A run that somebody claimed, by default for the second time."""
    return made(**{"state": RUNNING, "owner": holder, "lease_until": until, "fence": 2, "attempts": 2, **fields})


def now(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)


def facts(run: Run) -> dict[str, Any]:
    return {**Run.objects.filter(pk=run.pk).values().get()}


def due_again(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(next_attempt_at=None)


def at_once(count: int, act: Callable[[], object]) -> list[object]:
    """What each of so many threads got that did this at the same moment, each with its own connection."""
    together, got = threading.Barrier(count), []

    def one() -> None:
        together.wait(10)
        try:
            got.append(act())
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return got


# The queue's claim


@pytest.mark.parametrize("at", [None, LONG_AGO])
def test_the_queue_takes_a_waiting_run_whose_time_has_come(at):
    run = made(next_attempt_at=at)
    assert ledger.claim_due(run.pk) == run
    assert (now(run).state, now(run).next_attempt_at) == (RUNNING, None)


NOT_DUE = {
    "later": {"next_attempt_at": FAR_AWAY},
    "quarantined": {"state": QUARANTINED},
    "running": {"state": RUNNING, "lease_until": FAR_AWAY},
    "running, its lease over": {"state": RUNNING, "lease_until": LONG_AGO},
    "done": {"state": DONE},
    "partly": {"state": PARTLY},
}


@pytest.mark.parametrize("fields", NOT_DUE.values(), ids=NOT_DUE)
def test_the_queue_leaves_any_other_run_as_it_is(fields):
    run = made(**fields)
    before = facts(run)
    assert (ledger.claim_due(run.pk), facts(run)) == (None, before)


def test_a_run_that_is_no_more_is_not_due():
    assert ledger.claim_due(404) is None


def test_the_queue_s_claim_raises_the_fence_and_the_attempts():
    run = ledger.claim_due(made(fence=3, attempts=1).pk)
    assert run
    assert (run.fence, run.attempts) == (4, 2)


@pytest.mark.django_db(transaction=True)
def test_of_eight_jobs_that_ask_at_once_for_a_run_one_gets_it():
    run = made()
    got = at_once(8, lambda: ledger.claim_due(run.pk))
    assert (got.count(None), now(run).fence) == (7, 1)


@pytest.mark.django_db(transaction=True)
def test_a_run_that_somebody_is_claiming_is_left_to_them_without_a_wait(elsewhere):
    run = made()
    with elsewhere.transaction(), transaction.atomic(), connection.cursor() as cursor:
        elsewhere.execute("UPDATE engine_run SET state = 'running'")
        cursor.execute("SET LOCAL lock_timeout = '0.3s'")
        assert ledger.claim_due(run.pk) is None


@pytest.mark.django_db(transaction=True)
def test_of_eight_that_open_a_partition_at_once_all_get_the_same_run():
    assert len(set(at_once(8, lambda: ledger.open_run("meal", Scope()).pk))) == 1


# What a run was asked for


def test_the_queue_does_what_the_run_was_opened_for():
    seen: list[bool] = []

    def work(scope: Scope) -> Work:
        seen.append(scope.force)
        yield Counter()
        return None

    claimed = ledger.claim_due(ledger.open_run("meal", Scope(force=True), ["eat"]).pk)
    assert claimed
    runs.go_through(pipeline(stage("cook"), Stage("eat", work, lambda scope: 0)), claimed, Silent())
    assert ([step.name for step in claimed.steps.all()], seen) == (["eat"], [True])


def test_a_later_claim_goes_on_with_what_a_person_asked_for():
    runs.run(pipeline(stage("cook"), failing("eat")), Scope(force=True), only=["eat"])
    run = Run.objects.get()
    due_again(run)
    claimed = ledger.claim_due(run.pk)
    assert claimed
    assert (claimed.stages, claimed.force) == (["eat"], True)


def test_a_person_who_asks_for_something_else_gets_that():
    made(stages=["eat"], force=True)
    claimed = ledger.claim("meal", Scope(), ["cook"])
    assert (now(claimed).stages, now(claimed).force) == (["cook"], False)


def test_what_was_forced_to_its_end_is_not_forced_again_by_a_later_claim():
    forced: list[tuple[str, bool]] = []

    def seeing(name: str, error: BaseException | None = None) -> Stage:
        def work(scope: Scope) -> Work:
            forced.append((name, scope.force))
            if error:
                raise error
            yield Counter()
            return None

        return Stage(name, work, lambda scope: 0)

    failed = runs.run(pipeline(seeing("cook"), seeing("eat", ValueError("cold"))), Scope(force=True))
    ledger.run_again(failed.pk, "alice")
    runs.go_through(pipeline(seeing("cook"), seeing("eat")), due(failed), Silent())
    assert forced == [("cook", True), ("eat", True), ("cook", False), ("eat", True)]


def due(run: Run) -> Run:
    claimed = ledger.claim_due(run.pk)
    assert claimed
    return claimed


def test_what_an_unforced_claim_ended_is_forced_when_a_person_asks_for_it():
    runs.run(pipeline(stage("cook", {"cooked": 1}), failing("eat")), Scope())
    forced: list[bool] = []

    def cook(scope: Scope) -> Work:
        forced.append(scope.force)
        yield Counter()
        return None

    runs.run(pipeline(Stage("cook", cook, lambda scope: 0)), Scope(force=True))
    assert forced == [True]


# Pauses


def larder(plates: int) -> tuple[Pipeline, list[int]]:
    """A pipeline that serves what is left, a plate a block; and the plates that were served."""
    served: list[int] = []

    def serve(scope: Scope) -> Work:
        for plate in range(len(served), plates):
            served.append(plate)
            yield Counter(plates=1)
        return None

    return pipeline(Stage("serve", serve, lambda scope: plates - len(served))), served


def slice_of(meal: Pipeline, run: Run, blocks: int) -> Run:
    """Claim the run and pause after so many blocks."""
    pauses = iter([False] * (blocks - 1) + [True])
    claimed = ledger.claim_due(run.pk)
    assert claimed
    return runs.go_through(meal, claimed, Silent(), lambda: next(pauses))


def test_a_paused_run_is_handed_back_uncounted_and_due_at_once():
    run = slice_of(larder(3)[0], made(), 1)
    assert (run.state, run.attempts, run.next_attempt_at) == (WAITING, 0, None)
    assert (run.owner, run.lease_until) == ("", None)


def test_a_paused_run_keeps_its_counts():
    assert slice_of(larder(3)[0], made(), 2).counts == {"serve": {"plates": 2}}


def test_the_claim_after_a_pause_goes_on_where_it_stopped():
    (meal, served), run = larder(3), made()
    states = [slice_of(meal, run, 2).state, slice_of(meal, run, 2).state]
    assert (states, served) == ([WAITING, DONE], [0, 1, 2])


def test_pauses_burn_no_attempts():
    (meal, _), run = larder(20), made()
    assert {slice_of(meal, run, 1).attempts for _ in range(19)} == {0}


def test_a_pause_leaves_the_later_stages_for_the_next_claim():
    meal, _ = larder(3)
    run = slice_of(Pipeline("meal", (*meal.stages, stage("wash"))), made(), 1)
    assert [(step.name, step.state) for step in run.steps.all()] == [("serve", Step.State.LOST)]


# Silent owners


def test_a_run_whose_lease_ran_out_waits_for_a_later_attempt_with_a_reason():
    run = running(until=LONG_AGO)
    ledger.reap()
    run = now(run)
    assert (run.state, run.owner, run.lease_until) == (WAITING, "", None)
    assert run.error == "its process ended without a word, 2 times without progress; the last: host:crew:41:x"
    assert run.next_attempt_at
    assert run.next_attempt_at > timezone.now()


@pytest.mark.parametrize("attempts", [0, 1, 2, 3, 4])
def test_the_wait_after_a_silent_end_is_the_one_after_a_fault(settings, attempts):
    settings.TIMING = replace(settings.TIMING, longest_backoff=200)
    run = running(until=LONG_AGO, attempts=attempts)
    ledger.reap()
    later = now(run).next_attempt_at
    assert later
    wait = (later - timezone.now()).total_seconds()
    assert wait == pytest.approx(settings.TIMING.wait_after(attempts), abs=2)


def test_the_fifth_silent_end_without_progress_quarantines_the_run():
    run = made()
    states = []
    for _ in range(5):
        assert ledger.claim_due(run.pk)
        Run.objects.update(lease_until=LONG_AGO)
        ledger.reap()
        states.append(now(run).state)
        due_again(run)
    assert states == [WAITING] * 4 + [QUARANTINED]
    assert now(run).error.startswith("its process ended without a word, 5 times without progress; the last: ")


def test_a_quarantined_run_has_no_next_attempt():
    run = running(until=LONG_AGO, attempts=5)
    ledger.reap()
    assert (now(run).state, now(run).next_attempt_at) == (QUARANTINED, None)


def test_a_silent_end_after_progress_counts_from_one():
    run = ledger.claim_due(made(attempts=4).pk)
    assert run
    ledger.record(run, Step.objects.create(run=run, name="cook", fence=run.fence, counts={"cooked": 1}))
    Run.objects.update(lease_until=LONG_AGO)
    ledger.reap()
    assert (now(run).state, now(run).attempts) == (WAITING, 1)


def test_a_live_lease_is_left_alone():
    run = running()
    before = facts(run)
    ledger.reap()
    assert facts(run) == before


def test_reaping_says_how_many_it_freed_and_which_need_a_person():
    running(until=LONG_AGO, source="farm")
    running(until=LONG_AGO, attempts=5)
    assert ledger.reap() == ledger.Reaped(2, 1)


@pytest.mark.parametrize("owner", ["host:crew:41:x", "host:gone:7:y"])
def test_a_run_that_was_killed_too_often_is_alarmed_however_it_is_found(owner):
    running(owner, until=LONG_AGO, attempts=5)
    ledger.free("crew", [41])
    assert "ended without a word" in Anomaly.objects.get(kind="run").message


# Ended worker groups


def test_an_innocent_process_s_run_is_handed_back_uncounted_and_due_at_once():
    run = running("host:crew:41:x")
    ledger.free("crew", [])
    run = now(run)
    assert (run.state, run.attempts, run.next_attempt_at, run.owner) == (WAITING, 1, None, "")


def test_a_guilty_process_s_run_counts_and_comes_later():
    run = running("host:crew:41:x")
    ledger.free("crew", [41])
    run = now(run)
    assert (run.state, run.attempts, run.next_attempt_at is None) == (WAITING, 2, False)


def test_the_fifth_process_that_ends_over_a_run_quarantines_it():
    run = running("host:crew:41:x", attempts=5)
    ledger.free("crew", [41])
    assert now(run).state == QUARANTINED


def test_an_innocent_process_s_run_is_not_quarantined():
    run = running("host:crew:41:x", attempts=5)
    ledger.free("crew", [])
    assert now(run).state == WAITING


def test_a_process_whose_number_begins_alike_is_not_guilty():
    run = running("host:crew:414:x")
    ledger.free("crew", [41, 14])
    assert now(run).attempts == 1


@pytest.mark.parametrize("holder", ["host:crew2:41:x", "host:rew:41:x", "crew::41:x", "host::41:crew"])
def test_the_runs_of_other_groups_are_left_alone(holder):
    run = running(holder)
    before = facts(run)
    ledger.free("crew", [41])
    assert facts(run) == before


def test_freeing_says_how_many_runs_it_took_back():
    for process in (41, 42, 43):
        running(f"host:crew:{process}:x", source=str(process))
    assert ledger.free("crew", [42]) == 3


def test_an_owner_names_its_group_and_its_process(monkeypatch):
    monkeypatch.setenv(owner.GROUP_VARIABLE, "crew")
    assert f":crew:{os.getpid()}:" in owner.owner()


def test_an_owner_of_long_names_fits_its_column(monkeypatch):
    monkeypatch.setenv(owner.GROUP_VARIABLE, "g" * 12)
    monkeypatch.setattr(socket, "gethostname", lambda: "h" * 64)
    monkeypatch.setattr(os, "getpid", lambda: 4_194_304)
    assert len(owner.owner()) <= 80


# Run again


def test_run_again_forgets_the_attempts_and_is_due_at_once():
    run = made(state=QUARANTINED, attempts=5, error="cook: burnt")
    again = ledger.run_again(run.pk, "alice")
    assert (again.state, again.attempts, again.error) == (WAITING, 0, "")
    assert ledger.claim_due(run.pk)


def test_run_again_does_not_wait_for_the_next_attempt():
    run = made(next_attempt_at=FAR_AWAY)
    ledger.run_again(run.pk, "alice")
    assert ledger.claim_due(run.pk)


def test_run_again_keeps_who_asked_and_what_it_was_before():
    run = made(state=QUARANTINED, attempts=5, error="cook: burnt")
    ledger.run_again(run.pk, "alice")
    kept = Audit.objects.get()
    assert (kept.actor, kept.action, kept.subject) == ("alice", "run again", f"run {run.pk}")
    assert kept.note == "quarantined: cook: burnt"


@pytest.mark.parametrize("state", [RUNNING, DONE, PARTLY])
def test_run_again_is_refused_for_a_run_that_is(state):
    run = made(state=state, lease_until=FAR_AWAY)
    before = facts(run)
    with pytest.raises(ledger.NotAllowed, match=f"run {run.pk} is {state}"):
        ledger.run_again(run.pk, "alice")
    assert (facts(run), Audit.objects.exists()) == (before, False)


def test_run_again_is_refused_for_a_run_that_is_not_there():
    with pytest.raises(ledger.NotAllowed, match="there is no run 404"):
        ledger.run_again(404, "alice")


@pytest.mark.parametrize("fields", [{"state": QUARANTINED, "attempts": 5}, {"next_attempt_at": FAR_AWAY}, {}])
def test_what_a_person_leaves_to_the_queue_is_due_at_once(fields):
    run = made(**fields)
    ledger.ask_for("meal", Scope())
    assert ledger.claim_due(run.pk)


def test_what_a_person_leaves_to_the_queue_is_done_as_asked_for():
    run = made(stages=["eat"])
    ledger.ask_for("meal", Scope(force=True), ["cook"])
    assert (now(run).stages, now(run).force) == (["cook"], True)


def test_what_a_person_leaves_to_the_queue_while_it_runs_changes_nothing():
    run = running()
    before = facts(run)
    ledger.ask_for("meal", Scope())
    assert facts(run) == before


@pytest.mark.parametrize("asked", [{"scope": Scope(force=True)}, {"scope": Scope(), "stages": ["cook"]}])
def test_what_the_running_one_does_not_do_is_not_promised(asked):
    running()
    with pytest.raises(ledger.Busy):
        ledger.ask_for("meal", **asked)


def test_who_leaves_a_quarantined_run_to_the_queue_is_kept(monkeypatch):
    monkeypatch.setattr(ledger.getpass, "getuser", lambda: "alice")
    made(state=QUARANTINED, error="cook: burnt")
    ledger.ask_for("meal", Scope())
    assert (Audit.objects.get().actor, Audit.objects.get().note) == ("alice", "quarantined: cook: burnt")


def test_a_person_s_claim_of_a_quarantined_run_is_kept(monkeypatch):
    monkeypatch.setattr(ledger.getpass, "getuser", lambda: "alice")
    run = made(state=QUARANTINED, error="cook: burnt")
    ledger.claim("meal", Scope())
    kept = Audit.objects.get()
    assert (kept.actor, kept.subject, kept.note) == ("alice", f"run {run.pk}", "quarantined: cook: burnt")


@pytest.mark.parametrize("fields", [{}, {"state": RUNNING, "lease_until": LONG_AGO}])
def test_a_person_s_claim_of_another_run_is_nothing_to_keep(fields):
    made(**fields)
    ledger.claim("meal", Scope())
    assert not Audit.objects.exists()


def test_a_person_without_a_name_is_unknown(monkeypatch):
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 1000")

    monkeypatch.setattr(ledger.getpass, "getuser", nobody)
    assert ledger.operator() == "unknown"


# The heartbeat: a lease of 0.6 s, renewed each 0.05 s for 3 s


@pytest.fixture
def fast(settings, transactional_db) -> None:
    settings.TIMING = replace(Timing().faster(100), heartbeat=0.05)


def beating() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("heartbeat")]


@pytest.mark.usefixtures("fast")
def test_a_block_longer_than_the_lease_keeps_it():
    freed: list[int] = []

    def long_block() -> None:
        time.sleep(1)
        freed.append(ledger.reap().freed)

    assert (runs.run(pipeline(acting("cook", long_block)), Scope()).state, freed) == (DONE, [0])


@pytest.mark.usefixtures("fast")
def test_a_block_longer_than_the_longest_is_taken_over(settings):
    settings.TIMING = replace(settings.TIMING, longest_block=0.15)
    taken: list[Run] = []

    def hang() -> None:
        time.sleep(1)
        taken.append(ledger.claim("meal", Scope()))

    with pytest.raises(ledger.LeaseLost):
        runs.run(pipeline(acting("cook", hang)), Scope())
    assert now(taken[0]).owner == taken[0].owner


@pytest.mark.usefixtures("fast")
def test_each_block_has_the_whole_time_of_a_longest_one(settings):
    settings.TIMING = replace(settings.TIMING, lease=0.5, longest_block=0.9)
    freed: list[int] = []

    def block() -> None:
        time.sleep(0.7)
        freed.append(ledger.reap().freed)

    assert (runs.run(pipeline(acting("cook", *[block] * 3)), Scope()).state, freed) == (DONE, [0] * 3)


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("meal", [pipeline(stage("cook", {"cooked": 1})), pipeline(failing("cook"))])
def test_no_heartbeat_outlives_its_stage(meal):
    seen: list[int] = []
    runs.run(Pipeline("meal", (acting("look", lambda: seen.append(len(beating()))), *meal.stages)), Scope())
    assert (seen, beating()) == ([1], [])


@pytest.mark.usefixtures("fast")
def test_a_heartbeat_leaves_no_connection_open():
    before = connections()  # a live server of other tests may have some
    runs.run(pipeline(acting("cook", lambda: time.sleep(0.25))), Scope())
    deadline = time.monotonic() + 5
    while connections() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert connections() <= before


def connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])
