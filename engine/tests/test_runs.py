"""The ledger, on a real database: who may write a run, what is published, what remains of a fault."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from engine import ledger, logs, runs
from engine.models import Run, Step
from engine.pipeline import Later, Pipeline, Publish, Scope, Stage, StageError, Terminated, Work
from ostsite import environment
from recommendations.models import Category

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
DAY = date(2026, 1, 2)


def stage(name: str, *blocks: dict[str, int], publish: Publish | None = None) -> Stage:
    """Counts those blocks, one a yield, then returns its publish function."""

    def work(scope: Scope) -> Work:
        for block in blocks:
            yield Counter(block)
        return publish

    return Stage(name, work, lambda scope: sum(sum(block.values()) for block in blocks))


def acting(name: str, *acts: Callable[[], object], publish: Publish | None = None) -> Stage:
    """Does one act before each yield."""

    def work(scope: Scope) -> Work:
        for act in acts:
            act()
            yield Counter(done=1)
        return publish

    return Stage(name, work, lambda scope: len(acts))


def failing(name: str, *blocks: dict[str, int], error: BaseException | None = None) -> Stage:
    """Counts those blocks, then raises."""

    def work(scope: Scope) -> Work:
        for block in blocks:
            yield Counter(block)
        raise error or ValueError("the soup is cold\nand salty")

    return Stage(name, work, lambda scope: 1)


def pipeline(*stages: Stage) -> Pipeline:
    return Pipeline("meal", stages)


def the_run() -> Run:
    return Run.objects.get()


def lapse() -> None:
    Run.objects.update(lease_until=LONG_AGO)


def take_over() -> Run:
    """What another process does once the owner has been silent for too long."""
    lapse()
    return ledger.claim("meal", Scope())


def publish() -> None:
    Category.objects.create(name="published")


def published() -> bool:
    return Category.objects.filter(name="published").exists()


def step_of(run: Run) -> Step:
    return Step.objects.create(run=run, name="cook", fence=run.fence)


# Claiming


def test_a_claim_raises_the_fence_and_the_attempts():
    first = ledger.claim("meal", Scope())
    second = take_over()
    assert [(run.fence, run.attempts) for run in (first, second)] == [(1, 1), (2, 2)]


def test_claim_numbers_grow_over_claims_and_over_runs():
    first, second = ledger.claim("meal", Scope()), take_over()
    ledger.close(second)
    assert first.claim_number < second.claim_number < ledger.claim("meal", Scope()).claim_number


def test_a_claim_leases_the_run_for_the_time_in_the_settings(settings):
    settings.TIMING = replace(settings.TIMING, lease=5)
    lease = ledger.claim("meal", Scope()).lease_until
    assert lease
    assert timedelta(0) < lease - timezone.now() <= timedelta(seconds=5)


def test_a_second_claim_is_refused_while_the_lease_lives_and_names_the_owner():
    owner = ledger.claim("meal", Scope()).owner
    with pytest.raises(ledger.Busy, match=f"meal is run by {owner}"):
        ledger.claim("meal", Scope())


def test_a_lapsed_lease_is_taken_over():
    first = ledger.claim("meal", Scope())
    assert take_over().owner != first.owner


def test_a_closed_run_is_followed_by_a_new_one():
    assert runs.run(pipeline(stage("cook")), Scope()).pk != runs.run(pipeline(stage("cook")), Scope()).pk


def test_other_partitions_of_a_pipeline_are_claimed_beside_a_live_one():
    scopes = Scope(), Scope(day=DAY), Scope(source="github"), Scope(day=DAY, source="github")
    assert len({ledger.claim("meal", scope).pk for scope in scopes}) == 4


@pytest.mark.parametrize("day", [None, DAY])
def test_a_partition_has_one_live_run_at_most(day):
    Run.objects.create(pipeline="meal", day=day)
    with pytest.raises(IntegrityError, match="one_live_run_per_partition"), transaction.atomic():
        Run.objects.create(pipeline="meal", day=day, state=Run.State.QUARANTINED)


def test_a_waiting_run_is_taken_up_by_hand_before_its_next_attempt_is_due():
    Run.objects.create(pipeline="meal", next_attempt_at=timezone.now() + timedelta(hours=1))
    assert ledger.claim("meal", Scope()).next_attempt_at is None


def test_a_quarantined_run_is_taken_up_by_hand_and_counts_from_one():
    kept = Run.objects.create(pipeline="meal", state=Run.State.QUARANTINED, attempts=5)
    claimed = ledger.claim("meal", Scope())
    assert (claimed.pk, claimed.attempts) == (kept.pk, 1)


def test_steps_that_a_killed_claim_left_become_lost():
    step = step_of(ledger.claim("meal", Scope()))
    take_over()
    step.refresh_from_db()
    assert (step.state, step.finished_at is None) == (Step.State.LOST, False)


@pytest.mark.django_db(transaction=True)
def test_of_several_that_claim_at_once_exactly_one_gets_the_run():
    together, got = threading.Barrier(6), []

    def contend() -> None:
        try:
            together.wait(10)
            got.append(ledger.claim("meal", Scope()).fence)
        except ledger.Busy:
            got.append(0)
        finally:
            connection.close()

    threads = [threading.Thread(target=contend) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(got) == [0, 0, 0, 0, 0, 1]


@pytest.mark.django_db(transaction=True)
def test_a_lapsed_run_whose_owner_is_publishing_is_left_to_it():
    run = ledger.claim("meal", Scope())
    lapse()
    refused = []

    def rival() -> None:
        try:
            ledger.claim("meal", Scope())
        except ledger.Busy:
            refused.append(True)
        finally:
            connection.close()

    def while_publishing() -> None:
        thread = threading.Thread(target=rival)
        thread.start()
        thread.join(20)

    ledger.finish(run, step_of(run), while_publishing)
    assert refused == [True]


# The former owner of a run that was taken over


def test_renewing_is_refused_after_a_take_over():
    run = ledger.claim("meal", Scope())
    step = step_of(run)
    take_over()
    with pytest.raises(ledger.LeaseLost, match="meal was taken over"):
        ledger.record(run, step)


def test_finishing_is_refused_after_a_take_over_and_publishes_nothing():
    run = ledger.claim("meal", Scope())
    step = step_of(run)
    take_over()
    with pytest.raises(ledger.LeaseLost):
        ledger.finish(run, step, publish)
    assert not published()


def test_closing_after_a_take_over_changes_nothing():
    run = ledger.claim("meal", Scope())
    take_over()
    with pytest.raises(ledger.LeaseLost):
        ledger.close(run)
    assert the_run().state == Run.State.RUNNING


def test_giving_up_after_a_take_over_changes_nothing_for_the_new_owner():
    run = ledger.claim("meal", Scope())
    step = step_of(run)
    taken = take_over()
    with pytest.raises(ledger.LeaseLost):
        ledger.give_up(run, ValueError("late"), step)
    assert (the_run().owner, the_run().error) == (taken.owner, "")


def test_a_stage_whose_run_was_taken_over_stops_at_its_next_yield():
    afterwards: list[int] = []
    with pytest.raises(ledger.LeaseLost):
        runs.run(pipeline(acting("cook", take_over, lambda: afterwards.append(1))), Scope())
    assert not afterwards


def test_a_draft_of_a_run_that_was_taken_over_at_the_end_never_goes_live():
    def work(scope: Scope) -> Work:
        yield Counter(cooked=1)
        take_over()
        return publish

    with pytest.raises(ledger.LeaseLost):
        runs.run(pipeline(Stage("cook", work, lambda scope: 1)), Scope())
    assert (published(), the_run().state) == (False, Run.State.RUNNING)


# Working through stages


def test_a_run_that_went_through_is_done_and_nobodys():
    run = runs.run(pipeline(stage("cook", {"cooked": 1})), Scope())
    assert (run.state, run.owner, run.lease_until, run.error) == (Run.State.DONE, "", None, "")
    assert run.finished_at


def test_counts_are_summed_and_kept_by_stage():
    run = runs.run(pipeline(stage("cook", {"cooked": 1}, {"cooked": 2}), stage("eat", {"eaten": 3})), Scope())
    assert run.counts == {"cook": {"cooked": 3}, "eat": {"eaten": 3}}


def test_a_step_keeps_what_waited_what_was_done_and_what_it_cost():
    run = runs.run(pipeline(stage("cook", {"cooked": 1}, {"cooked": 2})), Scope())
    step = run.steps.get()
    assert (step.state, step.total, step.counts, step.fence) == (Step.State.DONE, 3, {"cooked": 3}, 1)
    assert step.finished_at
    assert step.finished_at >= step.started_at
    assert step.peak_memory > 1_000_000


def test_a_stage_gets_the_number_of_its_claim_and_what_was_asked_for():
    seen: list[Scope] = []

    def work(scope: Scope) -> Work:
        seen.append(scope)
        yield Counter()
        return None

    run = runs.run(pipeline(Stage("cook", work, lambda scope: 0)), Scope(day=DAY, force=True))
    assert seen == [Scope(day=DAY, force=True, fence=run.claim_number)]


def test_only_the_stages_asked_for_are_run():
    run = runs.run(pipeline(stage("cook"), stage("eat")), Scope(), only=["eat"])
    assert [step.name for step in run.steps.all()] == ["eat"]


def test_an_unknown_stage_opens_no_run():
    with pytest.raises(ValueError, match="unknown stage"):
        runs.run(pipeline(stage("cook")), Scope(), only=["sleep"])
    assert not Run.objects.exists()


def test_something_waits_when_one_of_the_stages_asked_for_has_work():
    meal = pipeline(stage("cook"), stage("eat", {"eaten": 1}))
    assert [runs.waiting(meal, Scope(), only) for only in ([], ["cook"], ["eat"])] == [True, False, True]


def test_each_yield_moves_the_lease():
    leases: list[datetime | None] = []
    runs.run(pipeline(acting("cook", lapse, lambda: leases.append(the_run().lease_until))), Scope())
    assert leases[0]
    assert leases[0] > timezone.now()


def test_the_lease_is_as_long_as_the_settings_say_after_each_yield(settings):
    settings.TIMING = replace(settings.TIMING, lease=7200)
    leases: list[datetime | None] = []
    runs.run(pipeline(acting("cook", lapse, lambda: leases.append(the_run().lease_until))), Scope())
    assert leases[0]
    assert timedelta(minutes=119) < leases[0] - timezone.now() <= timedelta(hours=2)


def test_counts_are_seen_while_the_stage_still_runs():
    seen: list[dict[str, object]] = []
    runs.run(pipeline(acting("cook", lambda: None, lambda: seen.append(the_run().counts))), Scope())
    assert seen == [{"cook": {"done": 1}}]


def test_a_watcher_hears_what_waits_and_each_block():
    heard: list[object] = []

    class Listener:
        def started(self, stage: Stage, total: int) -> None:
            heard.append((stage.name, total))

        def advanced(self, stage: Stage, counts: Counter[str]) -> None:
            heard.append(dict(counts))

        def finished(self, step: Step) -> None:
            heard.append(step.name)

    runs.run(pipeline(stage("cook", {"cooked": 1}, {"cooked": 2})), Scope(), watcher=Listener())
    assert heard == [("cook", 3), {"cooked": 1}, {"cooked": 2}, "cook"]


def test_what_a_stage_counts_as_failed_closes_the_run_as_partly_with_the_reason():
    run = runs.run(pipeline(stage("cook", {"cooked": 4, "failed": 2}), stage("eat", {"failed": 1})), Scope())
    assert (run.state, run.error) == (Run.State.PARTLY, "3 left behind, each with its reason on its row")


# Publishing


def test_a_stage_publishes_what_it_returns():
    runs.run(pipeline(stage("cook", publish=publish)), Scope())
    assert published()


def test_publishing_and_closing_the_step_are_one_transaction():
    seen: list[object] = []

    def look() -> None:
        seen.append((connection.in_atomic_block, Step.objects.get().state))

    runs.run(pipeline(stage("cook", publish=look)), Scope())
    assert seen == [(True, Step.State.RUNNING)]


def test_a_failed_publication_leaves_nothing_that_it_wrote():
    def half() -> None:
        publish()
        raise RuntimeError("no more plates")

    run = runs.run(pipeline(stage("cook", {"cooked": 1}, publish=half)), Scope())
    assert not published()
    assert (run.state, run.steps.get().state) == (Run.State.WAITING, Step.State.FAILED)


@pytest.mark.django_db(transaction=True)
def test_nobody_sees_what_is_published_before_the_step_is_closed():
    seen: list[bool] = []

    def look() -> None:
        seen.append(published())
        connection.close()

    def look_from_outside() -> None:
        publish()
        thread = threading.Thread(target=look)
        thread.start()
        thread.join(20)

    runs.run(pipeline(stage("cook", publish=look_from_outside)), Scope())
    assert (seen, published()) == ([False], True)


# Faults


def test_a_fault_leaves_the_run_waiting_with_its_reason_in_one_line():
    run = runs.run(pipeline(failing("cook")), Scope())
    assert (run.state, run.error) == (Run.State.WAITING, "cook: ValueError: the soup is cold")
    assert (run.owner, run.lease_until) == ("", None)


def test_a_fault_fails_its_step_with_the_reason():
    step = runs.run(pipeline(failing("cook")), Scope()).steps.get()
    assert (step.state, step.error) == (Step.State.FAILED, "ValueError: the soup is cold")
    assert step.finished_at


def test_the_next_attempt_is_later_with_each_fault():
    waits = []
    for _ in range(3):
        run = runs.run(pipeline(failing("cook")), Scope())
        assert run.next_attempt_at
        waits.append(round((run.next_attempt_at - timezone.now()).total_seconds(), -1))
    assert waits == [30, 60, 120]


def test_later_stages_do_not_run_after_a_failed_one():
    run = runs.run(pipeline(failing("cook"), stage("eat")), Scope())
    assert [step.name for step in run.steps.all()] == ["cook"]


def test_what_was_counted_before_a_fault_is_kept():
    run = runs.run(pipeline(stage("buy", {"bought": 3}), failing("cook", {"cooked": 2})), Scope())
    assert run.counts == {"buy": {"bought": 3}, "cook": {"cooked": 2}}


def test_what_a_stage_finds_unfit_is_reported_in_its_own_words():
    run = runs.run(pipeline(failing("cook", error=StageError("only 3 of 40 eggs came"))), Scope())
    assert run.error == "cook: only 3 of 40 eggs came"


@pytest.mark.django_db(transaction=True)
def test_a_fault_of_the_database_is_kept_without_the_rows_that_it_holds():
    def twice() -> None:
        Category.objects.create(name="secret")
        Category.objects.create(name="secret")

    run = runs.run(pipeline(acting("cook", twice)), Scope())
    assert run.error.startswith("cook: IntegrityError: duplicate key")
    assert "secret" not in run.error


def test_a_stage_that_wants_to_end_the_process_is_a_fault():
    run = runs.run(pipeline(failing("cook", error=SystemExit(3))), Scope())
    assert (run.state, run.attempts, run.error) == (Run.State.WAITING, 1, "cook: SystemExit: 3")


@pytest.fixture
def secret() -> Iterator[None]:
    logs.configure(["hunter2-hunter2", "-----BEGIN-----\nhunter2"])
    yield
    logs.configure(environment.secrets)


@pytest.mark.parametrize(
    "message", ["no: hunter2-hunter2", "no: " + "o" * 388 + " hunter2-hunter2", "no: -----BEGIN-----\nhunter2"]
)
@pytest.mark.parametrize("error", [ValueError, StageError, SystemExit])
@pytest.mark.usefixtures("secret")
def test_a_secret_in_a_reason_is_on_no_row(error, message):
    run = runs.run(pipeline(failing("cook", error=error(message))), Scope())
    kept = f"{run.error} {run.steps.get().error}"
    assert "no: " in kept
    assert not any(word in kept for word in ("hunter", "BEGIN"))


def test_five_attempts_without_progress_quarantine_the_run():
    states = [runs.run(pipeline(failing("cook")), Scope()).state for _ in range(5)]
    assert states == [Run.State.WAITING] * 4 + [Run.State.QUARANTINED]


TOMORROW = datetime.now(UTC) + timedelta(days=1)
SOLD_OUT = Later(TOMORROW, "the market is closed")


def test_a_run_that_has_to_wait_is_due_then_and_uncounted():
    run = runs.run(pipeline(failing("cook", error=SOLD_OUT)), Scope())
    assert (run.state, run.next_attempt_at, run.attempts) == (Run.State.WAITING, TOMORROW, 0)
    assert (run.error, run.owner, run.lease_until) == ("the market is closed", "", None)


@pytest.mark.parametrize(("blocks", "left"), [([], []), ([{"plates": 2}], [(Step.State.LOST, {"plates": 2})])])
def test_of_a_step_that_has_to_wait_only_what_it_did_is_kept(blocks, left):
    runs.run(pipeline(failing("cook", *blocks, error=SOLD_OUT)), Scope())
    assert list(Step.objects.values_list("state", "counts")) == left


def test_a_quarantined_run_keeps_its_reason_and_is_not_due():
    Run.objects.create(pipeline="meal", attempts=4)
    run = runs.run(pipeline(failing("cook")), Scope())
    assert (run.error, run.next_attempt_at) == ("cook: ValueError: the soup is cold", None)


def test_a_quarantined_run_that_is_run_by_hand_may_end_well():
    Run.objects.create(pipeline="meal", state=Run.State.QUARANTINED, attempts=5, error="cook: burnt")
    run = runs.run(pipeline(stage("cook")), Scope())
    assert (run.state, run.error) == (Run.State.DONE, "")


def test_progress_resets_the_attempts():
    Run.objects.create(pipeline="meal", attempts=3)
    seen: list[int] = []
    runs.run(pipeline(acting("cook", lambda: None, lambda: seen.append(the_run().attempts))), Scope())
    assert seen == [1]


@pytest.mark.parametrize("stages", [[failing("cook", {"cooked": 1})], [stage("buy", {"bought": 1}), failing("cook")]])
def test_a_fault_after_progress_counts_from_one(stages):
    Run.objects.create(pipeline="meal", attempts=4)
    run = runs.run(pipeline(*stages), Scope())
    assert (run.state, run.attempts) == (Run.State.WAITING, 1)


def test_figures_are_no_progress():
    Run.objects.create(pipeline="meal", attempts=4)
    run = runs.run(pipeline(replace(stage("count", {"plates": 3}), figures=True), failing("cook")), Scope())
    assert (run.state, run.attempts) == (Run.State.QUARANTINED, 5)


def test_counts_that_are_no_units_are_no_progress():
    Run.objects.create(pipeline="meal", attempts=4)
    run = runs.run(pipeline(replace(stage("buy", {"seen": 3}), units=("bought",)), failing("cook")), Scope())
    assert run.state == Run.State.QUARANTINED


def test_the_second_attempt_closes_the_run_that_the_first_left():
    first = runs.run(pipeline(failing("cook")), Scope())
    second = runs.run(pipeline(stage("cook")), Scope())
    assert (second.pk, second.state) == (first.pk, Run.State.DONE)
    assert [(step.fence, step.state) for step in second.steps.all()] == [(1, Step.State.FAILED), (2, Step.State.DONE)]


def uncountable(error: BaseException) -> Stage:
    """What waits for it cannot be counted."""

    def waiting(scope: Scope) -> int:
        raise error

    return Stage("cook", stage("cook").work, waiting)


def test_a_fault_while_counting_what_waits_is_kept_on_the_run():
    run = runs.run(pipeline(uncountable(ValueError("no menu"))), Scope())
    assert (run.state, run.error) == (Run.State.WAITING, "cook: ValueError: no menu")


def test_an_interrupt_while_counting_what_waits_hands_the_claim_back():
    with pytest.raises(KeyboardInterrupt):
        runs.run(pipeline(uncountable(KeyboardInterrupt())), Scope())
    assert (the_run().state, the_run().attempts) == (Run.State.WAITING, 0)


def test_a_stage_that_finds_nothing_to_do_keeps_what_waited():
    def nothing(scope: Scope) -> Work:
        return None
        yield

    assert runs.run(pipeline(Stage("cook", nothing, lambda scope: 4)), Scope()).steps.get().total == 4


@pytest.mark.parametrize("end", [KeyboardInterrupt, Terminated])
def test_an_interrupt_hands_the_claim_back_uncounted(end):
    with pytest.raises(end):
        runs.run(pipeline(failing("cook", error=end())), Scope())
    run = the_run()
    assert (run.state, run.attempts, run.owner, run.lease_until) == (Run.State.WAITING, 0, "", None)


def test_an_interrupted_step_is_lost():
    with pytest.raises(KeyboardInterrupt):
        runs.run(pipeline(failing("cook", error=KeyboardInterrupt())), Scope())
    assert Step.objects.get().state == Step.State.LOST


def test_an_interrupted_run_goes_on_at_once_under_a_new_fence():
    with pytest.raises(KeyboardInterrupt):
        runs.run(pipeline(failing("cook", error=KeyboardInterrupt())), Scope())
    run = runs.run(pipeline(stage("cook")), Scope())
    assert (run.state, run.fence, Run.objects.count()) == (Run.State.DONE, 2, 1)


def test_a_stage_is_closed_when_its_run_was_taken_over():
    closed: list[bool] = []

    def work(scope: Scope) -> Work:
        try:
            take_over()
            yield Counter(cooked=1)
        finally:
            closed.append(True)
        return None

    with pytest.raises(ledger.LeaseLost):
        runs.run(pipeline(Stage("cook", work, lambda scope: 1)), Scope())
    assert closed == [True]


def test_a_fault_of_a_former_owner_is_a_lost_lease():
    def fall():
        take_over()
        raise ValueError("late")

    with pytest.raises(ledger.LeaseLost):
        runs.run(pipeline(acting("cook", fall)), Scope())


def test_what_the_slices_of_a_run_did_adds_up():
    whole = pipeline(stage("cook", {"plates": 2}, {"plates": 1}, {"plates": 0}))
    claimed = ledger.claim("meal", Scope())
    paused = runs.go_through(whole, claimed, runs.Silent(), pause=lambda: True)
    ended = runs.go_through(whole, ledger.claim("meal", Scope()), runs.Silent())
    assert (paused.counts, ended.counts) == ({"cook": {"plates": 2}}, {"cook": {"plates": 5}})


def test_the_figures_of_a_stage_do_not_add_up():
    seen = pipeline(replace(stage("count", {"plates": 3}), figures=True))
    paused = runs.go_through(seen, ledger.claim("meal", Scope()), runs.Silent(), pause=lambda: True)
    ended = runs.go_through(seen, ledger.claim("meal", Scope()), runs.Silent())
    assert paused.counts == ended.counts == {"count": {"plates": 3}}
