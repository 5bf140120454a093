"""Models side by side: one goes live when it is full, the one before it stays fresh until it is retired."""

from collections import Counter
from typing import Any

import structlog
from django.conf import settings
from django.db import connection, models
from django.db.models.functions import Now
from django.utils.module_loading import import_string

from engine import jobs
from engine.embeddings import filling
from engine.embeddings.registering import audit, models_locked
from engine.ledger import NotAllowed
from engine.models import Embedding, EmbeddingModel, PaidVector
from engine.pipeline import Scope
from engine.runs import get_pipeline

logger = structlog.get_logger(__name__)

State = EmbeddingModel.State
BLOCK = 2_000  # rows that are deleted together


def put_live(model: EmbeddingModel, by: str, force: bool = False) -> EmbeddingModel:
    """Make its vectors those that are served; the model before it stays fresh, to go back to. Raises NotAllowed.

    Nothing that has a vector is without one afterwards, unless forced. Recommendations follow with their next
    generation, which is asked for at once; until then they are served by the model that made them.
    """
    with models_locked():
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


# Retire


def retire(model: EmbeddingModel, by: str) -> None:
    """Keep it fresh no longer. Its vectors go once nobody reads them. Raises NotAllowed."""
    with models_locked():
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
    with models_locked():
        if not EmbeddingModel.objects.filter(pk=model.pk, state=State.RETIRED).exists():
            return 0
        return rows.filter(pk__in=list(rows.values_list("pk", flat=True)[:BLOCK])).delete()[0]
