"""Remote providers against their APIs on loopback: what is sent, what is believed, whose fault it is."""

import gzip
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
from django.db import connections
from django.utils import timezone
from structlog.testing import capture_logs

from engine.embeddings import filling, providers, watching
from engine.embeddings.base import Embedder, EmbedderError, PutOff
from engine.embeddings.remote import wire
from engine.embeddings.remote.answers import wait_named
from engine.embeddings.remote.embedder import OLLAMA, OPENAI, TOGETHER, RemoteEmbedder
from engine.embeddings.remote.texts import clipped
from engine.gates import DatabaseGate
from engine.models import EmbeddingModel, Upstream
from engine.pipeline import Later
from engine.testing import embeddings
from engine.testing.embeddings import NO_QUOTA, POISON, UNWELL, busy, vector
from engine.testing.serving import Reply, Server
from engine.tests.test_embeddings import live, many, rows
from recommendations.models import Category, CategoryEmbedding

pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # LiteLLM's copies of base64

KEY = "sk-not-a-real-key-1234"
KINDS = {
    "ollama": (embeddings.Ollama, OLLAMA, ""),
    "openai": (embeddings.OpenAI, OPENAI, "/v1"),
    "together": (embeddings.Together, TOGETHER, "/v1"),
}
TEXTS = ["a web framework", "a game with zombies", "x"]


class World:
    """One API, the server it is reached at, and an embedder of ours for it."""

    def __init__(self, stack: ExitStack, kind: str, **facts: object) -> None:
        made, self.provider, self.path = KINDS[kind]
        self.kind = kind
        self.api = made(**facts)  # type: ignore[arg-type]
        self.server = stack.enter_context(Server(self.api))

    def embedder(self, **facts: object) -> RemoteEmbedder:
        given = {"base": self.server.url + self.path, "key": KEY, "pause": 0.01, **facts}
        return RemoteEmbedder(self.provider, "tiny", 8, **given)  # type: ignore[arg-type]

    @property
    def calls(self) -> int:
        return len(self.server.asked)

    def script(self, *replies: Reply, times: int | None = 1) -> None:
        self.server.faults.script("/", *replies, times=times)


@pytest.fixture
def world():
    with ExitStack() as stack:
        yield lambda kind="openai", **facts: World(stack, kind, **facts)


@pytest.fixture(params=sorted(KINDS))
def any_of_them(request, world) -> World:
    return world(request.param)


# What is sent, and what comes back


def test_each_text_gets_its_vector_in_order(any_of_them):
    assert np.allclose(any_of_them.embedder().embed(TEXTS), [vector(text, 8) for text in TEXTS], atol=1e-6)


def test_many_texts_are_one_request(any_of_them):
    any_of_them.embedder().embed([f"text {at}" for at in range(256)])
    assert any_of_them.api.batches == [256]


def test_no_text_asks_nobody(any_of_them):
    assert (any_of_them.embedder().embed([]).shape, any_of_them.calls) == ((0, 8), 0)


@pytest.mark.parametrize("kind", ["openai", "together"])
def test_vectors_are_ordered_by_their_index(world, kind):
    found = world(kind)
    found.api.shuffled = True
    assert np.allclose(found.embedder().embed(TEXTS), [vector(text, 8) for text in TEXTS], atol=1e-6)


def test_vectors_come_with_length_one(any_of_them):
    any_of_them.api.fault = embeddings.each(lambda one: [3 * value for value in one])
    assert np.linalg.norm(any_of_them.embedder().embed(TEXTS), axis=1) == pytest.approx(1)


def test_more_tokens_than_a_request_takes_are_several(world):
    found = world()
    found.embedder().embed(["word " * 1600] * 256)
    assert sum(found.api.batches) == 256
    assert len(found.api.batches) == 2


def test_what_it_took_is_counted_once(any_of_them):
    one = any_of_them.embedder()
    one.embed(TEXTS)
    tokens = any_of_them.api.used(TEXTS)
    assert (one.take_spent(), one.take_spent()) == (Counter(calls=1, tokens=tokens), Counter())


def test_the_price_is_counted_where_it_is_known(world):
    found = world(models=["text-embedding-3-small"])
    one = RemoteEmbedder(OPENAI, "text-embedding-3-small", 8, base=f"{found.server.url}/v1", key=KEY)
    one.embed(["word " * 1000] * 50)
    assert one.take_spent()["microdollars"] == pytest.approx(50 * 1251 * 0.02, rel=0.01)  # 0.02 $ a million tokens


