"""The clusters of a draft: found, described, and written whole."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
from django.db import transaction

from engine import clustering
from engine.bulk import copy_into, copy_out_vectors
from engine.clustering import Clusters
from engine.exemplars import central, fingerprint
from engine.ledger import LeaseLost
from engine.vectors import Matrix, unit
from engine.words import words_of
from issues.clusterings import SEED
from issues.importing import text_of
from issues.models import Assignment, Cluster, Clustering, RawItem

EXEMPLARS = 5
ASSIGNED = {
    "clustering_id": "int8", "item_id": "int8", "cluster_id": "int8", "membership": "float8", "exemplar": "int2",
    "issue_id": "int8",
}  # fmt: skip


def fill(draft: Clustering, fence: int) -> Counter[str]:
    """Find the day's clusters and write them whole. Raises LeaseLost when a later claim has the draft."""
    items, vectors = loaded(draft)
    found = clustering.cluster(vectors, draft.method, SEED, words_of(texts(draft)))
    with transaction.atomic():
        figures = {"items": len(items), "outlier_ratio": found.outlier_ratio if len(items) else None}
        used = clustering.parameters(draft.method, len(items))
        if not Clustering.objects.held(draft, fence).update(
            finished=True, outcome=outcome(found), parameters=used, **figures
        ):
            raise LeaseLost(f"{draft} was taken over")
        draft.clusters.all().delete()
        draft.assignments.all().delete()
        chosen = dict(speakers(items, vectors, found))
        clusters = Cluster.objects.bulk_create(rows(draft, found, chosen))
        copy_into(Assignment._meta.db_table, ASSIGNED, assigned(draft, items, found, clusters, chosen))
    return Counter(
        clustered=len(items),
        clusters=len(clusters),
        unclustered=int((found.labels < 0).sum()),
    )


def loaded(draft: Clustering) -> tuple[npt.NDArray[np.int64], Matrix]:
    """The ids of the items in the draft's days, ascending, and their unit vectors; zero where there is none."""
    within = RawItem.objects.within(draft.day, draft.window).order_by("pk")
    items = np.array(within.values_list("pk", flat=True), dtype=np.int64)
    found, vectors = copy_out_vectors(
        "SELECT e.subject_id::bigint, e.vector FROM issues_itemembedding e JOIN issues_rawitem i ON i.id = e.subject_id"
        " WHERE e.model_id = %s AND e.vector IS NOT NULL AND i.collected_on > %s AND i.collected_on <= %s"
        " ORDER BY e.subject_id",
        [draft.model_id, draft.day - timedelta(days=draft.window), draft.day],
        draft.model.dimensions,
    )
    matrix = np.zeros((len(items), draft.model.dimensions), dtype=np.float32)
    known = np.isin(found, items)
    matrix[np.searchsorted(items, found[known])] = unit(vectors[known])
    return items, matrix


def texts(draft: Clustering) -> Iterator[str]:
    """What each item of the draft's days has to say, by id."""
    told = RawItem.objects.within(draft.day, draft.window).order_by("pk").values_list("title", "said")
    return (text_of(title, said) for title, said in told.iterator(chunk_size=2000))


def outcome(found: Clusters) -> str:
    """What a reader should expect."""
    items, clusters = len(found.labels), len(found.centroids)
    if not items:
        return Clustering.Outcome.EMPTY
    if not clusters:
        return Clustering.Outcome.TOO_FEW if items < clustering.SMALLEST else Clustering.Outcome.ALL_NOISE
    alike = clusters == 1 and not (found.labels < 0).any()
    return Clustering.Outcome.ALL_ALIKE if alike else Clustering.Outcome.CLUSTERED


@dataclass(frozen=True)
class Speakers:
    """The exemplars of a cluster: positions among the items, most central first, and their fingerprint."""

    positions: list[int]
    fingerprint: str


def speakers(items: npt.NDArray[np.int64], vectors: Matrix, found: Clusters) -> Iterator[tuple[int, Speakers]]:
    """For each cluster who speaks for it."""
    told = RawItem.objects.filter(pk__in=items[found.labels >= 0].tolist()).values_list("pk", "title", "author_hash")
    titles = {pk: (title, author) for pk, title, author in told}
    for number in range(len(found.centroids)):
        members = np.flatnonzero(found.labels == number)
        known = [titles[int(items[at])] for at in members]
        picked = central(vectors[members], [title for title, _ in known], EXEMPLARS, [author for _, author in known])
        yield number, Speakers([int(members[at]) for at in picked], fingerprint([known[at][0] for at in picked]))


def rows(draft: Clustering, found: Clusters, chosen: dict[int, Speakers]) -> list[Cluster]:
    return [
        Cluster(
            clustering=draft,
            number=number,
            size=int((found.labels == number).sum()),
            mean_distance=float(found.mean_distance[number]),
            membership=float(found.membership[found.labels == number].mean()),
            centroid=[float(value) for value in centroid],
            fingerprint=chosen[number].fingerprint,
        )
        for number, centroid in enumerate(found.centroids)
    ]


def assigned(
    draft: Clustering,
    items: npt.NDArray[np.int64],
    found: Clusters,
    clusters: list[Cluster],
    chosen: dict[int, Speakers],
) -> Iterator[tuple[object, ...]]:
    """A row for each item, in the order of ASSIGNED."""
    place = {at: rank for speakers in chosen.values() for rank, at in enumerate(speakers.positions, 1)}
    for at, (item, label) in enumerate(zip(items.tolist(), found.labels.tolist(), strict=True)):
        cluster = clusters[label].pk if label >= 0 else None
        yield draft.pk, item, cluster, float(found.membership[at]), place.get(at), None
