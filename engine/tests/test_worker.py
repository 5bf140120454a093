"""Real worker groups, thirty times faster than in life: whatever is killed, the work is done, once."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.db import connection

from engine import jobs, ledger, runs
from engine.models import Run, WorkerGroup
from engine.pipeline import Scope
from engine.tests import fast_settings, kitchen

MANAGE = Path(__file__).parents[2] / "manage.py"
PARTS = ("main", "sentinel", "worker", "monitor", "pusher")

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fast", "table")]


@pytest.fixture
def fast(settings, tmp_path):
    settings.TIMING, settings.PIPELINES = fast_settings.TIMING, fast_settings.PIPELINES
    settings.RUN_FOLDER = tmp_path


@pytest.fixture
def table() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(kitchen.TABLE)
        cursor.execute("TRUNCATE plates")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE plates")


class Worker:
    """`manage.py worker` on the test's database; as a supervisor does, `again` starts it once more."""

    def __init__(self, folder: Path, faster: int = 30) -> None:
        self.folder, self.faster = folder, faster
        self.again()

    def again(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(MANAGE), "worker", "--no-embed", "--bind", "127.0.0.1:0"],
            env={**on_this_database(), "OST_TEST_RUN_FOLDER": str(self.folder), "OST_TEST_FASTER": str(self.faster)},
            stderr=(self.folder / "log").open("ab"),
            start_new_session=True,
        )

    def revived(self) -> bool:
        """As a supervisor does: started again when it has ended."""
        if self.process.poll() is not None:
            self.again()
        return True

    def parts(self) -> dict[str, int]:
        """The processes of its group by name, once the watchdog knows them all."""
        group = until(lambda: next((g for g in self.groups() if len(g["members"]) == len(PARTS)), None))
        (sentinel,) = psutil.Process(group["leader"]).children()
        worker, monitor, pusher = sorted(child.pid for child in sentinel.children())
        return dict(zip(PARTS, (group["leader"], sentinel.pid, worker, monitor, pusher), strict=True))

    def groups(self) -> list[dict[str, Any]]:
        """What its watchdog has written down."""
        found = [json.loads(path.read_text()) for path in self.folder.glob("worker-*.json")]
        return [group for group in found if alive(group["leader"])]

    def left(self) -> list[int]:
        """Processes of the groups that this test started, the watchdog included."""
        mine = str(self.folder)
        return [process.pid for process in psutil.process_iter() if environment(process) == mine]

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(60)


def on_this_database() -> dict[str, str]:
    found = connection.settings_dict
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "engine.tests.fast_settings",
        "DATABASE_URL": f"postgresql://{found['USER']}@/{found['NAME']}?host={found['HOST']}&port={found['PORT']}",
        "WORKER_PROCESSES": "1",
    }


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def environment(process: psutil.Process) -> str:
    try:
        return process.environ().get("OST_TEST_RUN_FOLDER", "") if process.status() != psutil.STATUS_ZOMBIE else ""
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""


@pytest.fixture
def worker(tmp_path) -> Iterator[Worker]:
    started = Worker(tmp_path)
    yield started
    for pid in started.left():
        os.kill(pid, signal.SIGKILL)
    started.process.wait()


