"""Notices what is unusual in runs, in vectors and in answers: once an hour, and when a run of the queue ends.

What is unusual says `engine.unusual`. Nothing here can fail a run: it is over before it is looked at.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from itertools import groupby, pairwise
from operator import attrgetter

import numpy as np
import structlog
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from engine import days, unusual
from engine.days import Came, Partition
from engine.embeddings import filling
from engine.models import Anomaly, Daily, Embedding, EmbeddingModel, Run, Source, Tally
from engine.unusual import Day, Finding
from engine.vectors import unit

logger = structlog.get_logger(__name__)

AGAIN = timedelta(hours=27)  # what ended since is looked at by the clock: a day that is over and the hours around it
KEPT = timedelta(days=90)
SETTLED = timedelta(days=2)  # a source that was switched on since may not have been collected from yet
TEXTS = 30  # a mean of fewer says little
HOUR = 3600.0


def by_clock() -> str:
    """For the schedule: everything that may have become unusual since yesterday."""
    now = timezone.now()
    looks = (of_runs(now), of_vectors(now.date() - timedelta(days=1)), of_answers(now.date()))
    counts = [looked(look) for look in looks]
    Daily.objects.filter(day__lt=now.date() - KEPT).delete()
    return f"noticed={sum(noticed for noticed, _ in counts)} unusual={sum(unusual for _, unusual in counts)}"


def looked(look: Iterator[Anomaly]) -> tuple[int, int]:
    """How many are new, of how many; none where it fails. What it remembers stays only together with what it found."""
    try:
        with transaction.atomic():
            found = list(look)
            return Anomaly.objects.notice(found), len(found)
    except Exception:  # whatever it is, the other looks find what they find
        logger.exception("noticing_failed", look=getattr(look, "__name__", ""))
        return 0, 0


def after(run: Run) -> None:
    """Look at the day of a run that has just ended. Never raises."""
    try:
        if run.finished_at:
            for partition in days.partitions(run.pipeline, run.source):
                Anomaly.objects.notice(of_partition(partition, run.finished_at, timezone.now().date()))
    except Exception:  # whatever it is, the run is done, and the clock looks again
        logger.exception("noticing_failed", run=run.pk)


# Runs


def of_runs(now: datetime) -> Iterator[Anomaly]:
    """Of every partition: what its last days were, and whether it stopped."""
    known = days.partitions()
    for partition in known:
        yield from of_partition(partition, now - AGAIN, now.date())
    yield from of_stopped(known, now)


def of_partition(partition: Partition, since: datetime, today: date) -> Iterator[Anomaly]:
    """What is unusual in the days whose last run ended since. A day that is not over is not short of anything yet."""
    for newest in partition.days:
        if newest.ended >= since:
            over = newest.day < (newest.ended.date() if partition.pipeline.by_day else today)
            for part, finding in of_day(partition, newest, over):
                run = newest.slowest[part] if finding.kind == "duration" else newest.run
                yield anomaly(finding, f"{called(partition)} {part}".strip(), run)


def of_day(partition: Partition, newest: Came, over: bool) -> Iterator[tuple[str, Finding]]:
    """With the stage, or "" for the whole run, which is told where no stage says it."""
    past, silent = partition.before(newest), False
    for stage in partition.pipeline.of(partition.source):
        for told in of_stage(past, newest, stage.name, called(partition)):
            yield stage.name, told
        if over and stage.came and stage.name in newest.came:
            what = f"{stage.things} {'from' if partition.source else 'of'} {partition.source or called(partition)}"
            counted = [Day(each.day, each.came[stage.name]) for each in past if stage.name in each.came]
            count = Day(newest.day, newest.came[stage.name])
            finding = unusual.silent(counted, count, what) or unusual.volume(counted, count, what)
            if finding:
                silent |= finding.kind == "silent"
                yield stage.name, finding
    if over and not partition.source and not silent:
        records, what = [Day(each.day, each.records) for each in past], f"records of {called(partition)}"
        if empty := unusual.silent(records, Day(newest.day, newest.records), what, "zero records"):
            yield "", empty


def of_stage(past: list[Came], newest: Came, name: str, whose: str) -> Iterator[Finding]:
    """How long it took, and how much of it failed."""
    if name in newest.seconds:
        times = [Day(each.day, each.seconds[name]) for each in past if name in each.seconds]
        if slow := unusual.duration(times, Day(newest.day, newest.seconds[name]), f"the stage {name} of {whose}"):
            yield slow
    if name in newest.failed:
        shares = [Day(each.day, *each.failed[name]) for each in past if name in each.failed]
        failed = Day(newest.day, *newest.failed[name])
        if worse := unusual.share(shares, failed, "failures", f"failed at the stage {name} of {whose}"):
            yield worse


def of_stopped(known: list[Partition], now: datetime) -> Iterator[Anomaly]:
    """Sources that are on, and of which no run ended for longer than usual. Many days collected on one are one end."""
    on = set(Source.objects.filter(on=True, changed_at__lt=now - SETTLED).values_list("pipeline", "name"))
    for partition in known:
        if (partition.pipeline.name, partition.source) in on:
            ends = [max(same) for _, same in groupby(sorted(each.ended for each in partition.days), datetime.date)]
            pauses = [(later - end).total_seconds() / HOUR for end, later in pairwise(ends)]
            pause, newest = (now - ends[-1]).total_seconds() / HOUR, max(partition.days, key=attrgetter("ended"))
            if finding := unusual.stopped(pauses, pause, ends[-1].date(), called(partition)):
                yield anomaly(finding, called(partition), newest.run)


def called(partition: Partition) -> str:
    return " ".join(filter(None, [partition.pipeline.name, partition.source]))


def anomaly(finding: Finding, subject: str, run: int | None = None) -> Anomaly:
    """The row of a finding; its subject has the first day, so that looking twice finds it once."""
    usual = finding.usual
    figures = {"value": finding.value, "middle": usual.middle, "low": usual.low, "high": usual.high}
    return Anomaly(
        kind=finding.kind,
        subject=f"{subject[:180]} {finding.since}",
        message=finding.said,
        count=finding.times,
        run_id=run,
        figures={name: round(float(value), 4) for name, value in figures.items()},
    )


# Vectors


def of_vectors(day: date) -> Iterator[Anomaly]:
    """Whether the texts that got their vectors on that day mean something else than usual. A day is read once."""
    models = list(EmbeddingModel.objects.fresh().order_by("pk"))
    names = {
        f"vectors {table._meta.db_table} {model.pk}": (table, model) for table in filling.tables() for model in models
    }
    rows = Daily.objects.filter(name__in=names, day__gte=day - timedelta(days=days.DAYS), day__lte=day)
    kept: dict[str, dict[date, list[float]]] = defaultdict(dict)
    for row in rows:
        kept[row.name][row.day] = row.figures.get("mean", [])
    for name, (table, model) in names.items():
        if day not in kept[name]:
            mean = mean_of(table, model, day)
            Daily.objects.bulk_create([Daily(name=name, day=day, figures={"mean": mean})], ignore_conflicts=True)
            if finding := turned({**kept[name], day: mean}, day, f"texts of {table.subject_name}"):
                yield anomaly(finding, f"{table.subject_name} {model.name}")


def mean_of(table: type[Embedding], model: EmbeddingModel, day: date) -> list[float]:
    """The mean of the vectors made on a day (UTC), (d,); nothing where they are too few."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT avg(vector)::real[], count(*) FROM {table._meta.db_table}"  # noqa: S608  the model's own table
            " WHERE model_id = %s AND vector IS NOT NULL AND (generated_at AT TIME ZONE 'UTC')::date = %s",
            [model.pk, day],
        )
        mean, count = cursor.fetchone()
    return [round(value, 6) for value in mean] if count >= TEXTS else []


