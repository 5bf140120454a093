"""Processes that collect and are killed around a request: before its answer, or when the answer is on its way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.test.utils import override_settings
from django.utils import timezone

from engine.models import Fetch, Run, Upstream
from engine.testing.__main__ import ADDRESSES
from engine.testing.__main__ import settings as addresses
from engine.testing.serving import Asked, Reply, Server

ROOT = Path(__file__).parents[2]
FASTER = 60  # how many times a source's clock runs faster than ours
LONGEST_LEASE = 90  # seconds, of a run and of a turn at the gate


class Killer:
    """At the k-th request from now on kills who asks. after: seconds behind the answer; None is before it."""

    def __init__(self, server: Server, number: int, after: float | None) -> None:
        self.server, self.after = server, after
        self.last = len(server.asked) + number
        self.process = 0
        server.faults.clear()
        server.faults.script(self.is_it, self.kill)

    def is_it(self, asked: Asked) -> bool:
        return len(self.server.asked) == self.last

    def kill(self, asked: Asked) -> Reply:
        if self.after is None:
            os.kill(self.process, signal.SIGKILL)
            return Reply(reset=True)
        threading.Timer(self.after, self.end).start()
        return self.server.upstream.answer(asked)

    def end(self) -> None:
        try:
            os.kill(self.process, signal.SIGKILL)
        except ProcessLookupError:  # it had nothing more to do
            return

    def killed(self, start: Callable[[], int]) -> bool:
        """Whether the process was killed that `start` starts; it is gone, and so is its hold on runs and gates."""
        self.process = start()
        code = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        forget_the_dead(self.server)
        return code == -signal.SIGKILL


def forget_the_dead(server: Server) -> None:
    """As after the time in which leases and turns run out, by the clock of the source too."""
    server.faults.clear()
    Run.objects.filter(state=Run.State.RUNNING).update(lease_until=timezone.now() - timedelta(seconds=1))
    Upstream.objects.update(busy_until=None)
    Fetch.objects.update(next_attempt_at=None)
    server.upstream.clock.start += LONGEST_LEASE


def instead_of_all(server: Server) -> override_settings:
    """The settings of this process and of its forks, with that server in place of all sources."""
    timing = replace(settings.TIMING, upstream=1 / FASTER)
    facts = {**addresses(dict.fromkeys(ADDRESSES, server)), "ALLOW_PRIVATE_UPSTREAMS": True}
    return override_settings(TIMING=timing, **facts)


def forked(function: Callable[[], object]) -> int:
    """The process that runs it: a fork, with a connection of its own."""
    child = os.fork()
    if child:
        return child
    try:
        connection.connection = None  # only forgotten: the parent goes on with it
        function()
        connection.close()
        os._exit(0)
    except BaseException:  # noqa: BLE001  nothing may rise into what the parent does next
        traceback.print_exc()
    finally:
        os._exit(1)


def commanded(server: Server, *arguments: str) -> int:
    """The process of `manage.py run_pipeline` with those arguments: this database, and that server for all sources."""
    found = connection.settings_dict
    url = f"postgresql://{found['USER']}:{found['PASSWORD']}@/{found['NAME']}?host={found['HOST']}&port={found['PORT']}"
    environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "ostsite.live_like"}
    return subprocess.Popen(
        [sys.executable, "manage.py", "run_pipeline", *arguments],
        cwd=ROOT,
        env={**environment, **addresses(dict.fromkeys(ADDRESSES, server))},
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr,
    ).pid