def until(seen: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := seen():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def cooking() -> bool:
    return kitchen.served() > 2


def more_than(plates: int) -> Callable[[], bool]:
    return lambda: kitchen.served() > plates


def state(run: Run) -> str:
    run.refresh_from_db()
    return str(run.state)


def test_what_is_rung_is_done(worker):
    run = jobs.request("meal", Scope())
    until(lambda: state(run) == "done")
    assert kitchen.plates() == list(range(kitchen.MEAL))


@pytest.mark.parametrize("part", PARTS)
def test_when_one_process_goes_the_whole_group_goes_and_the_run_goes_on(worker, part):
    run, parts = jobs.request("meal", Scope()), worker.parts()
    until(cooking)
    os.kill(parts[part], signal.SIGKILL)
    assert worker.process.wait(30) == 1
    assert worker.left() == []
    assert WorkerGroup.objects.get().fault.endswith("ended")
    guilty = part == "worker"  # the claim of a process that the watchdog ended does not count
    assert (state(run), run.attempts, run.next_attempt_at is None) == ("waiting", guilty, not guilty)
    served_to_the_end(worker, run)


def test_a_run_goes_on_after_the_watchdog_was_killed(worker):
    run = jobs.request("meal", Scope())
    until(cooking)
    worker.process.kill()
    worker.process.wait(30)
    served_to_the_end(worker, run)


def served_to_the_end(worker: Worker, run: Run) -> None:
    """The next worker serves what is left of the meal, each plate once, and ends when it is told to."""
    worker.again()
    until(lambda: state(run) == "done")
    assert kitchen.plates() == list(range(kitchen.MEAL))
    assert worker.end() == 0
    assert worker.left() == []


@pytest.mark.parametrize("moment", [0.3, 0.8, 1.5])
def test_a_group_ends_by_itself_when_its_watchdog_is_killed(worker, moment):
    until(lambda: list(worker.folder.glob("worker-*.json")))
    time.sleep(moment)
    worker.process.kill()
    worker.process.wait()
    until(lambda: not worker.left(), 20)


def test_a_job_that_ends_its_process_is_quarantined_while_others_go_on(worker):
    poison = jobs.request("poison", Scope())
    until(lambda: worker.revived() and state(poison) == "quarantined", 120)
    assert poison.attempts == 5
    assert "ended without a word" in poison.error
    meal = jobs.request("meal", Scope())
    until(lambda: worker.revived() and state(meal) == "done")


def test_each_time_it_is_told_to_end_it_has_made_progress_and_burns_no_attempt(worker):
    run = jobs.request("meal", Scope())
    for _ in range(3):
        until(more_than(kitchen.served() + 1))
        assert worker.end() == 0
        assert (state(run), run.attempts) == ("waiting", 0)
        worker.again()
    until(lambda: state(run) == "done")
    assert kitchen.plates() == list(range(kitchen.MEAL))


def test_a_process_that_was_stopped_and_wakes_after_a_takeover_writes_nothing():
    sleeper = subprocess.Popen(
        [sys.executable, str(MANAGE), "run_pipeline", "meal"], env=on_this_database(), stderr=subprocess.DEVNULL
    )
    until(cooking)
    sleeper.send_signal(signal.SIGSTOP)
    run = Run.objects.get()
    until(lambda: ledger.reap().freed)
    ended = runs.run(kitchen.MEAL_PIPELINE, Scope())
    sleeper.send_signal(signal.SIGCONT)
    assert (sleeper.wait(60), ended.pk, ended.state) == (1, run.pk, "done")
    assert kitchen.plates() == list(range(kitchen.MEAL))


@pytest.mark.true_times
def test_at_true_times_a_group_is_gone_within_two_seconds_of_one_of_its_processes(tmp_path):
    worker = Worker(tmp_path, faster=1)
    try:
        assert min(seconds_to_go(worker, part) for part in ("sentinel", "worker", "pusher")) < 2
    finally:
        for pid in worker.left():
            os.kill(pid, signal.SIGKILL)


def seconds_to_go(worker: Worker, part: str) -> float:
    """How long the group outlives this one. The least of several tells the rule from a busy machine."""
    worker.revived()
    parts = worker.parts()
    os.kill(parts[part], signal.SIGKILL)
    killed = time.monotonic()
    until(lambda: not any(map(alive, parts.values())))
    gone = time.monotonic()
    worker.process.wait(30)
    return gone - killed


@pytest.mark.true_times
def test_at_true_times_a_killed_worker_is_back_within_150_seconds_and_the_run_completes(tmp_path):
    worker = Worker(tmp_path, faster=1)
    try:
        run = jobs.request("meal", Scope())
        until(cooking)
        os.kill(worker.parts()["worker"], signal.SIGKILL)
        worker.process.wait(30)
        worker.again()
        until(lambda: state(run) == "done", 150)
        assert kitchen.plates() == list(range(kitchen.MEAL))
        assert worker.end() == 0
        assert worker.left() == []
    finally:
        for pid in worker.left():
            os.kill(pid, signal.SIGKILL)
