"""Figures over time: how much one grew, and what a histogram's growth says of most and of the slowest."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

Values = Sequence[float | None]


@dataclass(frozen=True)
class Trend:
    """One figure at each of those moments; None where it is not known."""

    times: Sequence[datetime]
    values: Values

    @property
    def last(self) -> float | None:
        return next((value for value in reversed(self.values) if value is not None), None)

    @property
    def known(self) -> list[float]:
        return [value for value in self.values if value is not None]

    @property
    def rows(self) -> list[tuple[datetime, float | None]]:
        """The newest first."""
        return list(zip(self.times, self.values, strict=True))[::-1]


def increase(earlier: float, later: float) -> float:
    """How much a counter grew; one that is smaller than before began anew."""
    return later - earlier if later >= earlier else later


def increases(values: Sequence[float]) -> list[float]:
    """Between each value and the one before."""
    return [increase(earlier, later) for earlier, later in pairwise(values)]


def quantile(bounds: Sequence[float], counts: Sequence[float], share: float) -> float | None:
    """The value that this share of the observations does not exceed, as histogram_quantile of Prometheus reads it:
    straight on within a bucket. bounds: upper bounds; counts: of each bucket, and of what is above them all.

    None without observations; infinity above the last bound.
    """
    total, so_far, floor = sum(counts), 0.0, 0.0
    if total <= 0:
        return None
    for bound, count in zip(bounds, counts, strict=False):
        if count and so_far + count >= share * total:
            return floor + (bound - floor) * max(share * total - so_far, 0) / count
        so_far, floor = so_far + count, bound
    return math.inf
