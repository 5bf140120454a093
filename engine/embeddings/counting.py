"""What embedding takes, told to whoever looks at the service from outside: the five names of embed_star, and ours.

Counted here and nowhere else, whoever embeds: the loop, a run, a web process. Provider and model are the row's own, by
which vectors are kept as well.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from engine import tracing
from engine.embeddings.base import EmbedderError, PutOff
from engine.models import EmbeddingModel
from engine.tallies import Figure

BOTH = ("provider", "model")
BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
EMBEDDINGS = Figure("embed_star_embeddings_total", "Embeddings generated", BOTH)
ERRORS = Figure(
    "embed_star_embeddings_errors_total", "Batches that gave no embedding", ("provider", "error_type"), most=12
)
SECONDS = Figure("embed_star_embedding_duration_seconds", "Time that an embedding took, of its batch's", BOTH, BUCKETS)
LIMITS = Figure("embed_star_rate_limits_total", "Requests refused for a limit", ("provider",))
RETRIES = Figure("ost_embedding_retries_total", "Requests to a provider that were made once more", BOTH)
CALLS = Figure("ost_embedding_calls_total", "Requests to a provider", BOTH)
TOKENS = Figure("ost_embedding_tokens_total", "Tokens that a provider counted", BOTH)
DOLLARS = Figure("ost_embedding_dollars_total", "US dollars, where a price is known", BOTH)
REUSED = Figure("ost_embeddings_reused_total", "Texts whose vector was known, so that nobody was asked", BOTH)
VALIDATIONS = Figure(
    "ost_embedding_validations_total", "Vectors that were looked at, by outcome", (*BOTH, "outcome"), most=12
)
TALLIES = (EMBEDDINGS, ERRORS, SECONDS, LIMITS, RETRIES, CALLS, TOKENS, DOLLARS, REUSED, VALIDATIONS)
# By the first that fits. A provider that wants to be left alone is no error.
ERROR_TYPES = ((EmbedderError, "provider"), (MemoryError, "memory"), (ValueError, "text"), (Exception, "model"))


@contextmanager
def counted(model: EmbeddingModel, texts: int) -> Iterator[None]:
    """Around the making of so many vectors, checks included: how many there are, how long it took, or why none."""
    labels = model.provider, model.name
    began = time.monotonic()
    try:
        with tracing.span("embed", provider=model.provider, model=model.name, texts=texts):
            yield
    except PutOff:
        raise
    except Exception as error:  # whatever it is, it is counted by its kind and rises on
        ERRORS.add(model.provider, next(name for kind, name in ERROR_TYPES if isinstance(error, kind)))
        raise
    EMBEDDINGS.add(*labels, by=texts)
    VALIDATIONS.add(*labels, "valid", by=texts)
    SECONDS.observe((time.monotonic() - began) / texts, *labels, times=texts)


def took(model: EmbeddingModel, spent: Counter[str]) -> None:
    """What a provider says it did for them."""
    labels = model.provider, model.name
    for figure, name in ((CALLS, "calls"), (TOKENS, "tokens"), (RETRIES, "retries")):
        figure.add(*labels, by=spent[name])
    DOLLARS.add(*labels, by=spent["microdollars"] / 1e6)
    LIMITS.add(model.provider, by=spent["limits"])
    VALIDATIONS.add(*labels, "invalid", by=spent["invalid"])
