"""Pockets: the few items among the noise of a day that stand close together. Too few for a cluster, they may grow."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from engine.clustering import COPIES, Labels, nearest
from engine.vectors import Matrix

FEWEST, MOST = 3, 8  # items; what is more and is no cluster hangs together by a chain
NEAR = 0.4  # cosine of two neighbours, and the mean of all pairs of a pocket; of unrelated posts one pair in 300 has it
NEIGHBOURS = 4  # of each item; who stands near to all is a neighbour of few


def pockets(vectors: Matrix, near: float = NEAR) -> Labels:
    """Which pocket each item is in, (m,), from 0, the closest one first; -1 where in none. vectors: (m, d) unit rows.

    A pocket is a component of the graph of mutual near neighbours. Copies of one text count as one item.
    """
    labels = np.full(len(vectors), -1, dtype=np.int64)
    real = np.flatnonzero(vectors.any(axis=1))
    _, first, copy_of = np.unique(vectors[real].round(COPIES), axis=0, return_index=True, return_inverse=True)
    if len(first) >= FEWEST:
        different = vectors[real][first]
        labels[real] = tightest_first(different, components(different, near), near)[copy_of]
    return labels


def components(vectors: Matrix, near: float) -> Labels:
    """The component of each row, (m,), by edges between rows that are each other's near neighbours."""
    m, k = len(vectors), min(NEIGHBOURS, len(vectors) - 1)
    places, cosines = nearest(vectors, k)
    close = (cosines >= near).ravel()
    edges = np.repeat(np.arange(m), k)[close], places.ravel()[close]
    graph = csr_array((np.ones(close.sum()), edges), shape=(m, m))
    found: Labels = connected_components(graph.multiply(graph.T), directed=False)[1].astype(np.int64)
    return found


def tightest_first(vectors: Matrix, found: Labels, near: float) -> Labels:
    """The components of a fit size whose items are alike, numbered by how much they are; the others are -1."""
    sizes = np.bincount(found)
    fit = np.flatnonzero((sizes >= FEWEST) & (sizes <= MOST))
    tight = {int(one): tightness(vectors[found == one]) for one in fit}
    number = np.full(len(sizes), -1, dtype=np.int64)
    order = sorted((one for one in tight if tight[one] >= near), key=lambda one: -tight[one])
    number[order] = np.arange(len(order))
    return number[found]


def tightness(vectors: npt.NDArray[np.floating]) -> float:
    """The mean cosine of two different rows, rounded so that their order does not matter."""
    m = len(vectors)
    total = vectors.sum(axis=0, dtype=np.float64)
    return round(float((total @ total - m) / (m * (m - 1))), 6)
