"""Conversations come in: ingest, read, embed, store. One run an ingest, keyed by the digest of what is handed in.

    from recommendations.conversations import run_pipeline
    run_pipeline("sample/conversations.json")

What waits besides, because of an ingest that died, a changed taxonomy or changed intents, is `run_pipeline
conversations`, which is due by the clock.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings

from engine import runs
from engine.documents import DocumentFile
from engine.embeddings import filling
from engine.lines import BadLine, FileRefused, GoodLine, standard_input
from engine.models import Anomaly, EmbeddingModel, Run, Step
from engine.pipeline import Pipeline, Scope, Stage, StageError, Work
from engine.runs import Watcher
from recommendations import hearing, intents, messages
from recommendations.models import IntentEmbedding, MessageEmbedding
from recommendations.schemas import MessageLine

PIPELINE = "conversations"
MEMBER = "conversations"  # the key that a list of messages may stand under
LINES_AT_ONCE = 2000
FAULTS_KEPT = 100
LARGEST_INPUT = 1 << 30  # bytes from standard input, which is put aside first: its digest names the run
KEY = 40  # signs of the digest that name the run

EMBEDDED = (IntentEmbedding, MessageEmbedding)

Lines = Iterable[GoodLine[MessageLine] | BadLine]


@dataclass
class Faults:
    """The records that were refused: how many, and the first."""

    count: int = 0
    first: list[BadLine] = field(default_factory=list)

    def add(self, lines: Sequence[BadLine]) -> None:
        self.count += len(lines)
        self.first += lines[: FAULTS_KEPT - len(self.first)]


# Stages


def ingest(lines: Lines, faults: Faults) -> Iterator[Counter[str]]:
    """Store the good records, a block a transaction: `records`, and what became of them."""
    given = iter(lines)
    while block := list(islice(given, LINES_AT_ONCE)):
        bad = [line for line in block if isinstance(line, BadLine)]
        good = [(line.number, line.record) for line in block if isinstance(line, GoodLine)]
        counts, refused = messages.store(good)
        faults.add(sorted([*bad, *(BadLine(*each) for each in refused)], key=lambda line: line.number))
        counts["refused"] += len(bad)
        yield Counter(records=len(block), **counts)


def handed_in(scope: Scope) -> Work:
    """For a worker that goes on with an ingest whose process died: without the file, which it needs no more."""
    stored = Step.objects.filter(run__pipeline=PIPELINE, run__source=scope.source, run__state__in=Run.LIVE)
    if not stored.filter(name="ingest", state=Step.State.DONE).exists():
        raise StageError("not all of it is stored, and it is not here any more: hand it in again")
    yield from ()
    return None


def read(scope: Scope) -> Work:
    """The facts that messages say, read off their words."""
    yield from hearing.read(everything=scope.force)
    return None


def embed(scope: Scope) -> Work:
    """Vectors of intents, and of messages that are more than small talk."""
    yield from filling.fill_all(EMBEDDED, EmbeddingModel.objects.live(), settings.BATCH_SIZE)
    return None


def embed_waiting(scope: Scope) -> int:
    """Nothing while nobody said anything: the intents alone are no reason for a run."""
    if not MessageEmbedding.objects.exists():
        return 0
    return filling.waiting(EMBEDDED, EmbeddingModel.objects.live())


def store(scope: Scope) -> Work:
    """What each message wants: its nearest intent."""
    yield from intents.compare(everything=scope.force)
    return None


STAGES = (
    Stage("read", read, lambda scope: hearing.waiting(), units=("read",)),
    Stage("embed", embed, embed_waiting, units=("embedded", "elsewhere", "failed", "superseded")),
    Stage("store", store, lambda scope: intents.waiting(), units=("compared",)),
)
CONVERSATIONS = Pipeline(
    name=PIPELINE, stages=STAGES, collecting=(Stage("ingest", handed_in, lambda scope: 0, units=("records",)), *STAGES)
)


def pipeline_of(lines: Lines, faults: Faults) -> Pipeline:
    """The pipeline as it takes these records in."""

    def work(scope: Scope) -> Work:
        yield from ingest(lines, faults)
        return None

    return replace(CONVERSATIONS, collecting=(replace(CONVERSATIONS.collecting[0], work=work), *STAGES))


# Handing in


def run_pipeline(path: str | Path, watcher: Watcher | None = None) -> dict[str, Any]:
    """Take in a file of messages, `-` is standard input, and understand them; the summary of what became of them.

    Raises FileRefused, and engine.ledger.Busy while another process takes in the same.
    """
    with put_aside(str(path)) as (file, digest), DocumentFile(file, MEMBER) as document:
        return taken_in(document.records(MessageLine), digest, watcher=watcher)


def taken_in(lines: Lines, digest: str, only: Sequence[str] = (), watcher: Watcher | None = None) -> dict[str, Any]:
    """Go through a run of these records. only: the stages, where not all of them; the clock brings the rest."""
    faults = Faults()
    run = runs.run(pipeline_of(lines, faults), Scope(source=digest[:KEY]), only, watcher)
    Run.objects.filter(pk=run.pk).update(inputs=digest)
    if faults.count:
        first = faults.first[0]
        told = f"{faults.count} records refused; the first, {first.number}: {first.reason}"
        Anomaly.objects.alarm("conversations", str(run), told)
    return summary(run, faults)


def summary(run: Run, faults: Faults) -> dict[str, Any]:
    """run_id, status, stages with their counts and seconds; `refused` and `error` where there are any."""
    steps = run.steps.filter(fence=run.fence)
    stages = {step.name: {"state": step.state, "seconds": seconds(step), "counts": step.counts} for step in steps}
    stored = run.counts.get("ingest", {}).get("records", 0) - faults.count
    status = "failed" if run.state in Run.LIVE or not stored else "partly" if faults.count else str(run.state)
    told: dict[str, Any] = {"run_id": run.pk, "status": status, "stages": stages}
    if faults.count:
        told["refused"] = {
            "count": faults.count,
            "first": [{"record": line.number, "reason": line.reason} for line in faults.first],
        }
    if run.error:
        told["error"] = run.error
    return told


def seconds(step: Step) -> float:
    return round((step.finished_at - step.started_at).total_seconds(), 3) if step.finished_at else 0.0


@contextmanager
def put_aside(name: str) -> Iterator[tuple[str, str]]:
    """The path of a file that can be read twice, and the SHA-256 of it as it came."""
    if name != "-":
        DocumentFile(name, MEMBER).__exit__()  # what is no file is refused before it is read to its end
        yield name, digest_of(name)
        return
    with tempfile.NamedTemporaryFile(prefix="conversations-") as copy:
        for piece in pieces():
            copy.write(piece)
        copy.flush()
        yield copy.name, digest_of(copy.name)


def pieces() -> Iterator[bytes]:
    """Standard input, up to a limit."""
    stream, left = standard_input(), LARGEST_INPUT
    while piece := stream.read(1 << 20):
        left -= len(piece)
        if left < 0:
            raise FileRefused(f"- is more than {LARGEST_INPUT >> 30} GiB; hand it in as a file")
        yield piece


def digest_of(file: str) -> str:
    try:
        with Path(file).open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise FileRefused(f"{file} cannot be read: {error.strerror}") from error
