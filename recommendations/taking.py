"""Can I really take this? How ready an open issue is for somebody new: parts that sum to a score, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from recommendations.reasons import percents

VERSION = "1"  # raise it when a figure here changes: stored scores are of one version
CLAIM_LASTS = timedelta(days=30)  # a claim older than that counts half
QUIET = (timedelta(days=30), timedelta(days=730))  # nothing happened for so long: the whole share, none of it
ALIVE = (timedelta(days=14), timedelta(days=365))  # the last push was so long ago: the whole share, none of it
ANSWERS = (timedelta(days=1), timedelta(days=30))  # until somebody of the project answers: the whole share, none
MOST_HOURS = 1_000_000.0
ENOUGH = 600  # characters that say what is to be done


@dataclass(frozen=True)
class Known:
    """What is known of one issue and of its project. Hours and dates are None where nobody knows them.

    assignees: how many; pulls: open pull requests that would close it; body: characters of its text.
    """

    open: bool
    locked: bool
    assignees: int
    pulls: int
    claimed_at: datetime | None
    updated_at: datetime | None
    body: int
    pushed_at: datetime | None
    response_hours: float | None
    kept: bool = True


@dataclass(frozen=True)
class Part:
    """One share of the score. value in [0, 1]; adds: share · value; says: why, in a sentence."""

    name: str
    label: str
    share: float
    value: float
    says: str

    @property
    def adds(self) -> float:
        return self.share * self.value


@dataclass(frozen=True)
class Readiness:
    """stops: what alone makes it not to be taken; the score is then 0."""

    parts: tuple[Part, ...]
    stops: tuple[str, ...]

    @property
    def score(self) -> float:
        return sum(part.adds for part in self.parts)

    @property
    def percent(self) -> int:
        return int(percents([self.score], 0)[0])

    @property
    def shown(self) -> list[tuple[Part, int]]:
        """Each part with what it adds in percents that add up to the one shown."""
        figures = percents([part.adds for part in self.parts], 0, self.score)
        return [(part, int(figure)) for part, figure in zip(self.parts, figures, strict=True)]

    @property
    def verdict(self) -> str:
        """In a few words."""
        if self.stops:
            return "Not to be taken"
        words = ((0.8, "Ready to take"), (0.6, "Probably free"), (0.4, "Ask first"))
        return next((said for least, said in words if self.score >= least), "Hardly ready")


def readiness(known: Known, now: datetime) -> Readiness:
    """How ready it is, at that time."""
    stops = tuple(said for holds, said in STOPS if holds(known))
    parts = tuple(
        Part(name, label, share, 0.0 if stops else round(value, 4), said)
        for (name, label, share, judge) in SHARES
        for value, said in [judge(known, now)]
    )
    return Readiness(parts, stops)


STOPS: tuple[tuple[Callable[[Known], bool], str], ...] = (
    (lambda known: not known.open, "It is closed."),
    (lambda known: not known.kept, "The project is archived, or gone."),
    (lambda known: known.locked, "Its talk is locked: nobody new can answer there."),
    (lambda known: known.assignees > 0, "Somebody is assigned."),
    (lambda known: known.pulls > 0, "An open pull request would close it."),
)


def free(known: Known, now: datetime) -> tuple[float, str]:
    stops = [said for holds, said in STOPS if holds(known)]
    return 1.0, " ".join(stops) or "It is open, nobody is assigned, and no open pull request would close it."


def unclaimed(known: Known, now: datetime) -> tuple[float, str]:
    if known.claimed_at is None:
        return 1.0, "Nobody says in its last comments that they take it."
    when = ago(now - known.claimed_at)
    if now - known.claimed_at > CLAIM_LASTS:
        return 0.5, f"Somebody said {when} that they take it, and may have given up: ask."
    return 0.0, f"Somebody said {when} that they take it."


def alive(known: Known, now: datetime) -> tuple[float, str]:
    if known.pushed_at is None:
        return 0.5, "When the project last changed is not known."
    length = now - known.pushed_at
    return falling(length, *ALIVE), f"The project last changed {ago(length)}."


def moving(known: Known, now: datetime) -> tuple[float, str]:
    if known.updated_at is None:
        return 0.5, "When something last happened in it is not known."
    length = now - known.updated_at
    return falling(length, *QUIET), f"Something last happened in it {ago(length)}."


def answered(known: Known, now: datetime) -> tuple[float, str]:
    if known.response_hours is None:
        return 0.5, "How fast its people answer is not known."
    hours = min(known.response_hours, MOST_HOURS)
    within = counted(round(hours), "hour") if hours < 48 else counted(round(hours / 24), "day")
    return falling(timedelta(hours=hours), *ANSWERS), f"Half of the issues are answered within {within}."


def told(known: Known, now: datetime) -> tuple[float, str]:
    if not known.body:
        return 0.0, "Its text says nothing of what is to be done."
    much = "much" if known.body >= ENOUGH else "a little" if known.body >= ENOUGH / 3 else "hardly anything"
    return min(known.body / ENOUGH, 1.0), f"Its text says {much} of what is to be done: {known.body:,} characters."


def ago(length: timedelta) -> str:
    return f"{counted(length.days, 'day')} ago" if length.days > 0 else "today"


def counted(number: int, unit: str) -> str:
    return f"{max(number, 1):,} {unit}{'s' if number > 1 else ''}"


def falling(length: timedelta, full: timedelta, none: timedelta) -> float:
    """1 up to the first length, 0 from the second on, straight between them."""
    return min(max((none - length) / (none - full), 0.0), 1.0)


SHARES: tuple[tuple[str, str, float, Callable[[Known, datetime], tuple[float, str]]], ...] = (
    ("free", "Free", 0.3, free),
    ("unclaimed", "Unclaimed", 0.25, unclaimed),
    ("alive", "Project alive", 0.15, alive),
    ("moving", "Still moving", 0.1, moving),
    ("answered", "Answered", 0.1, answered),
    ("told", "Said what to do", 0.1, told),
)
