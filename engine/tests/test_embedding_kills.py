"""A process that embeds and is killed around a request; `./ost bench embedding_workers` kills it at each."""

import pytest

from engine.embeddings import filling
from engine.testing.embeddings import OpenAI
from engine.testing.serving import Server
from engine.tests import embedding_kills
from engine.tests.test_embeddings import many
from recommendations.models import CategoryEmbedding

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
]
TEXTS, BATCH = 40, 16


@pytest.mark.parametrize(("number", "after"), [(1, None), (1, 0.0), (2, 0.02), (3, None), (3, 0.01)])
def test_no_text_is_lost_and_at_most_a_batch_is_asked_for_again(number, after):
    with Server(OpenAI()) as server, embedding_kills.by_openai(server):
        many(TEXTS)
        assert embedding_kills.killed(CategoryEmbedding, BATCH, server, number, after) or after
        embedding_kills.embed(CategoryEmbedding, BATCH)
        assert embedding_kills.faults(CategoryEmbedding, server, BATCH) == []
    filling.made.cache_clear()
