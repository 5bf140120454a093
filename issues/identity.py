"""Which of a day's clusters is which known issue."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.vectors import Matrix, unit

SAME = 0.75  # cosine of two centroids from which on they are one problem
NEAR = 0.65  # from which on a person should be asked
ALONE = 0.15  # by that much nearer to each other than either is to any other, near ones are one problem too
SHARED = 0.3  # of the members of both: as many in common make two clusters of one day the same


@dataclass(frozen=True)
class Found:
    """A cluster that looks for its issue. members: item ids; centroid (d,)."""

    number: int
    members: frozenset[int]
    fingerprint: str
    centroid: Matrix


@dataclass(frozen=True)
class Known:
    """An issue by one of its clusters: that of an earlier clustering of the same day, or its newest of another day.

    centroid: zeros where nothing is known of it in the space of the clusters that look for their issue.
    """

    issue: int
    members: frozenset[int]
    fingerprint: str
    centroid: Matrix


@dataclass(frozen=True)
class Match:
    """cluster is issue, because of `how` ("members", "title", "meaning") and as alike as `alike` says, 0 to 1.

    sure: no person needs to be asked.
    """

    cluster: int
    issue: int
    how: str
    alike: float
    sure: bool = True


@dataclass(frozen=True)
class Matches:
    """certain: one to one. near: pairs to ask about. split: cluster -> the issue it was part of and is not.
    merged: issue -> the cluster that holds what it was.
    """

    certain: dict[int, Match] = field(default_factory=dict)
    near: list[Match] = field(default_factory=list)
    split: dict[int, Match] = field(default_factory=dict)
    merged: dict[int, Match] = field(default_factory=dict)


def match(found: Sequence[Found], same_day: Sequence[Known], other_days: Sequence[Known]) -> Matches:
    """By shared members, then by the titles that speak for it, then by meaning; one to one, the most alike first.

    The day's own issues are also known by titles and meaning: of a few posts that became many, few are shared.
    """
    anybody = [*other_days, *same_day]
    by_members = sorted(by_shared_members(found, same_day), key=order)
    by_title = list(by_fingerprint(found, anybody))
    by_meaning = sorted(by_centroid(found, anybody), key=order)
    certain: dict[int, Match] = {}
    taken: set[int] = set()
    for pair in [*by_members, *by_title, *by_meaning]:
        if pair.sure and pair.cluster not in certain and pair.issue not in taken:
            certain[pair.cluster] = pair
            taken.add(pair.issue)
    left = [pair for pair in by_meaning if pair.cluster not in certain and pair.issue not in taken]
    beside = [*by_members, *(pair for pair in by_meaning if pair.sure)]
    return Matches(certain, left, split_off(beside, certain, taken), merged_into(by_members, taken))


def order(pair: Match) -> tuple[float, int, int]:
    return -pair.alike, pair.issue, pair.cluster


def by_shared_members(found: Sequence[Found], known: Sequence[Known]) -> Iterator[Match]:
    holder = {item: other for other in known for item in other.members}
    for cluster in found:
        common = Counter(holder[item].issue for item in cluster.members if item in holder)
        sizes = {holder[item].issue: len(holder[item].members) for item in cluster.members if item in holder}
        for issue, count in common.items():
            share = count / (len(cluster.members) + sizes[issue] - count)
            if share >= SHARED:
                yield Match(cluster.number, issue, "members", share)


def by_fingerprint(found: Sequence[Found], known: Sequence[Known]) -> Iterator[Match]:
    issues: Mapping[str, int] = {other.fingerprint: other.issue for other in known if other.fingerprint}
    for cluster in found:
        if cluster.fingerprint in issues:
            yield Match(cluster.number, issues[cluster.fingerprint], "title", 1.0)


def by_centroid(found: Sequence[Found], known: Sequence[Known]) -> Iterator[Match]:
    """All pairs that are at least near; an issue is as near as the nearest of its clusters."""
    known = [other for other in known if other.centroid.any()]
    if not found or not known:
        return
    issues, column = np.unique([other.issue for other in known], return_inverse=True)
    alike = np.full((len(found), len(issues)), -1, dtype=np.float32)
    np.maximum.at(alike.T, column, unit(stacked(known)) @ unit(stacked(found)).T)
    sure = (alike >= SAME) | (margins(alike) >= ALONE)
    for row, at in np.argwhere(alike >= NEAR).tolist():
        yield Match(found[row].number, int(issues[at]), "meaning", float(min(alike[row, at], 1)), bool(sure[row, at]))


def margins(cosines: Matrix) -> Matrix:
    """By how much each value is above all others of its row and its column, (n, m); nothing where there is no other."""
    return cosines - np.maximum(others(cosines), others(cosines.T).T)


def others(values: Matrix) -> Matrix:
    """For each value the largest other one of its row, or itself where it is the only one."""
    if values.shape[1] == 1:
        return values
    second, first = np.moveaxis(np.partition(values, -2, axis=1)[:, -2:], 1, 0)
    return np.where(np.arange(values.shape[1]) == values.argmax(axis=1)[:, None], second[:, None], first[:, None])


def stacked(each: Collection[Found | Known]) -> Matrix:
    return np.array([one.centroid for one in each], dtype=np.float32)


def split_off(pairs: Sequence[Match], certain: Mapping[int, Match], taken: Collection[int]) -> dict[int, Match]:
    """Clusters without an issue that are as much an issue which another cluster has become."""
    split: dict[int, Match] = {}
    for pair in pairs:
        if pair.cluster not in certain and pair.issue in taken:
            split.setdefault(pair.cluster, pair)
    return split


def merged_into(pairs: Sequence[Match], taken: Collection[int]) -> dict[int, Match]:
    """Issues of the day's earlier clustering that no cluster has become, though one holds what they were."""
    merged: dict[int, Match] = {}
    for pair in pairs:
        if pair.issue not in taken:
            merged.setdefault(pair.issue, pair)
    return merged
