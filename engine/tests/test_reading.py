"""The model in a web process: loaded aside, asked for one text, and never in the way."""

import threading
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest

from engine.embeddings.base import EmbedderError
from engine.embeddings.reading import READER, Reader, State, by_the_live
from engine.models import EmbeddingModel
from engine.vectors import Matrix


class Lengths:
    """Two dimensions: how long a text is, and 1."""

    calls: ClassVar[list[str]] = []

    def __init__(self, name: str, dimensions: int) -> None:
        pass

    def embed(self, texts: Sequence[str]) -> Matrix:
        self.calls.extend(texts)
        return np.array([[len(text), 1] for text in texts], dtype=np.float32)


class Held(Lengths):
    """Loads only when it is let go."""

    gate: ClassVar[threading.Event] = threading.Event()

    def embed(self, texts: Sequence[str]) -> Matrix:
        self.gate.wait(10)
        return super().embed(texts)


class Missing(Lengths):
    def embed(self, texts: Sequence[str]) -> Matrix:
        raise EmbedderError("the model cannot be loaded")


class Picky(Lengths):
    def embed(self, texts: Sequence[str]) -> Matrix:
        if "poison" in texts[0]:
            raise ValueError(f"cannot read {texts[0]}")
        return super().embed(texts)


@pytest.fixture
def reads(settings):
    settings.READ_TEXTS = True
    Lengths.calls.clear()
    return settings


def model(settings, provider: type, pk: int = 1) -> EmbeddingModel:
    """A model of that provider; each test names another, so that none is found loaded."""
    settings.EMBEDDING_PROVIDERS = {"local": f"{provider.__module__}.{provider.__name__}"}
    return EmbeddingModel(pk=pk, name=f"model of {provider.__name__}", provider="local", dimensions=2)


def settled(reader: Reader) -> None:
    for thread in threading.enumerate():
        if thread.name == "reader":
            thread.join(10)


def test_a_text_has_no_vector_while_the_model_is_cold(reads):
    Held.gate.clear()
    reader, slow = Reader(), model(reads, Held)
    assert reader.vector(slow, "some words") is None
    assert reader.state(slow) is State.WARMING
    Held.gate.set()
    settled(reader)


def test_a_text_asked_for_loads_the_model(reads):
    reader, fast = Reader(), model(reads, Lengths)
    reader.vector(fast, "some words")
    settled(reader)
    assert reader.vector(fast, "four").tolist() == [4, 1]


def test_the_same_text_is_read_once(reads):
    reader, fast = Reader(), model(reads, Lengths)
    reader.warm(fast)
    settled(reader)
    for _ in range(3):
        reader.vector(fast, "the same")
    assert Lengths.calls.count("the same") == 1


def test_a_model_that_cannot_be_loaded_has_failed(reads):
    reader, missing = Reader(), model(reads, Missing)
    reader.warm(missing)
    settled(reader)
    assert reader.state(missing) is State.FAILED


def test_a_failed_model_is_not_loaded_again_at_once(reads):
    reader, missing = Reader(), model(reads, Missing)
    reader.warm(missing)
    settled(reader)
    reader.warm(missing)
    assert reader.state(missing) is State.FAILED


def test_a_text_that_the_model_fails_on_has_no_vector(reads):
    reader, picky = Reader(), model(reads, Picky)
    reader.warm(picky)
    settled(reader)
    assert reader.vector(picky, "poison") is None


def test_what_somebody_typed_stands_in_no_line_of_the_log(reads, caplog):
    reader, picky = Reader(), model(reads, Picky)
    reader.warm(picky)
    settled(reader)
    reader.vector(picky, "poison of mine")
    assert "poison" not in caplog.text


def test_another_model_is_not_the_one_that_is_loaded(reads):
    reader, fast = Reader(), model(reads, Lengths)
    reader.warm(fast)
    settled(reader)
    assert reader.state(model(reads, Lengths, pk=2)) is State.COLD


def test_where_texts_are_not_read_nothing_is_loaded(settings):
    settings.READ_TEXTS = False
    reader, fast = Reader(), model(settings, Lengths)
    reader.warm(fast)
    assert reader.vector(fast, "some words") is None
    assert reader.state(fast) is State.OFF


def both(reads, reader: Reader) -> tuple[EmbeddingModel, EmbeddingModel]:
    """Two models of one process, both loaded."""
    first, second = model(reads, Lengths, pk=1), model(reads, Lengths, pk=2)
    for each in (first, second):
        reader.warm(each)
        settled(reader)
    return first, second


def test_loading_a_second_model_leaves_the_first_in_use(reads):
    reader = Reader()
    first, second = both(reads, reader)
    assert [reader.state(first), reader.state(second)] == [State.READY, State.READY]


def test_while_a_second_model_is_loaded_the_first_answers(reads):
    Held.gate.clear()
    reader, fast = Reader(), model(reads, Lengths)
    reader.warm(fast)
    settled(reader)
    slow = model(reads, Held, pk=2)
    reader.warm(slow)
    assert (reader.state(slow), reader.vector(fast, "four").tolist()) == (State.WARMING, [4, 1])
    Held.gate.set()
    settled(reader)


def test_of_three_models_the_one_used_longest_ago_goes(reads):
    reader = Reader()
    first, second = both(reads, reader)
    reader.vector(first, "used again")
    third = model(reads, Lengths, pk=3)
    reader.warm(third)
    settled(reader)
    assert [reader.state(each) for each in (first, second, third)] == [State.READY, State.COLD, State.READY]


def test_a_model_that_fails_takes_no_other_with_it(reads):
    reader, fast = Reader(), model(reads, Lengths)
    reader.warm(fast)
    settled(reader)
    missing = model(reads, Missing, pk=2)
    reader.warm(missing)
    settled(reader)
    assert [reader.state(fast), reader.state(missing)] == [State.READY, State.FAILED]


def test_only_where_the_one_is_in_use_the_other_is_loaded(reads):
    reader = Reader()
    first, second = model(reads, Lengths, pk=1), model(reads, Lengths, pk=2)
    reader.follow(first, second)
    assert reader.state(second) is State.COLD
    reader.warm(first)
    settled(reader)
    reader.follow(first, second)
    settled(reader)
    assert reader.state(second) is State.READY


def test_what_people_type_goes_to_no_provider_that_the_settings_do_not_name(reads):
    """Somebody put a remote model live; the settings still say that texts stay here."""
    reads.EMBEDDING_PROVIDER = "local"
    remote = EmbeddingModel(pk=1, name="remote", provider="openai", dimensions=2)
    reader = Reader()
    assert reader.vector(remote, "some words") is None
    assert reader.state(remote) is State.OFF


@pytest.mark.django_db
def test_while_the_new_live_model_is_loaded_the_one_before_is_searched_with(reads):
    Held.gate.clear()
    one = model(reads, Lengths, pk=1)
    one.save()
    READER.warm(one)
    settled(READER)
    new = model(reads, Held, pk=2)
    new.state, new.replaced = "live", one
    new.save()
    assert by_the_live("four")[0] == one
    Held.gate.set()
    settled(READER)
    assert by_the_live("four")[0] == new
