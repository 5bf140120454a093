"""Posts of a day grouped by meaning: what stands close together becomes a cluster, the rest stays noise.

The default finds groups in the graph of neighbours that are alike in meaning and in words; the reference is HDBSCAN on
the vectors as they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from graspologic_native import leiden
from scipy.sparse import coo_array, csr_array, triu
from scipy.sparse.csgraph import connected_components

from engine.density import density_clusters
from engine.vectors import Matrix, unit

SMALLEST = 5  # items; fewer are no problem of many
NEIGHBOURS = 30  # of each item; from 25 to 40 the clusters of a day hardly change
CANDIDATES = 3  # times as many are near in meaning; those that share most words are the neighbours
WORDS = 0.4  # how much of being alike is to share words
RESOLUTION = 2.5  # of modularity: at 1 it merges topics, however many there are
RUNS = 5  # partitions that vote, so that chance decides little
GENERIC = 0.4  # how much of its cosine to the day's mean speaks against an item
CLEAR = 0.82  # of the usual clearness: below it an item is noise
ALIKE = 0.9  # groups that are as near to each other as within themselves are one
FEW = 50  # that many neutral items join the day's mean, or a few items of one thing would be their own mean
LOOSE = 0.1  # mean cosine of two items of a group; groups of random directions come to 0.08
COPIES = 4  # decimals: vectors that agree so far are one text
BLOCK = 8_000_000  # numbers at once: 32 MB of float32

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.intp]
Method = Callable[[Matrix, csr_array | None, int], tuple[Labels, Floats]]


@dataclass(frozen=True)
class Clusters:
    """Which item is in which cluster, and what the clusters are like.

    labels: (n,), -1 is noise, 0 the largest cluster; equal ones by their first item. membership: (n,) in [0, 1], 0 for
    noise, 1 for the surest of a cluster. mean_distance: (k,) Euclidean, of a cluster's items to its centroid.
    centroids: (k, d) means. outlier_ratio: the share of noise.
    """

    labels: Labels
    membership: Floats
    mean_distance: Floats
    centroids: Matrix
    outlier_ratio: float


def cluster(vectors: Matrix, method: str = "graph", seed: int = 0, words: csr_array | None = None) -> Clusters:
    """Group the rows of `vectors`, (n, d) unit float32; a row of zeros is noise. The same seed gives the same clusters.

    words: (n, v) unit rows, what each item says in its own words (`engine.words`); without them meaning alone counts.
    Raises ValueError for an unknown method and for vectors that are no finite rows.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!a}; allowed: {', '.join(METHODS)}")
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise ValueError("vectors must be finite numbers in rows")
    labels, membership = np.full(len(vectors), -1, dtype=np.int64), np.zeros(len(vectors))
    real = np.flatnonzero(vectors.any(axis=1))
    if len(real) >= SMALLEST:
        found, strength = METHODS[method](vectors[real], None if words is None else words[real], seed)
        labels[real], membership[real] = by_size(found), np.where(found >= 0, strength, 0.0)
    return described(vectors, labels, membership)


