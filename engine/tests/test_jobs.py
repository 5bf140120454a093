"""The doorbell: what a job does, what it never does, and what the clock rings."""

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

import pytest
from django.db import OperationalError
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.brokers import get_broker
from django_q.models import OrmQ, Schedule, validate_cron
from django_q.scheduler import scheduler
from structlog.testing import capture_logs

from engine import jobs, ledger, logs
from engine.jobs import Planned
from engine.models import Anomaly, Run, WorkerGroup
from engine.owner import GROUP_VARIABLE
from engine.pipeline import Pipeline, Scope, Stage, Work
from engine.tests.test_ledger import facts, made
from engine.tests.test_runs import acting, failing, pipeline, stage
from ostsite import environment
from ostsite.schedules import SCHEDULES
from recommendations.models import Category

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)
PLATES = 4
outside = pytest.mark.django_db(transaction=True)  # a job that fails closes its connection


def serve(scope: Scope) -> Work:
    """A plate a block, until there are as many categories."""
    while left(scope):
        Category.objects.create(name=f"plate {left(scope)}")
        yield Counter(plates=1)
    return None


def left(scope: Scope) -> int:
    return PLATES - Category.objects.count()


def take_over() -> None:
    Run.objects.update(lease_until=LONG_AGO)
    ledger.claim("meal", Scope())


MEAL = pipeline(Stage("serve", serve, left))
DAILY = Pipeline("daily", (stage("cook", {"cooked": 1}),), by_day=True)
PATHS = {"meal": f"{__name__}.MEAL", "daily": f"{__name__}.DAILY"}


@pytest.fixture(autouse=True)
def pipelines(settings) -> None:
    settings.PIPELINES = PATHS


@pytest.fixture(autouse=True)
def not_stopping(monkeypatch) -> None:
    monkeypatch.setattr(jobs, "_stopping", False)


@pytest.fixture
def cook(monkeypatch):
    """Make these the stages of the pipeline."""

    def make(*stages: Stage) -> None:
        monkeypatch.setattr(f"{__name__}.MEAL", pipeline(*stages))

    return make


def state(run: Run) -> str:
    return str(Run.objects.get(pk=run.pk).state)


def messages() -> list[tuple[str, tuple[object, ...]]]:
    """What lies in the queue: the function and what it is called with, oldest first."""
    return [(message.task["func"], message.task["args"]) for message in OrmQ.objects.order_by("pk")]


# Ringing


def test_a_ring_is_a_message_with_the_number_of_the_run():
    run = made()
    jobs.ring(run)
    assert messages() == [("engine.jobs.work", (run.pk,))]


def test_a_ring_is_dated():
    run = made()
    jobs.ring(run)
    assert Run.objects.get(rung_at__gt=LONG_AGO) == run


def test_a_ring_that_the_queue_does_not_take_is_not_dated(monkeypatch):
    def away(*arguments: object, **options: object) -> None:
        raise ConnectionError("no queue")

    monkeypatch.setattr(jobs, "async_task", away)
    run = made()
    assert (jobs.ring(run), Run.objects.get().rung_at) == (False, None)


def test_who_asks_for_a_pipeline_opens_its_run_and_rings():
    run = jobs.request("meal", Scope(force=True), ["serve"])
    assert (run.state, run.force, run.stages) == (Run.State.WAITING, True, ["serve"])
    assert messages() == [("engine.jobs.work", (run.pk,))]


def test_who_asks_again_rings_for_the_same_run():
    assert jobs.request("meal", Scope()) == jobs.request("meal", Scope())
    assert len(set(messages())) == 1


def test_the_length_of_the_queue_is_how_many_messages_lie_in_it():
    for _ in range(3):
        jobs.ring(made(source=str(OrmQ.objects.count())))
    assert jobs.queued() == 3


# Working


def test_a_due_run_is_worked_on_to_its_end():
    run = made()
    assert (jobs.work(run.pk), state(run)) == ("done", "done")
    assert not left(Scope())


@pytest.mark.parametrize("fields", [{}, {"next_attempt_at": FAR_AWAY}, {"state": "quarantined"}])
def test_fifty_deliveries_too_many_change_nothing_and_ask_one_question_each(fields, django_assert_num_queries):
    run = made(**fields)
    if not fields:
        jobs.work(run.pk)
    before = facts(run)
    with django_assert_num_queries(50):
        assert {jobs.work(run.pk) for _ in range(50)} == {"not due"}
    assert (facts(run), messages()) == (before, [])


