"""The loop: which texts come first, what delays whom, and how it ends."""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.db import connection, connections
from django.utils import timezone
from structlog.testing import capture_logs

from engine.bulk import raw_connection
from engine.commands import terminate
from engine.embeddings import filling, pausing, watching
from engine.embeddings.base import EmbedderError, PutOff
from engine.models import EmbeddingModel
from engine.pipeline import Terminated
from engine.tests.test_embeddings import Missing, Tiny, live, many, rows, use
from engine.vectors import Matrix
from recommendations.models import CategoryEmbedding, Project, ProjectEmbedding

pytestmark = pytest.mark.django_db
in_threads = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def tiny(settings):
    """Every test here embeds with Tiny, unless it names another; what is told to end has 0.3 s for its batch."""
    settings.MODEL_DIMENSIONS = 4
    settings.TIMING = replace(settings.TIMING, idle=0.04, grace=0.4)
    use(settings, Tiny)
    yield
    filling.made.cache_clear()


def waiting() -> int:
    return filling.waiting([CategoryEmbedding], live())


def lane(batch: int = 256, **only: object) -> watching.Lane:
    """One that is not started: its turns are taken here, on the test's connection."""
    return watching.Lane("local", [CategoryEmbedding, ProjectEmbedding], batch, 0, only)


def projects(count: int) -> None:
    made = [Project.objects.create(full_name=f"octo/tool{at}") for at in range(count)]
    ProjectEmbedding.objects.want({project.pk: f"project {at}" for at, project in enumerate(made)})


def second(**facts: object) -> EmbeddingModel:
    """A model that fills beside the live one."""
    live()
    return EmbeddingModel.objects.create(**{"name": "second", "provider": "local", "dimensions": 4, **facts})


def said(told: list[Any]) -> list[Any]:
    """What an operator sees of it."""
    return [line for line in told if line["log_level"] != "debug"]


# A turn


def test_the_loop_embeds_what_waits():
    many(5)
    lane().turn()
    assert waiting() == 0


def test_the_loop_embeds_what_comes_later():
    one = lane()
    one.turn()
    many(5)
    one.turn()
    assert waiting() == 0


def test_a_turn_takes_one_batch_of_each_subject():
    many(5)
    projects(5)
    with capture_logs() as told:
        lane(batch=2).turn()
    assert [(line["subject"], line["embedded"]) for line in said(told)] == [("categories", 2), ("projects", 2)]


def test_a_turn_takes_one_batch_of_each_model_the_live_one_first():
    second()
    many(5)
    with capture_logs() as told:
        lane(batch=2).turn()
    assert [(line["model"], line["embedded"]) for line in said(told)] == [(live().name, 2), ("second", 2)]


def test_the_newest_texts_come_first():
    many(5)
    lane(batch=2).turn()
    assert [bool(row.generated_at) for row in rows.order_by("pk")] == [False, False, False, True, True]


def test_a_paused_model_is_left_out_and_a_resumed_one_is_back_with_the_next_turn():
    many(2)
    one = lane()
    pausing.pause(live())
    one.turn()
    before = waiting()
    pausing.resume(live())
    one.turn()
    assert (before, waiting()) == (2, 0)


def test_a_retired_model_is_left_out():
    second(state="retired")
    many(2)
    lane().turn()
    assert Tiny.calls == [2]


def test_only_the_model_that_is_named_is_embedded_for():
    second()
    many(2)
    lane(name="second").turn()
    assert (waiting(), rows.filter(model__name="second", vector=None).count()) == (2, 0)


