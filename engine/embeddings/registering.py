"""Models that come to stand beside the live one: under which name and width, and with which texts.

Which models there are is changed under one lock; whoever says which texts there are waits for it, readers never do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import structlog
from django.conf import settings
from django.db import connection, models, transaction

from engine.embeddings import filling
from engine.embeddings.known import KNOWN, WIDEST, fits, full_name
from engine.embeddings.weights import PACKAGED, PACKAGED_SHA256
from engine.models import Audit, Embedding, EmbeddingModel

logger = structlog.get_logger(__name__)

State = EmbeddingModel.State
BLOCK = 2_000  # rows that are copied together
KEYS = {"openai": "OPENAI_API_KEY", "together": "TOGETHER_API_KEY"}


@contextmanager
def models_locked() -> Iterator[None]:
    """A transaction in which nobody else changes the models, or says which texts there are."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(EmbeddingModel.objects.CHANGING)
        yield


def audit(by: str, action: str, model: EmbeddingModel, note: str = "") -> None:
    Audit.objects.create(actor=by[:150], action=action, subject=str(model)[:150], note=note)


class Named(NamedTuple):
    """A model by its name, its provider and the width of its vectors, as it is registered."""

    provider: str
    name: str
    dimensions: int


def named(name: str, provider: str = "", dimensions: int | None = None) -> Named:
    """What somebody means by a name. Raises ValueError with what is missing or wrong."""
    name = full_name(name.strip())
    known = KNOWN.get(name)
    provider = provider or (known.provider if known else settings.EMBEDDING_PROVIDER)
    width = dimensions or (known.width if known else None)
    if not name or len(name) > 200 or not name.isprintable():
        raise ValueError("a name has 1 to 200 characters")
    if provider not in settings.EMBEDDING_PROVIDERS:
        raise ValueError(f"provider: {provider[:40]!a} is unknown; allowed: {', '.join(settings.EMBEDDING_PROVIDERS)}")
    if provider in KEYS and not getattr(settings, KEYS[provider]):
        raise ValueError(f"provider: {provider} without {KEYS[provider]}")
    if width is None:
        raise ValueError(f"dimensions: nobody knows those of {name[:80]!a}; say how many")
    if not fits(name, width):
        allowed = f"{known.width}, the width of {name}" if known and not known.cut else f"1 to {WIDEST}"
        raise ValueError(f"dimensions: {width} is not allowed; allowed: {allowed}")
    return Named(provider, name, width)


def register(wanted: Named, by: str) -> EmbeddingModel:
    """The model, from now on kept fresh beside the live one; one that was retired comes back. Twice is as once.

    Once the row is there every new text comes to it; then the texts that were there before are copied.
    """
    EmbeddingModel.objects.live()
    with models_locked():
        model, new = EmbeddingModel.objects.get_or_create(**wanted._asdict())
        if new or model.state == State.RETIRED:
            model.state, model.paused_at = State.FILLING, None
            model.checksum, model.parameters = described(model)
            model.save()
            audit(by, "register model", model)
    copied = sum(copy_texts(table, model) for table in filling.tables()) if model.state == State.FILLING else 0
    logger.info("model_registered", model=str(model), provider=model.provider, texts=copied)
    return model


def follow_settings() -> None:
    """Register the model that the settings name, where another one is live; one that was retired stays so."""
    live = EmbeddingModel.objects.live()
    wanted = Named(**EmbeddingModel.objects.named_by_settings())
    known = EmbeddingModel.objects.filter(**wanted._asdict()).first()
    if known != live and (known is None or known.state == State.FILLING):
        register(wanted, "the settings")


def described(model: EmbeddingModel) -> tuple[str, dict[str, Any]]:
    """What is known of a model before it is loaded: the checksum of its weights, and how much of a text it reads."""
    checksum = PACKAGED_SHA256 if (model.provider, model.name) == ("local", PACKAGED) else ""
    known = KNOWN.get(model.name)
    return checksum, {"tokens": known.tokens} if known else {}


def describe() -> None:
    """Note what is known of models that came by the settings, not by a person."""
    for model in EmbeddingModel.objects.filter(checksum="", parameters={}):
        checksum, parameters = described(model)
        if checksum or parameters:
            EmbeddingModel.objects.filter(pk=model.pk).update(checksum=checksum, parameters=parameters)


def copy_texts(table: type[Embedding], model: EmbeddingModel) -> int:
    """The live model's texts for this one, block by block; returns how many it did not have."""
    drop_texts_without_live(table, model)
    after, copied = 0, 0
    while True:
        last, count = copy_block(table, model, after)
        copied += count
        if last is None:
            return copied
        after = last


def drop_texts_without_live(table: type[Embedding], model: EmbeddingModel) -> None:
    """Of a model that was away for a while, what is gone by now."""
    rows: Any = table.objects  # whose subject subclasses name
    live = rows.filter(model__state=State.LIVE, subject=models.OuterRef("subject"))
    rows.filter(~models.Exists(live), model=model).delete()


def copy_block(table: type[Embedding], model: EmbeddingModel, after: int) -> tuple[int | None, int]:
    """The subjects that follow: the last of them, None at the end, and how many rows were written."""
    name = table._meta.db_table
    with models_locked(), connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH held AS MATERIALIZED (
                SELECT e.subject_id, e.text, e.text_hash FROM {name} e
                WHERE e.model_id = (SELECT id FROM engine_embeddingmodel WHERE state = 'live') AND e.subject_id > %s
                ORDER BY e.subject_id LIMIT %s FOR SHARE OF e
            ), copied AS (
                INSERT INTO {name} (subject_id, model_id, text, text_hash, vector_hash, attempts, lease, error)
                SELECT subject_id, %s, text, text_hash, '', 0, '', '' FROM held
                ON CONFLICT (subject_id, model_id) DO UPDATE
                SET text = excluded.text, text_hash = excluded.text_hash, wanted_at = now(), attempts = 0, lease = '',
                    lease_until = NULL, next_attempt_at = NULL, quarantined_at = NULL, skipped_at = NULL, error = ''
                WHERE {name}.text_hash <> excluded.text_hash
                RETURNING 1
            )
            SELECT (SELECT max(subject_id) FROM held), (SELECT count(*) FROM copied)
            """,  # noqa: S608  the table's name comes from the model
            [after, BLOCK, model.pk],
        )
        last, count = cursor.fetchone()
    return last, count
