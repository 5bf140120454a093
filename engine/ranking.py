"""Several rankings made one."""

from collections.abc import Sequence
from math import fsum


def fused(*rankings: Sequence[int], k: int = 60) -> list[int]:
    """Reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): the sum of 1 / (k + rank), best first, ties by id."""
    shares: dict[int, list[float]] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, 1):
            shares.setdefault(item, []).append(1 / (k + rank))
    # fsum: the same shares sum to the same figure, in whatever order they come.
    return sorted(shares, key=lambda item: (-fsum(shares[item]), item))