def written() -> int:
    """Rows that this transaction has inserted, changed or deleted so far."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_xact_user_tables")
        return int(cursor.fetchone()[0])


def test_an_idle_turn_writes_nothing():
    many(2)
    one = lane()
    one.turn()
    before = written()
    one.turn()
    assert written() == before


def test_what_is_written_is_seen_by_the_test_above():
    before = written()
    many(2)
    assert written() > before


# What does not answer


class Recovering(Tiny):
    """A model that cannot be loaded three times."""

    def embed(self, texts: Sequence[str]) -> Matrix:
        if len(self.calls) < 3:
            self.calls.append(0)
            return Missing.embed(self, texts)  # type: ignore[arg-type]
        return super().embed(texts)


def test_the_loop_outlives_a_model_that_cannot_be_loaded(settings):
    use(settings, Recovering)
    many(2)
    one = lane()
    with capture_logs() as told:
        for _ in range(4):
            one.turn()
    assert waiting() == 0
    assert [line["event"] for line in said(told)] == ["embedding_put_off", "batch_embedded"]  # an outage is told once


class ByName(Tiny):
    """Only the model that is called second answers; another one is unusable, or wants to be left alone."""

    put_off: ClassVar[bool] = False

    def __init__(self, name: str, dimensions: int) -> None:
        super().__init__(name, dimensions)
        self.name = name

    def embed(self, texts: Sequence[str]) -> Matrix:
        if self.name == "second":
            return super().embed(texts)
        self.calls.append(0)
        if self.put_off:
            raise PutOff(timezone.now() + timedelta(seconds=30), "not now")
        raise EmbedderError("gone")


def test_an_unusable_model_does_not_delay_another_of_its_provider(settings):
    use(settings, ByName)
    beside = second()
    many(2)
    lane().turn()
    assert rows.waiting(beside).count() == 0


def test_a_provider_that_wants_to_be_left_alone_is_with_all_its_models(settings, monkeypatch):
    use(settings, ByName)
    monkeypatch.setattr(ByName, "put_off", True)
    second()
    many(2)
    one = lane()
    for _ in range(3):
        one.turn()
    assert Tiny.calls == [0]


def test_a_provider_that_nobody_knows_is_said():
    second(provider="abacus")
    many(1)
    with capture_logs() as told:
        watching.Lane("abacus", [CategoryEmbedding], 256, 0, {}).turn()
    assert "nobody knows the provider 'abacus'" in said(told)[0]["reason"]


@in_threads
def test_a_turn_outlives_a_connection_that_breaks_and_hands_back_what_it_held(elsewhere):
    many(2)
    one = lane()
    rows.claim(live(), 2)
    elsewhere.execute("SELECT pg_terminate_backend(%s, 5000)", [raw_connection().info.backend_pid])
    one.turn()
    one.turn()
    assert (waiting(), Tiny.calls) == (0, [2])


def test_what_another_thread_holds_is_not_handed_back():
    many(4)
    lease = rows.claim(live(), 2)[0]
    other = ":".join([*lease.split(":")[:3], "1", "of another thread"])
    rows.filter(lease=lease).update(lease=other)
    rows.claim(live(), 2)
    assert rows.release_own() == 2
    assert rows.filter(lease=other).count() == 2


# All of it


class Enough(Exception):
    pass


def watch(until: Callable[[], object], passes: int = 10_000, batch: int = 256) -> list[int]:
    """Let the loop run until that is true, or was asked so often; returns what was still waiting at each beat."""
    left: list[int] = []

    def beat() -> None:
        left.append(waiting())
        if until() or len(left) == passes:
            raise Enough

    with pytest.raises(Enough):
        watching.watch([CategoryEmbedding], batch, 0.01, beat)
    return left


def two_providers(settings, slow: type[Tiny]) -> EmbeddingModel:
    """The live model answers as `slow` does, the one beside it as Tiny."""
    settings.EMBEDDING_PROVIDERS = {"local": f"{__name__}.{slow.__name__}", "other": f"{Tiny.__module__}.Tiny"}
    return second(provider="other")


@in_threads
def test_threads_embed_for_all_models_and_end_with_the_loop(settings):
    beside = two_providers(settings, Tiny)
    many(5)
    watch(lambda: not waiting() and not rows.waiting(beside).exists())
    assert not [thread for thread in threading.enumerate() if isinstance(thread, watching.Lane)]


@in_threads
def test_a_provider_that_comes_later_gets_its_thread(settings):
    settings.EMBEDDING_PROVIDERS = {**settings.EMBEDDING_PROVIDERS, "other": f"{Tiny.__module__}.Tiny"}
    many(2)

    def come() -> bool:
        if not waiting() and EmbeddingModel.objects.count() == 1:
            second(provider="other")
            rows.want({pk: f"new {pk}" for pk in rows.values_list("subject_id", flat=True)})
        return rows.filter(model__name="second").exclude(vector=None).count() == 2

    watch(come)


class Held(Tiny):
    """It does not answer until it is let go."""

    go: ClassVar[threading.Event] = threading.Event()

    def embed(self, texts: Sequence[str]) -> Matrix:
        self.go.wait(10)
        return super().embed(texts)


@pytest.fixture
def held():
    Held.go.clear()
    yield Held.go
    Held.go.set()
    for thread in threading.enumerate():
        if isinstance(thread, watching.Lane):
            thread.join(5)


def told_after(settled: Callable[[], bool]) -> list[int]:
    """Run the loop until that is true and SIGTERM comes; returns the beats."""
    beats: list[int] = []

    def look() -> None:
        deadline = time.monotonic() + 5
        while not settled() and time.monotonic() < deadline:
            time.sleep(0.01)
        connections.close_all()
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, terminate)
    threading.Thread(target=look).start()
    try:
        watching.watch([CategoryEmbedding], 256, 0.01, lambda: beats.append(1))
    except Terminated:
        return beats
    finally:
        signal.signal(signal.SIGTERM, before)


@in_threads
def test_a_provider_that_does_not_answer_delays_no_other(settings, held):
    beside = two_providers(settings, Held)
    many(3)
    told_after(lambda: not rows.waiting(beside).exists())
    assert not rows.waiting(beside).exists()


@in_threads
def test_a_thread_that_stands_still_is_not_hidden_by_another(settings, held):
    beside = two_providers(settings, Held)
    many(3)
    turns: list[int] = []

    def settled() -> bool:
        turns.append(1)
        return not rows.waiting(beside).exists() and len(turns) > 50

    assert len(told_after(settled)) <= 2


@in_threads
def test_a_batch_under_way_is_finished_when_the_loop_is_told_to_end(settings, held):
    use(settings, Held)
    many(3)
    threading.Timer(0.15, held.set).start()
    told_after(lambda: rows.exclude(lease="").exists())
    assert waiting() == 0


@in_threads
def test_a_batch_that_does_not_end_is_handed_back_as_it_was(settings, held):
    use(settings, Held)
    many(3)
    told_after(lambda: rows.exclude(lease="").exists())
    assert set(rows.values_list("attempts", "lease", "lease_until")) == {(0, "", None)}
    assert watching.lingering()


@in_threads
def test_what_ends_after_it_was_handed_back_is_not_kept(settings, held):
    use(settings, Held)
    many(3)
    told_after(lambda: rows.exclude(lease="").exists())
    held.set()
    for thread in threading.enumerate():
        if isinstance(thread, watching.Lane):
            thread.join(5)
    assert (waiting(), watching.lingering()) == (3, False)


class Broken(Tiny):
    def embed(self, texts: Sequence[str]) -> Matrix:
        raise LookupError("a fault of ours")


@in_threads
def test_a_fault_of_ours_in_a_thread_ends_the_loop(settings):
    use(settings, Broken)
    many(1)
    with pytest.raises(LookupError, match="a fault of ours"):
        watching.watch([CategoryEmbedding], 256, 0.01, lambda: None)
