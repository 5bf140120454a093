"""Embedding models side by side: registered, filled, compared, put live, rolled back, retired."""

from collections.abc import Iterator

import numpy as np
import psycopg
import pytest
from django.db import connection, transaction
from django.db.models import ProtectedError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from engine.embeddings import changing, comparing, indexes, pausing, registering
from engine.embeddings.registering import Named
from engine.ledger import NotAllowed
from engine.models import Audit, EmbeddingModel, PaidVector, Run
from engine.postgresql import neighbours
from engine.vectors import agreement, nearer
from recommendations.models import Category, CategoryEmbedding, Generation
from recommendations.tests.factories import make_weights

pytestmark = pytest.mark.django_db
rows = CategoryEmbedding.objects
OTHER = Named("local", "another", 12)


@pytest.fixture(autouse=True)
def narrow(settings) -> None:
    settings.MODEL_DIMENSIONS = 8


@pytest.fixture
def other(live) -> EmbeddingModel:
    return registering.register(OTHER, "olga")


def texts(count: int, first: int = 0) -> list[int]:
    made = Category.objects.bulk_create(Category(name=f"category {at}") for at in range(first, first + count))
    rows.want({category.pk: f"text of {category.name}" for category in made})
    return [category.pk for category in made]


def embed(model: EmbeddingModel, seed: int = 0) -> None:
    """Vectors of its width for all texts of a model, the same for the same seed."""
    for row in rows.filter(model=model):
        vector = np.random.default_rng([seed, row.subject_id]).normal(size=model.dimensions)
        rows.filter(pk=row.pk).update(vector=vector.tolist(), vector_hash=row.text_hash, generated_at=timezone.now())


def state(model: EmbeddingModel) -> str:
    return EmbeddingModel.objects.get(pk=model.pk).state


# Names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("all-roberta-large-v1", ("local", "sentence-transformers/all-roberta-large-v1", 1024)),
        ("sentence-transformers/all-mpnet-base-v2", ("local", "sentence-transformers/all-mpnet-base-v2", 768)),
        ("nomic-embed-text", ("ollama", "nomic-embed-text", 768)),
        ("mxbai-embed-large", ("ollama", "mxbai-embed-large", 1024)),
    ],
)
def test_usual_models_are_known_by_name(name, expected):
    assert registering.named(name) == expected


def test_a_model_that_is_made_as_wide_as_asked_may_be_shortened(settings):
    settings.OPENAI_API_KEY = "key"
    assert registering.named("text-embedding-3-large").dimensions == 1536
    assert registering.named("text-embedding-3-large", dimensions=256).dimensions == 256


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nobody-knows-it",), "say how many"),
        (("nomic-embed-text", "", 512), "allowed: 768"),
        (("mine", "local", 2_001), "allowed: 1 to 2000"),
        (("mine", "nowhere", 8), "allowed: local"),
        (("text-embedding-3-small",), "without OPENAI_API_KEY"),
        (("",), "1 to 200"),
        (("a\nb", "local", 8), "1 to 200"),
    ],
)
def test_a_model_that_cannot_be_registered_is_refused_with_the_reason(arguments, told):
    with pytest.raises(ValueError, match=told):
        registering.named(*arguments)


# Register


def test_a_registered_model_gets_the_texts_that_are_there(live):
    texts(5)
    model = registering.register(OTHER, "olga")
    assert rows.waiting(model).count() == 5
    assert state(model) == "filling"


def test_texts_are_copied_block_by_block(live, monkeypatch):
    monkeypatch.setattr(registering, "BLOCK", 2)
    texts(5)
    assert rows.waiting(registering.register(OTHER, "olga")).count() == 5


def test_a_text_that_comes_later_comes_to_both(live, other):
    texts(1)
    assert [rows.waiting(model).count() for model in (live, other)] == [1, 1]


def test_registering_twice_is_as_once(live):
    texts(2)
    first = registering.register(OTHER, "olga")
    embed(first)
    assert registering.register(OTHER, "olga") == first
    assert rows.waiting(first).count() == 0
    assert Audit.objects.filter(action="register model").count() == 1


def test_a_copy_that_broke_off_is_taken_up_by_registering_again(live):
    texts(3)
    model = registering.register(OTHER, "olga")
    rows.filter(model=model).first().delete()
    registering.register(OTHER, "olga")
    assert rows.filter(model=model).count() == 3


