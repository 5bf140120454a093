"""Keeps services alive: `./ost up` has a web server and a worker, and either may die at any moment.

Each leads a session of its own, so Ctrl-C in the terminal reaches only us, and what is left of a dead one can
be killed by its process group. Nothing helps against SIGKILL for us: the services go on then.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

MISCONFIGURED = 2  # the exit code of a service that starting again would not help
PASS_SECONDS = 0.2  # between two looks at the services
GONE_SECONDS = 0.5  # a zombie that nobody reaps (in a container without an init) keeps its group for ever

Say = Callable[[str], None]
Work = Callable[[], int | None]


@dataclass(frozen=True)
class Service:
    """A program that is to run all the time. grace: seconds it may take to end after SIGTERM."""

    name: str
    command: tuple[str, ...]
    grace: float = 10.0


@dataclass(frozen=True)
class Delays:
    """How many seconds an ended service stays down: none after a life of at least `long` seconds."""

    first: float = 1.0
    longest: float = 10.0
    long: float = 30.0

    def after(self, life: float, before: float) -> float:
        """The delay after a life, in seconds. before: the one before that life, 0 at first."""
        return 0.0 if life >= self.long else min(before * 2 or self.first, self.longest)


@dataclass
class _Run:
    """What is known of one service. begun, due: when it was and is to be started (monotonic seconds)."""

    service: Service
    process: subprocess.Popen[Any] | None = None
    begun: float = 0.0
    due: float = 0.0
    delay: float = 0.0


def tell(line: str) -> None:
    with suppress(OSError):  # after SIGHUP the terminal is gone
        sys.stderr.write(f"ost: {line}\n")
        sys.stderr.flush()


class Supervisor:
    """The services and what became of them. `watch` it several times a second, and `stop` it whatever happens."""

    def __init__(self, services: Sequence[Service], cwd: str, say: Say = tell, delays: Delays = Delays()) -> None:
        self.misconfigured = False  # whether a service ended with code 2; whoever watches has to stop then
        self._runs = [_Run(service) for service in services]
        self._cwd, self._say, self._delays = cwd, say, delays

    def watch(self) -> None:
        """One pass: start each service that is due, see to each that has ended."""
        for run in self._runs:
            if run.process is None and time.monotonic() >= run.due:
                self._start(run)
            elif run.process and run.process.poll() is not None:
                self._see_to(run, run.process)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch in a thread while the block runs. It does not stop the services."""
        done = threading.Event()

        def keep() -> None:
            while not (self.misconfigured or done.is_set()):
                self.watch()
                done.wait(PASS_SECONDS)

        thread = threading.Thread(target=keep)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def stop(self, hurry: Callable[[], bool] = lambda: False) -> None:
        """End all services, each within its grace; without any as soon as `hurry` says so."""
        begun = time.monotonic()
        living = [(run.service, run.process) for run in self._runs if run.process]
        try:
            for _, process in living:
                process.terminate()
            while living and not hurry():
                for service, process in living.copy():
                    late = process.poll() is None and time.monotonic() > begun + service.grace
                    if late or process.returncode is not None:
                        living.remove((service, process))
                        _kill_group(process)
                    if late:
                        self._say(f"{service.name} did not end within {service.grace:g} s and was killed")
                time.sleep(0.05)
        finally:
            for _, process in living:
                _kill_group(process)
            for run in self._runs:
                run.process = None

    def _start(self, run: _Run) -> None:
        run.begun = time.monotonic()
        command, cwd = run.service.command, self._cwd
        try:
            run.process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, start_new_session=True)
        except OSError as error:  # no memory for a process, or somebody is making .venv anew
            self._again(run, f"could not be started ({error})")

    def _see_to(self, run: _Run, process: subprocess.Popen[Any]) -> None:
        _kill_group(process)
        run.process = None
        if process.returncode == MISCONFIGURED:
            self.misconfigured = True
            self._say(f"{run.service.name} ended with code 2: its configuration is wrong")
        else:
            self._again(run, _end(process.returncode))

    def _again(self, run: _Run, end: str) -> None:
        now = time.monotonic()
        run.delay = self._delays.after(now - run.begun, run.delay)
        run.due = now + run.delay
        self._say(f"{run.service.name} {end}, starting it again{f' in {run.delay:g} s' if run.delay else ''}")


class _Signals:
    """Notes, inside the block, the signals that ask us to end. One that was ignored (nohup) stays ignored."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self._interrupts = False

    def __enter__(self) -> "_Signals":
        self._before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        for number, handler in self._before.items():
            if handler != signal.SIG_IGN:
                signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def interrupting(self, work: Work) -> int | None:
        """Do work, in which a signal raises KeyboardInterrupt. Elsewhere none does: a service might get lost."""
        self._interrupts = True
        try:
            if self.heard:
                raise KeyboardInterrupt
            return work()
        finally:
            self._interrupts = False

    def hurry(self) -> bool:
        return signal.SIGINT in self.heard[1:]

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.heard.append(number)
        if self._interrupts:
            raise KeyboardInterrupt


def supervise(
    services: Sequence[Service], *, cwd: str, meanwhile: Work | None = None, say: Say = tell, delays: Delays = Delays()
) -> int:
    """Keep services alive until a signal asks to end, then end them: no process of theirs is left, whatever rises.

    meanwhile: is done first, while a thread keeps the services alive. A number that it returns ends all, None
    goes on. A signal raises KeyboardInterrupt in it; a wrong configuration does not cut it short.
    Returns an exit code: 130 after Ctrl-C (a second one kills at once), 0 after SIGTERM and SIGHUP, 2 when a
    service ended with that, else what `meanwhile` returned. Only for the main thread.
    """
    supervisor = Supervisor(services, cwd, say, delays)
    code = None
    with _Signals() as signals:
        try:
            if meanwhile:
                with supervisor.watching():
                    code = signals.interrupting(meanwhile)
            while code is None and not signals.heard and not supervisor.misconfigured:
                supervisor.watch()
                time.sleep(PASS_SECONDS)
        finally:
            supervisor.stop(signals.hurry)
    if supervisor.misconfigured:
        return MISCONFIGURED
    if code is None:
        return 130 if signals.heard[0] == signal.SIGINT else 0
    return code


def _kill_group(process: subprocess.Popen[Any]) -> None:
    """Kill what is left of a service's process group, and wait until it is gone: it may have the port."""
    deadline = time.monotonic() + GONE_SECONDS
    with suppress(ProcessLookupError, PermissionError):  # nothing is left; on macOS: nothing but zombies
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.01)


def _end(code: int) -> str:
    """How a process ended, in words; subprocess gives a signal as a negative code."""
    names = {-known.value: known.name for known in signal.Signals}
    return f"ended with code {code}" if code >= 0 else f"was killed by {names.get(code, f'signal {-code}')}"
