"""Who embeds what waits: a run or the loop, and what becomes of it when they fail."""

import os
from collections import Counter
from collections.abc import Generator, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db.models.functions import Now
from django.utils import timezone

from engine import ledger, pruning
from engine.embeddings import filling, pausing
from engine.models import Audit, EmbeddingModel, PaidVector, WorkerGroup
from engine.owner import GROUP_VARIABLE
from engine.pipeline import Later
from engine.tests.test_embeddings import Tiny, claim, keep, live, many, rows, subjects, use
from recommendations.models import CategoryEmbedding

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def tiny(settings):
    """Every test here embeds with Tiny, unless it names another; a pause is 0.04 s, what counts as idle 0.06 s."""
    settings.MODEL_DIMENSIONS = 4
    settings.TIMING = replace(settings.TIMING, idle=0.04)
    use(settings, Tiny)
    yield
    filling.made.cache_clear()


def waiting() -> int:
    return filling.waiting([CategoryEmbedding], live())


def fill_all(batch: int = 256) -> Generator[Counter[str], None, None]:
    return filling.fill_all([CategoryEmbedding], live(), batch)


def total(filled: Iterable[Counter[str]]) -> Counter[str]:
    return sum(filled, Counter())


def worker() -> WorkerGroup:
    return WorkerGroup.objects.create(name="crew", host="galley", pid=1, seen_at=Now())


# For a run


def test_a_run_embeds_by_itself_when_nobody_else_does():
    many(5)
    assert total(fill_all(batch=2)) == {"embedded": 5}
    assert Tiny.calls == [2, 2, 1]


def test_a_run_with_nothing_to_embed_ends_at_once():
    worker()
    assert list(fill_all()) == []


def test_what_another_holds_is_waited_for_and_counted_as_elsewhere():
    many(5)
    lease, ids = claim()
    filled = fill_all()
    first = next(filled)
    keep(lease, ids)
    assert (first, total(filled)) == ({"elsewhere": 0}, {"elsewhere": 5})
    assert Tiny.calls == []


def test_what_another_leaves_the_run_embeds_itself():
    many(5)
    lease, ids = claim(3)
    filled = fill_all()
    next(filled)
    keep(lease, ids)
    assert total(filled) == {"elsewhere": 3, "embedded": 2}


def test_what_somebody_held_who_died_the_run_embeds_itself():
    many(5)
    claim()
    filled = fill_all()
    next(filled)
    rows.update(lease_until=LONG_AGO)
    assert total(filled)["embedded"] == 5


def test_where_a_worker_is_its_loop_may_begin_first():
    worker()
    many(5)
    assert next(fill_all()) == {"elsewhere": 0}


def test_where_the_worker_s_loop_does_not_begin_the_run_does():
    worker()
    many(5)
    assert total(fill_all())["embedded"] == 5


def test_a_worker_that_is_gone_is_not_waited_for():
    WorkerGroup.objects.filter(pk=worker().pk).update(ended_at=Now())
    many(5)
    assert next(fill_all())["embedded"] == 5


def test_texts_that_come_meanwhile_do_not_make_elsewhere_less_than_nothing():
    many(2)
    claim()
    filled = fill_all()
    next(filled)
    rows.want(dict.fromkeys(subjects("more", "and more"), "one more"))
    assert next(filled) == {"elsewhere": 0}


@pytest.mark.django_db(transaction=True)
def test_texts_that_a_transaction_elsewhere_has_locked_are_waited_for(elsewhere):
    many(3)
    filled = fill_all()
    with elsewhere.transaction():
        elsewhere.execute("SELECT FROM recommendations_categoryembedding FOR UPDATE")
        assert next(filled) == {"elsewhere": 0}
    assert total(filled)["embedded"] == 3


# Paused


def test_a_paused_model_s_texts_wait_and_nobody_claims_them():
    many(3)
    pausing.pause(live())
    assert (waiting(), rows.due(live()).count(), claim()[1]) == (3, 0, [])


def test_a_run_waits_for_a_paused_model_instead_of_spinning():
    many(3)
    pausing.pause(live())
    with pytest.raises(Later, match="is paused"):
        next(fill_all())


