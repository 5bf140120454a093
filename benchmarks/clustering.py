"""Clusters of the open sets against their gold groups, method by method, and the time of ten thousand posts.

`python -m benchmarks.clustering FOLDER [VECTORS]` prints the table; FOLDER may come from OST_OPEN_SETS. VECTORS is a
folder that keeps the embeddings between runs: texts take minutes, clusters seconds. UMAP is compared where umap-learn
is installed by hand.
"""

import gzip
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from django.conf import settings
from scipy.sparse import csr_array
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, v_measure_score

from benchmarks.density import posts
from benchmarks.table import Row, fastest, seconds
from engine.cleaning import clean
from engine.clustering import Labels, cluster, parameters
from engine.density import density_clusters
from engine.embeddings.local import PACKAGED, LocalEmbedder
from engine.vectors import Matrix
from engine.words import words_of

SETS = ("daily_mix", "github_nlbse", "stackoverflow_so20", "reddit", "banking77", "clinc150", "bugs_hadoop")
SEEDS = 3
MANY = 10_000


@dataclass(frozen=True)
class Day:
    """Posts that are clustered together. gold: (n,) from 0, -1 for true noise; pairs: known duplicates; cross: (n,)."""

    vectors: Matrix
    words: csr_array
    gold: Labels
    twins: Labels
    cross: npt.NDArray[np.bool_]
    sources: npt.NDArray[np.str_]


def measure() -> Iterator[Row]:
    """What `./ost bench clustering` times, on made vectors."""
    vectors = posts(MANY)
    texts = sentences(MANY)
    took = fastest(lambda: cluster(vectors, words=words_of(texts)))
    note = f"{cluster(vectors).labels.max() + 1} clusters, peak {peak()} MB"
    yield Row(f"{MANY:,} vectors", took, "the reference", seconds(lambda: cluster(vectors, "reference")), note)
    if find_spec("umap"):
        reduced(vectors[:200], 0)  # compiled, so that its compiler is not timed
        yield Row(f"{MANY:,} vectors", took, "umap-learn + hdbscan", seconds(lambda: by_umap(vectors, 0)), note)


def sentences(count: int) -> list[str]:
    """Texts of 60 words, drawn from 20,000 as often as words are: the second half as often as the first, and so on."""
    ranks = np.random.default_rng(0).zipf(1.2, (count, 60)) % 20_000
    return [" ".join(f"w{rank}" for rank in row) for row in ranks.tolist()]


