"""A look at the machinery each hour, kept: what it had counted, what waited, how big its tables were."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import structlog
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models.functions import TruncDay
from django.utils import timezone
from django.utils.module_loading import import_string

from engine.embeddings import filling
from engine.ledger import reason_of
from engine.models import Snapshot, Tally
from engine.pipeline import Pipeline, Scope
from engine.runs import get_pipeline
from engine.tallies import Figure, as_json
from engine.trends import Trend, increase, increases, quantile

logger = structlog.get_logger(__name__)

BY_HOUR = 2  # days; of a longer time each day's last snapshot is shown
DAYS_WAITING = 14  # days of a pipeline that goes by days that are asked what waits
KEPT_HOURLY, KEPT = 14, 400  # days

Labels = Mapping[str, str]


# To take one


def by_clock() -> str:
    """For the schedule."""
    return f"at={take().at:%H:%M}"


def take() -> Snapshot:
    """Look now. Within one hour the newest look is the one that is kept."""
    now = timezone.now()
    looked = {"tallies": tallied(), "backlog": backlog(), "stages": stages(), "sizes": sizes(), "taken_at": now}
    hour = now.replace(minute=0, second=0, microsecond=0)
    return Snapshot.objects.update_or_create(at=hour, defaults=looked)[0]


def tallied() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for name, labels, value in Tally.objects.values_list("name", "labels", "value"):
        found[name][labels] = round(value, 6)
    return found


class Open(NamedTuple):
    """Texts of one subject without their vector by one model: those that wait, and those in quarantine."""

    model: int
    name: str
    subject: str
    waiting: int
    quarantined: int


def open_texts() -> list[Open]:
    """Of models that are kept fresh; in one query, by the indexes that hold just these texts."""
    tables = filling.tables()
    parts = [
        # The names come from the models.
        f"SELECT {at} AS place, model_id, count(*) FILTER (WHERE quarantined_at IS NULL) AS waiting,"  # noqa: S608
        " count(*) FILTER (WHERE quarantined_at IS NOT NULL AND skipped_at IS NULL) AS stuck"
        f" FROM {table._meta.db_table} WHERE vector_hash <> text_hash GROUP BY model_id"
        for at, table in enumerate(tables)
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            # Of the parts above.
            f"SELECT m.id, m.name, t.place, t.waiting, t.stuck FROM ({' UNION ALL '.join(parts)}) t"  # noqa: S608
            " JOIN engine_embeddingmodel m ON m.id = t.model_id WHERE m.state <> 'retired' ORDER BY m.id, t.place"
        )
        return [Open(pk, name, tables[place].subject_name, *counts) for pk, name, place, *counts in cursor.fetchall()]


def backlog() -> dict[str, dict[str, list[int]]]:
    """By the id of the model and the subject."""
    found: dict[str, dict[str, list[int]]] = defaultdict(dict)
    for each in open_texts():
        found[str(each.model)][each.subject] = [each.waiting, each.quarantined]
    return found


def stages() -> dict[str, int]:
    """What waits for each stage. A pipeline that cannot tell is left out, with a word in the log."""
    found: dict[str, int] = {}
    for name in settings.PIPELINES:
        try:
            found |= {f"{name}/{stage}": waiting for stage, waiting in waiting_in(get_pipeline(name))}
        except Exception as error:  # whatever a pipeline of ours does must not cost the figures of the others
            logger.exception("snapshot_without", pipeline=name, reason=reason_of(error))
    return found


def waiting_in(pipeline: Pipeline) -> Iterator[tuple[str, int]]:
    days = list(pipeline.days())[-DAYS_WAITING:] if pipeline.by_day else [None]
    for stage in pipeline.stages:
        yield stage.name, sum(stage.waiting(Scope(day=day)) for day in days)
    yesterday = timezone.now().date() - timedelta(days=1) if pipeline.by_day else None
    for stage in (each for each in pipeline.collecting if each not in pipeline.stages):
        yield stage.name, sum(stage.waiting(Scope(day=yesterday, source=name)) for name in pipeline.sources())


def sizes() -> dict[str, int]:
    """Bytes of each table of ours on disk, with its indexes and what is stored beside it."""
    names = [model._meta.db_table for model in apps.get_models(include_auto_created=True)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, pg_total_relation_size(oid) FROM pg_class"
            " WHERE relkind = 'r' AND relname = ANY(%s) AND pg_table_is_visible(oid)",
            [names],
        )
        return dict(cursor.fetchall())


def prune(keep: int) -> int:
    """Of what is older than two weeks one look a day stays, for a year; returns how many went."""
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    old = Snapshot.objects.filter(at__lt=today - timedelta(days=KEPT_HOURLY))
    last = old.annotate(day=TruncDay("at")).order_by("day", "-at").distinct("day").values_list("pk", "day")
    thinned = old.exclude(pk__in=[pk for pk, _ in last])
    beyond = Snapshot.objects.filter(at__lt=today - timedelta(days=KEPT))
    return thinned.delete()[0] + beyond.delete()[0]


# To look back


def of_last(days: int, part: str) -> list[Snapshot]:
    """The snapshots of the last days with that part of them, the oldest first; one query. One before them comes first:
    what a counter grew by is known from the second on."""
    since = timezone.now() - timedelta(days=days)
    if days <= BY_HOUR:
        rows = Snapshot.objects.filter(at__gte=since - timedelta(hours=1))
    else:
        rows = Snapshot.objects.filter(at__gte=since - timedelta(days=1)).annotate(day=TruncDay("at"))
        rows = rows.order_by("day", "-at").distinct("day")
    return sorted(rows.only("at", "taken_at", part), key=lambda row: row.at)


def figures() -> list[Figure]:
    """All that processes add up."""
    return [figure for path in settings.TALLIES for figure in import_string(path)]


def counted(found: Sequence[Snapshot], figure: Figure) -> dict[str, Trend]:
    """How much a counter grew from one snapshot to the next, by its labels."""
    looks = [row.tallies.get(figure.name, {}) for row in found]
    keys = sorted({labels for look in looks for labels in look})
    times = moments(found)
    return {labels: Trend(times, increases([look.get(labels, 0.0) for look in looks])) for labels in keys}


def moments(found: Sequence[Snapshot]) -> list[datetime]:
    """When each but the first was taken."""
    return [row.taken_at for row in found[1:]]


class Slowness:
    """Of a histogram, by its labels: how many, and quantiles in seconds over the whole time and at each moment."""

    def __init__(self, found: Sequence[Snapshot], figure: Figure) -> None:
        self.bounds = list(figure.buckets)
        self.parts = [*map(str, figure.buckets), "+Inf"]
        self.times = moments(found)
        self.grown: dict[str, list[list[float]]] = {}
        looks = [buckets(row.tallies.get(f"{figure.name}_bucket", {})) for row in found]
        for labels in sorted({key for look in looks for key in look}):
            self.grown[labels] = [
                [
                    increase(before.get(labels, {}).get(part, 0.0), after.get(labels, {}).get(part, 0.0))
                    for part in self.parts
                ]
                for before, after in pairwise(looks)
            ]

    def count(self, labels: str) -> int:
        return round(sum(map(sum, self.grown[labels])))

    def whole(self, labels: str, share: float) -> float | None:
        return quantile(self.bounds, [sum(part) for part in zip(*self.grown[labels], strict=True)], share)

    def trend(self, labels: str, share: float) -> Trend:
        return Trend(self.times, [quantile(self.bounds, counts, share) for counts in self.grown[labels]])

    def counts(self, labels: str) -> Trend:
        return Trend(self.times, [sum(counts) for counts in self.grown[labels]])


def buckets(rows: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Labels without the bound -> bound -> how many."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for labels, value in rows.items():
        given = json.loads(labels)
        found[as_json({name: each for name, each in given.items() if name != "le"})][given["le"]] = value
    return found


def in_words(labels: str) -> str:
    """The values of the labels."""
    given: dict[str, Any] = json.loads(labels or "{}")
    return " ".join(str(value) for value in given.values())
