"""Drill: processes of `manage.py embed` by servers on loopback: do more of them embed faster, and does a fault spread.

1, 2 and 4 of them by one that takes a fixed time for each request; one of them by a provider that has a bad day beside
one that has not; one that is killed around each of its requests; and one that is told to end in the middle of one.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from django.conf import settings
from django.db import connection

from benchmarks.kills import ROOT, report, until
from benchmarks.world import spread
from engine.embeddings import filling
from engine.models import EmbeddingModel, PaidVector
from engine.models import Upstream as Gate
from engine.testing.embeddings import Ollama, OpenAI, busy
from engine.testing.serving import Reply, Server
from engine.tests import embedding_kills
from recommendations.models import Project, ProjectEmbedding

LATENCY, BATCH, BATCHES = 0.5, 32, 128
LEAST = {1: 1.0, 2: 1.8, 4: 3.2}  # how many times as fast as one process so many are to be
LONGEST_DELAY, SECONDS = 10.0, 25  # of a text while another provider has a bad day, and how long that is watched
KILLED = 400  # texts, in batches of 64
AFTER = (None, 0.0, 0.005, 0.01, 0.03)  # seconds behind the answer of a request; None is before it


def drill() -> int:
    """Returns how many things went wrong."""
    return throughput() + bad_days() + kills() + told_to_end()


# More processes


def throughput() -> int:
    took: dict[int, float] = {}
    wrong = 0
    for number in LEAST:
        took[number], faults = measured(number)
        ratio = took[1] / took[number]
        wrong += faults + (ratio < LEAST[number])
        rate = BATCH * BATCHES / took[number]
        report(
            f"{number} processes", f"{took[number]:.1f} s, {rate:.0f} texts a second, {ratio:.2f} times as fast as one"
        )
    return wrong


def measured(number: int) -> tuple[float, int]:
    """Seconds from the first of its requests to the last answer, and how many things went wrong."""
    api = OpenAI(latency=LATENCY)
    with Server(api) as server, embedding_kills.by_openai(server), ExitStack() as stack:
        from_nothing()
        logs = [stack.enter_context(watching(openai(server), "benchmarks.eager")) for _ in range(number)]
        warm_up(logs)
        begun, asked = len(server.asked), api.embedded.total()
        spread(BATCH * BATCHES)
        until(lambda: not waiting(), 300)
        requests = server.asked[begun:]
        twice = api.embedded.total() - len(api.embedded)
        faults = abs(len(requests) - BATCHES) + twice + abs(api.embedded.total() - asked - BATCH * BATCHES)
        report("", f"{len(requests)} requests for {BATCHES} batches, {twice} texts asked for twice")
        return requests[-1].at - requests[0].at + LATENCY, faults


def warm_up(logs: list[IO[bytes]]) -> None:
    """Until each process has embedded something: what its start takes is not measured."""
    for number in count():
        made = Project.objects.bulk_create(Project(full_name=f"warm/{number}-{at}") for at in range(20 * BATCH))
        ProjectEmbedding.objects.want({project.pk: project.full_name for project in made})
        until(lambda: not waiting(), 120)
        if all(b"batch_embedded" in told(log) for log in logs):
            return


def told(log: IO[bytes]) -> bytes:
    log.seek(0)
    return log.read()


# Bad days

DAYS: dict[str, Callable[[Server], None]] = {
    "a storm of 429": lambda bad: bad.faults.script("/", busy(Retry_After="7"), times=None),
    "429 without a time": lambda bad: bad.faults.script("/", busy(), times=None),
    "no answer": lambda bad: bad.faults.script("/", Reply(delay=600), times=None),
    "every connection broken": lambda bad: bad.faults.script("/", Reply(reset=True), times=None),
    "not there": lambda bad: bad.http.server_close(),
}


def bad_days() -> int:
    return sum(delayed(day) > LONGEST_DELAY for day in DAYS)


def delayed(day: str) -> float:
    """The longest that a text waited for its vector by the other provider, in seconds."""
    with Server(OpenAI()) as bad, Server(Ollama()) as good, embedding_kills.by_openai(bad):
        from_nothing()
        spread(600)
        other = EmbeddingModel.objects.create(name="tiny", provider="ollama", dimensions=embedding_kills.WIDTH)
        one = Project.objects.earliest("pk").pk
        ProjectEmbedding.objects.want({one: "the first words"})
        DAYS[day](bad)
        with watching({**openai(bad), "OLLAMA_URL": good.url}):
            until(lambda: not ProjectEmbedding.objects.waiting(other).exists(), 120)
            began, delays = time.monotonic(), [0.0]
            while time.monotonic() - began < SECONDS:
                delays.append(seconds_until_embedded(one, other, f"words of {time.monotonic()}"))
        still = ProjectEmbedding.objects.waiting(EmbeddingModel.objects.live()).count()
        figures = f"{len(delays) - 1} texts by the other, {max(delays):.1f} s at most; {still} wait by this one"
        report(day, f"{figures}, asked {len(bad.asked)} times")
        return max(delays)


def seconds_until_embedded(project: int, model: EmbeddingModel, words: str) -> float:
    ProjectEmbedding.objects.want({project: words})
    began = time.monotonic()
    until(lambda: not ProjectEmbedding.objects.waiting(model).exists(), 120)
    return time.monotonic() - began


# Kills


def kills() -> int:
    """Kill around each request, until one process asks no more; returns how many things went wrong."""
    wrong = done = most = 0
    for number in count(1):
        ended = [killed(number, after) for after in AFTER]
        for after, (was, again, faults) in zip(AFTER, ended, strict=True):
            done, wrong, most = done + was, wrong + len(faults), max(most, again)
            sys.stderr.writelines(f"killed at request {number}, {after}: {fault}\n" for fault in faults)
        if not ended[0][0]:
            break
    report("kills", f"{done}, at most {most} texts asked for again, {wrong} faults")
    return wrong


def killed(number: int, after: float | None) -> tuple[bool, int, list[str]]:
    """Whether it was, how many texts were asked for again, and what went wrong."""
    api = OpenAI()
    with Server(api) as server, embedding_kills.by_openai(server):
        from_nothing()
        spread(KILLED)
        was = embedding_kills.killed(ProjectEmbedding, 2 * BATCH, server, number, after)
        embedding_kills.embed(ProjectEmbedding, 2 * BATCH)
        again = api.embedded.total() - len(api.embedded)
        return was, again, embedding_kills.faults(ProjectEmbedding, server, 2 * BATCH)


# SIGTERM


def told_to_end() -> int:
    """Whose batch ends within the grace keeps it, any other hands it back as it was; returns what went wrong."""
    return sum(ended(latency, kept) for latency, kept in ((3.0, BATCH), (60.0, 0)))


def ended(latency: float, kept: int) -> int:
    with Server(OpenAI(latency=latency)) as server, embedding_kills.by_openai(server):
        from_nothing()
        spread(3 * BATCH)
        with watching(openai(server)):
            until(lambda: server.asked, 120)
            began = time.monotonic()
        seconds = time.monotonic() - began
        stored = ProjectEmbedding.objects.exclude(vector=None).count()
        held = ProjectEmbedding.objects.exclude(lease="", attempts=0).count()
        figures = f"ended after {seconds:.1f} s, {stored} vectors kept, {held} texts held, {len(server.asked)} requests"
        report(f"SIGTERM, answer after {latency:.0f} s", figures)
        return (stored != kept) + bool(held) + (seconds > settings.TIMING.grace)


# The world


def from_nothing() -> None:
    for model in (Project, PaidVector, Gate, EmbeddingModel):
        model.objects.all().delete()
    filling.made.cache_clear()


def openai(server: Server) -> dict[str, str]:
    return {
        "EMBEDDING_PROVIDER": "openai", "EMBEDDING_MODEL": "tiny", "MODEL_DIMENSIONS": str(embedding_kills.WIDTH),
        "OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "sk-not-a-real-key", "BATCH_SIZE": str(BATCH),
    }  # fmt: skip


@contextmanager
def watching(facts: dict[str, str], module: str = "ostsite.settings") -> Iterator[IO[bytes]]:
    """A process of `embed --watch` on this database, with its log; told to end afterwards."""
    found = connection.settings_dict
    url = f"postgresql://{found['USER']}@/{found['NAME']}?host={found['HOST']}&port={found['PORT']}"
    named = {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": module, "LOG_LEVEL": "INFO", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(ROOT, "manage.py")), "embed", "--watch", "--subject", "projects"]
    with TemporaryFile() as log, subprocess.Popen(command, env={**os.environ, **named, **facts}, stderr=log) as process:
        try:
            yield log
        finally:
            process.terminate()
            process.wait(30)


def waiting() -> int:
    return ProjectEmbedding.objects.waiting(EmbeddingModel.objects.live()).count()
