"""Faults put into sixty made-up days: how many are found within two runs, how often a quiet day gives an alarm.

A world is four sources and three stages with weekdays, growth, noise, slow days and holidays. The same days are judged
by the usual rule too: more than three deviations from the mean of the last 14 days.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import mean, stdev

import numpy as np
from django.utils import timezone

from engine import noticing, unusual
from engine.models import Anomaly, Run, Step
from engine.unusual import Day, Finding

WORLDS, DAYS, FIRST = 200, 60, date(2026, 1, 5)
START, HOLIDAYS, WITHIN = 20, 3, 2  # the first day that may have a fault; and so many runs to find it
SOURCES = {"github": 400.0, "reddit": 150.0, "hackernews": 60.0, "stackoverflow": 25.0}
STAGES = {"embed": 0.5, "cluster": 0.2, "label": 1.5}  # seconds a post
CHUNK = 20  # posts that make a cluster
WORST, MOST = 0.95, 1.0  # faults found; false alarms in 30 quiet days
FAULTS = ("volume x 0.3", "duration x 5", "30 % of labels failed", "a silent source")

Rule = Callable[[Sequence[Day], Day], bool]


@dataclass
class World:
    """Figures of DAYS days by series: posts of a source, seconds of a stage, labels that failed and all of them."""

    volumes: dict[str, np.ndarray]
    seconds: dict[str, np.ndarray]
    failed: np.ndarray
    labels: np.ndarray


def world(random: np.random.Generator) -> World:
    days = np.arange(DAYS)
    weekday = np.where((days + FIRST.weekday()) % 7 >= 5, random.uniform(0.4, 0.9), 1.0)
    free = np.ones(DAYS)
    free[random.choice(DAYS, HOLIDAYS, replace=False)] = 0.6
    volumes = {}
    for name, middle in SOURCES.items():
        growth = np.exp(random.uniform(-0.003, 0.01) * days)
        noise = np.exp(random.normal(0, random.uniform(0.08, 0.18), DAYS))
        volumes[name] = random.poisson(middle * growth * weekday * free * noise).astype(float)
    posts = np.sum(list(volumes.values()), axis=0)
    slow = np.where(random.random(DAYS) < 0.03, 1.6, 1.0)  # something else ran beside it
    seconds = {name: (5 + each * posts) * slow * np.exp(random.normal(0, 0.2, DAYS)) for name, each in STAGES.items()}
    labels = np.maximum(posts // CHUNK, 1)
    failed = random.binomial(labels.astype(int), random.beta(2, 100, DAYS)).astype(float)
    return World(volumes, seconds, failed, labels)


def broken(made: World, fault: str, at: int, random: np.random.Generator) -> str:
    """Put a fault in from that day on, and return the series that has it. Two days, a silent source to the end."""
    two = slice(at, at + WITHIN)
    name = str(random.choice(list(STAGES if fault.startswith("duration") else SOURCES)))
    if fault.startswith("volume"):
        name = str(random.choice(list(SOURCES)[:3]))  # a third of the smallest is within what chance makes of it
        made.volumes[name][two] = random.binomial(made.volumes[name][two].astype(int), 0.3)
    elif fault.startswith("duration"):
        made.seconds[name][two] *= 5
    elif fault.startswith("30"):
        name = "label failures"
        made.failed[two] = random.binomial(made.labels[two].astype(int), 0.3)
    else:
        made.volumes[name][at:] = 0
    return name


def series(made: World) -> dict[str, list[Day]]:
    days = [FIRST + timedelta(days=at) for at in range(DAYS)]
    rows = {name: [Day(*each) for each in zip(days, map(float, values), strict=True)]
            for name, values in (made.volumes | made.seconds).items()}  # fmt: skip
    whole = zip(days, map(float, made.failed), map(float, made.labels), strict=True)
    return rows | {"label failures": [Day(*each) for each in whole]}


def ours(name: str) -> Rule:
    def unusual_here(past: Sequence[Day], newest: Day) -> bool:
        return bool(judged(name, past, newest))

    return unusual_here


def judged(name: str, past: Sequence[Day], newest: Day) -> Finding | None:
    if name in SOURCES:
        return unusual.silent(past, newest, name) or unusual.volume(past, newest, name)
    if name in STAGES:
        return unusual.duration(past, newest, name)
    return unusual.share(past, newest, "failures", "labels failed")


def three_deviations(name: str) -> Rule:
    """|z| > 3 over the 14 days before, as dashboards do it (Elementary)."""

    def unusual_here(past: Sequence[Day], newest: Day) -> bool:
        values = [each.value / (each.of or 1) for each in past[-14:]]
        if len(values) < 14:
            return False
        spread, away = stdev(values), abs(newest.value / (newest.of or 1) - mean(values))
        return away > 3 * spread if spread else away > 0

    return unusual_here


def alarms(rule: Rule, row: Sequence[Day], within: range) -> list[int]:
    return [at for at in within if rule(row[:at], row[at])]


@dataclass
class Tried:
    """By kind of fault how many were found, of WORLDS each; and false alarms in 30 quiet days of a whole world."""

    found: dict[str, float]
    false: float

    @property
    def share(self) -> float:
        return sum(self.found.values()) / len(self.found)


def try_out(rule: Callable[[str], Rule], worlds: int = WORLDS, seed: int = 2026) -> Tried:
    found = {}
    for number, fault in enumerate(FAULTS):
        hits = 0
        for each in range(worlds):
            random = np.random.default_rng([seed, number, each])
            made, at = world(random), int(random.integers(START, DAYS - WITHIN))
            name = broken(made, fault, at, random)
            hits += bool(alarms(rule(name), series(made)[name], range(at, at + WITHIN)))
        found[fault] = hits / worlds
    quiet = range(unusual.LEAST_DAYS, DAYS)
    total = 0
    for each in range(worlds):
        rows = series(world(np.random.default_rng([seed, len(FAULTS), each])))
        total += sum(len(alarms(rule(name), row, quiet)) for name, row in rows.items())
    return Tried(found, total * 30 / (worlds * len(quiet)))


def drill() -> int:
    """Both rules over the same worlds, then one world through the ledger to its anomalies."""
    mine, other = try_out(ours), try_out(three_deviations)
    out = sys.stdout.write
    out(f"{WORLDS} worlds of {DAYS} days, {len(SOURCES)} sources, {len(STAGES)} stages, labels\n")
    for fault in FAULTS:
        out(f"  {fault:24} found within {WITHIN} runs: {mine.found[fault]:.1%}   z > 3: {other.found[fault]:.1%}\n")
    out(f"  {'all':24} found within {WITHIN} runs: {mine.share:.1%}   z > 3: {other.share:.1%}\n")
    out(f"  false alarms of all series together in 30 quiet days: {mine.false:.2f}   z > 3: {other.false:.2f}\n")
    told = through_the_ledger()
    out("".join(f"  through the ledger: {kind}: {message}\n" for kind, message in told))
    missed = {"volume", "duration", "failures", "silent"} - {kind for kind, _ in told}
    return int(mine.share < WORST or mine.false > MOST or bool(missed))


# The whole path: rows of runs and steps, judged by the clock


def through_the_ledger() -> list[tuple[str, str]]:
    """A world with all four faults on its last day; what is found of them, and found once however often one looks."""
    made = world(np.random.default_rng([9, 99]))
    made.volumes["reddit"][-1] //= 3.4
    made.volumes["github"][-1] = 0
    made.seconds["cluster"][-1] *= 5
    made.failed[-1] = made.labels[-1] * 0.3 // 1
    keep(made, timezone.now())
    noticing.by_clock()
    noticing.by_clock()
    found = Anomaly.objects.order_by("kind", "subject")
    told = [(each.kind, each.message) for each in found if each.count == 1 and each.run_id]
    Run.objects.all().delete()
    return told


def keep(made: World, now: datetime) -> None:
    """The runs and steps that the days of a world would have left; the last ended an hour ago."""
    runs, took = [], []
    for at in range(DAYS):
        day, ended = now.date() - timedelta(days=DAYS - at), now - timedelta(days=DAYS - 1 - at, hours=1)
        facts = {"pipeline": "issues", "day": day, "state": Run.State.DONE, "finished_at": ended}
        for name, volume in made.volumes.items():
            counts = {"collect": {"inserted": int(volume[at]), "pages": 1 + int(volume[at]) // 50}}
            runs.append(Run(**facts, source=name, counts=counts))
            took.append({"collect": 5.0})
        posts, failed = int(sum(volume[at] for volume in made.volumes.values())), int(made.failed[at])
        named = {"generated": int(made.labels[at]) - failed, "failed": failed}
        runs.append(
            Run(**facts, counts={"embed": {"embedded": posts}, "cluster": {"clustered": posts}, "label": named})
        )
        took.append({name: float(seconds[at]) for name, seconds in made.seconds.items()})
    Run.objects.bulk_create(runs)
    rows = [(run, name, length) for run, lengths in zip(runs, took, strict=True) for name, length in lengths.items()]
    Step.objects.bulk_create(step(run, name, length) for run, name, length in rows)


def step(run: Run, name: str, length: float) -> Step:
    ended = run.finished_at or timezone.now()
    facts = {"state": Step.State.DONE, "counts": run.counts[name], "started_at": ended - timedelta(seconds=length)}
    return Step(run=run, name=name, fence=1, finished_at=ended, **facts)
