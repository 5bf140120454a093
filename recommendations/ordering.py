"""In which order a scored list is shown: variety of owners, places for others, and rest for what was seen often."""

from collections.abc import Sequence

import numpy as np

from recommendations.scoring import Flags

PLACES, RESTS = 20, 4  # of the places of a page, one in so many at most is given to what stood behind them


def varied(owners: Sequence[str], shown: int, most: int) -> list[int]:
    """An order in which the first `shown` hold at most `most` of one owner, as few moved as that takes.

    Returns indexes into owners; most 0 moves nothing. Where too few owners exist the best of the rest fill up.
    """
    if not most:
        return list(range(len(owners)))
    taken: dict[str, int] = {}
    first: list[int] = []
    for index, owner in enumerate(owners):
        if len(first) < shown and taken.get(owner, 0) < most:
            taken[owner] = taken.get(owner, 0) + 1
            first.append(index)
    chosen = set(first)
    return first + [index for index in range(len(owners)) if index not in chosen]


def interleaved(order: Sequence[int], chosen: Sequence[int], every: int) -> list[int]:
    """The same order, but that each `every`-th place goes to the next of `chosen` that has not come before it."""
    result: list[int] = []
    while len(result) < len(order):
        first = chosen if len(result) % every == every - 1 else ()
        result.append(next(index for index in (*first, *order) if index not in result))
    return result


def rotated(tired: Flags, seed: Sequence[int]) -> list[int]:
    """An order in which some of the tired among the first PLACES stand just behind them, and what follows moves up.

    A quarter of the places rests at most; in a shorter list they stand at its end. Which ones is drawn by the seed
    alone, so that a strong match is soon back, and so that ranks differ by chance: what position bias is told from.
    tired (n,). Returns n indexes; those that stay keep their order.
    """
    candidates = np.flatnonzero(tired[:PLACES])
    count = min(len(candidates), min(len(tired), PLACES) // RESTS)
    resting = set(np.random.default_rng(seed).choice(candidates, count, replace=False).tolist()) if count else set()
    stay = [index for index in range(len(tired)) if index not in resting]
    return [*stay[:PLACES], *sorted(resting), *stay[PLACES:]]
