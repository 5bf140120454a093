"""The reconciler: what is missing is made, what is due is rung, what fell silent is freed."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from engine import jobs, ledger, reconciling
from engine.jobs import Planned
from engine.models import Anomaly, Run
from engine.pipeline import Pipeline, Scope
from engine.reconciling import Reconciled, reconcile
from engine.tests.test_jobs import messages
from engine.tests.test_runs import stage

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)
TODAY = date(2026, 3, 3)
WEEK = [date(2026, 2, day) for day in (24, 25, 26, 27, 28)] + [date(2026, 3, 1), date(2026, 3, 2)]

MEAL = Pipeline("meal", (stage("cook"),))
DAILY = Pipeline("daily", (stage("cook"),), by_day=True)
SCHEDULES: tuple[Planned, ...] = ()


@pytest.fixture(autouse=True)
def pipelines(settings, one_connection) -> None:
    settings.PIPELINES = {"meal": f"{__name__}.MEAL"}
    settings.SCHEDULES = f"{__name__}.SCHEDULES"


@pytest.fixture
def daily(settings) -> None:
    settings.PIPELINES = {"meal": f"{__name__}.MEAL", "daily": f"{__name__}.DAILY"}


def made(**fields: Any) -> Run:
    """A run of a partition of its own."""
    return Run.objects.create(**{"pipeline": "meal", "source": str(Run.objects.count()), **fields})


def aged(**by: float) -> None:
    """All rings are so old."""
    Run.objects.update(rung_at=timezone.now() - timedelta(**by))


def rung() -> list[object]:
    """The runs that the queue was told of, oldest message first."""
    return [arguments[0] for _, arguments in messages()]


# Days


def days() -> list[date | None]:
    return list(Run.objects.filter(pipeline="daily").order_by("day").values_list("day", flat=True))


@pytest.mark.usefixtures("daily")
def test_the_last_seven_days_that_are_over_get_a_run_each():
    assert (reconciling.open_days(TODAY), days()) == (7, WEEK)


@pytest.mark.usefixtures("daily")
def test_a_day_gets_its_run_once():
    reconciling.open_days(TODAY)
    assert (reconciling.open_days(TODAY), days()) == (0, WEEK)


@pytest.mark.parametrize("state", Run.State)
@pytest.mark.usefixtures("daily")
def test_a_day_that_has_a_run_gets_no_other_whatever_became_of_it(state):
    Run.objects.create(pipeline="daily", day=WEEK[3], state=state)
    assert (reconciling.open_days(TODAY), days()) == (6, WEEK)


@pytest.mark.usefixtures("daily")
def test_the_next_day_brings_one_more():
    reconciling.open_days(TODAY)
    assert reconciling.open_days(TODAY + timedelta(days=1)) == 1


@pytest.mark.usefixtures("daily")
def test_a_pass_opens_the_days_before_today_in_utc():
    assert reconcile().opened == 7
    assert days()[-1] == datetime.now(UTC).date() - timedelta(days=1)


def test_a_pipeline_without_days_gets_no_run():
    assert (reconcile().opened, Run.objects.exists()) == (0, False)


# Ringing


def test_what_is_due_is_rung():
    run = made()
    assert (reconcile().rung, rung()) == (1, [run.pk])


def test_what_was_rung_a_moment_ago_is_not_rung_again():
    run = made()
    assert (reconcile().rung, reconcile().rung, rung()) == (1, 0, [run.pk])


@pytest.mark.parametrize(("seconds", "again"), [(50, 0), (70, 1)])
def test_what_still_waits_is_rung_again_after_a_minute(seconds, again):
    made()
    aged(seconds=seconds)
    assert reconcile().rung == again


def test_everything_that_is_due_is_rung_at_once_when_asked_for():
    run = made()
    reconcile()
    assert (reconcile(everything=True).rung, rung()) == (1, [run.pk, run.pk])


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "quarantined"},
        {"state": "running", "lease_until": FAR_AWAY},
        {"next_attempt_at": FAR_AWAY},
        {"state": "done"},
    ],
)
def test_what_is_not_due_is_never_rung(fields):
    made(**fields)
    assert (reconcile(everything=True).rung, rung()) == (0, [])


def test_the_queue_is_topped_up_and_no_more_the_oldest_runs_first(monkeypatch):
    monkeypatch.setattr(reconciling, "MESSAGES", 3)
    jobs.ring(made(state="done"))
    first, second, *_ = [made() for _ in range(4)]
    assert reconcile().rung == 2
    assert rung()[1:] == [first.pk, second.pk]


def test_a_queue_that_is_more_than_full_gets_nothing(monkeypatch):
    monkeypatch.setattr(reconciling, "MESSAGES", 3)
    for _ in range(5):
        jobs.ring(made(state="done"))
    made()
    assert reconcile(everything=True).rung == 0


def test_after_eight_hours_without_a_worker_each_partition_is_rung_once():
    due = [made(day=day).pk for day in WEEK] + [made(next_attempt_at=timezone.now() - timedelta(hours=7)).pk]
    aged(hours=8)
    reconcile()
    reconcile()
    assert rung() == due


def test_a_message_that_the_broker_lost_is_sent_again():
    run = made()
    jobs.ring(run)
    OrmQ.objects.all().delete()
    aged(seconds=70)
    reconcile()
    assert rung() == [run.pk]


def test_a_worker_that_starts_sends_lost_messages_again_at_once():
    run = made()
    jobs.ring(run)
    OrmQ.objects.all().delete()
    reconcile(everything=True)
    assert rung() == [run.pk]


# Silent owners, strange schedules


def test_a_run_whose_owner_fell_silent_is_freed():
    run = made(state="running", attempts=1, lease_until=LONG_AGO)
    assert reconcile().freed == 1
    assert Run.objects.get(pk=run.pk).state == Run.State.WAITING


def test_a_run_that_is_quarantined_is_alarmed_with_its_reason():
    run = made(state="running", attempts=5, lease_until=LONG_AGO)
    assert reconcile().quarantined == 1
    alarm = Anomaly.objects.get()
    assert (alarm.kind, alarm.subject) == ("run", f"meal 0 (run {run.pk})")
    assert alarm.message.startswith("quarantined: its process ended without a word, 5 times")


def test_schedules_that_were_refused_are_counted():
    Schedule.objects.bulk_create([Schedule(name="odd", func="os.system", args="'true'")])
    assert reconcile().refused == 1


def test_a_second_pass_finds_nothing_to_do():
    made(state="running", lease_until=LONG_AGO)
    made()
    reconcile()
    assert reconcile() == Reconciled()


def test_a_pipeline_that_cannot_be_loaded_is_alarmed_and_stops_nothing(settings):
    settings.PIPELINES = {"meal": "no.such.module"}
    run = ledger.open_run("supper", Scope())
    assert (reconcile().rung, Anomaly.objects.get().subject) == (1, "meal")
    run.refresh_from_db()
    assert run.rung_at