def test_a_run_that_has_nothing_to_embed_does_not_mind_a_paused_model():
    pausing.pause(live())
    assert list(fill_all()) == []


def test_a_model_that_is_paused_meanwhile_makes_a_run_wait():
    many(4)
    filled = fill_all(batch=2)
    next(filled)
    pausing.pause(live())
    with pytest.raises(Later):
        next(filled)
    assert set(rows.values_list("attempts", "lease")) == {(0, "")}


def test_who_reads_the_model_before_it_is_paused_claims_nothing_after():
    many(3)
    before = live()
    pausing.pause(live())
    assert rows.claim(before, 256)[1] == []


def test_what_is_in_flight_ends_and_then_the_model_is_drained():
    many(3)
    lease, ids = claim(2)
    pausing.pause(live())
    assert pausing.in_flight([CategoryEmbedding], live()) == 2
    assert keep(lease, ids) == 2
    assert (pausing.in_flight([CategoryEmbedding], live()), waiting()) == (0, 1)


def test_a_resumed_model_goes_on():
    many(3)
    pausing.pause(live())
    pausing.resume(live())
    assert total(fill_all()) == {"embedded": 3}


def test_who_paused_and_resumed_is_kept_once():
    done = [pausing.pause(live()), pausing.pause(live()), pausing.resume(live(), "ada"), pausing.resume(live(), "ada")]
    assert done == [True, False, True, False]
    assert list(Audit.objects.order_by("pk").values_list("actor", "action")) == [
        (ledger.operator(), "pause model"), ("ada", "resume model"),
    ]  # fmt: skip


# Asked for once


def same(*names: str) -> None:
    rows.want(dict.fromkeys(subjects(*names), "the same words"))


def test_equal_texts_of_a_batch_are_asked_for_once_and_counted_as_reused():
    same("one", "two", "three")
    assert total(fill_all()) == {"embedded": 3, "reused": 2}
    assert Tiny.calls == [1]
    assert rows.waiting(live()).count() == 0


class Dear(Tiny):
    """It costs something."""

    def take_spent(self) -> Counter[str]:
        return Counter()


def test_what_costs_nothing_is_not_kept_beside():
    same("one", "two")
    list(fill_all())
    assert not PaidVector.objects.exists()


def test_words_that_come_back_are_not_paid_for_again(settings):
    use(settings, Dear)
    one = subjects("one")[0]
    for text in ("first", "second", "first"):
        rows.want({one: text})
        list(fill_all())
    assert Tiny.calls == [1, 1]
    assert rows.get().vector == [5, 5, 5, 5]


def test_another_subject_with_the_same_words_is_not_paid_for(settings):
    use(settings, Dear)
    same("one")
    list(fill_all())
    same("two")
    assert (total(fill_all()), Tiny.calls) == ({"embedded": 1, "reused": 1}, [1])


def test_a_lost_vector_is_not_paid_for_again(settings):
    use(settings, Dear)
    many(3)
    list(fill_all())
    rows.update(vector=None, vector_hash="")
    assert (total(fill_all()), Tiny.calls) == ({"embedded": 3, "reused": 3}, [3])


def test_what_was_paid_for_is_kept_though_the_text_changed_meanwhile(settings):
    use(settings, Dear)
    many(2)
    lease, claimed = rows.claim(live(), 2)
    rows.want(dict.fromkeys([row.subject_id for row in rows.all()], "other words"))
    assert filling.embed_claimed(CategoryEmbedding, live(), lease, claimed)["superseded"] == 2
    assert PaidVector.objects.count() == 2


def test_the_vectors_of_another_model_are_not_taken(settings):
    use(settings, Dear)
    many(1)
    other = EmbeddingModel.objects.create(name="other", provider="local", dimensions=4)
    PaidVector.objects.keep(other, [rows.get().text_hash], np.ones((1, 4), dtype=np.float32))
    list(fill_all())
    assert Tiny.calls == [1]


def test_that_words_are_of_use_is_noted_once_a_day(settings):
    use(settings, Dear)
    same("one")
    list(fill_all())
    PaidVector.objects.update(used_at=LONG_AGO)
    for name in ("two", "three"):
        same(name)
        list(fill_all())
        moments = set(PaidVector.objects.values_list("used_at", flat=True))
        if name == "two":
            first = moments
    assert first == moments != {LONG_AGO}


