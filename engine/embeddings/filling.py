"""The row stage that fills in vectors: claim, embed, keep. It reads rows only, so it knows no domain."""

import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from functools import cache
from typing import NoReturn

import structlog
from django.apps import apps
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone
from django.utils.module_loading import import_string

from engine.embeddings.base import Embedder, EmbedderError, Metered, PutOff
from engine.ledger import operator
from engine.logs import scrubbed
from engine.models import Audit, Claimed, Embedding, EmbeddingModel, WorkerGroup
from engine.pipeline import Later
from engine.vectors import checked

logger = structlog.get_logger(__name__)

# What a text can do to a model. Anything else is a fault of ours and rises.
TEXT_FAULTS = (ValueError, RuntimeError, IndexError, MemoryError)
SETTLED = ("embedded", "failed", "superseded")  # what a text comes to; what a provider took is counted beside it


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

    Of a remote provider also `calls`, `tokens` and `microdollars`.
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
            left = left if left is None else left - settled(counts)
            yield counts


def settled(counts: Counter[str]) -> int:
    """How many texts wait no more."""
    return sum(counts[name] for name in SETTLED)


def fill_all(
    tables: Sequence[type[Embedding]], model: EmbeddingModel, batch: int
) -> Generator[Counter[str], None, None]:
    """For a run: end when nothing waits any more, whoever embedded it; `elsewhere` counts what others did.

    While a loop is at it, or a worker is there whose loop may begin, the run leaves the texts to that: a second
    model in memory would only slow the first one down. Raises Later while the provider is to be left alone.
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
            time.sleep(idle / 10)
        now = waiting(tables, model)
        yield Counter(elsewhere=max(left - now, 0)) if mine is None else mine
        left = now


def watch(tables: Sequence[type[Embedding]], batch: int, idle: float, beat: Callable[[], None]) -> NoReturn:
    """Fill for ever, for the live model. A pass that finds nothing writes nothing.

    idle: seconds between passes while nothing waits. beat: called at each pass and after each batch, at least
    every `away` seconds. A database or a model that does not answer is tried again; a provider that wants to be left
    alone is, until then.
    """
    trouble, away, until = "", 2.5 * idle, timezone.now()
    while True:
        beat()
        if (left := (until - timezone.now()).total_seconds()) > 0:
            time.sleep(min(left, max(away, 0.05)))
            continue
        pause = idle
        try:
            if trouble:
                for table in tables:
                    table.objects.release_own()
            for counts in fill(tables, EmbeddingModel.objects.live(), batch):
                beat()
                logger.info("batch_embedded", **counts)
            trouble = ""
        except (EmbedderError, DatabaseError) as error:
            reason = scrubbed(str(error)).split("\n")[0][:200]
            if reason != trouble:  # an outage is told once
                logger.warning("embedding_put_off", reason=reason)
            trouble, pause = reason, away
            if isinstance(error, PutOff):
                until = error.until
            else:
                connection.close()
        time.sleep(pause)


def again(tables: Sequence[type[Embedding]]) -> int:
    """Give quarantined texts another chance; returns how many. Audited."""
    freed = sum(table.objects.again() for table in tables)
    if freed:
        names = ", ".join(table.subject_name for table in tables)
        Audit.objects.create(actor=operator(), action="embed again", subject=names, note=f"{freed} quarantined texts")
    return freed


def embed_claimed(table: type[Embedding], model: EmbeddingModel, lease: str, claimed: list[Claimed]) -> Counter[str]:
    """One batch, and what it took. An interrupt, or a model or provider that does not answer, blames no text."""
    ids = [row.id for row in claimed]
    try:
        counts = settle(table, model, lease, claimed)
    except (EmbedderError, KeyboardInterrupt, SystemExit):
        table.objects.release(lease, ids)
        raise
    counts.update(spent(model))
    return counts


def settle(table: type[Embedding], model: EmbeddingModel, lease: str, claimed: list[Claimed]) -> Counter[str]:
    """What the texts come to. Only one that was alone is blamed."""
    ids = [row.id for row in claimed]
    try:
        vectors = checked(embedder(model).embed([row.text for row in claimed]), len(ids), model.dimensions)
        kept = table.objects.keep(lease, ids, vectors)
    except TEXT_FAULTS as error:
        reason = scrubbed(f"{type(error).__name__}: {error}")
        logger.warning("batch_failed", table=table.__name__, texts=len(ids), reason=reason[:200])
        if len(ids) > 1:
            table.objects.filter(pk__in=ids, lease=lease).update(lease="", lease_until=None)
            return Counter()
        if not answers(model):
            raise EmbedderError(f"the model does not answer any more: {reason[:200]}") from error
        return Counter(failed=table.objects.refuse(lease, ids, reason))
    return Counter(embedded=kept, superseded=len(ids) - kept)


def spent(model: EmbeddingModel) -> Counter[str]:
    """What the provider took since the last batch, where it takes anything."""
    found = embedder(model)
    return found.take_spent() if isinstance(found, Metered) else Counter()


def answers(model: EmbeddingModel) -> bool:
    """Whether the model embeds a text that is beyond suspicion: a broken device blames every text otherwise."""
    try:
        checked(embedder(model).embed(["a text"]), 1, model.dimensions)
    except TEXT_FAULTS:
        return False
    return True
