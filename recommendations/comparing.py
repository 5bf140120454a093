"""Two orders of the same things, before and after: what moved where, and how alike they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

CUT = 10


@dataclass(frozen=True)
class Move:
    """One thing and its rank in both orders, from 1; None where it is not among the first."""

    id: int
    before: int | None
    after: int | None

    @property
    def kind(self) -> str:
        if self.before is None:
            return "new"
        if self.after is None:
            return "gone"
        return "same" if self.before == self.after else "up" if self.after < self.before else "down"

    @property
    def places(self) -> int:
        """By how many ranks it moved; 0 when it is new or gone."""
        return abs(self.before - self.after) if self.before and self.after else 0


def moves(before: Sequence[int], after: Sequence[int]) -> list[Move]:
    """Each of `after` in its order, then what is gone in the order of `before`."""
    old, new = ranks(before), ranks(after)
    stayed = [Move(key, old.get(key), rank) for key, rank in new.items()]
    return stayed + [Move(key, rank, None) for key, rank in old.items() if key not in new]


def ranks(order: Sequence[int]) -> dict[int, int]:
    return {key: rank for rank, key in enumerate(order, 1)}


def overlap(before: Sequence[int], after: Sequence[int]) -> float:
    """How much of the longer list both hold, in [0, 1]; two empty lists are alike."""
    longest = max(len(before), len(after))
    return len(set(before) & set(after)) / longest if longest else 1.0


def kendall(before: Sequence[int], after: Sequence[int]) -> float | None:
    """Kendall's tau of what both hold: 1 the same order, -1 the opposite; None when they share fewer than two."""
    old = ranks(before)
    common = [old[key] for key in after if key in old]
    pairs = list(combinations(common, 2))
    if not pairs:
        return None
    return sum(1 if first < second else -1 for first, second in pairs) / len(pairs)


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of what is known; None when nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