def test_words_that_nobody_had_for_half_a_year_go():
    model = live()
    PaidVector.objects.keep(model, ["old", "new"], np.ones((2, 4), dtype=np.float32))
    PaidVector.objects.filter(text_hash="old").update(used_at=timezone.now() - timedelta(days=181))
    assert (pruning.paid_vectors(3), PaidVector.objects.get().text_hash) == (1, "new")


# Again


def test_a_quarantined_text_gets_another_chance():
    many(3, poisoned=[1])
    list(fill_all())
    rows.filter(attempts__gt=0).update(text="honey")
    assert (filling.again([CategoryEmbedding]), total(fill_all())) == (1, {"embedded": 1})


def test_another_chance_begins_in_full_company():
    many(3, poisoned=[1])
    list(fill_all())
    filling.again([CategoryEmbedding])
    assert set(rows.waiting(live()).values_list("attempts", "error", "lease")) == {(0, "", "")}


def test_who_gave_another_chance_is_kept():
    many(3, poisoned=[0, 1])
    list(fill_all())
    filling.again([CategoryEmbedding])
    kept = Audit.objects.get()
    assert (kept.actor, kept.action) == (ledger.operator(), "embed again")
    assert (kept.subject, kept.note) == ("categories", "2 quarantined texts")


def test_where_nothing_is_quarantined_nothing_is_kept():
    many(1)
    assert (filling.again([CategoryEmbedding]), Audit.objects.exists()) == (0, False)


def given_up() -> None:
    many(1, poisoned=[0])
    list(fill_all())
    rows.skip()


def test_a_text_that_was_given_up_is_not_quarantined_and_not_tried_again():
    given_up()
    assert (rows.quarantined().count(), waiting(), filling.again([CategoryEmbedding])) == (0, 0, 0)
    assert list(fill_all()) == []


def test_a_text_that_was_given_up_waits_when_its_words_change():
    given_up()
    rows.want({rows.get().subject_id: "other words"})
    assert (total(fill_all()), rows.get().skipped_at) == ({"embedded": 1}, None)


def test_only_a_quarantined_text_is_given_up():
    many(2)
    assert rows.skip() == 0


def test_a_person_who_names_a_text_that_was_given_up_gets_it_tried_again():
    given_up()
    assert (rows.filter(pk=rows.get().pk).again(), waiting()) == (1, 1)


# Ended worker groups


@pytest.fixture
def crew(monkeypatch) -> None:
    """This process is one of the worker group `crew`."""
    monkeypatch.setenv(GROUP_VARIABLE, "crew")


def leases() -> set[tuple[str, datetime | None, int]]:
    return set(rows.values_list("lease", "lease_until", "attempts"))


@pytest.mark.usefixtures("crew")
def test_an_innocent_process_s_texts_are_as_they_were():
    many(3)
    claim()
    assert (rows.free("crew", []), leases()) == (3, {("", None, 0)})


@pytest.mark.usefixtures("crew")
def test_a_guilty_process_s_texts_come_again_in_smaller_company():
    many(8)
    claim(8)
    assert (rows.free("crew", [os.getpid()]), leases()) == (8, {("", None, 1)})
    assert len(claim(8)[1]) == 2


@pytest.mark.usefixtures("crew")
def test_a_process_whose_number_begins_alike_is_not_guilty():
    many(1)
    claim()
    rows.free("crew", [int(str(os.getpid())[:-1] or 0)])
    assert leases() == {("", None, 0)}


@pytest.mark.parametrize("group", ["", "crew2", "others"])
def test_the_texts_of_other_groups_are_left_alone(monkeypatch, group):
    monkeypatch.setenv(GROUP_VARIABLE, group)
    many(2)
    claim()
    before = leases()
    assert (rows.free("crew", [os.getpid()]), leases()) == (0, before)


@pytest.mark.usefixtures("crew")
def test_the_vectors_of_an_ended_group_stay():
    many(2)
    list(fill_all())
    assert (rows.free("crew", [os.getpid()]), waiting()) == (0, 0)
