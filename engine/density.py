"""HDBSCAN by matrix products: what the hdbscan package answers on Euclidean distance, in a fraction of its time.

Distances are looked for in float32 blocks and settled in float64, so the tree is the one that the package's Prim finds.
Memory: one block, and about 2 * min_samples + 16 edges a point; never n * n.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from hdbscan._hdbscan_tree import compute_stability, condense_tree, get_clusters
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

BLOCK = 8_000_000  # numbers at once: 32 MB of float32, which stay near the processor
SPARE = 16  # neighbours kept beyond min_samples, at least: each spares a later search
FOUND = 4  # nearest strangers that a search keeps for each point
CROWD = 4  # times as many as asked for: they must be copies of one point, and any of them will do
NARROW = 64  # up to this many dimensions float64 costs little more
FAR = np.finfo(np.float32).max

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Reals = npt.NDArray[np.floating[Any]]  # as Points calculates
Whole = npt.NDArray[np.signedinteger[Any]]
Mask = npt.NDArray[np.bool_]


def density_clusters(
    vectors: Singles,
    min_cluster_size: int,
    min_samples: int,
    selection: Literal["eom", "leaf"] = "eom",
    epsilon: float = 0.0,
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Group points that lie denser than what is around them.

    vectors: (n, d) finite float32. min_samples: the neighbours, a point itself not counted, that its core distance
    reaches; fewer points than that reach the farthest. epsilon: clusters nearer than this are one.
    Returns (n,) labels from 0, -1 for noise, and (n,) strengths of membership in [0, 1].
    Raises ValueError for other vectors or settings.
    """
    check(vectors, min_cluster_size, min_samples, selection, epsilon)
    if len(vectors) < 2:
        return np.full(len(vectors), -1), np.zeros(len(vectors))
    edges = spanning_tree(np.ascontiguousarray(vectors, dtype=np.float32), min_samples)
    condensed = condense_tree(merges(edges[np.argsort(edges[:, 2])]), min_cluster_size)
    labels, strengths, _ = get_clusters(
        condensed, compute_stability(condensed), selection, cluster_selection_epsilon=float(epsilon)
    )
    return labels.astype(np.int64), strengths


def check(vectors: Singles, min_cluster_size: int, min_samples: int, selection: str, epsilon: float) -> None:
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise ValueError("vectors must be finite numbers in rows")
    if min_cluster_size < 2 or min_samples < 1:
        raise ValueError("min_cluster_size is at least 2 and min_samples at least 1")
    if selection not in ("eom", "leaf") or not epsilon >= 0:
        raise ValueError("selection is eom or leaf, and epsilon not negative")


def spanning_tree(vectors: Singles, min_samples: int) -> Floats:
    """The minimum spanning tree of mutual reachability, (n - 1, 3): two points and their distance."""
    points = Points.of(vectors)
    core, reach, near = neighbourhoods(points, min(min_samples, len(vectors) - 1))
    bridges = boruvka(points, core, reach, near)
    return prim(len(vectors), near.those(near.sure).plus(bridges))


