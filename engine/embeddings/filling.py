"""The row stage that fills in vectors: claim, embed, keep. It reads rows only, so it knows no domain."""

import logging
from collections import Counter
from collections.abc import Generator, Sequence
from functools import cache

from django.apps import apps
from django.conf import settings
from django.utils.module_loading import import_string

from engine.embeddings.base import Embedder, EmbedderError
from engine.models import Claimed, Embedding, EmbeddingModel
from engine.vectors import checked

logger = logging.getLogger(__name__)

# What a text can do to a model. Anything else is a fault of ours and rises.
TEXT_FAULTS = (ValueError, RuntimeError, IndexError, MemoryError)


def embedder(model: EmbeddingModel) -> Embedder:
    """The one embedder of this process for that model."""
    return made(settings.EMBEDDING_PROVIDERS[model.provider], model.name, model.dimensions)


@cache
def made(path: str, name: str, dimensions: int) -> Embedder:
    found: Embedder = import_string(path)(name, dimensions)
    return found


def tables() -> list[type[Embedding]]:
    """Every table of embeddings that an installed app has, in the order of the apps."""
    return [model for model in apps.get_models() if issubclass(model, Embedding)]


def waiting(tables: Sequence[type[Embedding]], model: EmbeddingModel) -> int:
    """How many texts wait for their vector."""
    return sum(table.objects.waiting(model).count() for table in tables)


def fill(
    tables: Sequence[type[Embedding]], model: EmbeddingModel, batch: int, limit: int | None = None
) -> Generator[Counter[str], None, None]:
    """Embed whatever waits in those tables, a batch a yield: `embedded`, `failed` (quarantined), `superseded`.

    A batch that fails is handed back and comes again in smaller company, until the bad text is alone.
    """
    left = limit
    for table in tables:
        while left is None or left > 0:
            if buried := table.objects.bury(model, batch):
                yield Counter(failed=buried)
            lease, claimed = table.objects.claim(model, batch if left is None else min(batch, left))
            if not claimed:
                break
            counts = embed_claimed(table, model, lease, claimed)
            left = left if left is None else left - sum(counts.values())
            yield counts


def embed_claimed(table: type[Embedding], model: EmbeddingModel, lease: str, claimed: list[Claimed]) -> Counter[str]:
    """One batch. Only a text that was alone is blamed; an interrupt or a model that cannot load blames none."""
    ids = [row.id for row in claimed]
    try:
        vectors = checked(embedder(model).embed([row.text for row in claimed]), len(ids), model.dimensions)
        kept = table.objects.keep(lease, ids, vectors)
    except TEXT_FAULTS as error:
        reason = f"{type(error).__name__}: {error}"
        logger.warning("event=batch_failed table=%s texts=%d reason=%r", table.__name__, len(ids), reason[:200])
        if len(ids) > 1:
            table.objects.filter(pk__in=ids, lease=lease).update(lease="", lease_until=None)
            return Counter()
        if not answers(model):
            table.objects.release(lease, ids)
            raise EmbedderError(f"the model does not answer any more: {reason[:200]}") from error
        return Counter(failed=table.objects.refuse(lease, ids, reason))
    except (EmbedderError, KeyboardInterrupt, SystemExit):
        table.objects.release(lease, ids)
        raise
    return Counter(embedded=kept, superseded=len(ids) - kept)


def answers(model: EmbeddingModel) -> bool:
    """Whether the model embeds a text that is beyond suspicion: a broken device blames every text otherwise."""
    try:
        checked(embedder(model).embed(["a text"]), 1, model.dimensions)
    except TEXT_FAULTS:
        return False
    return True
