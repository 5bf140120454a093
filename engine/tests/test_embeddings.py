"""Texts that wait for a vector: who wants them, who holds them, what a model may do to them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import numpy as np
import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from engine.embeddings import filling
from engine.embeddings.base import EmbedderError
from engine.models import EmbeddingModel
from engine.text import text_hash
from engine.vectors import Matrix
from recommendations.models import Category, CategoryEmbedding, ProjectEmbedding

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
POISON = "poison"
rows = CategoryEmbedding.objects


class Tiny:
    """A model of four dimensions: a text's vector is its length. A text with the word poison is too much for it."""

    calls: ClassVar[list[int]] = []

    def __init__(self, name: str, dimensions: int) -> None:
        self.dimensions = dimensions

    def embed(self, texts: Sequence[str]) -> Matrix:
        self.calls.append(len(texts))
        if any(POISON in text for text in texts):
            raise ValueError("this text is too much")
        return np.array([[len(text)] * self.dimensions for text in texts], dtype=np.float32)


class Slow(Tiny):
    """While it embeds, the first text's subject gets other words."""

    def embed(self, texts: Sequence[str]) -> Matrix:
        rows.want({rows.get(text=texts[0]).subject_id: "other words"})
        return super().embed(texts)


class Interrupted(Tiny):
    def embed(self, texts: Sequence[str]) -> Matrix:
        raise KeyboardInterrupt


class Missing(Tiny):
    def embed(self, texts: Sequence[str]) -> Matrix:
        raise EmbedderError("the model cannot be loaded")


@pytest.fixture(autouse=True)
def tiny(settings):
    """Every test here embeds with Tiny, unless it names another."""
    settings.MODEL_DIMENSIONS = 4
    use(settings, Tiny)
    yield
    filling.made.cache_clear()


def use(settings, provider: type[Tiny]) -> None:
    settings.EMBEDDING_PROVIDERS = {"local": f"{provider.__module__}.{provider.__name__}"}
    filling.made.cache_clear()
    Tiny.calls.clear()


def subjects(*names: str) -> list[int]:
    return [Category.objects.create(name=name).pk for name in names]


def subject(name: str = "web") -> int:
    return subjects(name)[0]


def many(count: int, poisoned: Sequence[int] = ()) -> None:
    """That many texts wait; those at the positions named are poison."""
    made = subjects(*(f"category {at}" for at in range(count)))
    rows.want({pk: POISON if at in poisoned else f"text {at}" for at, pk in enumerate(made)})


def live() -> EmbeddingModel:
    return EmbeddingModel.objects.live()


def served() -> EmbeddingModel:
    """The live model, once it has made a vector."""
    EmbeddingModel.objects.filter(pk=live().pk).update(used_at=timezone.now())
    return live()


def fill(batch: int = 256, limit: int | None = None) -> Counter[str]:
    return sum(filling.fill([CategoryEmbedding], live(), batch, limit), Counter())


def claim(count: int = 256) -> tuple[str, list[int]]:
    lease, claimed = rows.claim(live(), count)
    return lease, [row.id for row in claimed]


def keep(lease: str, ids: list[int]) -> int:
    """Vectors of ones come for those rows."""
    return rows.keep(lease, ids, np.ones((len(ids), 4), dtype=np.float32))


# Wanting


def test_a_new_text_waits():
    assert rows.want({subject(): "sites and servers"}) == 1
    assert rows.waiting(live()).get().text == "sites and servers"


def test_the_same_text_again_changes_nothing():
    web = subject()
    rows.want({web: "sites"})
    fill()
    assert rows.want({web: "sites"}) == 0
    assert filling.waiting([CategoryEmbedding], live()) == 0


def test_a_changed_text_waits_and_keeps_the_old_vector_meanwhile():
    web = subject()
    rows.want({web: "four"})
    fill()
    assert rows.want({web: "longer"}) == 1
    assert rows.waiting(live()).get().vector == [4, 4, 4, 4]


