"""Whether the newest of a row of figures is unusual, and why, in a sentence: numbers in, findings out.

Three guards against false alarms stand before each finding: enough days to know what is usual, a distance in robust
deviations, and an effect that a person would call one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import exp, log, log1p, sqrt
from statistics import median
from typing import NamedTuple

LEAST_DAYS = 14  # before that nothing is known to be usual
WEEKS = 2  # so many of a weekday make it a usual of its own
RECENT = 14  # days that say how high all of it stands now: what grows is compared with what it grew to
SPREADING = 28
SCALE = 1.4826  # makes the median deviation of normal figures their standard deviation
DEVIATIONS = 3.5  # Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993
SOME = 20  # fewer come and go by chance
RATIO, LASTING = 2.5, 1.8  # times as much, or as little: at once, and on two days in a row, which no holiday is
SECONDS = 10.0  # longer than usual; less is not worth a look
WILSON, MARGIN = 2.576, 0.05  # 99 %; and so much above the usual share
CHANCE = 0.003  # of so many empty days in a row
LATE = 2.2  # usual pauses since the last one: two were missed
TURN = 0.02  # of a mean vector, as cosine distance beyond the usual


class Day(NamedTuple):
    """A figure of one day. of: how many there were of which it is a part, for a share."""

    day: date
    value: float
    of: float = 0


@dataclass(frozen=True)
class Usual:
    """The middle, and from where to where most lie. weekday: of such weekdays alone."""

    middle: float
    low: float
    high: float
    weekday: bool = False


@dataclass(frozen=True)
class Finding:
    """kind: a short name. since: the first day of it. times: days in a row."""

    kind: str
    value: float
    usual: Usual
    said: str
    since: date
    times: int = 1


def deviation(values: Sequence[float]) -> float:
    """The median absolute deviation from the median, scaled to a standard deviation."""
    middle = median(values)
    return SCALE * median(abs(value - middle) for value in values)


def by_weekday(past: Sequence[Day], day: date) -> bool:
    return sum(each.day.weekday() == day.weekday() for each in past) >= WEEKS


class Level(NamedTuple):
    """In logarithms, so that twice as much is as far as half."""

    middle: float
    spread: float
    weekday: bool


def level(past: Sequence[Day], day: date) -> Level | None:
    """What log(1 + value) usually is on such a day; None where too little is known.

    The median of its weekday over all of the past, moved by the median of what the last two weeks lie above theirs;
    spread: the scaled MAD of what the last four weeks lie above or below, widened for the medians that were taken from
    as few days, and at least what chance makes of that many.
    """
    if len(past) < LEAST_DAYS:
        return None
    weekly = by_weekday(past, day)
    groups: dict[int, list[float]] = {}
    for each in past:
        groups.setdefault(each.day.weekday() if weekly else 0, []).append(log1p(each.value))
    middles = {name: median(values) for name, values in groups.items()}
    left = [log1p(each.value) - middles[each.day.weekday() if weekly else 0] for each in past]
    middle = max(middles[day.weekday() if weekly else 0] + median(left[-RECENT:]), 0.0)
    wider = sqrt(len(left) / max(len(left) - len(groups), 1))
    return Level(middle, max(wider * deviation(left[-SPREADING:]), exp(-middle / 2)), weekly)


def usual_of(found: Level) -> Usual:
    """In figures again: two deviations to each side hold most."""
    low, middle, high = (max(exp(found.middle + by * found.spread) - 1, 0) for by in (-2, 0, 2))
    return Usual(middle, low, high, found.weekday)


def far(newest: float, found: Level, ratio: float) -> int:
    """1 above, -1 below, 0 within: beyond the deviations, and that many times as much or as little."""
    away = log1p(newest) - found.middle
    if abs(away) < max(DEVIATIONS * found.spread, log(ratio)):
        return 0
    return 1 if away > 0 else -1


def lasting(past: Sequence[Day], newest: Day, found: Level) -> bool:
    """Whether it is off to the same side as the day before was: a smaller effect than one that is told at once."""
    before = level(past[:-1], past[-1].day)
    side = far(newest.value, found, LASTING)
    return bool(before and side and side == far(past[-1].value, before, LASTING))


# The kinds


def volume(past: Sequence[Day], newest: Day, what: str) -> Finding | None:
    """Far more or far less came than usual; nothing at all is `silent`."""
    found = level(past, newest.day)
    if found is None or not newest.value:
        return None
    usual = usual_of(found)
    if max(usual.middle, newest.value) < SOME or not (far(newest.value, found, RATIO) or lasting(past, newest, found)):
        return None
    return Finding("volume", newest.value, usual, f"{number(newest.value)} {what} {on(newest.day, usual)}", newest.day)


def duration(past: Sequence[Day], newest: Day, what: str) -> Finding | None:
    """It took far longer than usual; being fast is no fault."""
    found = level(past, newest.day)
    if found is None or far(newest.value, found, RATIO) < 1:
        return None
    usual = usual_of(found)
    if newest.value - usual.middle < SECONDS:
        return None
    said = f"{what} took {time_of(newest.value)} on {called(newest.day)}; usually {between(usual, time_of)}"
    return Finding("duration", newest.value, usual, said + weekdays(newest.day, usual), newest.day)


def silent(past: Sequence[Day], newest: Day, what: str, kind: str = "silent") -> Finding | None:
    """Nothing came, where that is not usual: at once where much did, else after days that chance does not explain.

    The chance that a day is empty is that of the past by the rule of succession, (empty + 1) / (days + 2).
    """
    resting = asleep(until_silence(past))
    awake = [each for each in past if each.day.weekday() not in resting]
    if newest.value or newest.day.weekday() in resting or len(awake) < LEAST_DAYS:
        return None
    empty = [newest.day]
    while awake and not awake[-1].value:
        empty.append(awake.pop().day)
    if not awake:
        return None
    usual = of_values([each.value for each in awake[-SPREADING:]])
    chance = (sum(not each.value for each in awake) + 1) / (len(awake) + 2)
    if usual.low < SOME and chance ** len(empty) > CHANCE:
        return None
    said = f"no {what} on {called(newest.day)}"
    if len(empty) > 1:
        said = f"no {what} since {called(empty[-1])}, {len(empty)} days in a row"
    said += f"; usually {between(usual)} a day"
    return Finding(kind, 0, usual, said, empty[-1], len(empty))


def until_silence(past: Sequence[Day]) -> Sequence[Day]:
    """Up to the last day on which anything came: a silence that lasts is no habit of its weekdays."""
    last = max((at for at, each in enumerate(past) if each.value), default=-1)
    return past[: last + 1]


def asleep(past: Sequence[Day]) -> set[int]:
    """The weekdays on which usually nothing comes."""
    groups: dict[int, list[float]] = {}
    for each in past:
        groups.setdefault(each.day.weekday(), []).append(each.value)
    return {name for name, values in groups.items() if len(values) >= WEEKS and not median(values)}


def stopped(pauses: Sequence[float], now: float, last: date, what: str) -> Finding | None:
    """Nothing ended since far longer than usual. pauses: hours between one end and the next; now: since the last."""
    if len(pauses) < LEAST_DAYS:
        return None
    usual = of_values(pauses)
    if now < max(LATE * usual.middle, usual.middle + DEVIATIONS * deviation(pauses)):
        return None
    said = f"{what} was last collected from on {called(last)}, {number(now)} hours ago"
    return Finding("silent", now, usual, f"{said}; usually {between(usual)} hours pass", last)


def share(past: Sequence[Day], newest: Day, kind: str, what: str) -> Finding | None:
    """A larger part than usual, of the newest day or of it and the day before together."""
    known = [each for each in past if each.of]
    if len(known) < LEAST_DAYS or not newest.of:
        return None
    shares = [each.value / each.of for each in known]
    middle = sum(each.value for each in known) / sum(each.of for each in known)
    most = middle + MARGIN
    both = Day(newest.day, newest.value + known[-1].value, newest.of + known[-1].of)
    worse = newest.value / newest.of > most
    if not worse or max(wilson(newest.value, newest.of), wilson(both.value, both.of)) < most:
        return None
    usual = Usual(middle, min(shares), sorted(shares)[int(0.9 * len(shares))])
    said = f"{number(newest.value)} of {number(newest.of)} {what} on {called(newest.day)}"
    said += f", {newest.value / newest.of:.0%}; usually {middle:.1%}"
    return Finding(kind, newest.value / newest.of, usual, said, newest.day)


def wilson(part: float, of: float) -> float:
    """The lower end of what a share may truly be. Wilson, JASA 22 (1927), 209: the score interval.

    (p + z²/2n - z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)
    """
    p, z = part / of, WILSON
    return (p + z * z / (2 * of) - z * sqrt(p * (1 - p) / of + z * z / (4 * of * of))) / (1 + z * z / of)


def drift(past: Sequence[Day], newest: Day, what: str) -> Finding | None:
    """The mean vector of a day turned away from the usual mean. value: its cosine distance from it, 0 to 2."""
    if len(past) < LEAST_DAYS:
        return None
    values = [each.value for each in past]
    usual = of_values(values)
    if newest.value < usual.middle + max(DEVIATIONS * deviation(values), usual.middle, TURN):
        return None
    said = f"the mean vector of {what} of {called(newest.day)} lies {newest.value:.3f} from the usual one"
    said += f" (cosine distance); usually {usual.low:.3f} to {usual.high:.3f}"
    return Finding("drift", newest.value, usual, said, newest.day)


# In words


def of_values(values: Sequence[float]) -> Usual:
    """The median, the lowest tenth and the highest."""
    ordered = sorted(values)
    return Usual(median(ordered), ordered[len(ordered) // 10], ordered[-1 - len(ordered) // 10])


def on(day: date, usual: Usual) -> str:
    return f"on {called(day)}; usually {between(usual)}{weekdays(day, usual)}"


def between(usual: Usual, written: object = None) -> str:
    """From where to where; one figure where both read the same."""
    write = written if callable(written) else number
    low, high = write(usual.low), write(usual.high)
    return f"{low} to {high}" if low != high else str(low)


def weekdays(day: date, usual: Usual) -> str:
    return f" on {day:%A}s" if usual.weekday else ""


def called(day: date) -> str:
    """The day as people say it: Tuesday 3 March 2026."""
    return f"{day:%A} {day.day} {day:%B %Y}"


def number(value: float) -> str:
    return f"{round(value):,}"


def time_of(seconds: float) -> str:
    """In seconds below two minutes, in minutes below two hours."""
    if seconds < 120:
        return f"{round(seconds)} s"
    return f"{round(seconds / 60)} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
