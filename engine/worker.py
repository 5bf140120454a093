"""The watchdog: it starts a worker group, keeps an eye on it, and ends all of it when any part fails.

A queue that lost one process may stand still for ever while it says that it works, so no part is replaced: the
group ends within two seconds, what it held is freed, the exit code is 1, and whoever supervises starts a fresh
one. The watchdog itself does no work but small chores in a thread: the canary, the reconciler, the schedules.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.models.functions import Now

from engine import groups, jobs, ledger, reconciling
from engine.embeddings import filling
from engine.groups import Group
from engine.models import WorkerGroup

logger = structlog.get_logger(__name__)

PARTS = {
    "cluster": ("worker", "--part", "cluster"),
    "embed": ("embed", "--watch"),
}
QUEUE = 4  # processes of a cluster besides its workers: main, sentinel, monitor, pusher
STARTING = 0.1  # seconds between two looks at a group that starts: the queue replaces what ends unseen
START = 60.0  # seconds a group may take until all its processes are there


class Fault(Exception):
    """Something of the group has failed: all of it ends. The message says what; guilty: a process that hangs."""

    def __init__(self, message: str, guilty: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.guilty = guilty


class Watchdog:
    """One life of a worker group."""

    def __init__(self, parts: Sequence[str], revive: Callable[[], None]) -> None:
        """parts: of PARTS. revive: called when the database does not answer, to start it if that is ours to do."""
        self.parts, self.revive = parts, revive
        self.folder: Path = settings.RUN_FOLDER
        facts = connection.settings_dict
        self.group = Group(uuid.uuid4().hex[:8], f"{facts['HOST']}:{facts['PORT']}/{facts['NAME']}")
        self.told = threading.Event()
        self.chores = Chores(self.group.name, revive)
        self.children: list[subprocess.Popen[bytes]] = []
        self.pulse = (0.0, 0.0)  # the embedding loop's last sign of life, and when we saw it (monotonic)

    def run(self) -> int:
        """Guard a group until SIGTERM (0) or a fault (1)."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self.told.set())
        signal.signal(jobs.STOP, signal.SIG_IGN)  # and so it is in all that we start: only workers hear it
        if not self.wait_for_database():
            return 0
        for left in groups.left_behind(self.folder, self.group.database):
            logger.warning("group_left_behind", group=left.name, processes=len(left.processes()))
            groups.end(left)
            self.take_back(left, "left behind by its watchdog")
        self.chores.register()
        self.group.hold(self.folder)
        try:
            self.start()
            self.watch()
            self.shut_down()
        except Fault as fault:
            logger.critical("group_failed", group=self.group.name, reason=str(fault))
            self.group.guilty += fault.guilty
            self.group.kill()
            self.take_back(self.group, str(fault))
            return 1
        except BaseException:  # whatever ends the watchdog, its processes must not outlive it
            self.group.kill()
            raise
        finally:
            self.chores.over.set()
        self.take_back(self.group, "")
        return 0

    def start(self) -> None:
        manage = str(settings.BASE_DIR / "manage.py")
        self.children = self.group.start([(sys.executable, manage, *PARTS[part]) for part in self.parts])
        self.group.save(self.folder)
        groups.pulse(self.folder, self.group.name).touch()
        self.chores.start()

    def wait_for_database(self) -> bool:
        """False: told to end before it answered."""
        warned = False
        while not self.told.is_set():
            try:
                connection.ensure_connection()
                return True
            except DatabaseError as error:
                if not warned:
                    logger.warning("database_away", reason=ledger.reason_of(error))
                warned = True
                connection.close()
                self.revive()
                self.told.wait(1)
        return False

    def watch(self) -> None:
        """Look twice a second, until told to end. Raises Fault."""
        began = time.monotonic()
        expected = sum(QUEUE + settings.WORKER_PROCESSES if part == "cluster" else 1 for part in self.parts)
        pause = STARTING
        while not self.told.wait(pause):
            if len(self.group.members) < expected:
                if self.group.look():
                    self.group.save(self.folder)
                elif time.monotonic() - began > START:
                    raise Fault(f"only {len(self.group.members)} of {expected} processes started")
            else:
                pause = settings.TIMING.watch
            self.reap_children()
            if missing := self.group.missing():
                raise Fault(f"process {', '.join(map(str, missing))} ended")
            self.chores.check()
            self.check_pulse()

    def check_pulse(self) -> None:
        """Raises Fault when the embedding loop has not come round for longer than a batch may take."""
        if "embed" not in self.parts:
            return
        beaten, now = groups.pulse(self.folder, self.group.name).stat().st_mtime, time.monotonic()
        if beaten != self.pulse[0]:
            self.pulse = beaten, now
        if now - self.pulse[1] > settings.TIMING.longest_block:
            loop = self.children[self.parts.index("embed")].pid
            raise Fault("the embedding loop stands still", [loop])

    def reap_children(self) -> None:
        """So that one that has ended is no zombie."""
        for child in self.children:
            child.poll()

    def shut_down(self) -> None:
        """Let the group hand back what it holds and end; what does not end in time is killed, and innocent."""
        self.group.tell(jobs.STOP)
        for child in self.children:
            child.terminate()
        deadline = time.monotonic() + settings.TIMING.grace
        while self.group.processes() and time.monotonic() < deadline:
            self.reap_children()
            time.sleep(0.05)
        self.group.ended = True
        self.group.kill()

    def take_back(self, group: Group, fault: str) -> None:
        """Free what an ended group held. Without a database its record stays, and the next worker does it."""
        group.save(self.folder)
        connection.close()  # it may be as old as the group
        with suppress(DatabaseError):
            runs = ledger.free(group.name, group.guilty)
            rows = sum(table.objects.free(group.name, group.guilty) for table in filling.tables())
            jobs.forget_canary(group.name)
            WorkerGroup.objects.filter(name=group.name).update(ended_at=Now(), fault=fault[:200])
            group.forget(self.folder)
            logger.info("group_ended", group=group.name, reason=fault, runs_freed=runs, rows_freed=rows)