def test_a_text_that_changed_and_changed_back_waits_no_more():
    web = subject()
    for text in ("sites", "servers", "sites"):
        rows.want({web: text})
        if text == "sites":
            fill()
    assert Tiny.calls == [1]


def test_an_empty_text_takes_the_row_away():
    web, data = subjects("web", "data")
    rows.want({web: "sites", data: "tables"})
    assert rows.want({web: ""}) == 1
    assert [row.subject_id for row in rows.all()] == [data]


def test_wanting_nothing_changes_nothing():
    assert rows.want({}) == 0


def test_a_text_longer_than_a_tokenizer_takes_is_cut():
    rows.want({subject(): "word " * 5000})
    assert 7900 < len(rows.get().text) <= 8000


def test_a_changed_text_comes_out_of_quarantine():
    web = subject()
    rows.want({web: POISON})
    fill()
    rows.want({web: "honey"})
    assert fill() == {"embedded": 1}


def test_wants_are_kept_by_table():
    rows.want({subject(): "sites"})
    assert filling.waiting([ProjectEmbedding], live()) == 0


# Models


def test_the_first_model_wanted_is_live():
    assert EmbeddingModel.objects.wanted().state == EmbeddingModel.State.LIVE


def test_another_model_wanted_later_is_filling(settings):
    first = served()
    settings.MODEL_NAME = "another"
    assert EmbeddingModel.objects.wanted().state == EmbeddingModel.State.FILLING
    assert (live(), live().name) == (first, first.name)


def test_a_live_model_that_never_made_a_vector_follows_the_settings(settings):
    first = live()
    settings.MODEL_NAME, settings.MODEL_DIMENSIONS = "another", 5
    assert (live(), live().name, live().dimensions) == (first, "another", 5)


def test_a_live_model_that_made_a_vector_stays_whatever_the_settings_say(settings):
    many(1)
    fill()
    settings.MODEL_NAME = "another"
    assert live().name != "another"


def test_the_same_model_wanted_again_is_the_same_row():
    assert EmbeddingModel.objects.wanted() == EmbeddingModel.objects.wanted()


def test_two_models_are_never_live_at_once():
    EmbeddingModel.objects.wanted()
    with pytest.raises(IntegrityError, match="one_live_embedding_model"), transaction.atomic():
        EmbeddingModel.objects.create(name="another", provider="local", dimensions=4, state="live")


def test_a_filling_model_gets_rows_of_its_own(settings):
    first = served()
    settings.MODEL_NAME = "another"
    second = EmbeddingModel.objects.wanted()
    assert rows.want({subject(): "sites"}) == 2
    assert [rows.waiting(model).count() for model in (first, second)] == [1, 1]


def test_embedding_with_one_model_leaves_the_rows_of_the_other_waiting(settings):
    served()
    settings.MODEL_NAME = "another"
    second = EmbeddingModel.objects.wanted()
    rows.want({subject(): "sites"})
    fill()
    assert rows.waiting(second).count() == 1


def test_a_retired_model_gets_no_more_rows():
    live()
    EmbeddingModel.objects.create(name="old", provider="local", dimensions=4, state="retired")
    assert rows.want({subject(): "sites"}) == 1


# Claiming and keeping


def test_a_claimed_text_is_not_claimed_twice():
    many(3)
    assert [len(claim(2)[1]), len(claim(2)[1]), len(claim(2)[1])] == [2, 1, 0]


def test_a_claim_whose_lease_lapsed_is_claimed_again():
    many(1)
    first, ids = claim()
    rows.update(lease_until=LONG_AGO)
    second, again = claim()
    assert (again, first != second) == (ids, True)


def test_a_claim_is_leased_for_the_time_in_the_settings(settings):
    settings.TIMING = replace(settings.TIMING, longest_block=7200)
    many(1)
    claim()
    assert rows.filter(lease_until__gt=timezone.now() + timedelta(minutes=110)).exists()