def test_a_width_is_asked_for_where_the_model_gives_any(world):
    found = world(models=["text-embedding-3-small"], width=1536)
    one = RemoteEmbedder(OPENAI, "text-embedding-3-small", 8, base=f"{found.server.url}/v1", key=KEY)
    assert one.embed(TEXTS).shape == (3, 8)


# Long texts


def test_a_text_is_cut_to_what_the_model_takes(world):
    found = world("ollama", tokens=2_048)
    assert found.embedder().embed(["word " * 100_000]).shape == (1, 8)
    assert found.calls == 1


def test_a_text_of_other_signs_is_cut_sooner():
    assert len(clipped("\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 8_000, 2_048)) <= 2_048


def test_what_is_too_long_all_the_same_is_cut_once_more(world):
    found = world("together", tokens=1_200)
    assert found.embedder().embed(["word " * 1_600, "x"]).shape == (2, 8)
    assert found.calls == 2


def test_a_figure_in_the_refusal_is_believed(world):
    found = world("openai", tokens=500)
    assert found.embedder().embed(["word " * 1_600, "x"]).shape == (2, 8)
    assert found.calls == 2


def test_what_stays_too_long_is_the_text_s_fault(world):
    found = world("together", tokens=100)
    with pytest.raises(ValueError, match="longer than the maximum context length"):
        found.embedder().embed(["word " * 1_600])
    assert found.calls == 2


# Bad answers


@pytest.mark.parametrize("fault", ["NaN", "infinite", "zeros", "fewer", "more", "ragged"])
def test_an_answer_that_is_no_vector_for_each_text_is_refused(any_of_them, fault):
    any_of_them.api.fault = embeddings.FAULTS[fault]
    with pytest.raises(ValueError):
        any_of_them.embedder().embed(TEXTS)
    assert any_of_them.calls == 1


def test_another_width_is_the_model_s_fault_and_both_are_named(any_of_them):
    any_of_them.api.fault = embeddings.FAULTS["wide"]
    with pytest.raises(EmbedderError, match="MODEL_DIMENSIONS is 8, but 'tiny' gives 9"):
        any_of_them.embedder().embed(TEXTS)


def answer(**changes: object) -> Reply:
    return Reply({"object": "list", "model": "tiny", "usage": {"prompt_tokens": 1, "total_tokens": 1}, **changes})


@pytest.mark.parametrize(
    "data",
    [
        pytest.param([{"object": "embedding", "index": at, "embedding": [1.0] * 8} for at in (0, 0, 2)], id="twice"),
        pytest.param([{"object": "embedding", "index": at, "embedding": [1.0] * 8} for at in (1, 2, 3)], id="beyond"),
        pytest.param([{"object": "embedding", "index": at, "embedding": "no base64"} for at in range(3)], id="words"),
        pytest.param([], id="none"),
    ],
)
def test_places_and_values_are_looked_at(world, data):
    found = world()
    found.script(answer(data=data))
    with pytest.raises(ValueError):
        found.embedder().embed(TEXTS)


@pytest.mark.parametrize("body", [b"{", b"<html>", b"[]", b"null", b'{"data": 7}', b"{}"], ids=repr)
def test_an_answer_that_cannot_be_read_is_asked_for_again_and_then_nobody_s_text_is_blamed(any_of_them, body):
    any_of_them.script(Reply(body), times=None)
    with pytest.raises((EmbedderError, ValueError)):
        any_of_them.embedder(tries=1).embed(TEXTS)


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}], ids=["long", "packed"])
def test_no_more_is_read_than_any_answer_needs(any_of_them, monkeypatch, headers):
    monkeypatch.setattr(wire, "LONGEST", 50_000)
    body = json.dumps({"object": "list", "data": [" " * 100_000], "embeddings": []}).encode()
    any_of_them.script(Reply(gzip.compress(body) if headers else body, headers=headers), times=None)
    with pytest.raises(EmbedderError, match="answers more than"):
        any_of_them.embedder(tries=1).embed(TEXTS)


def test_redirects_are_not_followed(any_of_them):
    any_of_them.script(Reply(b"", 307, {"Location": f"{any_of_them.server.url}/elsewhere"}), times=None)
    with pytest.raises(EmbedderError, match="HTTP 307"):
        any_of_them.embedder().embed(TEXTS)
    assert any_of_them.calls == 1


# Errors


def test_a_server_in_trouble_is_asked_again(any_of_them):
    any_of_them.script(UNWELL, Reply(b"", 502))
    assert any_of_them.embedder().embed(TEXTS).shape == (3, 8)
    assert any_of_them.calls == 3


