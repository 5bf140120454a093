"""The row stage that fills in vectors: claim, embed, keep. It reads rows only, so it knows no domain."""

import time
from collections import Counter
from collections.abc import Generator, Sequence
from datetime import timedelta
from functools import cache

import structlog
from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from engine import tallies
from engine.embeddings import counting
from engine.embeddings.asking import remember, vectors_of
from engine.embeddings.base import Described, Embedder, EmbedderError, Metered, PutOff
from engine.embeddings.pausing import is_paused
from engine.ledger import operator
from engine.logs import scrubbed
from engine.models import Audit, Claimed, Embedding, EmbeddingModel, WorkerGroup
from engine.pipeline import Later
from engine.vectors import checked

logger = structlog.get_logger(__name__)

# What a text can do to a model. Anything else is a fault of ours and rises.
TEXT_FAULTS = (ValueError, RuntimeError, IndexError, MemoryError)
METERED = ("calls", "tokens", "microdollars")  # what of it is told of each batch
SETTLED = ("embedded", "failed", "superseded")  # what a text comes to; what a provider took is counted beside it


def embedder(model: EmbeddingModel) -> Embedder:
    """The one embedder of this process for that model. Raises EmbedderError when nobody knows its provider."""
    if model.provider not in settings.EMBEDDING_PROVIDERS:
        raise EmbedderError(f"nobody knows the provider {model.provider!a} of the model {model.name!a}")
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

    `reused` are those of the embedded that needed no asking. Of a remote provider also `calls`, `tokens` and
    `microdollars`. A batch that fails is handed back and comes again in smaller company, until the bad text is alone.
    """
    left = limit
    for table in tables:
        while left is None or left > 0:
            counts = one_batch(table, model, batch, left)
            if counts is None:
                break
            left = left if left is None else left - settled(counts)
            yield counts


def one_batch(
    table: type[Embedding], model: EmbeddingModel, batch: int, most: int | None = None
) -> Counter[str] | None:
    """What one batch of a table came to; None when nothing waits. most: texts, where less than a batch is wanted."""
    counts = Counter(failed=buried) if (buried := table.objects.bury(model, batch)) else Counter()
    lease, claimed = table.objects.claim(model, batch if most is None else min(batch, most))
    if claimed:
        counts.update(embed_claimed(table, model, lease, claimed))
    return counts if claimed or buried else None


def settled(counts: Counter[str]) -> int:
    """How many texts wait no more."""
    return sum(counts[name] for name in SETTLED)


def fill_all(
    tables: Sequence[type[Embedding]], model: EmbeddingModel, batch: int
) -> Generator[Counter[str], None, None]:
    """For a run: end when nothing waits any more, whoever embedded it; `elsewhere` counts what others did.

    While a loop is at it, or a worker is there whose loop may begin, the run leaves the texts to that: a second
    model in memory would only slow the first one down. Raises Later while the provider is to be left alone, or the
    model is paused.
    """
    idle = 1.5 * settings.TIMING.idle
    busy = time.monotonic() if WorkerGroup.objects.alive().exists() else -idle
    left = waiting(tables, model)
    while left:
        if any(table.objects.leased(model).exists() for table in tables):
            busy = time.monotonic()
        try:
            mine = next(fill(tables, model, batch), None) if time.monotonic() - busy >= idle else None
        except PutOff as put_off:
            raise Later(put_off.until, str(put_off)) from None
        if mine is None:  # somebody has them by a lease or a lock, or may begin
            wait_for_others(model, idle / 10)
        now = waiting(tables, model)
        yield Counter(elsewhere=max(left - now, 0)) if mine is None else mine
        left = now


def wait_for_others(model: EmbeddingModel, seconds: float) -> None:
    """Raises Later when there is nobody to wait for: a paused model is looked at again with the next reconciling."""
    if is_paused(model):
        until = timezone.now() + timedelta(seconds=settings.TIMING.reconcile)
        raise Later(until, f"the model {model.name!a} is paused; to go on: ./ost manage embed --resume")
    time.sleep(seconds)


def again(tables: Sequence[type[Embedding]]) -> int:
    """Give quarantined texts another chance, but for those that a person gave up; returns how many. Audited."""
    freed = sum(table.objects.quarantined().again() for table in tables)
    if freed:
        names = ", ".join(table.subject_name for table in tables)
        Audit.objects.create(actor=operator(), action="embed again", subject=names, note=f"{freed} quarantined texts")
    return freed


def embed_claimed(table: type[Embedding], model: EmbeddingModel, lease: str, claimed: list[Claimed]) -> Counter[str]:
    """One batch, and what it took. An interrupt, or a model or provider that does not answer, blames no text."""
    try:
        counts = settle(table, model, lease, claimed)
        counts.update(spent(model))
    except (EmbedderError, KeyboardInterrupt, SystemExit):
        table.objects.release(lease, [row.id for row in claimed])
        spent(model)
        raise
    finally:
        tallies.flush()
    return counts


def settle(table: type[Embedding], model: EmbeddingModel, lease: str, claimed: list[Claimed]) -> Counter[str]:
    """What the texts come to. Only one that was alone is blamed."""
    ids = [row.id for row in claimed]
    try:
        vectors = vectors_of(embedder(model), model, [row.text for row in claimed])
        with transaction.atomic():
            remember(model, vectors)
            kept = table.objects.keep(lease, ids, vectors.rows)
    except TEXT_FAULTS as error:
        reason = scrubbed(f"{type(error).__name__}: {error}")
        logger.warning("batch_failed", table=table.__name__, texts=len(ids), reason=reason[:200])
        if len(ids) > 1:
            table.objects.filter(pk__in=ids, lease=lease).update(lease="", lease_until=None)
            return Counter()
        if not answers(model):
            raise EmbedderError(f"the model does not answer any more: {reason[:200]}") from error
        return Counter(failed=table.objects.refuse(lease, ids, reason))
    describe(model)
    counts = Counter(embedded=kept, superseded=len(ids) - kept)
    if vectors.reused:
        counts["reused"] = vectors.reused
    return counts


def describe(model: EmbeddingModel) -> None:
    """Note with the model what makes its vectors, where that is another than the last time."""
    found = embedder(model)
    facts = found.facts() if isinstance(found, Described) else {}
    made = {"checksum": facts.pop("checksum", ""), "parameters": facts}
    if facts and made != {name: getattr(model, name) for name in made}:
        EmbeddingModel.objects.filter(pk=model.pk).update(**made)
        model.checksum, model.parameters = made["checksum"], facts


def spent(model: EmbeddingModel) -> Counter[str]:
    """What the provider took since the last batch, where it takes anything."""
    found = embedder(model)
    taken = found.take_spent() if isinstance(found, Metered) else Counter()
    counting.took(model, taken)
    return Counter({name: taken[name] for name in METERED if taken[name]})


def answers(model: EmbeddingModel) -> bool:
    """Whether the model embeds a text that is beyond suspicion: a broken device blames every text otherwise."""
    try:
        checked(embedder(model).embed(["a text"]), 1, model.dimensions)
    except TEXT_FAULTS:
        return False
    return True
