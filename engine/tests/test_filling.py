"""Who embeds what waits: a run or the loop, and what becomes of it when they fail."""

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.db.models.functions import Now
from structlog.testing import capture_logs

from engine import ledger
from engine.bulk import raw_connection
from engine.embeddings import filling
from engine.models import Audit, WorkerGroup
from engine.owner import GROUP_VARIABLE
from engine.tests.test_embeddings import Missing, Tiny, claim, keep, live, many, rows, subjects, use
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


# The loop


class Enough(Exception):
    pass


def watch(passes: int, at_each: Callable[[int], object] = lambda beats: None, batch: int = 256) -> None:
    """Let the loop run until its beat was heard so often, doing that at each."""
    heard = []

    def beat() -> None:
        heard.append(1)
        at_each(len(heard))
        if len(heard) == passes:
            raise Enough

    with pytest.raises(Enough):
        filling.watch([CategoryEmbedding], batch, 0, beat)


def test_the_loop_embeds_what_waits():
    many(5)
    watch(passes=3)
    assert waiting() == 0


def test_the_loop_embeds_what_comes_later():
    def come(beats: int) -> None:
        if beats == 2:
            many(5)

    watch(passes=4, at_each=come)
    assert waiting() == 0


def test_the_loop_beats_at_each_pass_and_after_each_batch():
    many(5)
    left: list[int] = []
    watch(passes=6, at_each=lambda beats: left.append(waiting()), batch=2)
    assert left == [5, 3, 1, 0, 0, 0]


def written() -> int:
    """Rows that this transaction has inserted, changed or deleted so far."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_xact_user_tables")
        return int(cursor.fetchone()[0])


def test_an_idle_pass_writes_nothing():
    many(2)
    watch(passes=3)
    before = written()
    watch(passes=5)
    assert written() == before


def test_what_is_written_is_seen_by_the_test_above():
    before = written()
    many(2)
    assert written() > before


class Recovering(Tiny):
    """A model that cannot be loaded three times."""

    def embed(self, texts):
        if len(self.calls) < 3:
            self.calls.append(0)
            return Missing.embed(self, texts)  # type: ignore[arg-type]
        return super().embed(texts)


@pytest.mark.django_db(transaction=True)
def test_the_loop_outlives_a_model_that_cannot_be_loaded(settings):
    use(settings, Recovering)
    many(2)
    with capture_logs() as told:
        watch(passes=6)
    assert waiting() == 0
    assert [line["event"] for line in told] == ["embedding_put_off", "batch_embedded"]  # an outage is told once


@pytest.mark.django_db(transaction=True)
def test_the_loop_outlives_a_connection_that_breaks(elsewhere):
    many(2)
    pid = raw_connection().info.backend_pid

    def cut(beats: int) -> None:
        if beats == 1:
            elsewhere.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    watch(passes=4, at_each=cut)
    assert waiting() == 0


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