def test_a_broken_connection_is_tried_again(any_of_them):
    any_of_them.script(Reply(reset=True))
    assert any_of_them.embedder().embed(TEXTS).shape == (3, 8)


def test_it_is_tried_so_often_and_then_nobody_s_text_is_blamed(any_of_them):
    any_of_them.script(UNWELL, times=None)
    with pytest.raises(EmbedderError, match=r"embeds nothing any more: .* HTTP 503"):
        any_of_them.embedder(tries=3).embed(TEXTS)
    assert any_of_them.calls == 3 + 1  # the last one with a text beyond suspicion


def test_an_answer_that_does_not_come_is_given_up(any_of_them, monkeypatch):
    monkeypatch.setattr(wire, "ONE", 0.3)
    any_of_them.script(Reply(delay=30), times=None)
    begun = time.monotonic()
    with pytest.raises(EmbedderError, match="no answer within"):
        any_of_them.embedder(tries=1).embed(TEXTS)
    assert time.monotonic() - begun < 5


def test_an_answer_that_drips_is_given_up(any_of_them, monkeypatch):
    monkeypatch.setattr(wire, "ONE", 0.3)
    any_of_them.script(Reply(b" " * 1000, drip=0.1), times=None)
    with pytest.raises(EmbedderError, match="no answer within"):
        any_of_them.embedder(tries=1).embed(TEXTS)


def test_nobody_there_is_said():
    with pytest.raises(EmbedderError, match=r"127\.0\.0\.1:9 is not reached"):
        RemoteEmbedder(OLLAMA, "tiny", 8, base="http://127.0.0.1:9", pause=0.01).embed(TEXTS)


def test_a_refused_text_is_not_sent_twice(any_of_them):
    with pytest.raises(ValueError, match=r"HTTP 400 .*is invalid"):
        any_of_them.embedder().embed([*TEXTS, POISON])
    assert any_of_them.calls == 1


@pytest.mark.parametrize("kind", ["openai", "together"])
def test_a_refused_key_is_said_with_what_to_do(world, kind):
    found = world(kind, key="another-key-than-ours")
    with pytest.raises(EmbedderError, match=f"HTTP 401 .*{kind.upper()}_API_KEY is refused: set one that may embed"):
        found.embedder().embed(TEXTS)
    assert found.calls == 1


def test_a_model_that_is_not_there_is_named(any_of_them):
    any_of_them.api.models = ["another"]
    with pytest.raises(EmbedderError, match=r"HTTP 404 .*'tiny'"):
        any_of_them.embedder().embed(TEXTS)


def test_a_spent_quota_is_not_waited_for(world):
    found = world()
    found.script(NO_QUOTA, times=None)
    with pytest.raises(EmbedderError, match="the quota is used up"):
        found.embedder().embed(TEXTS)
    assert found.calls == 1


def test_no_key_is_in_an_error_that_quotes_it(world, caplog):
    caplog.set_level(logging.DEBUG)
    found = world(key="another-key-than-ours")  # the server says which one it got
    with pytest.raises(EmbedderError) as refused, capture_logs() as told:
        found.embedder().embed(TEXTS)
    assert KEY not in f"{refused.value!r} {told}"
    assert KEY not in "".join(record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG)


def test_a_server_that_refuses_every_text_is_found_out(world):
    one = (found := world(poisoned="refused")).embedder()
    found.script(Reply({"error": {"message": "unsupported parameter"}}, 400), times=None)
    for _ in range(5):
        with pytest.raises(ValueError):
            one.embed(TEXTS)
    with pytest.raises(EmbedderError, match="embeds nothing any more"):
        one.embed(TEXTS)


# Limits


def test_a_busy_provider_is_waited_for_and_blames_nobody(any_of_them):
    any_of_them.script(busy(Retry_After="7"))
    any_of_them.api.quiet.close = lambda lane, until: None  # type: ignore[method-assign]  # asked again at once here
    assert any_of_them.embedder().embed(TEXTS).shape == (3, 8)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "12ms"}, 0.012),
        ({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "6m0s"}, None),
        ({"retry-after": "999999999"}, 3600),
        ({"retry-after": "soon"}, None),
    ],
)
def test_how_long_to_wait_is_read_as_they_write_it(headers, seconds):
    assert wait_named(headers) == (None if seconds is None else pytest.approx(seconds))


@pytest.fixture
def fast(settings) -> None:
    """A second of the outside is 0.02 s here."""
    settings.TIMING = replace(settings.TIMING, upstream=0.02, idle=0.04)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("fast")
