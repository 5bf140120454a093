"""A pipeline that collects, for tests: two sources of two pages each, of which a day's rest says what it found."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from engine import collecting
from engine.pipeline import Pipeline, Scope, Stage, Work
from engine.records import Page

PAGES = {"": Page(["egg", "ham"], next="2"), "2": Page(["tea"])}


class Stall:
    def page(self, query: str, cursor: str) -> Page[str]:
        found = PAGES[cursor]
        if isinstance(found, Exception):
            raise found
        return found


def keep(records: Sequence[str]) -> Counter[str]:
    return Counter(stored=len(records))


def collect(scope: Scope) -> Work:
    collecting.plan("market", scope.source, scope.day, ["all"])
    yield from collecting.collect("market", scope.source, scope.day, Stall(), keep)
    return None


def waiting(scope: Scope) -> int:
    return collecting.waiting("market", scope.source, scope.day, ["all"])


def collect_today(scope: Scope) -> Work:
    today = datetime.now(UTC).date()
    collecting.plan("stand", scope.source, today, ["all"])
    yield from collecting.collect("stand", scope.source, today, Stall(), keep)
    return None


def cook(scope: Scope) -> Work:
    yield Counter(cooked=1)
    return None


def on() -> list[str]:
    return collecting.sources_on("market", {"mill": False})


MARKET = Pipeline(
    "market",
    (Stage("cook", cook, lambda scope: 1),),
    by_day=True,
    collecting=(Stage("collect", collect, waiting, units=("stored",)),),
    known=("farm", "mill"),
    sources=on,
)
STAND = Pipeline(
    "stand",
    (Stage("cook", cook, lambda scope: 1),),
    collecting=(Stage("collect", collect_today, lambda scope: 1, units=("stored",)),),
    known=("farm",),
    sources=lambda: collecting.sources_on("stand"),
)