def test_a_delivery_while_the_run_is_worked_on_is_one_too_many(cook):
    said: list[str] = []
    cook(acting("cook", lambda: said.append(jobs.work(run.pk))))
    run = made()
    assert (jobs.work(run.pk), said) == ("done", ["not due"])


def test_a_run_whose_slice_is_over_is_handed_back_and_rung_for(settings):
    settings.TIMING = replace(settings.TIMING, slice=0)
    run = made()
    assert jobs.work(run.pk) == "waiting"
    assert (left(Scope()), messages()) == (PLATES - 1, [("engine.jobs.work", (run.pk,))])


def test_slices_end_the_work_in_the_end_and_burn_no_attempt(settings):
    settings.TIMING = replace(settings.TIMING, slice=0)
    run = made()
    attempts = []
    while jobs.work(run.pk) == "waiting":
        attempts.append(Run.objects.get().attempts)
    assert (state(run), attempts) == ("done", [0] * PLATES)


def test_a_run_within_its_slice_is_not_interrupted():
    run = made()
    jobs.work(run.pk)
    assert (Run.objects.get().fence, messages()) == (1, [])


def test_a_run_that_failed_is_not_rung_for_before_its_next_attempt(cook):
    cook(failing("cook"))
    assert (jobs.work(made().pk), messages()) == ("waiting", [])


# Told to stop


def test_a_process_that_is_to_end_claims_nothing(monkeypatch):
    monkeypatch.setattr(jobs, "_stopping", True)
    run = made()
    before = facts(run)
    assert (jobs.work(run.pk), facts(run)) == ("not due", before)


def test_a_process_that_is_to_end_hands_its_run_back_after_the_block(cook):
    afterwards: list[int] = []
    cook(acting("cook", lambda: jobs.stop(jobs.STOP, None), lambda: afterwards.append(1)))
    run = made()
    assert (jobs.work(run.pk), afterwards) == ("waiting", [])
    assert (Run.objects.get().attempts, messages()) == (0, [("engine.jobs.work", (run.pk,))])


def test_a_worker_process_hears_the_signal():
    before = signal.getsignal(jobs.STOP)
    jobs.listen()
    os.kill(os.getpid(), jobs.STOP)
    signal.signal(jobs.STOP, before)
    assert jobs.paused(time.monotonic())


# What a job never does: raise


@pytest.mark.parametrize("error", [KeyError("salt"), SystemExit(3), OperationalError("away"), RecursionError()])
def test_a_fault_of_a_stage_is_kept_on_its_run(cook, error):
    cook(failing("cook", error=error))
    assert jobs.work(made().pk) == "waiting"
    assert type(error).__name__ in Run.objects.get().error