@dataclass(frozen=True)
class Points:
    """Vectors, and the two factors whose product holds all squared distances: |x|^2 + |y|^2 - 2xy.

    left (n, d + 2), right (d + 2, n): around the mean and divided by scale, so that float32 loses least; narrow vectors
    in float64, because reductions crowd points in a small part of a wide plane.
    """

    vectors: Singles
    left: Reals
    right: Reals
    scale: float

    @classmethod
    def of(cls, vectors: Singles) -> "Points":
        centred = vectors - vectors.mean(axis=0, dtype=np.float64)
        scale = float(np.abs(centred).max(initial=0.0)) or 1.0
        middle = (centred / scale).astype(np.float32 if vectors.shape[1] > NARROW else np.float64)
        norms, ones = np.einsum("ij,ij->i", middle, middle)[:, None], np.ones((len(middle), 1), middle.dtype)
        left = np.hstack([-2 * middle, norms, ones])
        return cls(vectors, left, np.ascontiguousarray(np.hstack([middle, ones, norms]).T), scale)

    def __len__(self) -> int:
        return len(self.vectors)

    def blocks(self, rows: Whole) -> Iterator[Whole]:
        size = max(1, BLOCK // len(self))
        return (rows[start : start + size] for start in range(0, len(rows), size))

    def error(self, rows: Whole, square: Reals) -> Reals:
        """How far a squared distance of this size may be from the truth; eight deviations of the sum's rounding."""
        deviations = self.left.dtype.type(8 * np.finfo(self.left.dtype).eps * self.left.shape[1] ** 0.5)
        return deviations * (self.left[rows, -2] + np.maximum(square, 0))

    def length(self, square: Reals) -> Floats:
        return np.sqrt(np.maximum(square, 0), dtype=np.float64) * self.scale

    def distances(self, one: Whole, other: Whole) -> Floats:
        """The true distances of pairs, in float64."""
        found = np.empty(len(one))
        size = max(1, BLOCK // (2 * self.left.shape[1]))
        for at in range(0, len(one), size):
            gap = np.subtract(self.vectors[one[at : at + size]], self.vectors[other[at : at + size]], dtype=np.float64)
            found[at : at + size] = np.sqrt(np.einsum("ij,ij->i", gap, gap))
        return found


class Edges(NamedTuple):
    """Pairs of points and their mutual reachability; where that is not sure, the least it can be."""

    one: npt.NDArray[np.int32]
    other: npt.NDArray[np.int32]
    weight: Floats
    sure: Mask

    def those(self, which: Mask | Whole) -> "Edges":
        return Edges._make(part[which] for part in self)

    def plus(self, *more: "Edges") -> "Edges":
        return Edges._make(map(np.concatenate, zip(self, *more, strict=True)))

    def settle(self, which: Whole, points: Points, core: Floats) -> None:
        """Make these edges sure, in place."""
        one, other = self.one[which], self.other[which]
        self.weight[which] = np.maximum(points.distances(one, other), np.maximum(core[one], core[other]))
        self.sure[which] = True


def neighbourhoods(points: Points, k: int) -> tuple[Floats, Floats, Edges]:
    """Core distances (n,), how far each point's list reaches (n,), and the lists: k neighbours and some more."""
    core, reach, lists = np.empty(len(points)), np.empty(len(points)), []
    count = min(max(2 * k, k + SPARE), len(points) - 1) + 1
    for rows in points.blocks(np.arange(len(points))):
        square = points.left[rows] @ points.right
        at, limit = nearest(square, count)
        core[rows], edges = settled(points, rows, *np.divmod(at, len(points)), square.ravel()[at], k)
        reach[rows] = points.length(limit - points.error(rows, limit))
        lists.append(edges)
    near = lists[0].plus(*lists[1:])
    np.maximum(near.weight, np.maximum(core[near.one], core[near.other]), out=near.weight)
    return core, np.maximum(core, reach), near


def nearest(square: Reals, count: int) -> tuple[Whole, Reals]:
    """Where each row's `count` smallest numbers are and some more, in the flat array; (rows,) what no other is below.

    The limit is taken from the least of every few columns: as many of them are at or below it, and it is quick.
    """
    fold = max(1, min(8, square.shape[1] // (4 * count)))
    width = square.shape[1] // fold
    least = square[:, : fold * width].reshape(len(square), fold, width).min(axis=1)
    limit = np.partition(least, count - 1, axis=1)[:, count - 1]
    near = square <= limit[:, None]
    crowded = np.flatnonzero(np.count_nonzero(near, axis=1) > CROWD * count)
    if crowded.size:
        few = np.argpartition(square[crowded], count - 1, axis=1)[:, :count]
        near[crowded] = False
        near[crowded[:, None], few] = True
        limit[crowded] = square[crowded, few[:, -1]]
    return np.flatnonzero(near), limit


def settled(points: Points, rows: Whole, row: Whole, column: Whole, square: Reals, k: int) -> tuple[Floats, Edges]:
    """The core distances of a block and its edges; only where float32 cannot tell is float64 asked."""
    kth = ranked(row, square, np.full(len(rows), k))
    doubt = 2 * points.error(rows, kth)[row]
    within = square < kth[row] - doubt
    unclear = ~within & (square <= kth[row] + doubt)
    weight = points.length(square - points.error(rows[row], square))
    weight[within] = 0
    weight[unclear] = points.distances(rows[row[unclear]], column[unclear])
    rank = k - np.bincount(row[within], minlength=len(rows))
    core = ranked(row[unclear], weight[unclear], rank)
    return core, Edges(rows[row].astype(np.int32), column.astype(np.int32), weight, within | unclear)


def ranked(row: Whole, value: npt.NDArray[Any], rank: Whole) -> npt.NDArray[Any]:
    """The value of each row's rank, 0 the smallest; row: ascending, each of at least rank + 1 values."""
    size = np.bincount(row, minlength=len(rank))
    table = np.full((len(rank), size.max()), np.inf, dtype=value.dtype)
    table[np.arange(size.max()) < size[:, None]] = value
    table.sort(axis=1)
    return table[np.arange(len(rank)), rank]


def boruvka(points: Points, core: Floats, reach: Floats, near: Edges) -> Edges:
    """Edges that join all points, each the lightest way out of some group of points; O. Boruvka, 1926.

    reach: (n,) nothing that is not listed is nearer; raised in place as searches go farther.
    """
    chosen, open_edges = near.those(np.empty(0, dtype=np.intp)), near
    while True:
        groups, part = components(len(points), chosen)
        if groups == 1:
            return chosen
        largest = np.bincount(part).argmax()  # the others join it: its own points are not searched
        open_edges = open_edges.those(part[open_edges.one] != part[open_edges.other])
        bound = lightest(points, core, open_edges, part, groups)[1]
        asked = np.flatnonzero((reach < bound[part]) & (part != largest))
        open_edges = open_edges.plus(*(search(points, core, reach, part, rows) for rows in points.blocks(asked)))
        pick = np.delete(lightest(points, core, open_edges, part, groups)[0], largest)
        chosen = chosen.plus(open_edges.those(np.unique(pick)))


def components(n: int, edges: Edges) -> tuple[int, Whole]:
    graph = coo_array((np.ones(len(edges.one), np.int8), (edges.one, edges.other)), shape=(n, n))
    return connected_components(graph, directed=False)


def lightest(points: Points, core: Floats, edges: Edges, part: Whole, groups: int) -> tuple[Whole, Floats]:
    """Each group's lightest edge, sure, and its weight; of equals the first. All edges lead out of their groups."""
    ends = part[edges.one], part[edges.other]
    pick = least(edges.weight, ends, groups)[0]
    pick = np.unique(pick[pick < len(edges.one)])
    edges.settle(pick[~edges.sure[pick]], points, core)
    bound = least(np.where(edges.sure, edges.weight, np.inf), ends, groups)[1]
    near = edges.weight <= np.maximum(bound[ends[0]], bound[ends[1]])
    edges.settle(np.flatnonzero(near & ~edges.sure), points, core)
    return least(edges.weight, ends, groups)


def least(weight: Floats, ends: tuple[Whole, Whole], groups: int) -> tuple[Whole, Floats]:
    """Where each group's first least weight is, len(weight) where it has none, and (groups,) that weight."""
    bound, pick = np.full(groups, np.inf), np.full(groups, len(weight))
    for end in ends:
        np.minimum.at(bound, end, weight)
    for end in ends:
        hit = np.flatnonzero(weight == bound[end])
        np.minimum.at(pick, end[hit], hit)
    return pick, bound


def search(points: Points, core: Floats, reach: Floats, part: Whole, rows: Whole) -> Edges:
    """Edges from these points to the nearest few outside their groups; raises their reach to what is left."""
    square = points.left[rows] @ points.right
    np.maximum(square, ((core / points.scale) ** 2).astype(square.dtype), out=square)
    square[part[rows][:, None] == part] = FAR
    at, limit = nearest(square, min(FOUND, len(points)))
    reach[rows] = np.maximum(reach[rows], points.length(limit - points.error(rows, limit)))
    found = square.ravel()[at]
    row, column = np.divmod(at[found < FAR], len(points))
    one, found = rows[row], found[found < FAR]
    weight = points.length(found - points.error(one, found))
    weight = np.maximum(weight, np.maximum(core[one], core[column]))
    return Edges(one.astype(np.int32), column.astype(np.int32), weight, np.zeros(len(one), dtype=bool))


def prim(n: int, edges: Edges) -> Floats:
    """The minimum spanning tree as R. C. Prim, 1957, meets it from point 0.

    Of equals the first point, then the first met, as in hdbscan: which of equal edges are taken decides its labels.
    """
    start, other, weight = adjacency(n, edges)
    tree, source = np.empty((n - 1, 3)), np.zeros(n, dtype=np.intp)
    best, waiting = np.full(n, np.inf), np.full(n, np.inf)
    point = 0
    for step in range(n - 1):
        best[point], waiting[point] = -np.inf, np.inf  # in the tree: never bettered, never next
        row = slice(start[point], start[point + 1])
        better = weight[row] < best[other[row]]
        met, length = other[row][better], weight[row][better]
        best[met] = waiting[met] = length
        source[met] = point
        point = int(waiting.argmin())
        tree[step] = source[point], point, waiting[point]
    if not np.isfinite(tree).all():  # hdbscan's functions would write past the end of their arrays
        raise ArithmeticError("the points are not all joined")
    return tree


def adjacency(n: int, edges: Edges) -> tuple[Whole, Whole, Floats]:
    """Edges in both directions, each once, by their point: where a point's begin (n + 1,), others and weights."""
    low, high = np.minimum(edges.one, edges.other), np.maximum(edges.one, edges.other)
    once = np.unique(low.astype(np.int64) * n + high, return_index=True)[1]
    once = once[low[once] < high[once]]
    ends, weight = (low[once], high[once]), edges.weight[once]
    both = np.concatenate([weight, weight]), (np.concatenate(ends), np.concatenate(ends[::-1]))
    rows = coo_array(both, shape=(n, n)).tocsr()
    return rows.indptr, rows.indices, rows.data


def merges(edges: Floats) -> Floats:
    """What each edge joins, (n - 1, 4): two clusters, their distance, their size; the k-th makes cluster n + k.

    As hdbscan's `label`, which follows long chains from end to end.
    """
    n = len(edges) + 1
    parent, size = list(range(2 * n - 1)), [1] * n
    joined = np.empty((n - 1, 4))
    for made, (one, other, length) in enumerate(edges.tolist(), start=n):
        left, right = root(parent, int(one)), root(parent, int(other))
        parent[left] = parent[right] = made
        size.append(size[left] + size[right])
        joined[made - n] = left, right, length, size[made]
    return joined


def root(parent: list[int], at: int) -> int:
    while parent[at] != at:
        parent[at] = parent[parent[at]]
        at = parent[at]
    return at