def test_the_newest_texts_are_claimed_first():
    many(3)
    assert claim(1)[1] == [max(rows.values_list("pk", flat=True))]


def test_texts_whose_claims_died_come_back_in_ever_smaller_company():
    many(256)
    companies = []
    for _ in range(5):
        ids = claim()[1]
        companies.append(len(ids))
        rows.exclude(pk__in=ids).delete()
        rows.update(lease_until=LONG_AGO)
    assert companies == [256, 64, 16, 4, 1]


def test_texts_never_tried_are_claimed_before_those_that_failed():
    many(3)
    _, failed = claim(1)
    rows.filter(pk__in=failed).update(lease_until=LONG_AGO)
    assert not set(failed) & set(claim(2)[1])


def test_a_quarantined_text_is_not_claimed():
    many(1)
    lease, ids = claim()
    rows.refuse(lease, ids, "too much")
    assert (claim()[1], filling.waiting([CategoryEmbedding], live())) == ([], 0)


def test_a_text_whose_next_attempt_is_later_is_not_claimed():
    many(1)
    rows.update(next_attempt_at=timezone.now() + timedelta(hours=1))
    assert claim()[1] == []


def test_released_texts_are_as_they_were():
    many(2)
    lease, ids = claim()
    rows.release(lease, ids)
    assert set(rows.values_list("lease", "lease_until", "attempts")) == {("", None, 0)}


def test_a_kept_vector_is_of_the_text_it_was_made_from():
    web = subject()
    rows.want({web: "sites"})
    lease, ids = claim()
    assert keep(lease, ids) == 1
    row = rows.get()
    assert (row.vector, row.vector_hash) == ([1, 1, 1, 1], text_hash("sites"))
    assert (row.lease, row.lease_until, row.attempts) == ("", None, 0)


def test_each_vector_is_kept_beside_its_own_text():
    many(12)
    fill()
    assert all(row.vector == [len(row.text)] * 4 for row in rows.all())


def test_a_text_that_changes_while_it_is_embedded_keeps_nothing_of_the_old_words():
    web = subject()
    rows.want({web: "sites"})
    lease, ids = claim()
    rows.want({web: "servers"})
    assert keep(lease, ids) == 0
    assert (rows.get().vector, rows.waiting(live()).count()) == (None, 1)


def test_a_text_that_changes_while_it_is_embedded_can_be_claimed_at_once():
    web = subject()
    rows.want({web: "sites"})
    claim()
    rows.want({web: "servers"})
    assert len(claim()[1]) == 1


def test_the_others_of_a_batch_are_kept_when_one_text_changed():
    web, data = subjects("web", "data")
    rows.want({web: "sites", data: "tables"})
    lease, ids = claim()
    rows.want({web: "servers"})
    assert keep(lease, ids) == 1
    assert rows.waiting(live()).get().subject_id == web


def test_a_late_owner_keeps_nothing_after_its_texts_were_claimed_again():
    many(1)
    lease, ids = claim()
    rows.update(lease_until=LONG_AGO)
    claim()
    assert [keep(lease, ids), rows.refuse(lease, ids, "late"), rows.release(lease, ids)] == [
        0,
        0,
        0,
    ]


def test_a_row_that_went_while_it_was_embedded_is_no_fault():
    web = subject()
    rows.want({web: "sites"})
    lease, ids = claim()
    rows.want({web: ""})
    assert keep(lease, ids) == 0


def test_a_text_whose_claims_died_even_when_it_was_alone_is_quarantined():
    many(1)
    for _ in range(5):
        claim()
        rows.update(lease_until=LONG_AGO)
    assert (fill(), rows.exclude(quarantined_at=None).count()) == ({"failed": 1}, 1)


def test_a_text_whose_claims_died_in_company_is_not_quarantined():
    many(1)
    for _ in range(5):
        claim(1024)
        rows.update(lease_until=LONG_AGO)
    assert fill(batch=1024) == {"embedded": 1}


