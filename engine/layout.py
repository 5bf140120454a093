"""Where clusters and their items stand on a map: what is alike is near, what was there yesterday is where it was."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.vectors import Matrix, unit

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Chosen = npt.NDArray[np.bool_]

ROUNDS = 200  # of the search for places; after them nothing moves by more than a hundredth of the map
HELD = 4.0  # how much heavier a place of yesterday is than all that pulls at it
FILLED = 0.22  # of the map's area is within the discs of its clusters
GAP = 0.02  # of the map's width lies between two discs at least
NEAR = 3  # clusters between which an item of none of them stands
PULL = 8  # the power of a cosine by which the most alike of them draws it


class Box(NamedTuple):
    """A label's rectangle: its middle, its width and its height."""

    x: float
    y: float
    width: float
    height: float


def centres(centroids: Matrix, sizes: Sequence[int], known: Floats | None = None) -> tuple[Floats, Floats]:
    """Where the clusters stand, (k, 2), and the radii of their discs, (k,); no two discs overlap.

    centroids: (k, d). sizes: items of each. known: (k, 2), where a cluster's issue stood on the map before, nan where
    it is new; those hardly move, and the others find their places between them.
    """
    k = len(centroids)
    if k == 0:
        return np.empty((0, 2)), np.empty(0)
    rows = unit(np.asarray(centroids, dtype=np.float64)).astype(np.float64)
    apart = np.sqrt(np.maximum(2 - 2 * rows @ rows.T, 0))
    known = np.full((k, 2), np.nan) if known is None else known
    held = np.isfinite(known[:, 0])
    places = aligned(principal(rows), known, held)
    places = settled(places, apart, held)
    width = float(np.ptp(places, axis=0).max(initial=0)) or 1.0
    areas = np.asarray(sizes, dtype=np.float64) / max(sum(sizes), 1)
    radii = np.sqrt(areas * FILLED / np.pi) * max(width, 1.0)
    return parted(places, radii, GAP * max(width, 1.0), held), radii


def principal(rows: Matrix | Floats) -> Floats:
    """The rows on their two principal axes, (k, 2); the largest coordinate of an axis is positive."""
    centred = rows - rows.mean(axis=0, dtype=np.float64)
    few = len(rows) <= rows.shape[1]
    _, axes = np.linalg.eigh(centred @ centred.T if few else centred.T @ centred)
    axes = axes[:, : -min(2, len(axes)) - 1 : -1]  # the last are the largest
    found = axes * np.linalg.norm(centred.T @ axes, axis=0) if few else centred @ axes
    largest = found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])]
    places = np.zeros((len(rows), 2))
    places[:, : found.shape[1]] = found * np.where(largest < 0, -1, 1)
    return places


def aligned(places: Floats, known: Floats, held: Chosen) -> Floats:
    """The places turned, mirrored and moved so that those held come to where they are known to be, and put there.

    Orthogonal Procrustes, Schönemann 1966.
    """
    if not held.any():
        return places
    middle, target = places[held].mean(axis=0), known[held].mean(axis=0)
    left, _, right = np.linalg.svd((places[held] - middle).T @ (known[held] - target))
    turned = (places - middle) @ (left @ right) + target
    return np.where(held[:, None], known, turned)


def settled(places: Floats, apart: Floats, held: Chosen) -> Floats:
    """The places moved until their distances are those wanted, (k, k), the short ones before all.

    Stress majorization, Gansner, Koren, North 2005; those held are tied to where they began.
    """
    k = len(places)
    weights = 1 / np.maximum(apart, 0.3) ** 4
    np.fill_diagonal(weights, 0)
    total = weights.sum(axis=1)
    tie = np.where(held, HELD * total, 0.0)
    start, now = places, places + 1e-3 * circle(k)  # two in one place would never part
    for _ in range(ROUNDS if k > 1 else 0):
        between = now[:, None] - now[None]
        length = np.maximum(np.linalg.norm(between, axis=2), 1e-9)
        pulled = weights @ now + ((weights * apart / length)[:, :, None] * between).sum(axis=1)
        now = (pulled + tie[:, None] * start) / (total + tie)[:, None]
    return now


def circle(k: int) -> Floats:
    """k points on the unit circle, (k, 2), each in a direction of its own."""
    turn = np.arange(k) * 2.399963  # the golden angle
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


