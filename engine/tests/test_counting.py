"""What embedding is counted as: by the row's provider and model, once, whoever embeds and however it ends."""

from datetime import UTC, datetime

import numpy as np
import pytest

from engine import metrics, probe, tallies
from engine.embeddings import filling
from engine.embeddings.base import EmbedderError, PutOff
from engine.embeddings.counting import counted
from engine.models import EmbeddingModel
from engine.testing.embeddings import POISON, Ollama
from engine.testing.serving import Reply, Server
from engine.tests.filled import make_texts
from engine.tests.test_metrics import samples
from recommendations.models import ProjectEmbedding

pytestmark = pytest.mark.django_db
LATER = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def ollama():
    with Server(Ollama(width=8)) as found:
        yield found


@pytest.fixture
def live(ollama, settings):
    """A model that the server has, live."""
    settings.OLLAMA_URL = ollama.url
    filling.made.cache_clear()
    yield EmbeddingModel.objects.create(name="tiny", provider="ollama", dimensions=8, state="live")
    filling.made.cache_clear()


def embed(model: EmbeddingModel, limit: int | None = None) -> None:
    for _ in filling.fill([ProjectEmbedding], model, 10, limit):
        pass


def figures(name: str) -> dict[tuple[str, ...], float]:
    tallies.flush()
    return samples().get(name, {})


def test_vectors_calls_tokens_and_time_of_a_provider_are_counted(live):
    make_texts(3)
    embed(live)
    assert figures("embed_star_embeddings_total") == {("tiny", "ollama"): 3}
    assert figures("embed_star_embedding_duration_seconds_count") == {("tiny", "ollama"): 3}
    assert figures("ost_embedding_calls_total") == {("tiny", "ollama"): 1}
    assert figures("ost_embedding_tokens_total")["tiny", "ollama"] > 3
    assert figures("ost_embedding_validations_total") == {("tiny", "valid", "ollama"): 3}


def test_they_are_sent_after_each_batch(live):
    make_texts(1)
    embed(live)
    assert samples()["embed_star_embeddings_total"] == {("tiny", "ollama"): 1}


def test_a_limit_is_counted_and_is_no_error(live, ollama, settings):
    settings.RETRY_ATTEMPTS = 1
    make_texts(1)
    ollama.faults.script("/", Reply(b"", 429, {"Retry-After": "3000"}))
    with pytest.raises(PutOff):
        embed(live)
    assert figures("embed_star_rate_limits_total") == {("ollama",): 1}
    assert figures("embed_star_embeddings_errors_total") == {}
    assert figures("ost_embedding_calls_total") == {("tiny", "ollama"): 1}


def test_a_request_that_is_made_again_is_a_retry(live, ollama):
    make_texts(1)
    ollama.faults.script("/", Reply(b"", 500))
    embed(live)
    assert figures("ost_embedding_retries_total") == {("tiny", "ollama"): 1}
    assert figures("embed_star_embeddings_total") == {("tiny", "ollama"): 1}


def test_a_vector_that_is_none_is_invalid_and_its_batch_an_error_of_the_text(live, ollama):
    make_texts(1)
    ollama.upstream.fault = lambda vectors, texts: [[0.0] * 8 for _ in vectors]
    with pytest.raises(EmbedderError):
        embed(live, 1)
    assert figures("ost_embedding_validations_total")["tiny", "invalid", "ollama"] >= 1
    assert figures("embed_star_embeddings_errors_total") == {("text", "ollama"): 1}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (EmbedderError("away"), "provider"),
        (ValueError("bad"), "text"),
        (MemoryError(), "memory"),
        (RuntimeError("device"), "model"),
    ],
)
def test_an_error_is_of_one_of_four_types(error, told):
    local = EmbeddingModel(name="mini", provider="local", dimensions=3)
    with pytest.raises(type(error)), counted(local, 1):
        raise error
    assert figures("embed_star_embeddings_errors_total") == {(told, "local"): 1}
    assert figures("embed_star_embeddings_total") == {}


def test_put_off_is_no_error():
    local = EmbeddingModel(name="mini", provider="local", dimensions=3)
    with pytest.raises(PutOff), counted(local, 1):
        raise PutOff(LATER, "its pace")
    assert figures("embed_star_embeddings_errors_total") == {}


def test_the_local_provider_is_counted_as_any():
    local = EmbeddingModel(name="mini", provider="local", dimensions=3)
    with counted(local, 4):
        np.ones((4, 3))
    assert figures("embed_star_embeddings_total") == {("mini", "local"): 4}


def test_no_figure_shows_a_text_or_an_address(live, ollama):
    make_texts(1, text=f"{POISON} hunter2")
    embed(live)
    said = metrics.exposition().decode()
    assert "hunter2" not in said
    assert ollama.url not in said


@pytest.mark.parametrize("path", ["/livez", "/health", "/metrics"])
def test_who_looks_at_the_service_asks_no_provider(live, ollama, client, settings, path):
    settings.METRICS_TOKEN = "0123456789abcdef"
    make_texts(3)
    assert client.get(path, headers={"Authorization": "Bearer 0123456789abcdef"}).status_code == 200
    assert ollama.asked == []


@pytest.mark.parametrize("path", ["/livez", "/health", "/metrics"])
def test_who_looks_at_a_worker_asks_no_provider(live, ollama, path):
    make_texts(3)
    assert probe.answer(path, 0, 60)[0] == "200 OK"
    assert ollama.asked == []