class TestGate:
    def test_a_long_window_is_not_slept_through(self, world):
        found = world()
        found.script(busy(Retry_After="3000"))
        with pytest.raises(PutOff) as put_off:
            found.embedder(gate=DatabaseGate(0.5, alone=False)).embed(TEXTS)
        assert 40 < (put_off.value.until - timezone.now()).total_seconds() <= 60

    def test_no_process_asks_within_a_window(self, world):
        found = world()
        found.script(busy(Retry_After="3000"))
        for _ in range(3):
            with pytest.raises(PutOff):
                found.embedder(gate=DatabaseGate(0.1, alone=False)).embed(TEXTS)
        assert found.calls == 1

    def test_after_five_faults_in_a_row_nobody_asks(self, world):
        found = world()
        found.script(UNWELL, times=None)
        for _ in range(3):
            with pytest.raises(EmbedderError):
                found.embedder(gate=DatabaseGate(0.1, alone=False), tries=2).embed(TEXTS)
        assert found.calls == 5

    def test_several_requests_may_be_under_way(self, world):
        found = world(latency=0.4)
        begun = time.monotonic()
        at_once(4, lambda: found.embedder(gate=DatabaseGate(0.1, alone=False)).embed(TEXTS))
        assert (found.calls, time.monotonic() - begun < 1.2) == (4, True)

    def test_after_faults_one_tries_first(self, world):
        found = world(latency=0.4)
        gate = DatabaseGate(0.1, alone=False)
        for _ in range(5):
            gate.enter(found.embedder().host, "embeddings", 0, 30)
            gate.leave(found.embedder().host, "embeddings", None, "no answer")
        Upstream.objects.update(quiet_until=None)
        results = at_once(3, lambda: found.embedder(gate=DatabaseGate(0.1, alone=False)).embed(TEXTS))
        assert (found.calls, sum(isinstance(each, PutOff) for each in results)) == (1, 2)

    def test_the_delay_between_requests_holds_for_all(self, world):
        found = world()
        one = found.embedder(gate=DatabaseGate(2, alone=False), delay=10)  # 0.2 s of ours
        begun = time.monotonic()
        for _ in range(3):
            one.embed(TEXTS)
        assert time.monotonic() - begun >= 0.4


