"""Stretches of time, as questions name them, and places in what is sorted by time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import pairwise

SPAN = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\.\.(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")
MOST_PARTS = 32  # that a span is cut into at once


@dataclass(frozen=True)
class Span:
    """Seconds of UTC since 1970, the first and the last included."""

    first: int
    last: int

    @classmethod
    def of(cls, day: date) -> Span:
        first = int(datetime.combine(day, time(), UTC).timestamp())
        return cls(first, first + 86_399)

    @classmethod
    def within(cls, query: str) -> Span:
        """The one that a question names. Raises ValueError."""
        found = SPAN.search(query)
        if not found:
            raise ValueError(f"no span of time in {query[:100]!a}")
        return cls(*(int(datetime.fromisoformat(each).timestamp()) for each in found.groups()))

    def __str__(self) -> str:
        return f"{stamp(self.first)}..{stamp(self.last)}"

    @property
    def seconds(self) -> int:
        return self.last - self.first + 1

    def holds(self, at: datetime | None) -> bool:
        return at is not None and self.first <= int(at.timestamp()) <= self.last

    def since(self, second: int) -> Span:
        """What is left of it from there on."""
        return Span(max(second, self.first), self.last)

    def parts(self, count: int) -> list[Span]:
        """It in so many parts, of a second at least; one part is itself."""
        count = max(min(count, self.seconds, MOST_PARTS), 1)
        edges = [self.first + self.seconds * at // count for at in range(count + 1)]
        return [Span(first, following - 1) for first, following in pairwise(edges)]


def stamp(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def narrowed(query: str, span: Span) -> str:
    """The same question about that span."""
    return SPAN.sub(str(span), query, count=1)


@dataclass(frozen=True)
class Place:
    """Where to go on in what is sorted by time, the oldest first: at a page of what is there from a second on.

    A page by its number alone loses what moves up when something before it vanishes; a second stays where it is.
    """

    second: int
    page: int = 1

    @classmethod
    def read(cls, cursor: str, span: Span) -> Place:
        """From a cursor; "" is the beginning."""
        return cls(*map(int, cursor.split())) if cursor else cls(span.first)

    def __str__(self) -> str:
        return f"{self.second} {self.page}"

    def after(self, times: Iterable[datetime | None]) -> Place:
        """Behind a page of those times: at its last second again, where more may stand, or at the page after it."""
        last = max((int(at.timestamp()) for at in times if at), default=self.second)
        return Place(last) if last > self.second else Place(self.second, self.page + 1)