class Chores:
    """What the watchdog does on the database, in a thread: never so long or so wrong that the watch suffers."""

    def __init__(self, name: str, revive: Callable[[], None]) -> None:
        self.name, self.revive = name, revive
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.work, name="chores", daemon=True)
        self.due: dict[str, float] = {}
        self.silent = 0.0  # seconds since the queue's last sign of life
        self.excused = 0.0  # when the queue itself was last away
        self.away = False  # the database
        self.passed = time.monotonic()

    def register(self) -> None:
        self.worker = WorkerGroup.objects.create(name=self.name, host=socket.gethostname()[:64], pid=os.getpid())

    def start(self) -> None:
        self.thread.start()

    def check(self) -> None:
        """Raises Fault when the chores have stopped, or found the group silent."""
        if not self.thread.is_alive() or time.monotonic() - self.passed > settings.TIMING.longest_block:
            raise Fault("the chores of the watchdog stand still")
        if self.silent > settings.TIMING.silence:
            raise Fault(f"no sign of life from the queue for {self.silent:.0f} s")

    def work(self) -> None:
        first = True
        while not self.over.wait(settings.TIMING.watch):
            self.passed = time.monotonic()
            with self.undisturbed():
                if self.every("sign of life", settings.TIMING.canary / 2):
                    WorkerGroup.objects.filter(pk=self.worker.pk).update(seen_at=Now())
                    self.away = False
                if self.every("canary", settings.TIMING.canary / 15):
                    self.mind_the_canary()
                if self.every("reconcile", settings.TIMING.reconcile):
                    done = reconciling.reconcile(everything=first)
                    first = False
                    if any((done.freed, done.opened, done.rung, done.refused)):
                        logger.info("reconciled", **vars(done))
                if self.every("schedules", settings.TIMING.schedule):
                    jobs.ring_schedules()
        connection.close()

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """A chore that fails is put off. While the database is away nobody's silence counts."""
        try:
            yield
        except DatabaseError as error:
            if not self.away:  # an outage is told once
                logger.warning("database_away", reason=ledger.reason_of(error))
            self.away, self.excused = True, time.monotonic()
            connection.close()
            self.revive()
            time.sleep(1)
        except Exception:  # whatever it is, the other chores go on, and this one comes again
            logger.exception("chore_failed")
            time.sleep(settings.TIMING.idle)

    def every(self, chore: str, seconds: float) -> bool:
        """Whether the chore is due; then it is so again after that many seconds."""
        now = time.monotonic()
        if now < self.due.get(chore, 0):
            return False
        self.due[chore] = now + seconds
        return True

    def mind_the_canary(self) -> None:
        """Send one through the queue when it is time, and see how long the group has been silent."""
        worker = WorkerGroup.objects.annotate(now=Now()).get(pk=self.worker.pk)
        if canary_due(worker) and not jobs.release_canary(worker):
            self.excused = time.monotonic()
        self.silent = min(silence(worker), time.monotonic() - self.excused)


def canary_due(worker: Any) -> bool:
    """Every now and then. worker: with `now`, the database's."""
    rung = worker.rung_at
    return rung is None or (worker.now - rung).total_seconds() > settings.TIMING.canary


def silence(worker: Any) -> float:
    """Seconds since the group's queue last showed life: by a canary, or by any job at work. worker: with `now`."""
    return float((worker.now - (worker.answered_at or worker.started_at)).total_seconds())
