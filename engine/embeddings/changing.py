"""Models side by side: one is registered and fills, goes live when it is full, and the one before it stays fresh.

Which models there are is changed under one lock; whoever says which texts there are waits for it, readers never do.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import structlog
from django.conf import settings
from django.db import connection, models, transaction
from django.db.models.functions import Now
from django.utils.module_loading import import_string

from engine import jobs
from engine.embeddings import filling, local
from engine.embeddings.known import KNOWN, WIDEST, fits, full_name
from engine.ledger import NotAllowed
from engine.models import Audit, Embedding, EmbeddingModel, PaidVector
from engine.pipeline import Scope
from engine.runs import get_pipeline

logger = structlog.get_logger(__name__)

State = EmbeddingModel.State
BLOCK = 2_000  # rows that are copied or deleted together
KEYS = {"openai": "OPENAI_API_KEY", "together": "TOGETHER_API_KEY"}


@contextmanager
def changing() -> Iterator[None]:
    """A transaction in which nobody else changes the models, or says which texts there are."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(EmbeddingModel.objects.CHANGING)
        yield


def audit(by: str, action: str, model: EmbeddingModel, note: str = "") -> None:
    Audit.objects.create(actor=by[:150], action=action, subject=str(model)[:150], note=note)


# Register


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
    with changing():
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
    checksum = local.PACKAGED_SHA256 if (model.provider, model.name) == ("local", local.PACKAGED) else ""
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
    with changing(), connection.cursor() as cursor:
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


# Switch and roll back


def put_live(model: EmbeddingModel, by: str, force: bool = False) -> EmbeddingModel:
    """Make its vectors those that are served; the model before it stays fresh, to go back to. Raises NotAllowed.

    Nothing that has a vector is without one afterwards, unless forced. Recommendations follow with their next
    generation, which is asked for at once; until then they are served by the model that made them.
    """
    with changing():
        model.refresh_from_db()
        before = EmbeddingModel.objects.select_for_update().get(state=State.LIVE)
        refuse(model, before, force)
        EmbeddingModel.objects.filter(pk=before.pk).update(state=State.FILLING)
        EmbeddingModel.objects.filter(pk=model.pk).update(
            state=State.LIVE, live_since=Now(), put_live_by=by[:150], replaced=before
        )
        audit(by, "put model live", model, f"before: {before}{', forced' if force else ''}")
    logger.info("model_live", model=str(model), before=str(before))
    for name in settings.PIPELINES:
        if not get_pipeline(name).by_day:
            jobs.request(name, Scope())
    model.refresh_from_db()
    return model


def refuse(model: EmbeddingModel, live: EmbeddingModel, force: bool) -> None:
    if model.pk == live.pk:
        raise NotAllowed(f"{model} is live already")
    if model.state == State.RETIRED:
        raise NotAllowed(f"{model} is retired; register it again first")
    if model.paused_at:
        raise NotAllowed(f"{model} is paused; resume it first")
    missing = Counter[str]()
    for table in filling.tables():
        missing.update(behind(table, model, live))
    if missing["waiting"] and not force:
        stuck = f", {missing['quarantined']} of them quarantined" if missing["quarantined"] else ""
        raise NotAllowed(f"{missing['waiting']} texts have no vector of {model} yet{stuck}")


def behind(table: type[Embedding], model: EmbeddingModel, live: EmbeddingModel) -> Counter[str]:
    """How many texts have their vector of the live model and not of this one: `waiting`, of them `quarantined`.

    What waits for both is no loss, nor what a person gave up.
    """
    name = table._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*), count(n.quarantined_at) FROM {name} l"  # noqa: S608  the table's name comes from the model
            f" LEFT JOIN {name} n ON n.subject_id = l.subject_id AND n.model_id = %s"
            " WHERE l.model_id = %s AND l.vector IS NOT NULL AND l.vector_hash = l.text_hash"
            " AND (n.id IS NULL OR n.vector_hash <> n.text_hash AND n.skipped_at IS NULL)",
            [model.pk, live.pk],
        )
        waiting, quarantined = cursor.fetchone()
    return Counter(waiting=waiting, quarantined=quarantined)


def roll_back(by: str) -> EmbeddingModel:
    """Put the model live that was so before. Raises NotAllowed."""
    live = EmbeddingModel.objects.live()
    if live.replaced is None:
        raise NotAllowed(f"{live} replaced no other model")
    return put_live(live.replaced, by)


# Pause and retire


def pause(model: EmbeddingModel, by: str) -> None:
    """Nobody embeds with it until it is resumed; its texts wait."""
    if EmbeddingModel.objects.filter(pk=model.pk, paused_at=None).update(paused_at=Now()):
        audit(by, "pause model", model)


def resume(model: EmbeddingModel, by: str) -> None:
    if EmbeddingModel.objects.filter(pk=model.pk, paused_at__isnull=False).update(paused_at=None):
        audit(by, "resume model", model)


def retire(model: EmbeddingModel, by: str) -> None:
    """Keep it fresh no longer. Its vectors go once nobody reads them. Raises NotAllowed."""
    with changing():
        model.refresh_from_db()
        if model.state == State.LIVE:
            raise NotAllowed(f"{model} is live; put another one live first")
        if model.state == State.FILLING:
            EmbeddingModel.objects.filter(pk=model.pk).update(state=State.RETIRED, paused_at=None)
            audit(by, "retire model", model)


def read() -> set[int]:
    """The models whose vectors a reader still needs."""
    return {pk for path in settings.MODEL_READERS for pk in import_string(path)()}


def prune(keep: int) -> int:
    """Delete the vectors of retired models that nobody reads, block by block; returns the rows. The models' rows stay.

    What was paid for stays too: it is pruned by its age.
    """
    retired = EmbeddingModel.objects.filter(state=State.RETIRED).exclude(pk__in=read())
    return sum(empty(model) for model in retired)


def empty(model: EmbeddingModel) -> int:
    """Delete all that goes with a model, but for what was paid for; returns the rows."""
    gone = 0
    for relation in EmbeddingModel._meta.get_fields(include_hidden=True):
        if not isinstance(relation, models.ManyToOneRel) or relation.on_delete is not models.CASCADE:
            continue
        if relation.related_model is not PaidVector:
            rows = relation.related_model._base_manager.filter(**{relation.field.name: model})
            while count := empty_block(model, rows):
                gone += count
    return gone


def empty_block(model: EmbeddingModel, rows: models.QuerySet[Any]) -> int:
    """Nothing when it was registered again meanwhile."""
    with changing():
        if not EmbeddingModel.objects.filter(pk=model.pk, state=State.RETIRED).exists():
            return 0
        return rows.filter(pk__in=list(rows.values_list("pk", flat=True)[:BLOCK])).delete()[0]
