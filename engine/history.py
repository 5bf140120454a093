"""What the ledger tells of runs that are over: what one usually takes, and what changed since the one before."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from django.db import connection
from django.db.models import Case, Count, Exists, OuterRef, QuerySet, Subquery, Value, When, Window
from django.db.models.functions import JSONObject, Now, RowNumber

from engine.models import Run, Source, Step
from engine.pipeline import Stage
from engine.runs import get_pipeline

LAST = 20  # runs that make the usual
FEWEST = 3  # fewer than so many make none
OVER = (Run.State.DONE, Run.State.PARTLY)
# Seconds that a run was worked on: of all its steps, one that goes on up to now.
WORKED = """(SELECT coalesce(sum(extract(epoch FROM coalesce(s.finished_at, now()) - s.started_at)), 0)::float8
    FROM engine_step s WHERE s.run_id = r.id)"""

Partition = tuple[str, str]


# Runs


@dataclass(frozen=True)
class Ended:
    """A run that is over. seconds: that it was worked on."""

    run: int
    state: str
    finished_at: datetime
    seconds: float


@dataclass(frozen=True)
class Past:
    """The last runs of a pipeline, or of one of its sources, the newest first. on: whether a source is."""

    pipeline: str
    source: str
    on: bool
    ended: Sequence[Ended]

    @property
    def usual(self) -> float | None:
        return usual([each.seconds for each in self.ended])

    @property
    def last(self) -> Ended | None:
        return self.ended[0] if self.ended else None


def usual(seconds: Sequence[float]) -> float | None:
    """The median, or None of too few."""
    return median(seconds) if len(seconds) >= FEWEST else None


def past(partitions: Collection[Partition]) -> dict[Partition, Past]:
    """The last whole runs of each, whatever their day; in one query."""
    found: dict[Partition, Past] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT k.pipeline, k.source, coalesce(o."on", k.source = ''), r.id, r.state, r.finished_at, {WORKED}
            FROM unnest(%s::text[], %s::text[]) k (pipeline, source)
            LEFT JOIN engine_source o ON (o.pipeline, o.name) = (k.pipeline, k.source)
            LEFT JOIN LATERAL (
                SELECT id, state, finished_at FROM engine_run
                WHERE (pipeline, source) = (k.pipeline, k.source) AND state IN ('done', 'partly') AND stages = '[]'
                    AND finished_at IS NOT NULL
                ORDER BY id DESC LIMIT {LAST}) r ON true
            ORDER BY r.id DESC
            """,  # noqa: S608  constants of this module
            [[pipeline for pipeline, _ in partitions], [source for _, source in partitions]],
        )
        for pipeline, source, on, *facts in cursor.fetchall():
            known = found.setdefault((pipeline, source), Past(pipeline, source, on, []))
            if facts[0] is not None:
                known.ended.append(Ended(*facts))  # type: ignore[attr-defined]
    return found


def worked(ids: Collection[int]) -> dict[int, float]:
    """Seconds that each of those runs was worked on; in one query."""
    with connection.cursor() as cursor:
        # A constant of this module.
        cursor.execute(f"SELECT r.id, {WORKED} FROM engine_run r WHERE r.id = ANY(%s)", [list(ids)])  # noqa: S608
        return dict(cursor.fetchall())


# What goes on


NEWEST = Subquery(
    Step.objects.filter(run=OuterRef("pk"))
    .order_by("-pk")
    .values(json=JSONObject(name="name", state="state", total="total", counts="counts"))[:1]
)


def with_step(runs: QuerySet[Run]) -> QuerySet[Run]:
    """With the newest step of each as `newest`."""
    return runs.annotate(newest=NEWEST)


