"""Counters and histograms that all processes of all hosts add up in the table Tally.

A process adds in memory, which waits for nothing, and sends its sums now and then in one statement. What a killed
process had not sent is lost; what a database that is away did not take is sent later.
"""

import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from multiprocessing.util import Finalize

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.utils.module_loading import import_string
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from engine.models.tally import Tally

logger = structlog.get_logger(__name__)

EVERY = 10.0  # seconds between two sendings of a web process
OTHER, SPARE = "other", 4  # label sets with an "other" in them
LONGEST = 100  # characters of a label's value
SUM = "sum"


@dataclass(frozen=True)
class Figure:
    """A counter; a histogram where it has buckets, which are upper bounds in seconds.

    most: label sets that are told apart; what comes after them has "other" for its last label, or for all of them.
    """

    name: str
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    most: int = 6

    def add(self, *values: str, by: float = 1.0) -> None:
        if by:
            HELD.add(self, values, {"": by})

    def observe(self, seconds: float, *values: str, times: int = 1) -> None:
        """So many things took that long each."""
        HELD.add(self, values, {self.bucket(seconds): times, SUM: seconds * times})

    def bucket(self, seconds: float) -> str:
        return next((str(bound) for bound in self.buckets if seconds <= bound), "+Inf")

    def row(self, values: tuple[str, ...], part: str) -> tuple[str, str]:
        """Name and labels in the table. part: "" of a counter; a bucket or SUM of a histogram."""
        named = dict(zip(self.labels, values, strict=False))
        if not self.buckets:
            return self.name, as_json(named)
        return (f"{self.name}_sum", as_json(named)) if part == SUM else (
            f"{self.name}_bucket", as_json({**named, "le": part})
        )  # fmt: skip

    def within(self, values: tuple[str, ...], known: set[tuple[str, ...]]) -> tuple[str, ...]:
        """The label set as which it is counted beside those."""
        for tried, most in ((values, self.most), ((*values[:-1], OTHER)[: len(values)], self.most + SPARE)):
            if tried in known or len(known) < most:
                return tried
        return (OTHER,) * len(values)


Sums = dict[tuple[Figure, tuple[str, ...], str], float]


class Held:
    """What this process has added and not sent yet: bounded, as label sets are."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """As a new process, which after a fork has the sums of another."""
        self._lock = threading.Lock()
        self._sums: Sums = defaultdict(float)
        self._seen: dict[Figure, set[tuple[str, ...]]] = defaultdict(set)
        self._kept: dict[Figure, set[tuple[str, ...]]] = defaultdict(set)  # of all processes
        self._due = time.monotonic() + EVERY
        self._ends = False

    def add(self, figure: Figure, values: tuple[str, ...], parts: Mapping[str, float]) -> None:
        with self._lock:
            if not self._ends:  # registered late: a fork would have forgotten it
                self._ends = True
                Finalize(None, last_words, exitpriority=10)  # atexit is not for processes of multiprocessing
            values = self._bounded(figure, values)
            for part, value in parts.items():
                self._sums[figure, values, part] += value

    def _bounded(self, figure: Figure, values: tuple[str, ...]) -> tuple[str, ...]:
        seen = self._seen[figure]
        if values not in seen:
            values = tuple(value if fits(value) else OTHER for value in values)
            values = figure.within(values, seen)
            seen.add(values)
        return values

    def is_due(self) -> bool:
        """Whether somebody should send now; then nobody else has to for a while."""
        if time.monotonic() < self._due:
            return False
        with self._lock:
            mine = time.monotonic() >= self._due
            self._due = time.monotonic() + EVERY
        return mine

    def flush(self) -> None:
        """Send what there is. Never raises: what the database does not take now is sent with the next."""
        with self._lock:
            sums, self._sums = self._sums, defaultdict(float)
        if not sums:
            return
        try:
            with transaction.atomic() if connection.in_atomic_block else nullcontext():
                upsert(self._admitted(sums))
        except DatabaseError as error:
            logger.debug("tallies_put_off", error=type(error).__name__)
            with self._lock:
                for key, value in sums.items():
                    self._sums[key] += value

    def _admitted(self, sums: Sums) -> Mapping[tuple[str, str], float]:
        """Rows, where a figure has no more label sets than it may have over all processes."""
        fresh = {figure for figure, values, _ in sums if values not in self._kept[figure]}
        if fresh:
            self._kept.update(label_sets(fresh))
        rows: dict[tuple[str, str], float] = defaultdict(float)
        for (figure, values, part), value in sums.items():
            values = figure.within(values, self._kept[figure])
            self._kept[figure].add(values)
            rows[figure.row(values, part)] += value
        return rows


def upsert(rows: Mapping[tuple[str, str], float]) -> None:
    """Add to the table, in one order for all, so that two processes do not wait for each other in a ring."""
    names, labels = zip(*rows, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO engine_tally (name, labels, value, since)
            SELECT name, labels, value, now() FROM unnest(%s::text[], %s::text[], %s::float8[]) v (name, labels, value)
            ORDER BY name, labels
            ON CONFLICT (name, labels) DO UPDATE SET value = engine_tally.value + excluded.value
            """,
            [list(names), list(labels), list(rows.values())],
        )


