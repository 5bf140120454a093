"""An ingest of conversations that is killed at one of its messages to the database, and the same file run again."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from unittest import mock

import numpy as np
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Count, F
from django.test import override_settings

from engine.embeddings import filling
from engine.models import Run, Step
from engine.tests.postgres_proxy import Point, PostgresProxy, run_in_child
from engine.vectors import Matrix, digest
from recommendations import conversations, hearing, intents
from recommendations.models import Fact, Message, MessageEmbedding, Saying
from recommendations.seeding import seed_taxonomy
from recommendations.tests.crashes import Copy, Words, let_leases_run_out

BEGAN = datetime(2026, 9, 1, tzinfo=UTC)
SAID = [
    "I use Rust for an embedded database, version {n}.",
    "good morning",
    "u{other}: have you tried Python for it?",
    "I love PostgreSQL, but I would not use Java. I am writing a game.",
    "I am looking for a small project to contribute to, {n} hours a week",
    "The disk of machine {n} is full again and nothing starts",
    "How do I mount it?",
]
PEOPLE = 23
BAD = [{"user_id": 7}, {"user_id": "u1", "message": "other words", "timestamp": "2026-09-01", "message_id": "m0"}]

Rows = dict[str, list[tuple[Any, ...]]]


class Embeds(Protocol):
    def embed(self, texts: Sequence[str]) -> Matrix: ...


def write_conversations(path: Path, count: int) -> Path:
    """So many messages of a few people, then two records that are refused."""
    said = [
        {
            "message_id": f"m{n}",
            "user_id": f"u{n % PEOPLE}",
            "message": SAID[n % len(SAID)].format(n=n, other=(n + 1) % PEOPLE),
            "timestamp": (BEGAN + timedelta(minutes=n)).isoformat(),
        }
        for n in range(count)
    ]
    path.write_text(json.dumps([*said, *BAD]))
    return path


@contextmanager
def blocks_of(size: int) -> Iterator[None]:
    """Several blocks in every stage, so that an ingest can also end between two of them."""
    sizes = [(conversations, "LINES_AT_ONCE"), (hearing, "MESSAGES_AT_ONCE"), (intents, "MESSAGES_AT_ONCE")]
    with ExitStack() as patches:
        patches.enter_context(override_settings(BATCH_SIZE=size))
        for module, name in sizes:
            patches.enter_context(mock.patch.object(module, name, size))
        yield


class Noted:
    """An embedder that writes down what it is asked for, in a file that outlives its process."""

    def __init__(self, embedder: Embeds, file: Path) -> None:
        self.embedder, self.file = embedder, file
        file.write_text("")

    def embed(self, texts: Sequence[str]) -> Matrix:
        with self.file.open("a") as file:
            file.writelines(f"{digest(text)}\n" for text in texts)
        return self.embedder.embed(texts)

    def asked(self) -> int:
        """How many texts it was asked for since this was asked last."""
        count = len(self.file.read_text().splitlines())
        self.file.write_text("")
        return count


class Ingest:
    """The ingest of one file into a database with a taxonomy and nobody; every crash begins there.

    wanted, told: the rows and the counts of an ingest that nobody disturbs. texts: how many it embeds.
    messages: how many it sends to the database; commits: which of them end a transaction.
    """

    def __init__(self, proxy: PostgresProxy, file: Path, folder: Path) -> None:
        self.proxy, self.file, self.folder = proxy, file, folder
        seed_taxonomy()
        self.start = Copy()
        with self.embedding() as noted:
            proxy.watch()
            if code := run_in_child(self.go_through, proxy.folder):
                raise RuntimeError(f"undisturbed, the ingest ends with {code}")
            self.texts = noted.asked()
        self.messages, self.commits = proxy.seen, list(proxy.commits)
        self.wanted, self.counts = rows(), taken_in()

    @contextmanager
    def embedding(self) -> Iterator[Noted]:
        """With words in place of a model: alike however the texts are batched."""
        noted = Noted(Words(384), self.folder / "asked")
        with mock.patch.object(filling, "embedder", return_value=noted):
            yield noted

    def go_through(self) -> None:
        conversations.run_pipeline(self.file)

    def points(self, apart: int) -> list[Point]:
        """Around each commit, and around every so many messages."""
        numbers = sorted({*self.commits, *range(1, self.messages + 1, apart)})
        return [Point(number, phase) for number in numbers for phase in ("before", "after")]

    def crash(self, point: Point) -> tuple[int, str, int, list[str]]:
        """From the start: kill an ingest at that point and look; let its leases run out, run it again and look.

        Returns the exit code of the first, the stage it was in, how many texts were embedded again, and the faults.
        """
        self.start.restore()
        with self.embedding() as noted:
            self.proxy.watch(point)
            code = run_in_child(self.go_through, self.proxy.folder)
            last = Step.objects.order_by("pk").last()
            faults = [f"the ingest ends with {code}"] if code > 0 else []
            faults += [f"killed: {fault}" for fault in self.torn()]
            let_leases_run_out(conversations.EMBEDDED)
            conversations.run_pipeline(self.file)
            again = noted.asked() - self.texts
        faults += [f"run again: {fault}" for fault in self.unfinished()]
        faults += [f"{again} texts embedded again"] * (again > settings.BATCH_SIZE)
        return code, last.name if last else "before", max(again, 0), faults

    def torn(self) -> Iterator[str]:
        """What nobody may find at any time: half of a block, or of what a message says."""
        found = rows()
        for name in ("stored", "users", "vectors"):
            if extra := set(found[name]) - set(self.wanted[name]):
                yield f"{len(extra)} {name} that no undisturbed ingest leaves"
        read = set(Message.objects.exclude(read_with="").values_list("message_id", flat=True))
        if [row for row in self.wanted["sayings"] if row[0] in read] != found["sayings"]:
            yield "messages that are read do not say what they say"
        if Fact.objects.annotate(said=Count("sayings")).exclude(count=F("said")).exists():
            yield "a fact is not what its sayings come to"
        compared = set(Message.objects.exclude(compared_with="").values_list("message_id", flat=True))
        if [row for row in self.wanted["intents"] if row[0] in compared] != found["intents"]:
            yield "messages that are compared have other intents"

    def unfinished(self) -> Iterator[str]:
        """What must be over once the same file has gone through again."""
        yield from (f"the {name} are not those of an undisturbed ingest" for name, found in rows().items()
                    if found != self.wanted[name])  # fmt: skip
        if taken_in() != self.counts:
            yield f"it counts {taken_in()}, undisturbed {self.counts}"
        if Run.objects.live().exists() or Step.objects.filter(state=Step.State.RUNNING).exists():
            yield "a run or a step is open"
        if MessageEmbedding.objects.exclude(lease="", quarantined_at=None).exists():
            yield "a text is leased or quarantined"


def rows() -> Rows:
    """All that is stored of what people said, as what it is known by."""
    key = ("user__username", "stack__name", "category__name", "project__full_name", "interest")
    vectors = MessageEmbedding.objects.exclude(vector=None).order_by("subject__message_id", "model")
    said, facts = Message.objects.order_by("message_id"), Fact.objects.order_by(*key)
    return {
        "users": list(User.objects.order_by("username").values_list("username", "is_active", "profile__bio")),
        "stored": list(said.values_list("message_id", "user__username", "text", "said_at")),
        "intents": list(said.exclude(compared_with="").values_list(
            "message_id", "intent__name", "nearness", "read_with", "compared_with")),
        "facts": list(facts.values_list(
            *key, "message__message_id", "sentence", "confidence", "count", "state", "said_at")),
        "sayings": list(Saying.objects.order_by("message__message_id", *(f"fact__{each}" for each in key)).values_list(
            "message__message_id", *(f"fact__{each}" for each in key), "sentence", "confidence")),
        "vectors": [
            (message, text, of, digest(np.asarray(vector, dtype=np.float32)))
            for message, text, of, vector in vectors.values_list(
                "subject__message_id", "text_hash", "vector_hash", "vector")
        ],
    }  # fmt: skip


def taken_in() -> dict[str, int]:
    """What the last run counts, as far as it does not say which of the two claims did it."""
    run = Run.objects.latest("pk")
    counts = Step.objects.filter(run=run, name="ingest").latest("pk").counts
    known = counts["inserted"] + counts["unchanged"]
    return {"records": counts["records"], "known": known, "refused": counts["refused"]}
