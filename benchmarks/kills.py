"""Drill: kill each process of a worker under `./ost up`, idle and busy, at true times, and see it come back.

For each kill: seconds until a new group has answered its canary, and whether any process of the old one is left.
At the end the run that was disturbed all the time must be done, without a person.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.db import connection

from benchmarks.world import spread
from engine import jobs
from engine.models import Run, WorkerGroup
from engine.owner import GROUP_VARIABLE
from engine.pipeline import Scope
from recommendations.models import Generation, ProjectEmbedding

ROOT = Path(__file__).parents[1]
TEXTS = 6000
LIMIT = 150.0  # seconds to be back at work
PARTS = ("main", "sentinel", "worker", "other worker", "monitor", "pusher", "embedding loop", "watchdog")


def drill() -> int:
    """Returns how many things went wrong."""
    wrong = 0
    with ost_up():
        for part in PARTS:
            wrong += kill("idle", part)
        spread(TEXTS)
        run = jobs.request("recommendations", Scope())
        for part in PARTS:
            until(partial(more_than, embedded()), 300)
            wrong += kill("busy", part)
        until(lambda: state(run) not in ("waiting", "running"), 900)
    report("run", f"{state(run)}, {run.attempts} attempts, {run.fence} claims, {run.error!r}")
    report("texts", f"{embedded()} embedded, {waiting()} waiting, {quarantined()} quarantined")
    report("live generations", str(Generation.objects.filter(state="live").count()))
    report("left after Ctrl-C", str(len(of_groups())))
    return wrong + (state(run) != "done") + waiting() + quarantined() + len(of_groups())


@contextmanager
def ost_up() -> Iterator[None]:
    found = connection.settings_dict
    url = f"postgresql://{found['USER']}@/{found['NAME']}?host={found['HOST']}&port={found['PORT']}"
    environment = {**os.environ, "DATABASE_URL": url}
    with subprocess.Popen([sys.executable, str(ROOT / "ost"), "up", "--port", "8731"], env=environment) as up:
        try:
            back("")
            yield
        finally:
            up.send_signal(signal.SIGINT)


def kill(mood: str, part: str) -> int:
    """Kill one process; 1 when it was not back in time or left something."""
    group = group_now()
    pid = processes(group)[part]
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    back(group["name"])
    seconds, left = time.monotonic() - killed, [p.pid for p in of_groups() if name_of(p) == group["name"]]
    report(f"{mood}, {part} killed", f"back at work after {seconds:.1f} s, {len(left)} processes left")
    return int(seconds > LIMIT) + len(left)


def back(before: str) -> None:
    """Wait until another group than that one has answered its canary, and all its processes are known."""

    def answered() -> bool:
        connection.close()
        fresh = WorkerGroup.objects.filter(ended_at=None).exclude(name=before).exclude(answered_at=None).exists()
        return fresh and len(group_now()["members"]) == len(PARTS) - 1

    until(answered, 2 * LIMIT)


def group_now() -> dict[str, Any]:
    """What the living watchdog has written down of its group; nothing for a moment while it starts."""
    for path in settings.RUN_FOLDER.glob("worker-*.json"):
        group: dict[str, Any] = json.loads(path.read_text())
        if psutil.pid_exists(group["leader"]) and group["database"].endswith(connection.settings_dict["NAME"]):
            return group
    return {"name": "", "members": {}}


def processes(group: dict[str, Any]) -> dict[str, int]:
    (sentinel,) = psutil.Process(group["leader"]).children()
    rest = sorted(child.pid for child in sentinel.children())
    (loop,) = {int(pid) for pid in group["members"]} - {group["leader"], sentinel.pid, *rest}
    pids = (group["leader"], sentinel.pid, *rest, loop, psutil.Process(group["leader"]).ppid())
    return dict(zip(PARTS, pids, strict=True))


def of_groups() -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if name_of(process)]


def name_of(process: psutil.Process) -> str:
    try:
        dead = process.status() == psutil.STATUS_ZOMBIE
        return "" if dead else process.environ().get(GROUP_VARIABLE, "")
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""


def until(seen: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not seen():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s")
        time.sleep(0.2)


def state(run: Run) -> str:
    run.refresh_from_db()
    return str(run.state)


def embedded() -> int:
    return ProjectEmbedding.objects.exclude(vector_hash="").count()


def more_than(vectors: int) -> bool:
    return embedded() > vectors or not waiting()


def waiting() -> int:
    return ProjectEmbedding.objects.filter(vector_hash="", quarantined_at=None).count()


def quarantined() -> int:
    return ProjectEmbedding.objects.exclude(quarantined_at=None).count()


def report(what: str, figures: str) -> None:
    print(f"{what:28} {figures}", flush=True)
