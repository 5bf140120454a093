"""One comparison as a row, and how its two sides are timed."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """what: the job and its size. Both times in seconds for the same job; note: what else was seen."""

    what: str
    ours: float
    alternative: str
    other: float
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times as long the alternative takes."""
        return self.other / self.ours


def seconds(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def fastest(job: Callable[[], object], times: int = 3) -> float:
    """The best of a few: what the machine can do when nothing else takes its time."""
    return min(seconds(job) for _ in range(times))