def test_registering_the_live_model_changes_nothing(live):
    again = registering.register(Named(live.provider, live.name, live.dimensions), "olga")
    assert (again, again.state) == (live, "live")


def test_a_retired_model_that_comes_back_has_the_present_texts(live, other):
    gone, changed, same = texts(3)
    embed(other)
    changing.retire(other, "olga")
    rows.want({gone: "", changed: "other words"})
    registering.register(OTHER, "olga")
    assert {row.subject_id: row.text for row in rows.filter(model=other)} == {
        changed: "other words",
        same: "text of category 2",
    }
    assert [row.subject_id for row in rows.waiting(other)] == [changed]


def test_a_model_that_the_settings_name_later_is_registered_with_the_texts(live, settings):
    texts(2)
    settings.MODEL_NAME = "named later"
    registering.follow_settings()
    made = EmbeddingModel.objects.get(name="named later")
    assert (made.state, rows.waiting(made).count()) == ("filling", 2)


def test_a_model_that_was_retired_does_not_come_back_by_the_settings(live, settings):
    settings.MODEL_NAME = "named later"
    registering.follow_settings()
    changing.retire(EmbeddingModel.objects.get(name="named later"), "olga")
    registering.follow_settings()
    assert EmbeddingModel.objects.get(name="named later").state == "retired"


def test_the_model_of_the_settings_is_not_registered_beside_itself(live):
    registering.follow_settings()
    assert EmbeddingModel.objects.get() == live


# Switch and roll back


def full(live: EmbeddingModel, other: EmbeddingModel) -> None:
    texts(3)
    embed(live)
    embed(other)


def test_a_full_model_is_put_live_and_the_one_before_stays_fresh(live, other):
    full(live, other)
    now = changing.put_live(other, "olga")
    assert (now.state, now.put_live_by, now.replaced) == ("live", "olga", live)
    assert state(live) == "filling"
    texts(1, first=3)
    assert rows.waiting(live).count() == 1


def test_a_model_with_texts_that_wait_is_not_put_live(live, other):
    full(live, other)
    texts(2, first=3)
    rows.filter(model=live).update(vector=[1.0] * 8)
    for row in rows.filter(model=live):
        rows.filter(pk=row.pk).update(vector_hash=row.text_hash)
    with pytest.raises(NotAllowed, match="2 texts have no vector"):
        changing.put_live(other, "olga")
    assert state(live) == "live"


def test_texts_that_wait_for_both_models_keep_nobody_from_a_switch(live, other):
    full(live, other)
    texts(2, first=3)
    assert changing.put_live(other, "olga").state == "live"


def test_a_forced_switch_leaves_gaps(live, other):
    texts(2)
    embed(live)
    assert changing.put_live(other, "olga", force=True).state == "live"
    assert Audit.objects.get(action="put model live").note.endswith("forced")


def test_a_text_that_a_person_gave_up_keeps_nobody_from_a_switch(live, other):
    full(live, other)
    rows.filter(pk=rows.filter(model=other).first().pk).update(vector_hash="", skipped_at=timezone.now())
    assert changing.put_live(other, "olga").state == "live"


def test_quarantined_texts_are_named(live, other):
    full(live, other)
    rows.filter(pk=rows.filter(model=other).first().pk).update(vector_hash="", quarantined_at=timezone.now())
    with pytest.raises(NotAllowed, match="1 of them quarantined"):
        changing.put_live(other, "olga")


def test_a_paused_model_is_not_put_live(live, other):
    pausing.pause(other, "olga")
    with pytest.raises(NotAllowed, match="paused"):
        changing.put_live(other, "olga")
    pausing.resume(other, "olga")
    assert changing.put_live(other, "olga").state == "live"


def test_a_retired_model_is_not_put_live(live, other):
    changing.retire(other, "olga")
    with pytest.raises(NotAllowed, match="retired"):
        changing.put_live(other, "olga")


def test_the_live_model_is_not_put_live_again(live):
    with pytest.raises(NotAllowed, match="live already"):
        changing.put_live(live, "olga")


def test_rolling_back_puts_the_model_before_live(live, other):
    full(live, other)
    changing.put_live(other, "olga")
    assert changing.roll_back("olga") == live
    assert changing.roll_back("olga") == other


