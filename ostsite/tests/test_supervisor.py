"""The supervisor, on small real processes. Whoever holds the lock in their folder lives."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ostsite import supervisor
from ostsite.supervisor import Delays, Service, supervise

QUICK = Delays(first=0.05, longest=0.2, long=60)
ROOT = Path(__file__).parents[2]

# Takes the lock if it is free, says so or that it is held, and leaves a child that holds it too.
LEAVING = """
import fcntl, os, signal
lock = open("lock", "w")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    seen = "free"
except BlockingIOError:
    seen = "held"
print(seen, file=open("lives", "a"))
if os.fork() == 0:
    signal.pause()
"""

UP = """
import sys
from ostsite.supervisor import Service, supervise
grace, *scripts = sys.argv[1:]
services = [Service("web", ("sh", "-c", script), float(grace)) for script in scripts]
sys.exit(supervise(services, cwd="."{}))
"""


@pytest.fixture(autouse=True)
def quick_passes(monkeypatch):
    monkeypatch.setattr(supervisor, "PASS_SECONDS", 0.02)
    monkeypatch.setattr(supervisor, "GONE_SECONDS", 0.2)


def shell(script: str, name: str = "web", grace: float = 10) -> Service:
    return Service(name, ("sh", "-c", script), grace)


def leaving(then: str = "") -> Service:
    return Service("web", (sys.executable, "-c", LEAVING + then))


def wait_for(happened: Callable[[], object], seconds: float = 1.8) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def lives(folder: Path) -> list[str]:
    """What the services wrote into `lives`: a line for each life."""
    path = folder / "lives"
    return path.read_text().splitlines() if path.exists() else []


def is_free(folder: Path) -> bool:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def until_lives(count: int, folder: Path) -> Callable[[], int]:
    """Work that ends when there have been so many lives."""

    def wait() -> int:
        wait_for(lambda: len(lives(folder)) >= count)
        return 0

    return wait


class Up:
    """`supervise` in a process of its own. The services have its stdout: its end shows that none of them is left."""

    def __init__(self, *scripts: str, grace: float = 10, more: str = "") -> None:
        command = [sys.executable, "-c", UP.format(more), str(grace), *(f"echo up; {script}" for script in scripts)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        assert self.process.stdout
        for _ in scripts:
            assert self.process.stdout.readline() == "up\n", self.process.communicate()

    def after(self, *numbers: int) -> int:
        """The exit code after these signals, once no service is left."""
        for number in numbers:
            self.process.send_signal(number)
            time.sleep(0.1)
        code = self.process.wait(timeout=2)
        self.process.communicate(timeout=0.5)
        return code


STUBBORN = "trap '' TERM; while :; do sleep 0.1; done"
PATIENT = "exec sleep 60"


def test_a_killed_service_is_started_again(tmp_path):
    def kill_it() -> int:
        wait_for(lambda: lives(tmp_path))
        os.kill(int(lives(tmp_path)[0]), signal.SIGKILL)
        return until_lives(2, tmp_path)()

    service = shell("echo $$ >> lives; exec sleep 60")
    assert supervise([service], cwd=str(tmp_path), meanwhile=kill_it, delays=QUICK) == 0


def test_a_service_that_ended_well_is_started_again(tmp_path):
    service = shell("echo once >> lives")
    assert supervise([service], cwd=str(tmp_path), meanwhile=until_lives(2, tmp_path), delays=QUICK) == 0


def test_what_a_dead_service_left_is_killed_before_the_restart(tmp_path):
    supervise([leaving()], cwd=str(tmp_path), meanwhile=until_lives(2, tmp_path), delays=QUICK)
    assert lives(tmp_path)[:2] == ["free", "free"]


def test_the_other_services_live_on_when_one_ends(tmp_path):
    services = [shell("echo $$ >> other; exec sleep 60", "worker"), shell("echo once >> lives")]
    supervise(services, cwd=str(tmp_path), meanwhile=until_lives(2, tmp_path), delays=QUICK)
    assert len((tmp_path / "other").read_text().splitlines()) == 1


def test_exit_code_2_ends_everything_with_2(tmp_path):
    services = [leaving("else: signal.pause()"), shell("until [ -e lives ]; do sleep 0.02; done; exit 2")]
    assert (supervise(services, cwd=str(tmp_path)), is_free(tmp_path)) == (2, True)


def test_exit_code_2_counts_in_a_later_life_too(tmp_path):
    service = shell("[ -e lives ] && exit 2; echo once >> lives; exit 1")
    assert supervise([service], cwd=str(tmp_path), delays=QUICK) == 2


def test_exit_code_2_counts_beside_other_work(tmp_path):
    def take_time() -> int:
        time.sleep(0.6)
        return 0

    assert supervise([shell("exit 2")], cwd=str(tmp_path), meanwhile=take_time) == 2


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("exit 1", "web ended with code 1, starting it again in 0.05 s"),
        ("kill -9 $$", "web was killed by SIGKILL, starting it again in 0.05 s"),
    ],
)
def test_an_end_is_told_in_one_line(tmp_path, script, line):
    said: list[str] = []
    service = shell(f"[ -e lives ] && exit 2; echo once >> lives; {script}")
    supervise([service], cwd=str(tmp_path), say=said.append, delays=QUICK)
    assert said == [line, "web ended with code 2: its configuration is wrong"]


def test_a_restart_without_delay_names_none(tmp_path):
    said: list[str] = []
    service = shell("[ -e lives ] && exit 2; echo once >> lives")
    supervise([service], cwd=str(tmp_path), say=said.append, delays=Delays(long=0))
    assert said[0] == "web ended with code 0, starting it again"


def test_a_command_that_is_missing_is_tried_again(tmp_path):
    def bring_it() -> int:
        time.sleep(0.1)
        (tmp_path / "come").write_text("#!/bin/sh\necho once >> lives\n")
        (tmp_path / "come").chmod(0o755)
        return until_lives(1, tmp_path)()

    service = Service("web", (str(tmp_path / "come"),))
    assert supervise([service], cwd=str(tmp_path), meanwhile=bring_it, delays=QUICK) == 0


def test_the_delay_doubles_up_to_the_longest():
    delays, seen = Delays(), [0.0]
    for _ in range(7):
        seen.append(delays.after(29.9, seen[-1]))
    assert seen[1:] == [1, 2, 4, 8, 10, 10, 10]


def test_after_a_long_life_there_is_no_delay():
    assert Delays().after(30, before=16) == 0


def test_after_a_long_life_the_delays_begin_anew():
    assert Delays().after(1, before=Delays().after(30, before=16)) == 1


def test_a_service_has_no_input():
    assert Up("cat; exit 2").after() == 2


def test_sigterm_ends_all_with_0_and_leaves_no_process():
    assert Up(PATIENT, f"sleep 60 & {PATIENT}").after(signal.SIGTERM) == 0


def test_a_closed_terminal_ends_all_with_0():
    assert Up(PATIENT).after(signal.SIGHUP) == 0


def test_ctrl_c_ends_all_with_130():
    assert Up(PATIENT, PATIENT).after(signal.SIGINT) == 130


def test_one_that_ignores_sigterm_is_killed_after_its_grace():
    up, begun = Up(STUBBORN, grace=0.5), time.monotonic()
    assert (up.after(signal.SIGTERM), time.monotonic() - begun > 0.5) == (0, True)


def test_one_that_obeys_sigterm_has_its_grace():
    up = Up("trap 'sleep 0.4; echo tidy; exit' TERM; while :; do sleep 0.05; done")
    up.process.terminate()
    assert up.process.communicate(timeout=2)[0] == "tidy\n"


def test_a_second_ctrl_c_kills_at_once():
    assert Up(STUBBORN, grace=60).after(signal.SIGINT, signal.SIGINT) == 130


def test_the_services_go_on_after_other_work_that_says_none():
    up = Up("sleep 0.5; echo later; exec sleep 60", more=", meanwhile=lambda: None")
    assert up.process.stdout
    assert (up.process.stdout.readline(), up.after(signal.SIGTERM)) == ("later\n", 0)


def test_a_number_of_other_work_ends_all_with_it(tmp_path):
    work = until_lives(1, tmp_path)
    code = supervise([leaving("else: signal.pause()")], cwd=str(tmp_path), meanwhile=lambda: work() or 3)
    assert (code, is_free(tmp_path)) == (3, True)


def test_an_exception_in_other_work_leaves_no_process(tmp_path):
    work = until_lives(1, tmp_path)
    with pytest.raises(ZeroDivisionError):
        supervise([leaving("else: signal.pause()")], cwd=str(tmp_path), meanwhile=lambda: 1 // work())
    assert is_free(tmp_path)


def test_a_signal_interrupts_other_work(tmp_path):
    def be_told() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
        return 0

    with pytest.raises(KeyboardInterrupt):
        supervise([shell(PATIENT)], cwd=str(tmp_path), meanwhile=be_told)


def test_an_ignored_signal_stays_ignored(tmp_path):
    def be_told() -> int:
        os.kill(os.getpid(), signal.SIGHUP)
        return 0

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert supervise([shell(PATIENT)], cwd=str(tmp_path), meanwhile=be_told) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_handlers_of_before_are_back_afterwards(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    supervise([shell("exit 2")], cwd=str(tmp_path))
    assert signal.getsignal(signal.SIGINT) is before