def turned(means: Mapping[date, list[float]], day: date, what: str) -> Finding | None:
    """Each day's mean against the mean of the days before. means: by day, empty where there were too few texts."""
    past = sorted(each for each, mean in means.items() if mean and each < day)
    if not means[day] or len(past) < unusual.LEAST_DAYS:
        return None
    rows = unit(np.array([means[each] for each in [*past, day]]))
    centre = unit(rows[:-1].mean(axis=0, keepdims=True))[0]
    *before, newest = (1 - rows @ centre).tolist()
    return unusual.drift([Day(*each) for each in zip(past, before, strict=True)], Day(day, newest), what)


# Answers


def of_answers(today: date) -> Iterator[Anomaly]:
    """Whether more answers than usual came without what they are made from, of those counted in settings.MISSES."""
    rows = Tally.objects.filter(name__in=settings.MISSES).values_list("name", "labels", "value")
    now: dict[str, dict[str, float]] = defaultdict(dict)
    for name, labels, value in rows:
        given = json.loads(labels)
        now[name][f"{given['of']} {given['outcome']}"] = value
    Daily.objects.bulk_create(
        [Daily(name=name, day=today, figures=figures) for name, figures in now.items()],
        update_conflicts=True, unique_fields=["name", "day"], update_fields=["figures"],
    )  # fmt: skip
    kept: dict[str, list[Daily]] = defaultdict(list)
    since = today - timedelta(days=days.DAYS)
    for row in Daily.objects.filter(name__in=now, day__gte=since, day__lte=today).order_by("day"):
        kept[row.name].append(row)
    for name, outcomes in settings.MISSES.items():
        for of, outcome in misses(kept[name], outcomes):
            past, newest = shares(kept[name], of, outcome)
            what = f"answers of {of} had {outcome.replace('_', ' ')}"
            if finding := unusual.share(past, newest, "misses", what):
                yield anomaly(finding, f"answers of {of}, {outcome.replace('_', ' ')}")


def misses(rows: list[Daily], outcomes: tuple[str, ...]) -> list[tuple[str, str]]:
    """Which answers there are, with each outcome that is a miss."""
    found = {name.partition(" ")[0] for row in rows[-1:] for name in row.figures}
    return [(of, outcome) for of in sorted(found) for outcome in outcomes]


def shares(rows: list[Daily], of: str, outcome: str) -> tuple[list[Day], Day]:
    """What each day added to sums that only grow; the first row is where they began."""
    found = []
    for before, row in pairwise(rows):
        added = {
            name: value - before.figures.get(name, 0)
            for name, value in row.figures.items()
            if name.startswith(f"{of} ")
        }
        found.append(Day(row.day, max(added.get(f"{of} {outcome}", 0), 0), max(sum(added.values()), 0)))
    return found[:-1], found[-1] if found else Day(rows[-1].day, 0)
