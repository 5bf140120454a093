"""Drafts of a day's clusters: what they are made from, who may write them, when they are up to date."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import F, Func, Q, Value

from engine import sources
from engine.ledger import LeaseLost
from engine.models import EmbeddingModel
from engine.runs import get_pipeline
from engine.vectors import digest
from issues.models import Clustering, RawItem

VERSION = "2"  # part of what a clustering is made from: raise it when what is made here changes
SEED = 0


@dataclass(frozen=True)
class Wanted:
    """What a clustering of the day would be made from now. items: how many there are."""

    day: date
    window: int
    model: EmbeddingModel
    method: str
    inputs: str
    items: int


def wanted(day: date, anew: bool = False) -> Wanted:
    """A day that is as it was stays with the model that it was made with, unless it is made anew: a switch of the
    model labels no history again. One that changed is made with the live model."""
    live = Clustering.objects.filter(day=day, state=Clustering.State.LIVE).select_related("model").first()
    if live and not anew:
        as_it_is = made_with(live.model, day)
        if as_it_is.inputs == live.inputs:
            return as_it_is
    return made_with(EmbeddingModel.objects.live(), day)


def made_with(model: EmbeddingModel, day: date) -> Wanted:
    """By the ids of the items and the hashes of their texts, summed where the rows are."""
    window, method = settings.CLUSTER_WINDOW_DAYS, settings.CLUSTER_METHOD
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), sum(hashtextextended(concat_ws('|', i.id, e.vector_hash), 0)::numeric)"
            " FROM issues_rawitem i LEFT JOIN issues_itemembedding e ON e.subject_id = i.id AND e.model_id = %s"
            " WHERE i.collected_on > %s AND i.collected_on <= %s",
            [model.pk, day - timedelta(days=window), day],
        )
        count, total = cursor.fetchone()
    parts = (VERSION, method, str(SEED), str(window), str(model.pk), str(count), str(total))
    return Wanted(day, window, model, method, digest(*parts), count)


def waiting(fresh: Wanted) -> bool:
    """Whether neither the live clustering nor a finished draft of the day is what it should be."""
    current = Q(state=Clustering.State.LIVE) | Q(state=Clustering.State.DRAFT, finished=True)
    return not Clustering.objects.filter(current, day=fresh.day, inputs=fresh.inputs).exists()


def open_draft(fresh: Wanted, fence: int, anew: bool) -> Clustering:
    """The day's draft, now this claim's alone to write; one with other inputs, or every one when `anew`, is dropped."""
    drafts = Clustering.objects.filter(day=fresh.day, state=Clustering.State.DRAFT, fence__lte=fence)
    (drafts if anew else drafts.exclude(inputs=fresh.inputs)).delete()
    draft, _ = Clustering.objects.get_or_create(
        day=fresh.day,
        state=Clustering.State.DRAFT,
        defaults={
            "window": fresh.window,
            "model": fresh.model,
            "method": fresh.method,
            "inputs": fresh.inputs,
        },
    )
    if draft.inputs != fresh.inputs or not Clustering.objects.take_over(draft, fence):
        raise LeaseLost(f"the draft of {fresh.day} was taken over")
    draft.refresh_from_db()
    return draft


def name_missing(draft: Clustering) -> None:
    """Say on the draft which sources that are on have not given all of its day."""
    missing = sources.missing(get_pipeline("issues"), draft.day)
    Clustering.objects.filter(pk=draft.pk).update(missing_sources=missing)


def caught_up(day: date, source: str) -> None:
    """That source has given all of its day by now."""
    late = Clustering.objects.filter(day=day, missing_sources__contains=[source])
    late.update(missing_sources=Func(F("missing_sources"), Value(source), function="array_remove"))


def days() -> list[date]:
    """The days that hold items, and those that did: the earliest first, for identity passes from one to the next."""
    with_items = RawItem.objects.values_list("collected_on", flat=True).distinct()
    with_clusters = Clustering.objects.filter(state=Clustering.State.LIVE, items__gt=0).values_list("day", flat=True)
    return sorted({*with_items, *with_clusters})


def models_read() -> set[int]:
    """The models whose vectors a day that readers see, or a draft, was made from."""
    states = (Clustering.State.LIVE, Clustering.State.DRAFT)
    return set(Clustering.objects.filter(state__in=states).values_list("model", flat=True).distinct())


def prune(keep: int) -> int:
    """Delete all but the newest `keep` retired clusterings of each day; how many."""
    retired = Clustering.objects.filter(state=Clustering.State.RETIRED).order_by("day", "-pk").values_list("day", "pk")
    seen: Counter[date] = Counter()
    doomed = []
    for day, pk in retired:
        seen[day] += 1
        if seen[day] > keep:
            doomed.append(pk)
    Clustering.objects.filter(pk__in=doomed).delete()
    return len(doomed)