# Filling


def test_all_waiting_texts_are_embedded_a_batch_at_a_time():
    many(10)
    assert fill(batch=4) == {"embedded": 10}
    assert Tiny.calls == [4, 4, 2]


def test_nothing_is_embedded_a_second_time():
    many(3)
    fill()
    assert (fill(), Tiny.calls) == ({}, [3])


def test_a_limit_stops_in_time():
    many(10)
    assert (fill(batch=4, limit=6), Tiny.calls) == ({"embedded": 6}, [4, 2])


def test_tables_are_those_of_all_installed_apps():
    expected = {"categories", "projects", "profiles", "messages", "intents", "items", "issues"}
    assert {table.subject_name for table in filling.tables()} == expected


def test_a_text_that_was_superseded_meanwhile_is_counted_and_embedded_anew(settings):
    many(2)
    use(settings, Slow)
    assert fill() == {"embedded": 2, "superseded": 1}
    assert rows.filter(text="other words").get().vector == [11] * 4


@pytest.mark.parametrize("count", [2, 63, 256])
def test_one_text_too_many_for_the_model_is_quarantined_alone_and_the_others_are_embedded(count):
    many(count, poisoned=[count // 2])
    assert fill() == {"embedded": count - 1, "failed": 1}
    refused = rows.exclude(quarantined_at=None).get()
    assert (refused.text, refused.error) == (POISON, "ValueError: this text is too much")


def test_the_model_is_called_few_times_to_find_the_one_text_too_many():
    many(256, poisoned=[100])
    fill()
    assert len(Tiny.calls) <= 1 + 4 * 4 + 1  # the last: whether the model still answers


def test_several_texts_too_many_are_each_found():
    many(80, poisoned=[0, 1, 40, 79])
    assert fill() == {"embedded": 76, "failed": 4}


def test_a_quarantined_text_is_left_alone_by_the_next_filling():
    many(1, poisoned=[0])
    fill()
    assert (fill(), Tiny.calls) == ({}, [1, 1])


def test_an_interrupt_hands_the_texts_back_uncounted(settings):
    use(settings, Interrupted)
    many(3)
    with pytest.raises(KeyboardInterrupt):
        fill()
    assert set(rows.values_list("lease", "attempts", "quarantined_at")) == {("", 0, None)}


def test_a_model_that_cannot_be_loaded_is_no_texts_fault(settings):
    use(settings, Missing)
    many(1)
    with pytest.raises(EmbedderError):
        fill()
    assert set(rows.values_list("lease", "attempts", "quarantined_at")) == {("", 0, None)}


def test_a_model_is_made_once_for_a_process():
    assert filling.embedder(live()) is filling.embedder(live())


class TooFew(Tiny):
    def embed(self, texts: Sequence[str]) -> Matrix:
        return np.ones((len(texts) + 1, 4), np.float32)


class NotANumber(Tiny):
    def embed(self, texts: Sequence[str]) -> Matrix:
        return np.full((len(texts), 4), np.nan, np.float32)


class Zero(Tiny):
    def embed(self, texts: Sequence[str]) -> Matrix:
        return np.zeros((len(texts), 4), np.float32)


@pytest.mark.parametrize("provider", [TooFew, NotANumber, Zero])
def test_a_model_that_answers_nothing_rightly_is_no_texts_fault(settings, provider):
    use(settings, provider)
    many(2)
    with pytest.raises(EmbedderError, match="does not answer any more"):
        fill()
    assert set(rows.values_list("vector_hash", "quarantined_at", "lease")) == {("", None, "")}


def test_what_this_process_left_behind_it_can_release_uncounted():
    many(2)
    claim()
    rows.filter(pk=rows.latest("pk").pk).update(lease="elsewhere:crew:1:x")
    assert rows.release_own() == 1
    assert sorted(rows.values_list("lease", "attempts")) == [("", 0), ("elsewhere:crew:1:x", 1)]
