"""Models that are paused: nobody claims a text for them, and whoever holds some finishes. They drain, and wait."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from engine.ledger import operator
from engine.models import Audit, Embedding, EmbeddingModel


def pause(model: EmbeddingModel, by: str = "") -> bool:
    """No new claims. False: it was paused already. by: who asks for it, where it is not the operator."""
    return changed(model, by, "pause", EmbeddingModel.objects.filter(paused_at=None), paused_at=Now())


def resume(model: EmbeddingModel, by: str = "") -> bool:
    """Claims again, at once. False: it was not paused."""
    return changed(model, by, "resume", EmbeddingModel.objects.exclude(paused_at=None), paused_at=None)


def changed(model: EmbeddingModel, by: str, verb: str, such: QuerySet[EmbeddingModel], **to: object) -> bool:
    with transaction.atomic():
        done = bool(such.filter(pk=model.pk).update(**to))
        if done:
            Audit.objects.create(actor=by or operator(), action=f"{verb} model", subject=str(model)[:150])
    model.refresh_from_db(fields=["paused_at"])
    return done


def is_paused(model: EmbeddingModel) -> bool:
    """As the database has it now."""
    return EmbeddingModel.objects.filter(pk=model.pk).exclude(paused_at=None).exists()


def in_flight(tables: Sequence[type[Embedding]], model: EmbeddingModel) -> int:
    """Texts that somebody embeds at this moment; a paused model is drained where there are none."""
    return sum(table.objects.leased(model).count() for table in tables)