def parted(places: Floats, radii: Floats, gap: float, held: Chosen) -> Floats:
    """The places with overlapping discs pushed apart; who stood there yesterday gives way the least."""
    k = len(places)
    wanted = radii[:, None] + radii[None] + gap
    np.fill_diagonal(wanted, 0)
    ease = np.where(held, 0.1, 1.0)
    share = ease[:, None] / (ease[:, None] + ease[None])
    now = places + 1e-6 * circle(k)
    for _ in range(ROUNDS):
        between = now[:, None] - now[None]
        length = np.maximum(np.linalg.norm(between, axis=2), 1e-9)
        lacking = np.maximum(wanted - length, 0)
        if lacking.max(initial=0) < gap / 100:
            break
        now = now + ((lacking * share / length)[:, :, None] * between).sum(axis=1)
    return now


def scattered(vectors: Matrix, labels: Labels, centroids: Matrix, places: Floats, radii: Floats) -> Floats:
    """Where each item stands, (n, 2): in the disc of its cluster, the surest in the middle; noise between the clusters.

    vectors: (n, d) unit rows. labels: (n,), -1 is noise. places, radii: of the clusters' discs.
    """
    found = np.zeros((len(vectors), 2))
    for number, centroid in enumerate(centroids):
        members = np.flatnonzero(labels == number)
        found[members] = places[number] + radii[number] * within(vectors[members] - centroid)
    noise = np.flatnonzero(labels < 0)
    found[noise] = outside(between(vectors[noise], centroids, places), places, radii)
    return found


def within(residuals: Matrix) -> Floats:
    """Points of the unit disc, (m, 2): each in the direction in which it differs most, the nearest in the middle."""
    m = len(residuals)
    away = np.linalg.norm(residuals, axis=1)
    rank = np.empty(m)
    rank[np.argsort(away.round(6), kind="stable")] = np.arange(m)
    return directions(residuals) * np.sqrt((rank + 0.5) / max(m, 1))[:, None] * 0.94


def directions(rows: Matrix) -> Floats:
    """The rows' directions on their two principal axes, (m, 2); one that has none gets one by its place."""
    flat = principal(rows) if len(rows) else np.empty((0, 2))
    length = np.linalg.norm(flat, axis=1)[:, None]
    return np.where(length > 1e-6, flat / np.maximum(length, 1e-6), circle(len(rows)))


def between(vectors: Matrix, centroids: Matrix, places: Floats) -> Floats:
    """Each item's place among the few clusters that it is most alike, (m, 2); without clusters on its own axes."""
    if not len(centroids):
        return principal(vectors) if len(vectors) else np.empty((0, 2))
    alike = np.maximum(vectors @ unit(centroids).T, 1e-3).astype(np.float64)
    few = min(NEAR, len(centroids))
    near = np.argpartition(-alike, few - 1, axis=1)[:, :few]
    pull = np.take_along_axis(alike, near, 1) ** PULL
    middle = (pull[:, :, None] * places[near]).sum(axis=1) / pull.sum(axis=1, keepdims=True)
    spread = np.ptp(places, axis=0).max(initial=0) or 1.0
    return middle + 0.04 * spread * directions(vectors)


def outside(points: Floats, places: Floats, radii: Floats) -> Floats:
    """The points, those within a disc moved to its edge; there lie only its own."""
    if not len(places) or not len(points):
        return points
    away = points[:, None] - places[None]
    length = np.linalg.norm(away, axis=2)
    deep = radii[None] - length
    at, rows = deep.argmax(axis=1), np.arange(len(points))
    out = away[rows, at] / np.maximum(length[rows, at], 1e-9)[:, None]
    return np.where((deep[rows, at] > 0)[:, None], places[at] + 1.05 * radii[at, None] * out, points)


def uncovered(choices: Sequence[Sequence[Box]]) -> list[Box | None]:
    """For each label the first of its boxes that covers none chosen before it; None where each would."""
    chosen: list[Box | None] = []
    for boxes in choices:
        taken = [box for box in chosen if box]
        free = (box for box in boxes if not any(overlap(box, other) for other in taken))
        chosen.append(next(free, None))
    return chosen


def overlap(one: Box, other: Box) -> bool:
    wide, tall = (one.width + other.width) / 2, (one.height + other.height) / 2
    return abs(one.x - other.x) < wide and abs(one.y - other.y) < tall