def peak() -> int:
    """The most memory that this process has held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


# --- what is compared ---


def by_pca(day: Day, seed: int) -> Labels:
    vectors = day.vectors
    few = PCA(min(50, *vectors.shape), random_state=seed).fit_transform(vectors).astype(np.float32)
    size = int(parameters("reference", len(vectors))["min_cluster_size"])
    return density_clusters(few, size, size // 2)[0]


def by_umap(vectors: Matrix, seed: int) -> Labels:
    """UMAP to 10 dimensions, as its documentation advises for clusters, and the hdbscan package."""
    import hdbscan  # late: it takes seconds

    found = hdbscan.HDBSCAN(min_cluster_size=15, min_samples=5).fit_predict(reduced(vectors, seed))
    return np.asarray(found, dtype=np.int64)


def reduced(vectors: Matrix, seed: int) -> npt.NDArray[np.float64]:
    layout = import_module("umap").UMAP(
        n_components=10, n_neighbors=15, min_dist=0.0, metric="cosine", random_state=seed
    )
    return np.asarray(layout.fit_transform(vectors), dtype=np.float64)


def methods() -> Mapping[str, Callable[[Day, int], Labels]]:
    found: dict[str, Callable[[Day, int], Labels]] = {
        "graph": lambda day, seed: cluster(day.vectors, "graph", seed, day.words).labels,
        "graph without words": lambda day, seed: cluster(day.vectors, "graph", seed).labels,
        "reference": lambda day, seed: cluster(day.vectors, "reference", seed).labels,
        "PCA 50 + density": by_pca,
    }
    if find_spec("umap"):
        found["UMAP 10 + hdbscan"] = lambda day, seed: by_umap(day.vectors, seed)
    return found


# --- the sets ---


def days(name: str, folder: Path, kept: Path | None) -> list[Day]:
    """A set as what is clustered together: daily_mix by its days, any other at once."""
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    texts = [f"{row['title']}\n{clean(row['source'], row.get('body') or '')}" for row in rows]
    vectors = embedded(name, texts, kept)
    key, split = ("gold_topic", "day") if name == "daily_mix" else ("gold", "set")
    found = []
    for day in sorted({row[split] for row in rows}):
        at = [i for i, row in enumerate(rows) if row[split] == day]
        of = [rows[i] for i in at]
        gold, twins = numbered(row.get(key) for row in of), numbered(row.get("dup_group") for row in of)
        cross = np.array([row.get("gold_kind") == "cross" for row in of])
        words = words_of(texts[i] for i in at)
        found.append(Day(vectors[at], words, gold, twins, cross, np.array([row["source"] for row in of])))
    return found


def numbered(names: Iterable[str | None]) -> Labels:
    """Names as numbers from 0, and -1 for none."""
    listed = list(names)
    number = {name: i for i, name in enumerate(sorted({name for name in listed if name}))}
    return np.array([number[name] if name else -1 for name in listed], dtype=np.int64)


def embedded(name: str, texts: Sequence[str], kept: Path | None) -> Matrix:
    """Vectors of title and cleaned body by the local model, kept in a file where a folder is named."""
    file = kept / f"{name}.npy" if kept else None
    if file and file.exists():
        return np.asarray(np.load(file), dtype=np.float32)
    vectors = LocalEmbedder(PACKAGED, 384).embed(texts)
    if file:
        np.save(file, vectors)
    return vectors


# --- the scores ---


def scores(day: Day, labels: Labels) -> dict[str, float]:
    """Against gold; AMI over all posts, each noise post a group of its own on both sides, the others over gold ones."""
    gold = day.gold >= 0
    own, groups = alone(labels), len(set(day.gold[gold]))
    found = {"outliers": float((labels < 0).mean())}
    if groups > 1:
        found |= {
            "AMI": adjusted_mutual_info_score(alone(day.gold), own),
            "V": v_measure_score(day.gold[gold], own[gold]),
            "ARI": adjusted_rand_score(day.gold[gold], own[gold]),
            "unclustered": float((labels[gold] < 0).mean()),
            "clusters/gold": (labels.max() + 1) / groups,
        }
        if not gold.all():
            found["noise kept"] = float((labels[~gold] < 0).mean())
    if np.bincount(day.twins[day.twins >= 0]).max(initial=0) > 1:
        found["pairs"] = together(day.twins, labels)
    if day.cross.any():
        found["cross"] = crossed(day, labels)
    return found


def alone(labels: Labels) -> Labels:
    """Each noise post as a group of its own."""
    noise = np.flatnonzero(labels < 0)
    found = labels.copy()
    found[noise] = labels.max(initial=-1) + 1 + np.arange(len(noise))
    return found


def together(twins: Labels, labels: Labels) -> float:
    """The share of duplicate pairs that are in one cluster."""
    groups = [labels[twins == twin] for twin in range(twins.max() + 1)]
    pairs = sum(len(group) * (len(group) - 1) for group in groups)
    same = sum(int(((group[:, None] == group) & (group[:, None] >= 0)).sum() - (group >= 0).sum()) for group in groups)
    return same / pairs


def crossed(day: Day, labels: Labels) -> float:
    """The share of topics of two sources whose largest cluster holds posts of the topic from both."""
    topics = set(day.gold[day.cross])
    good = 0
    for topic in topics:
        mine = (day.gold == topic) & (labels >= 0)
        largest = np.bincount(labels[mine]).argmax() if mine.any() else -1
        good += len(set(day.sources[mine & (labels == largest)])) > 1
    return good / len(topics)


def line(chosen: Sequence[Day], method: Callable[[Day, int], Labels]) -> dict[str, float]:
    """The mean of each score over days and seeds, the spread between seeds, and the seconds of a day."""
    start, runs = time.perf_counter(), []
    for seed in range(SEEDS):
        runs.append(mean([scores(day, method(day, seed)) for day in chosen]))
    found = mean(runs)
    if "AMI" in found:
        found["seeds"] = max(run["AMI"] for run in runs) - min(run["AMI"] for run in runs)
    return found | {"s": (time.perf_counter() - start) / SEEDS / len(chosen)}


def mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    shared = [key for key in rows[0] if all(key in row for row in rows)]
    return {key: float(np.mean([row[key] for row in rows])) for key in shared}


HEAD = ("AMI", "seeds", "V", "ARI", "unclustered", "noise kept", "clusters/gold", "outliers", "pairs", "cross", "s")


def table(folder: Path, kept: Path | None) -> Iterator[str]:
    """Markdown, a line at a time."""
    yield f"| set | method | {' | '.join(HEAD)} |"
    yield "| --- | --- |" + " ---: |" * len(HEAD)
    for name in SETS:
        chosen = days(name, folder, kept)
        for method, found in methods().items():
            values = line(chosen, found)
            yield f"| {name} | {method} | {' | '.join(f'{values[h]:.2f}' if h in values else '' for h in HEAD)} |"
    if not find_spec("umap"):
        yield "\nUMAP is left out: umap-learn is not installed."


def main(arguments: Sequence[str]) -> int:
    given = [*arguments, *([os.environ["OST_OPEN_SETS"]] if not arguments and "OST_OPEN_SETS" in os.environ else [])]
    if not given or not Path(given[0]).is_dir():
        sys.stderr.write("clustering: name the folder of open sets, or set OST_OPEN_SETS\n")
        return 2
    if not settings.configured:
        settings.configure(EMBEDDING_DEVICE="cpu")
    for row in table(Path(given[0]), Path(given[1]) if len(given) > 1 else None):
        print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