def at_once(count: int, work: Callable[[], object]) -> list[object]:
    """What each of so many threads gave, or raised."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(work())
        except EmbedderError as error:
            results.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# Rows


@pytest.fixture
def filled(world, settings, fast, monkeypatch):
    """A world whose provider the settings name, as a process would find it."""
    monkeypatch.setattr(providers, "PATIENCE", 0.1)  # in scale with the seconds of the outside

    def made(kind: str = "openai", **facts: object) -> World:
        found = world(kind, **facts)
        settings.EMBEDDING_PROVIDER, settings.EMBEDDING_MODEL, settings.MODEL_DIMENSIONS = kind, "tiny", 8
        settings.OPENAI_API_KEY = settings.TOGETHER_API_KEY = KEY
        name = {"ollama": "OLLAMA_URL"}.get(kind, f"{kind.upper()}_BASE_URL")
        setattr(settings, name, found.server.url + found.path)
        filling.made.cache_clear()
        return found

    yield made
    filling.made.cache_clear()


def fill() -> Counter[str]:
    return sum(filling.fill([CategoryEmbedding], live(), 256), Counter())


@pytest.mark.django_db
@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("poisoned", ["refused", "NaN", "zeros"])
@pytest.mark.parametrize("place", [0, 500, 999])
def test_of_a_thousand_texts_the_poisoned_one_alone_is_quarantined(filled, kind, poisoned, place):
    found = filled(kind, poisoned=poisoned)
    many(1000, poisoned=[place])
    done = fill()
    assert (done["embedded"], done["failed"]) == (999, 1)
    assert found.calls <= 4 + 17
    assert done["calls"] == found.calls


@pytest.mark.django_db
def test_a_text_that_breaks_the_server_is_isolated_too(filled):
    found = filled(poisoned="failed")
    many(1000, poisoned=[500])
    assert fill()["embedded"] == 999
    assert rows.exclude(quarantined_at=None).get().text == POISON
    assert found.calls <= 4 + 17 + 5 * 3  # at each of five sizes: two more tries, and one text beyond suspicion


@pytest.mark.django_db
@pytest.mark.parametrize("fault", ["wide", "NaN", "zeros", "fewer", "more"])
def test_no_row_comes_of_a_bad_answer_and_none_is_blamed(filled, fault):
    found = filled()
    found.api.fault = embeddings.FAULTS[fault]
    many(600)
    with pytest.raises(EmbedderError):
        fill()
    assert not rows.exclude(vector=None).exists()
    assert not rows.exclude(quarantined_at=None).exists()
    assert not rows.exclude(lease="").exists()
    assert found.calls <= 5


@pytest.mark.django_db
def test_a_window_makes_a_run_wait(filled):
    filled().script(busy(Retry_After="3000"))
    many(3)
    with pytest.raises(Later, match="HTTP 429"):
        list(filling.fill_all([CategoryEmbedding], live(), 256))
    assert set(rows.values_list("attempts", "lease")) == {(0, "")}


class Enough(Exception):
    pass


@pytest.mark.django_db(transaction=True)
def test_the_loop_pauses_while_a_window_lasts_and_beats_on(filled):
    found = filled()
    found.script(busy(Retry_After="3000"), times=None)
    many(3)
    beats: list[int] = []

    def beat() -> None:
        beats.append(1)
        if len(beats) == 8:
            raise Enough

    with pytest.raises(Enough):
        watching.watch([CategoryEmbedding], 256, 0.04, beat)
    assert found.calls == 1


@pytest.mark.django_db
def test_the_same_text_is_not_paid_for_twice(filled):
    found = filled()
    many(300)
    fill()
    fill()
    assert (max(found.api.embedded.values()), found.calls) == (1, 2)


def words(*texts: str) -> None:
    """What the subjects say now, in the order they were made."""
    found = Category.objects.order_by("pk").values_list("pk", flat=True)[: len(texts)]
    rows.want(dict(zip(found, texts, strict=True)))


@pytest.mark.django_db
def test_no_words_are_sent_twice_whoever_says_them_and_how_often_they_change(filled):
    found = filled()
    many(3)
    for texts in (("one", "two", "two"), ("two", "one", "three"), ("one", "two", "two")):
        words(*texts)
        fill()
    rows.filter(text="one").update(vector=None, vector_hash="")  # lost
    fill()
    assert dict(found.api.embedded) == {"one": 1, "two": 1, "three": 1}
    assert all(np.allclose(row.vector, vector(row.text, 8), atol=1e-6) for row in rows.all())


@pytest.mark.django_db
def test_to_do_everything_again_asks_nobody(filled):
    found = filled()
    many(300)
    fill()
    rows.update(vector=None, vector_hash="", generated_at=None)
    assert (fill()["reused"], found.calls) == (300, 2)


@pytest.mark.django_db(transaction=True)
def test_workers_share_the_texts_and_none_is_asked_for_twice(filled):
    found = filled(latency=0.2)
    many(64)
    model: EmbeddingModel = live()
    at_once(4, lambda: list(filling.fill([CategoryEmbedding], model, 8)))
    assert (len(found.api.embedded), max(found.api.embedded.values())) == (64, 1)


BAD_DAYS: dict[str, Callable[[World], None]] = {
    "storm": lambda bad: bad.script(busy(Retry_After="3000"), times=None),
    "unwell": lambda bad: bad.script(UNWELL, times=None),
    "broken": lambda bad: bad.script(Reply(reset=True), times=None),
    "silent": lambda bad: setattr(bad.api, "latency", 30.0),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("day", sorted(BAD_DAYS))
def test_one_provider_s_bad_day_delays_no_other(filled, world, settings, monkeypatch, day):
    monkeypatch.setattr(wire, "ONE", 1.0)
    bad, good = filled("openai"), world("ollama")
    settings.OLLAMA_URL = good.server.url
    BAD_DAYS[day](bad)
    live()
    beside = EmbeddingModel.objects.create(name="tiny", provider="ollama", dimensions=8)
    many(300)
    begun = time.monotonic()

    def beat() -> None:
        if not rows.waiting(beside).exists() or time.monotonic() - begun > 20:
            raise Enough

    with pytest.raises(Enough):
        watching.watch([CategoryEmbedding], 256, 0.04, beat)
    assert (rows.waiting(beside).count(), rows.waiting(live()).count()) == (0, 300)
    assert bad.calls > 0
    assert rows.exclude(quarantined_at=None).count() == 0


@pytest.mark.django_db
def test_the_embedder_that_settings_name_goes_through_the_gate(filled):
    found = filled()
    many(1)
    fill()
    host = found.server.url.removeprefix("http://")
    assert Upstream.objects.get(host=host, lane="embeddings").asked == 1


@pytest.mark.django_db
def test_an_embedder_says_by_what_its_figures_are_told_apart(filled):
    filled("together")
    one: Embedder = filling.embedder(live())
    assert isinstance(one, RemoteEmbedder)
    assert one.labels == {"provider": "together", "model": "tiny"}
