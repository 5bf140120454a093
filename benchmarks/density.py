"""Density clusters of 384 dimensions, beside the hdbscan package's own ways; the last row's other side is reckoned."""

import resource
from collections.abc import Iterator
from functools import partial

import hdbscan
import numpy as np
import numpy.typing as npt
from sklearn.metrics import adjusted_rand_score

from benchmarks.table import Row, fastest, seconds
from engine.density import density_clusters

SMALL, LARGE = 10_000, 50_000


def measure() -> Iterator[Row]:
    vectors = posts(SMALL)
    size = SMALL // 200
    took = fastest(lambda: density_clusters(vectors, size, size // 2))
    labels, memory = density_clusters(vectors, size, size // 2)[0], peak()
    default = 0.0
    for algorithm, target in (("generic", "at least 3 x, ARI 0.99"), ("best", "at least 15 x, ARI 0.99")):
        package = hdbscan.HDBSCAN(size, min_samples=size // 2, algorithm=algorithm)
        default = seconds(partial(package.fit, vectors.astype(np.float64)))
        agreement = adjusted_rand_score(package.labels_, labels)
        note = f"ARI {agreement:.4f}, {(package.labels_ != labels).sum()} labels differ, peak {memory} MB"
        note += f", its {peak()} MB" if algorithm == "generic" else ""
        yield Row(f"{SMALL:,} vectors clustered", took, f"hdbscan {algorithm}", default, note, target)
    many = posts(LARGE)
    took = seconds(lambda: density_clusters(many, LARGE // 200, LARGE // 400))
    yield Row(f"{LARGE:,} vectors clustered", took, "hdbscan best, by squares", default * (LARGE / SMALL) ** 2)


def peak() -> int:
    """The most memory that this process has held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def posts(n: int, topics: int = 120, seed: int = 0) -> npt.NDArray[np.float32]:
    """Unit vectors like those of posts: 40 directions matter most, three in five are near a topic, others anywhere."""
    random = np.random.default_rng(seed)
    weights = np.linspace(1, 0.2, 40, dtype=np.float32)
    topic, centres = random.integers(0, topics, n), random.standard_normal((topics, 40), dtype=np.float32)
    tight = random.uniform(0.25, 0.7, topics)[topic].astype(np.float32)
    centred = random.random(n) < 0.6
    near = np.where(centred, tight, np.float32(1.2))[:, None] * random.standard_normal((n, 40), dtype=np.float32)
    plane = random.standard_normal((40, 384), dtype=np.float32) / np.sqrt(np.float32(40))
    rows = (near + centred[:, None] * centres[topic]) * weights @ plane
    rows += 0.25 * random.standard_normal(rows.shape, dtype=np.float32) + 0.3 * random.standard_normal(384)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