@dataclass(frozen=True)
class Progress:
    """How far the step of a run is. done: units, of the `total` that waited when it began.

    percent: None where nothing waited.
    """

    stage: str
    done: int
    total: int
    counts: Mapping[str, int]

    @property
    def percent(self) -> int | None:
        return min(100 * self.done // self.total, 100) if self.total else None


def progress(run: Any) -> Progress | None:
    """Of a run as `with_step` reads it, while it is at work."""
    step = run.newest
    if run.state != Run.State.RUNNING or not step:
        return None
    stage = next((each for each in stages_of(run) if each.name == step["name"]), None)
    done = stage.done(Counter(step["counts"])) if stage else sum(step["counts"].values())
    return Progress(step["name"], done, step["total"], step["counts"])


def stages_of(run: Run) -> Sequence[Stage]:
    """Those it is to go through; none where its pipeline is there no more."""
    try:
        return get_pipeline(run.pipeline).chosen(run.stages, run.source)
    except (KeyError, ImportError, ValueError):
        return ()


SHOWN = 8  # of each kind


def live() -> dict[str, list[Run]]:
    """The newest runs that are not over, by what they are: running, due, later, off or quarantined; each with `many`,
    how many of that kind there are."""
    off = Source.objects.filter(pipeline=OuterRef("pipeline"), name=OuterRef("source"), on=False)
    kind = Case(
        When(state=Run.State.RUNNING, then=Value("running")),
        When(state=Run.State.QUARANTINED, then=Value("quarantined")),
        When(Exists(off), then=Value("off")),
        When(next_attempt_at__gt=Now(), then=Value("later")),
        default=Value("due"),
    )
    rows = with_step(Run.objects.live()).annotate(kind=kind)
    rows = rows.annotate(
        many=Window(Count("pk"), partition_by="kind"),
        place=Window(RowNumber(), partition_by="kind", order_by="pk"),
    ).filter(place__lte=SHOWN)
    found: dict[str, list[Run]] = defaultdict(list)
    for run in rows.order_by("pk"):
        found[run.kind].append(run)
    return found


# One run


@dataclass
class Row:
    """A stage of one run, all its claims together. counts: (what, how many, more or less than before)."""

    name: str
    state: str = ""
    claims: int = 0
    total: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    peak: int = 0
    error: str = ""
    usual: float | None = None
    progress: Progress | None = None
    counts: list[tuple[str, int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Told:
    """rows: a stage each. before: the run it is compared with. usual: of runs that went through the same stages."""

    rows: Sequence[Row]
    before: Run | None
    seconds: float
    usual: float | None


def told(run: Any) -> Told:
    """A run, read by `with_step`, in three queries."""
    rows = {stage.name: Row(stage.name) for stage in stages_of(run)}
    for step in run.steps.annotate(now=Now()).order_by("pk"):
        add(rows.setdefault(step.name, Row(step.name)), step)
    before, earlier = run_before(run), stages_before(run)
    for row in rows.values():
        row.usual = usual([stages[row.name] for stages in earlier if row.name in stages])
        then = before.counts.get(row.name) if before and row.state == Step.State.DONE else None
        row.counts = list(compared(run.counts.get(row.name, {}), then))
    going = progress(run)
    if going and going.stage in rows:
        rows[going.stage].progress = going
    alike = [stages for stages in earlier if rows.keys() <= stages.keys()]
    whole = usual([sum(stages[name] for name in rows) for stages in alike])
    return Told(list(rows.values()), before, sum(row.seconds for row in rows.values()), whole)


def add(row: Row, step: Any) -> None:
    row.state, row.error, row.total = step.state, step.error, step.total or row.total
    row.claims += 1
    row.seconds += ((step.finished_at or step.now) - step.started_at).total_seconds()
    row.cpu += step.cpu_seconds
    row.peak = max(row.peak, step.peak_memory)


def compared(now: Mapping[str, int], before: Mapping[str, int] | None) -> Iterator[tuple[str, int, int]]:
    """Each count with its change; without a run to compare with, nothing changed."""
    for key in {**now, **(before or {})}:
        count = now.get(key, 0)
        yield key.replace("_", " "), count, 0 if before is None else count - before.get(key, 0)


def run_before(run: Run) -> Run | None:
    """The last one over before it, of the same partition or else of another day."""
    same = Case(When(day=run.day, then=0), default=1) if run.day else Value(0)
    rows = Run.objects.filter(pipeline=run.pipeline, source=run.source, state__in=OVER, pk__lt=run.pk)
    return rows.order_by(same, "-pk").first()


def stages_before(run: Run) -> list[dict[str, float]]:
    """Of the last runs before it: seconds by stage."""
    found: dict[int, dict[str, float]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.run_id, s.name, sum(extract(epoch FROM s.finished_at - s.started_at))::float8
            FROM engine_step s JOIN (
                SELECT id FROM engine_run
                WHERE (pipeline, source) = (%s, %s) AND state IN ('done', 'partly') AND id < %s
                ORDER BY id DESC LIMIT %s) r ON r.id = s.run_id
            WHERE s.finished_at IS NOT NULL GROUP BY s.run_id, s.name
            """,
            [run.pipeline, run.source, run.pk, LAST],
        )
        for pk, name, seconds in cursor.fetchall():
            found[pk][name] = seconds
    return list(found.values())
