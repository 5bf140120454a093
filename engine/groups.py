"""The processes of one worker group on this machine: started together, watched, ended together.

The kernel's process group holds them. Two files in the run folder tell of them: a record of who they are, and a
lock that the watchdog holds as long as it lives. Where the lock is free, a starting worker ends what is left.
A process is known by its id and the moment it began: ids come again.
"""

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil
import structlog

from engine import owner
from engine.owner import GROUP_VARIABLE, WATCHDOG_VARIABLE

logger = structlog.get_logger(__name__)

SAME_MOMENT = 2.0  # seconds: the kernel counts from the boot, whose time the clock's owner may set
SETTLED = 0.3  # seconds: what is younger may be a fork that is about to become something else
ENDING = 5.0  # seconds that a killed group may take to be gone: longer is a process stuck in the kernel


@dataclass
class Group:
    """name: of the group. leader: the id of its process group. members: process id -> when it began.

    database: whose rows it may hold; a worker on another one lets it be.
    guilty: members that ended by themselves; what they held is counted against it, the rest is handed back.
    ended: the whole group was ended, and its guilty are known.
    """

    name: str
    database: str
    leader: int = 0
    members: dict[int, float] = field(default_factory=dict)
    guilty: list[int] = field(default_factory=list)
    ended: bool = False

    def start(self, commands: Sequence[Sequence[str]]) -> list[subprocess.Popen[bytes]]:
        """Start one process a command, all in a process group of their own; all of them, or none."""
        environment = {**os.environ, GROUP_VARIABLE: self.name, WATCHDOG_VARIABLE: str(os.getpid())}
        children: list[subprocess.Popen[bytes]] = []
        try:
            for command in commands:
                child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, process_group=self.leader)
                children.append(child)
                self.leader = children[0].pid
        except OSError:
            self.kill()
            raise
        return children

    def look(self) -> bool:
        """Note the members that are new since the last look; True when there were any.

        Members are the processes we started, their children and grandchildren: the queue's own, forks that run the
        same command line. What a library starts for a moment is none, and what a job starts lies deeper.
        """
        parents = {process.pid: process.info["ppid"] for process in psutil.process_iter(["ppid"])}
        level = {os.getpid()}
        found: dict[int, Sequence[str]] = {}
        for _ in range(3):
            level = {pid for pid, parent in parents.items() if parent in level and group_of(pid) == self.leader}
            found |= {pid: found.get(parents[pid], ()) or command_of(pid) for pid in level}
        fresh = {
            pid: began
            for pid, command in found.items()
            if pid not in self.members
            and command_of(pid) == command
            and 0 < (began := birth(pid)) < time.time() - SETTLED
        }
        self.members |= fresh
        return bool(fresh)

    def missing(self) -> list[int]:
        """The members that have ended."""
        return [pid for pid, began in self.members.items() if not lives(pid, began)]

    def tell(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.leader, number)

    def kill(self) -> None:
        """End every process of the group, and see that it is gone; those that were gone before are guilty."""
        if not self.ended:
            self.guilty += [pid for pid in self.missing() if pid not in self.guilty]
        deadline = time.monotonic() + ENDING
        while self.processes() and time.monotonic() < deadline:
            self.tell(signal.SIGKILL)
            time.sleep(0.02)
        self.ended = True

    def processes(self) -> list[int]:
        """Whatever lives in the process group, members or not."""
        return [
            process.pid
            for process in psutil.process_iter(["status"])
            if group_of(process.pid) == self.leader and process.info["status"] != psutil.STATUS_ZOMBIE
        ]

    def still_theirs(self) -> bool:
        """Whether the process group's number still means this group, and is not another's by now."""
        return len(self.missing()) < len(self.members)

    # Its files

    def hold(self, folder: Path) -> bool:
        """Take the lock that says its watchdog lives, for as long as this process does; False: another has it."""
        self.lock = self.path(folder, "lock").open("ab")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.lock.close()
            return False
        return True

    def save(self, folder: Path) -> None:
        """Write the record; without room for it the group is only known while its watchdog lives."""
        fresh = self.path(folder, "new")
        try:
            fresh.write_text(json.dumps(asdict(self)))
            fresh.replace(self.path(folder, "json"))
        except OSError as error:
            logger.warning("record_not_written", group=self.name, reason=str(error))

    def forget(self, folder: Path) -> None:
        for kind in ("json", "pulse", "new", "lock"):
            self.path(folder, kind).unlink(missing_ok=True)

    def path(self, folder: Path, kind: str) -> Path:
        return path_of(folder, self.name, kind)


def left_behind(folder: Path, database: str) -> Iterator[Group]:
    """The groups of that database whose watchdog has ended; this process holds the lock of each it is given."""
    for path in sorted(folder.glob("worker-*.json")):
        with suppress(OSError, ValueError, TypeError, KeyError):  # half a record tells nothing
            facts = json.loads(path.read_text())
            facts["members"] = {int(pid): began for pid, began in facts["members"].items()}
            group = Group(**facts)
            if group.database == database and group.hold(folder):
                yield group


def end(group: Group) -> None:
    """End a group that was left behind. Where nothing of it is left, all of it ended by itself, and is guilty."""
    if group.still_theirs():
        group.kill()
    elif not group.ended:
        group.guilty = list(group.members)


def end_own(folder: Path) -> None:
    """In the leader of a group whose watchdog was killed: end the whole of it, and say that nobody is guilty."""
    path = path_of(folder, owner.group(), "json")
    with suppress(OSError, ValueError):
        path.write_text(json.dumps({**json.loads(path.read_text()), "ended": True}))
    os.killpg(0, signal.SIGKILL)


def pulse(folder: Path, name: str) -> Path:
    """The file that the embedding loop of a group touches each time it comes round."""
    return path_of(folder, name, "pulse")


def path_of(folder: Path, name: str, kind: str) -> Path:
    return folder / f"worker-{name}.{kind}"


def lives(pid: int, began: float) -> bool:
    """Whether that very process is alive. A dead one whose parent has not noticed counts as ended."""
    return abs(birth(pid) - began) < SAME_MOMENT


def birth(pid: int) -> float:
    """When a living process began, in seconds; 0 when there is none."""
    try:
        process = psutil.Process(pid)
        return 0.0 if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.NoSuchProcess:
        return 0.0


def command_of(pid: int) -> Sequence[str]:
    try:
        return list(psutil.Process(pid).cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []


def group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except (ProcessLookupError, PermissionError):
        return -1