def test_with_nothing_before_there_is_no_way_back(live):
    with pytest.raises(NotAllowed, match="replaced no other"):
        changing.roll_back("olga")


def test_a_switch_asks_for_a_run_of_each_pipeline_without_days(live, other):
    changing.put_live(other, "olga")
    assert set(Run.objects.values_list("pipeline", flat=True)) == {"conversations", "recommendations"}


def test_each_step_is_audited(live, other):
    changing.put_live(other, "olga")
    pausing.pause(live, "olga")
    pausing.resume(live, "olga")
    changing.retire(live, "olga")
    assert list(Audit.objects.values_list("action", flat=True)) == [
        "register model", "put model live", "pause model", "resume model", "retire model",
    ]  # fmt: skip


# Retire


def test_the_live_model_is_not_retired(live):
    with pytest.raises(NotAllowed, match="is live"):
        changing.retire(live, "olga")


def test_vectors_of_a_retired_model_are_pruned_and_what_was_paid_for_stays(live, other, monkeypatch):
    monkeypatch.setattr(changing, "BLOCK", 2)
    full(live, other)
    PaidVector.objects.create(model=other, text_hash="a", vector=[1.0] * 12)
    changing.retire(other, "olga")
    assert changing.prune(3) == 3
    assert (rows.filter(model=other).count(), rows.filter(model=live).count()) == (0, 3)
    assert (PaidVector.objects.count(), state(other)) == (1, "retired")


def test_vectors_that_somebody_reads_are_not_pruned(live, other, settings):
    full(live, other)
    changing.retire(other, "olga")
    settings.MODEL_READERS = [f"{__name__}.everybody"]
    assert changing.prune(3) == 0


def everybody() -> set[int]:
    return set(EmbeddingModel.objects.values_list("pk", flat=True))


def test_a_model_that_made_a_generation_cannot_be_deleted(live):
    made = {"weights": make_weights(), "taxonomy": "", "inputs": "", "inputs_at": timezone.now()}
    Generation.objects.create(model=live, **made)
    with pytest.raises(ProtectedError):
        live.delete()


# Progress and agreement


def test_progress_counts_the_texts_of_each_model(live, other):
    full(live, other)
    texts(2, first=3)
    rows.filter(pk=rows.waiting(other).first().pk).update(quarantined_at=timezone.now())
    (found,) = comparing.progress()[other.pk]
    assert (found.subject, found.texts, found.vectors, found.waiting, found.quarantined) == ("categories", 5, 3, 1, 1)
    assert (found.percent, found.made[0] is not None) == (60, True)


def test_models_with_the_same_vectors_agree_wholly(live):
    texts(30)
    same = registering.register(Named("local", "same", 8), "olga")
    embed(live)
    embed(same)
    assert comparing.compare(same, live)["subjects"] == {"categories": {"share": 1.0, "sample": 30, "among": 30}}


def test_models_with_unrelated_vectors_agree_by_chance(live, other, monkeypatch):
    monkeypatch.setattr(comparing, "BLOCK", 17)
    texts(120)
    embed(live)
    embed(other, seed=1)
    share = comparing.compare(other, live)["subjects"]["categories"]["share"]
    assert share == pytest.approx(10 / 119, abs=0.04)


def test_an_agreement_is_kept_with_its_date(live, other):
    texts(20)
    embed(live)
    embed(other)
    comparing.by_clock()
    found = EmbeddingModel.objects.get(pk=other.pk).figures["agreement"]
    assert (found["model"], found["name"]) == (live.pk, str(live))
    assert found["at"][:10] == timezone.now().date().isoformat()


def test_too_few_common_vectors_say_nothing(live, other):
    texts(3)
    embed(live)
    embed(other)
    assert comparing.compare(other, live)["subjects"] == {}


def test_neighbours_found_block_by_block_are_those_found_at_once():
    random = np.random.default_rng(1)
    cosines, ids = random.random((4, 50)).astype(np.float32), np.arange(50)
    held = np.zeros((4, 0), dtype=np.int64), np.zeros((4, 0), dtype=np.float32)
    for start in range(0, 50, 7):
        held = nearer(held, ids[start : start + 7], cosines[:, start : start + 7], 10)
    assert held[0].tolist() == np.argsort(-cosines, axis=1)[:, :10].tolist()