@outside
@pytest.mark.parametrize("source", ["raise KeyError('salt')", "raise SystemExit(3)", "this is no Python"])
def test_a_pipeline_that_cannot_be_loaded_is_a_fault_of_its_run(settings, tmp_path, monkeypatch, source):
    (tmp_path / "spilt_pipeline.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "spilt_pipeline", raising=False)
    settings.PIPELINES = {"meal": "spilt_pipeline.MEAL"}
    assert (jobs.work(made().pk), Run.objects.get().error != "", jobs.start("meal")) == ("waiting", True, "failed")


@outside
@pytest.mark.parametrize("facts", [{"pipeline": "dinner"}, {"stages": ["wash"]}])
def test_a_pipeline_or_stage_that_is_no_more_is_a_fault_of_its_run(facts):
    run = made(**facts)
    assert (jobs.work(run.pk), Run.objects.get().attempts) == ("waiting", 1)


def test_a_run_that_another_took_over_is_left_to_it(cook):
    cook(acting("cook", take_over))
    assert (jobs.work(made().pk), Run.objects.get().fence) == ("taken over", 2)


def test_an_interrupt_is_no_fault_of_a_job(cook):
    cook(failing("cook", error=KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        jobs.work(made().pk)


# A schedule's jobs


def test_a_start_where_nothing_waits_opens_no_run():
    for number in range(PLATES):
        Category.objects.create(name=str(number))
    assert (jobs.start("meal"), Run.objects.exists()) == ("nothing waits", False)


def test_a_start_where_something_waits_does_it():
    assert (jobs.start("meal"), left(Scope())) == ("done", 0)


def test_a_start_of_a_day_works_on_that_day():
    assert (jobs.start("daily", "2026-01-02"), Run.objects.get().day) == ("done", date(2026, 1, 2))


def test_without_a_day_it_rings_for_each_that_waits(monkeypatch):
    days = [date(2026, 1, 2), date(2026, 1, 4)]
    monkeypatch.setattr(f"{__name__}.DAILY", replace(DAILY, days=lambda: days))
    assert jobs.start("daily") == "2 days"
    assert [run.day for run in Run.objects.order_by("pk")] == days


def test_a_start_ends_what_was_begun_though_nothing_more_waits(cook):
    cook(stage("cook"))
    run = made()
    assert (jobs.start("meal"), state(run)) == ("done", "done")


@pytest.mark.parametrize("fields", [{"state": "quarantined"}, {"next_attempt_at": FAR_AWAY}])
def test_a_start_leaves_a_run_alone_that_is_not_due(fields):
    run = made(**fields)
    before = facts(run)
    assert (jobs.start("meal"), facts(run)) == ("not due", before)


@outside
@pytest.mark.parametrize("arguments", [("dinner",), ("daily", "tomorrow"), ("meal", "2026-02-30")])
def test_a_start_of_what_is_not_there_is_a_failed_job(arguments):
    assert (jobs.start(*arguments), Run.objects.exists()) == ("failed", False)


def swept(keep: int) -> int:
    return 10 - keep


def spill(keep: int) -> int:
    raise KeyError("salt")


def leave(keep: int) -> int:
    raise SystemExit(3)


def dusted() -> str:
    return "three rooms"


def test_a_chore_is_what_the_settings_name_and_says_what_it_did(settings):
    settings.CHORES = {"dust": f"{__name__}.dusted"}
    assert jobs.chore("dust") == "three rooms"


def test_an_unknown_chore_fails_quietly(settings):
    settings.CHORES = {}
    assert jobs.chore("dust") == "failed"


def test_prune_says_how_many_of_each_went(settings):
    settings.PRUNED = {"plates": f"{__name__}.swept"}
    assert jobs.prune() == "plates=7"


@outside
@pytest.mark.parametrize("path", [f"{__name__}.spill", f"{__name__}.leave", "no.such.module", "nonsense"])
def test_a_prune_that_fails_is_a_failed_job(settings, path):
    settings.PRUNED = {"plates": path}
    assert jobs.prune() == "failed"


def tell(keep: int) -> int:
    raise ValueError("o" * 285 + " hunter2-hunter2")


@outside
def test_the_reason_of_a_failed_job_holds_not_even_half_a_secret(settings):
    settings.PRUNED = {"plates": f"{__name__}.tell"}
    logs.configure(["hunter2-hunter2"])
    with capture_logs() as told:
        jobs.prune()
    logs.configure(environment.secrets)
    assert "hunter" not in told[0]["reason"]


# The canary


def crew(**fields: Any) -> WorkerGroup:
    return WorkerGroup.objects.create(**{"name": "crew", "host": "galley", "pid": 1, **fields})


@pytest.mark.parametrize("job", [lambda: jobs.canary("crew"), lambda: jobs.work(0)])
def test_any_job_shows_that_its_group_lives(monkeypatch, job):
    monkeypatch.setenv(GROUP_VARIABLE, "crew")
    worker = crew()
    job()
    worker.refresh_from_db()
    assert worker.answered_at


def test_a_job_outside_of_a_worker_shows_nothing():
    worker = crew()
    jobs.work(0)
    worker.refresh_from_db()
    assert worker.answered_at is None


def test_a_released_canary_lies_where_its_group_alone_reads_and_is_dated():
    jobs.release_canary(crew())
    assert OrmQ.objects.get().key == "canary-crew"
    assert WorkerGroup.objects.filter(rung_at__gt=LONG_AGO).exists()


def test_a_group_reads_its_own_key_and_the_common_one(monkeypatch):
    monkeypatch.setattr("django_q.conf.Conf.POLL", 0)
    monkeypatch.setenv(GROUP_VARIABLE, "crew")
    jobs.release_canary(crew())
    jobs.ring(made())
    ours = get_broker()
    assert sum(len(ours.dequeue() or []) for _ in range(4)) == 2


def test_another_group_s_canary_is_left_to_it(monkeypatch):
    monkeypatch.setattr("django_q.conf.Conf.POLL", 0)
    monkeypatch.setenv(GROUP_VARIABLE, "others")
    jobs.release_canary(crew())
    others = get_broker()
    assert [others.dequeue() for _ in range(4)] == [None] * 4


def test_what_an_ended_group_did_not_answer_is_forgotten():
    jobs.release_canary(crew())
    jobs.ring(made())
    jobs.forget_canary("crew")
    assert [key for (key,) in OrmQ.objects.values_list("key")] == ["ost"]


# Schedules

PLANNED = (Planned("meals", "5 * * * *", "start", ("meal",)), Planned("sweep", "40 3 * * *", "prune"))
MEALS = ("engine.jobs.start", ("meal",))


class Trap:
    """What a bad row names: it keeps that it was called."""

    calls: ClassVar[list[object]] = []


def trap(*args: object) -> None:
    Trap.calls.append(args)


@pytest.fixture
def planned(settings, one_connection) -> Iterator[None]:
    """The schedules of PLANNED are in their table; none is due yet."""
    settings.SCHEDULES = f"{__name__}.PLANNED"
    jobs.ring_schedules()
    yield
    Trap.calls.clear()


def add(**changes: Any) -> None:
    """A row that somebody wrote by hand: the one of `meals`, due, but for these changes."""
    Schedule.objects.bulk_create([Schedule(**{**PLANNED[0].row, "next_run": LONG_AGO, **changes})])


def change(name: str, **changes: Any) -> None:
    assert Schedule.objects.filter(name=name).update(**changes) == 1


def table() -> list[tuple[str, str, str, str]]:
    return list(Schedule.objects.order_by("name").values_list("name", "func", "args", "cron"))


GOOD = [
    ("meals", "engine.jobs.start", "('meal',)", "5 * * * *"),
    ("sweep", "engine.jobs.prune", "", "40 3 * * *"),
]
BAD: dict[str, dict[str, Any]] = {
    "arguments that are code": {"name": "odd", "args": "open('x')"},
    "arguments that are nothing": {"name": "odd", "args": "(("},
    "a stranger's function": {"name": "odd", "func": "os.system", "args": "'true'"},
    "a function called at once": {"name": "odd", "func": f"{__name__}.trap", "kwargs": "q_options={'sync': True}"},
    "no name": {"name": None},
    "a second of the same name": {},
    "other arguments": {"args": "('dinner',)"},
    "other keywords": {"kwargs": "q_options={'sync': True}"},
    "another time": {"cron": "* * * * *"},
    "no cron line": {"cron": "now"},
    "another kind": {"schedule_type": "I", "minutes": 1},
    "a hook": {"hook": f"{__name__}.trap"},
    "an end": {"repeats": 2},
    "another cluster": {"cluster": "elsewhere"},
    "no next time": {"next_run": None},
}
bad = pytest.mark.parametrize("changes", BAD.values(), ids=BAD)


@pytest.mark.usefixtures("planned")
def test_the_table_is_what_the_code_says():
    assert table() == GOOD


@pytest.mark.usefixtures("planned")
def test_a_second_pass_changes_no_row():
    before = list(Schedule.objects.order_by("pk").values())
    assert jobs.ring_schedules() == 0
    assert list(Schedule.objects.order_by("pk").values()) == before


@pytest.mark.usefixtures("one_connection")
def test_while_another_worker_is_at_the_table_it_is_left_alone(settings, elsewhere):
    settings.SCHEDULES = f"{__name__}.PLANNED"
    elsewhere.execute("SELECT pg_advisory_lock(%s)", [jobs.SCHEDULES_LOCK])
    assert (jobs.ring_schedules(), table()) == (0, [])
    elsewhere.execute("SELECT pg_advisory_unlock_all()")  # its end would do so, but a moment late


@pytest.mark.usefixtures("planned")
def test_a_new_row_is_due_at_its_time_and_not_before():
    first = Schedule.objects.get(name="meals").next_run
    assert timedelta(0) < first - timezone.now() <= timedelta(hours=1)
    assert (first.minute, messages()) == (5, [])


@pytest.mark.usefixtures("planned")
def test_what_is_due_is_rung_once_and_is_next_due_later():
    change("meals", next_run=timezone.now() - timedelta(hours=8))
    jobs.ring_schedules()
    jobs.ring_schedules()
    assert messages() == [MEALS]
    assert Schedule.objects.get(name="meals").next_run > timezone.now()


@pytest.mark.usefixtures("planned")
def test_a_row_that_is_missing_comes_back():
    Schedule.objects.filter(name="sweep").delete()
    assert (jobs.ring_schedules(), table()) == (0, GOOD)


@bad
@pytest.mark.usefixtures("planned")
def test_a_bad_row_is_taken_away(changes):
    add(**changes)
    assert (jobs.ring_schedules(), table()) == (1, GOOD)


@bad
@pytest.mark.usefixtures("planned")
def test_beside_a_bad_row_the_others_are_rung_in_time_and_it_is_not(changes):
    add(**changes)
    change("sweep", next_run=LONG_AGO)
    jobs.ring_schedules()
    assert messages() == [("engine.jobs.prune", ())]


@bad
@pytest.mark.usefixtures("planned")
def test_nothing_that_a_bad_row_names_is_called(changes):
    add(**changes)
    jobs.ring_schedules()
    assert Trap.calls == []


@pytest.mark.usefixtures("planned")
def test_the_queue_itself_would_call_what_a_row_names():
    add(**BAD["a function called at once"])
    scheduler()
    assert Trap.calls == [("meal",)]


@pytest.mark.usefixtures("planned")
def test_a_bad_row_is_alarmed_with_what_it_held():
    add(**BAD["arguments that are code"])
    jobs.ring_schedules()
    found = Anomaly.objects.get()
    assert (found.kind, found.subject, found.count) == ("schedule", "odd", 1)
    assert found.message == "refused: func='engine.jobs.start' args=\"open('x')\" cron='5 * * * *'"


@pytest.mark.usefixtures("planned")
def test_a_bad_row_that_comes_again_is_counted():
    for _ in range(2):
        add(**BAD["a stranger's function"])
        jobs.ring_schedules()
    assert Anomaly.objects.get().count == 2


@pytest.mark.usefixtures("planned")
def test_a_row_that_somebody_changed_is_put_right():
    change("meals", args="('dinner',)")
    assert (jobs.ring_schedules(), table(), messages()) == (1, GOOD, [])


@pytest.mark.usefixtures("planned")
def test_a_row_that_lost_its_next_time_gets_one():
    change("meals", next_run=None)
    assert (jobs.ring_schedules(), table()) == (1, GOOD)
    assert Schedule.objects.get(name="meals").next_run > timezone.now()


@pytest.mark.usefixtures("planned")
def test_a_row_that_the_code_knows_no_more_goes(settings):
    settings.SCHEDULES = f"{__name__}.FEWER"
    assert (jobs.ring_schedules(), table()) == (1, GOOD[:1])


FEWER: Sequence[Planned] = PLANNED[:1]


@pytest.mark.parametrize("plan", SCHEDULES, ids=lambda plan: plan.name)
def test_a_schedule_of_ours_has_a_time_of_five_fields(plan):
    validate_cron(plan.cron)
    assert len(plan.cron.split()) == 5


@pytest.mark.parametrize("plan", SCHEDULES, ids=lambda plan: plan.name)
def test_a_schedule_of_ours_names_a_job_that_exists(plan):
    assert import_string(str(plan.row["func"])) is jobs.JOBS[plan.job]


def test_schedules_of_ours_start_pipelines_that_exist(settings):
    from ostsite.settings import PIPELINES  # late: those of the site; the tests have others

    assert {plan.arguments[0] for plan in SCHEDULES if plan.job == "start"} <= set(PIPELINES)


def test_schedules_of_ours_have_names_of_their_own():
    assert len({plan.name for plan in SCHEDULES}) == len(SCHEDULES)


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_database_went_away_is_handed_back_uncounted_and_rung(monkeypatch):
    def away(*arguments: object) -> Run:
        raise OperationalError("away")

    run = made()
    monkeypatch.setattr(jobs.runs, "resume", away)
    assert jobs.work(run.pk) == "handed back"
    run.refresh_from_db()
    assert (run.state, run.attempts, messages()) == ("waiting", 0, [("engine.jobs.work", (run.pk,))])