def parameters(method: str, n: int) -> dict[str, float]:
    """What `method` uses for n items, for the record of a run."""
    if method == "reference":
        size = max(SMALLEST, n // 200)
        return {"min_cluster_size": size, "min_samples": size // 2}
    return {
        "neighbours": neighbours_of(n),
        "candidates": CANDIDATES,
        "words": WORDS,
        "resolution": RESOLUTION,
        "runs": RUNS,
        "generic": GENERIC,
        "clear": CLEAR,
        "few": FEW,
        "alike": ALIKE,
        "loose": LOOSE,
        "smallest": SMALLEST,
    }


def by_size(labels: Labels) -> Labels:
    """The same clusters, numbered by size and then by first item."""
    names, first, where, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    order = order[names[order] >= 0]
    number = np.full(len(names), -1)
    number[order] = np.arange(len(order))
    return number[where]


def described(vectors: Matrix, labels: Labels, membership: Floats) -> Clusters:
    """What is to be said of clusters, whatever found them."""
    inside = np.flatnonzero(labels >= 0)
    sizes = np.bincount(labels[inside], minlength=labels.max(initial=-1) + 1)
    centroids = (sums(vectors[inside], labels[inside]) / sizes[:, None]).astype(np.float32)
    away = np.linalg.norm(vectors[inside] - centroids[labels[inside]], axis=1)
    mean_distance = np.bincount(labels[inside], away) / sizes
    ratio = 1 - len(inside) / len(labels) if len(labels) else 0.0
    return Clusters(labels, membership, mean_distance, centroids, ratio)


def sums(vectors: Matrix, labels: Labels) -> Floats:
    """The sum of each cluster's rows, (k, d); labels: (n,) from 0."""
    n = len(labels)
    members = csr_array((np.ones(n), (labels, np.arange(n))), shape=(labels.max(initial=-1) + 1, n))
    return members @ vectors.astype(np.float64)


# --- the default: groups of the neighbour graph ---


def by_graph(vectors: Matrix, words: csr_array | None, seed: int) -> tuple[Labels, Floats]:
    """Communities of the neighbour graph, without the items that stand nowhere in particular; copies count as one."""
    _, first, where, copies = np.unique(
        vectors.round(COPIES), axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    labels, clear = communities(vectors[first], None if words is None else words[first], seed)
    alone = np.flatnonzero((labels < 0) & (copies >= SMALLEST))
    labels[alone], clear[alone] = labels.max(initial=-1) + 1 + np.arange(len(alone)), 1.0
    labels, clear = labels[where], clear[where]
    sizes, surest = np.bincount(labels + 1), np.zeros(labels.max() + 2)
    np.maximum.at(surest, labels + 1, clear)
    return np.where(sizes[labels + 1] >= SMALLEST, labels, -1), clear / np.maximum(surest[labels + 1], 1e-9)


def communities(vectors: Matrix, words: csr_array | None, seed: int) -> tuple[Labels, Floats]:
    """Labels of items that differ, and how clearly each belongs where it is."""
    n = len(vectors)
    if n < SMALLEST:
        return np.full(n, -1), np.zeros(n)
    mean = vectors.sum(axis=0) / (n + FEW)
    near, cosine, alike = neighbours(unit(vectors - mean).astype(np.float32), words)
    labels = merged(vectors, agreed(weights(near, alike), seed))
    clear = clearness(near, cosine, vectors @ unit(mean[None])[0])
    inside = belonging(labels, clear) & (within(vectors, labels) >= LOOSE)[labels]
    return np.where(inside, labels, -1), np.maximum(clear, 0.0)


def belonging(labels: Labels, clear: Floats) -> npt.NDArray[np.bool_]:
    """Which items are no noise, (n,): the clear ones, and the clearest few of a group that is mostly clear."""
    sure = (clear > 0) & (clear >= CLEAR * np.median(clear))
    mostly = np.bincount(labels, sure) >= np.bincount(labels) / 2
    order = np.lexsort((-clear, labels))
    place = np.empty(len(labels), dtype=np.intp)
    place[order] = np.arange(len(labels)) - np.searchsorted(labels[order], labels[order])
    return sure | (mostly[labels] & (place < SMALLEST) & (clear > 0))


def clearness(near: Whole, cosine: Matrix, generic: Matrix) -> Floats:
    """How near an item's neighbours are beyond what is due to its being generic, and theirs likewise; (n,).

    generic: (n,) cosines to the mean of all. What is like everything has near neighbours and belongs nowhere.
    """
    clear = cosine.mean(axis=1, dtype=np.float64) - GENERIC * (generic - generic.mean())
    return (clear + clear[near].mean(axis=1)) / 2


def neighbours_of(n: int) -> int:
    """How many neighbours are asked for: few where there are few items: they should be of its cluster."""
    return min(NEIGHBOURS, max(SMALLEST - 1, n // 16), max(n - 1, 1))


def neighbours(vectors: Matrix, words: csr_array | None) -> tuple[Whole, Matrix, Matrix]:
    """The neighbours of each row, the most alike first, their cosines, and how alike they are; each (n, k)."""
    n, k = len(vectors), neighbours_of(len(vectors))
    if words is None:
        near, cosine = nearest(vectors, k)
        return near, cosine, cosine
    near, cosine = nearest(vectors, min(CANDIDATES * k, n - 1))
    alike = (1 - WORDS) * cosine + WORDS * in_common(words, near)
    best = np.argsort(-alike, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(near, best, 1), np.take_along_axis(cosine, best, 1), np.take_along_axis(alike, best, 1)


def in_common(words: csr_array, near: Whole) -> Matrix:
    """The cosine of the words of each row and of those it stands near, (n, c)."""
    n, c = near.shape
    found = np.empty((n, c), dtype=np.float32)
    size = max(1, BLOCK // (100 * c))  # pairs of some hundred words
    for start in range(0, n, size):
        rows = np.arange(start, min(start + size, n))
        pairs = words[np.repeat(rows, c)].multiply(words[near[rows].ravel()])
        found[rows] = pairs.sum(axis=1).reshape(len(rows), c)
    return found


def nearest(vectors: Matrix, k: int) -> tuple[Whole, Matrix]:
    """The k nearest other rows by cosine, nearest first, and their cosines; both (n, k)."""
    n = len(vectors)
    near, cosine = np.empty((n, k), dtype=np.intp), np.empty((n, k), dtype=np.float32)
    size = max(1, BLOCK // n)
    for start in range(0, n, size):
        rows = np.arange(start, min(start + size, n))
        found = vectors[rows] @ vectors.T
        found[rows - start, rows] = -np.inf
        best = np.argpartition(found, n - k, axis=1)[:, n - k :]
        values = np.take_along_axis(found, best, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        near[rows], cosine[rows] = np.take_along_axis(best, order, 1), np.take_along_axis(values, order, 1)
    return near, cosine


def weights(near: Whole, alike: Matrix) -> csr_array:
    """The neighbour graph, (n, n) symmetric: how surely two are neighbours, by either one's own measure of distance.

    McInnes, Healy, Melville 2018, UMAP, section 3.1: exp(-(distance - nearest) / width), whose sum is log2(k) for each.
    """
    n, k = near.shape
    beyond = np.sqrt(np.maximum(2 - 2 * alike.astype(np.float64), 0))
    beyond -= beyond[:, :1]
    low, high = np.full((n, 1), 1e-3), np.full((n, 1), 8.0)
    for _ in range(30):
        width = (low + high) / 2
        wide = np.exp(-beyond / width).sum(axis=1, keepdims=True) > np.log2(k)
        low, high = np.where(wide, low, width), np.where(wide, width, high)
    sure = csr_array((np.exp(-beyond / width).ravel(), (np.repeat(np.arange(n), k), near.ravel())), shape=(n, n))
    return csr_array(sure + sure.T - sure * sure.T)


def agreed(graph: csr_array, seed: int) -> Labels:
    """Communities of the graph whose edges are weighted again by how many partitions leave them whole.

    Lancichinetti, Fortunato 2012, Consensus clustering in complex networks.
    """
    edges = triu(graph, 1).tocoo()
    votes = np.zeros(edges.nnz)
    for run in range(RUNS):
        labels = partition(edges, RUNS * seed + run)
        votes += labels[edges.row] == labels[edges.col]
    return partition(coo_array((edges.data * votes / RUNS, edges.coords), shape=graph.shape), seed)


def partition(edges: coo_array, seed: int) -> Labels:
    """Communities by modularity, one for each item without an edge; Traag, Waltman, van Eck 2019, Leiden."""
    if not edges.data.any():
        return np.arange(edges.shape[0])
    names = [str(i) for i in range(edges.shape[0])]
    pairs = zip(edges.row.tolist(), edges.col.tolist(), edges.data.tolist(), strict=True)
    known = [(names[i], names[j], weight) for i, j, weight in pairs if weight > 0]
    _, found = leiden(known, resolution=RESOLUTION, seed=seed, iterations=2)
    return np.unique([found.get(name, -1 - int(name)) for name in names], return_inverse=True)[1]


def merged(vectors: Matrix, labels: Labels) -> Labels:
    """Groups that are as near to each other as within themselves become one: a graph of neighbours cannot see that."""
    sizes, total, inner = np.bincount(labels), sums(vectors, labels), within(vectors, labels)
    between = total @ total.T / np.outer(sizes, sizes)
    _, group = connected_components(between >= ALIKE * np.maximum.outer(inner, inner))
    return group[labels].astype(np.int64)


def within(vectors: Matrix, labels: Labels) -> Floats:
    """The mean cosine of two items of each group, (k,); 1 for a single item."""
    sizes, total = np.bincount(labels), sums(vectors, labels)
    pairs = np.maximum(sizes * (sizes - 1), 1)
    return np.where(sizes > 1, (np.einsum("ij,ij->i", total, total) - sizes) / pairs, 1.0)


# --- the reference ---


def by_density(vectors: Matrix, words: csr_array | None, seed: int) -> tuple[Labels, Floats]:
    """HDBSCAN on the vectors as they are; it hears no words and has no chance in it."""
    used = parameters("reference", len(vectors))
    labels, strength = density_clusters(vectors, int(used["min_cluster_size"]), int(used["min_samples"]))
    return labels, strength


METHODS: Mapping[str, Method] = {"graph": by_graph, "reference": by_density}