def test_agreement_is_the_share_of_common_neighbours():
    assert agreement(np.array([[1, 2], [3, 4]]), np.array([[2, 9], [4, 3]])) == 0.75


def test_agreement_of_nothing_is_refused():
    with pytest.raises(ValueError, match="beside"):
        agreement(np.zeros((0, 10), dtype=np.int64), np.zeros((0, 10), dtype=np.int64))


# Indexes


@pytest.fixture
def indexed(transactional_db, settings) -> Iterator[EmbeddingModel]:
    """A live model with clusters of vectors and an index of them."""
    settings.MODEL_DIMENSIONS = 8
    model = EmbeddingModel.objects.live()
    EmbeddingModel.objects.filter(pk=model.pk).update(used_at=timezone.now())
    texts(600)
    centres = np.random.default_rng(7).normal(size=(20, 8))
    for row in rows.all():
        random = np.random.default_rng(row.subject_id)
        vector = centres[row.subject_id % 20] + 0.2 * random.normal(size=8)
        rows.filter(pk=row.pk).update(vector=vector.tolist(), vector_hash=row.text_hash)
    assert indexes.keep(least=600) == {"made": 1, "dropped": 0}
    yield model
    for name in neighbours.found():
        neighbours.drop(name)


def exact(model: EmbeddingModel, vector, count: int) -> list[int]:
    ids, vectors = zip(*rows.filter(model=model).values_list("subject", "vector"), strict=True)
    matrix = np.array(vectors, dtype=np.float32)
    cosines = matrix @ vector / np.linalg.norm(matrix, axis=1) / np.linalg.norm(vector)
    return [ids[at] for at in np.argsort(-cosines)[:count]]


def asked(number: int):
    return np.random.default_rng([9, number]).normal(size=8).astype(np.float32)


def test_the_index_finds_what_is_nearest(indexed):
    found = np.array([[pk for pk, _ in rows.nearest(indexed, asked(at), 10)] for at in range(20)])
    assert agreement(found, np.array([exact(indexed, asked(at), 10) for at in range(20)])) >= 0.98


def test_what_the_index_finds_is_ordered_by_full_precision(indexed):
    distances = [distance for _, distance in rows.nearest(indexed, asked(0), 10)]
    assert distances == sorted(distances)


def test_a_selective_filter_still_gets_all_its_neighbours(indexed):
    few = list(Category.objects.order_by("pk").values_list("pk", flat=True)[::50])
    found = [pk for pk, _ in rows.filter(subject__in=few).nearest(indexed, asked(0), 10)]
    assert found == [pk for pk in exact(indexed, asked(0), 600) if pk in few][:10]


def test_the_planner_takes_the_index(indexed):
    with CaptureQueriesContext(connection) as seen:
        rows.nearest(indexed, asked(0), 10)
    (statement,) = [each["sql"] for each in seen if "halfvec" in each["sql"]]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_sort = off")  # it is taken for its order, however small the table
        cursor.execute(f"EXPLAIN {statement}")
        plan = str(cursor.fetchall())
    assert f"Index Scan using recommendations_categoryembedding_near_{indexed.pk}" in plan


def test_an_index_that_is_there_is_not_made_again(indexed):
    assert indexes.keep(least=600) == {"made": 0, "dropped": 0}


def test_the_index_of_a_retired_model_is_dropped(indexed):
    other = registering.register(OTHER, "olga")
    changing.put_live(other, "olga", force=True)
    changing.retire(indexed, "olga")
    assert indexes.keep(least=600)["dropped"] == 1


def test_a_broken_index_is_made_anew(indexed):
    name = neighbours.name_of("recommendations_categoryembedding", indexed.pk)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)", [name])
    assert indexes.keep(least=600) == {"made": 1, "dropped": 1}
    assert neighbours.ready("recommendations_categoryembedding", indexed.pk)


def test_while_another_process_makes_indexes_this_one_does_nothing(indexed):
    facts = connection.get_connection_params()
    facts.pop("cursor_factory", None)
    facts.pop("context", None)
    with psycopg.connect(**facts) as elsewhere:
        elsewhere.execute("SELECT pg_advisory_lock(%s)", [neighbours.BUILDING])
        assert indexes.keep(least=10**6) == {"made": 0, "dropped": 0}


def test_a_small_table_has_no_index(live):
    texts(3)
    embed(live)
    assert list(indexes.large(indexes.LARGE)) == []