def label_sets(figures: Iterable[Figure]) -> dict[Figure, set[tuple[str, ...]]]:
    """Those that the table holds."""
    named = {f"{figure.name}_sum" if figure.buckets else figure.name: figure for figure in figures}
    found: dict[Figure, set[tuple[str, ...]]] = {figure: set() for figure in named.values()}
    for name, labels in Tally.objects.filter(name__in=named).values_list("name", "labels"):
        given = json.loads(labels or "{}")
        found[named[name]].add(tuple(given.get(label, "") for label in named[name].labels))
    return found


def as_json(labels: Mapping[str, str]) -> str:
    return json.dumps(labels, sort_keys=True, ensure_ascii=False, separators=(",", ":")) if labels else ""


def fits(value: str) -> bool:
    """Whether it can be a label's value: short, printable, and nothing that JSON writes longer."""
    return 0 < len(value) <= LONGEST and value.isprintable() and not {'"', "\\"} & set(value)


HELD = Held()
os.register_at_fork(after_in_child=HELD.begin)


def flush() -> None:
    """Send what this process has added. Never raises."""
    HELD.flush()


def flush_when_due(**_: object) -> None:
    """The same, every few seconds: a receiver of Django's `request_finished`, after the answer has gone."""
    if HELD.is_due():
        HELD.flush()


def last_words() -> None:
    with suppress(Exception):  # whatever it is, a process that ends has nobody to tell
        HELD.flush()


# For /metrics


def families() -> Iterator[Metric]:
    """Every figure that the settings name, with what the table holds of it; in one query."""
    rows: dict[str, dict[str, float]] = defaultdict(dict)
    for name, labels, value in Tally.objects.order_by("name", "labels").values_list("name", "labels", "value"):
        rows[name][labels] = value
    for path in settings.TALLIES:
        for figure in import_string(path):
            yield histogram(figure, rows) if figure.buckets else counter(figure, rows[figure.name])


def counter(figure: Figure, rows: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(figure.name, figure.text, labels=figure.labels)
    for labels, value in (rows or ({} if figure.labels else {"": 0.0})).items():
        given = json.loads(labels or "{}")
        family.add_metric([given.get(name, "") for name in figure.labels], value)
    return family


def histogram(figure: Figure, rows: Mapping[str, Mapping[str, float]]) -> Metric:
    family = HistogramMetricFamily(figure.name, figure.text, labels=figure.labels)
    counts: dict[str, dict[str, float]] = defaultdict(dict)
    for labels, value in rows[f"{figure.name}_bucket"].items():
        given = json.loads(labels)
        counts[as_json({name: given[name] for name in figure.labels})][given["le"]] = value
    for labels, total in rows[f"{figure.name}_sum"].items():
        given, so_far, cumulative = json.loads(labels or "{}"), 0.0, []
        for bound in [*map(str, figure.buckets), "+Inf"]:
            so_far += counts[labels].get(bound, 0)
            cumulative.append((bound, so_far))
        family.add_metric([given.get(name, "") for name in figure.labels], cumulative, sum_value=total)
    return family
