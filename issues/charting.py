"""The map of a live day: drawn once after it was published, so that pages only read it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from django.db import transaction
from django.db.models.functions import Left

from engine import layout
from engine.bulk import copy_into, copy_out_vectors
from engine.exemplars import READ, READ_TEXTS, key_phrases
from engine.pockets import pockets
from engine.vectors import Matrix, unit
from issues.models import Assignment, Chart, Cluster, Clustering, Place, Spot

PHRASES = 6
BLOCK = 2_000  # items that are compared with all clusters at once
SPOTS = {
    "assignment_id": "int8", "x": "float8", "y": "float8", "nearest_id": "int8", "alike": "float8", "pocket": "int2",
}  # fmt: skip

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Drawn:
    """What is to be drawn. rows: assignments (n,); labels: positions among the clusters, (n,), -1 is noise."""

    clusters: Sequence[Cluster]
    rows: Whole
    labels: Whole
    vectors: Matrix
    centroids: Matrix

    @property
    def noise(self) -> Whole:
        return np.flatnonzero(self.labels < 0)


def draw(clustering: Clustering) -> Counter[str]:
    """Give each cluster its place and each item its spot, whole or not at all; nothing where it is live no more."""
    drawn = loaded(clustering)
    places, radii = layout.centres(drawn.centroids, [each.size for each in drawn.clusters], known(drawn))
    points = layout.scattered(drawn.vectors, drawn.labels, drawn.centroids, places, radii)
    phrases = key_phrases(list(texts_of(drawn.clusters)), PHRASES)
    near, alike = nearest(drawn)
    found = pockets(drawn.vectors[drawn.noise])
    with transaction.atomic():
        live = Clustering.objects.select_for_update().filter(pk=clustering.pk, state=Clustering.State.LIVE)
        if not live.exists():
            return Counter()
        forget(clustering)
        Chart.objects.create(clustering=clustering)
        Place.objects.bulk_create(
            Place(cluster=cluster, x=x, y=y, radius=radius, phrases=said)
            for cluster, (x, y), radius, said in zip(
                drawn.clusters, places.tolist(), radii.tolist(), phrases, strict=True
            )
        )
        copy_into(Spot._meta.db_table, SPOTS, spots(drawn, points, near, alike, found))
    return Counter(drawn=len(drawn.rows), pockets=int(found.max(initial=-1)) + 1)


def forget(clustering: Clustering) -> None:
    """The charts of the day go: this one is drawn anew, and nobody sees those of retired clusterings."""
    Spot.objects.filter(assignment__clustering__day=clustering.day).delete()
    Place.objects.filter(cluster__clustering__day=clustering.day).delete()
    Chart.objects.filter(clustering__day=clustering.day).delete()


def loaded(clustering: Clustering) -> Drawn:
    """Its clusters, and its assignments with the unit vectors of their items; zero where there is none."""
    clusters = list(clustering.clusters.order_by("number"))
    position = {cluster.pk: at for at, cluster in enumerate(clusters)}
    told = list(clustering.assignments.order_by("pk").values_list("pk", "cluster"))
    rows = np.array([pk for pk, _ in told], dtype=np.int64)
    labels = np.array([position[cluster] if cluster else -1 for _, cluster in told], dtype=np.int64)
    dimensions = clustering.model.dimensions
    found, vectors = copy_out_vectors(
        "SELECT a.id::bigint, e.vector FROM issues_assignment a JOIN issues_itemembedding e ON e.subject_id = a.item_id"
        " WHERE a.clustering_id = %s AND e.model_id = %s AND e.vector IS NOT NULL ORDER BY a.id",
        [clustering.pk, clustering.model_id],
        dimensions,
    )
    matrix = np.zeros((len(rows), dimensions), dtype=np.float32)
    matrix[np.searchsorted(rows, found)] = unit(vectors)
    centroids = np.array([cluster.centroid for cluster in clusters], dtype=np.float32).reshape(-1, dimensions)
    return Drawn(clusters, rows, labels, matrix, centroids)


def known(drawn: Drawn) -> Floats:
    """Where each cluster's issue stands on the newest map that has it, (k, 2); nan for what is on none."""
    issues = {cluster.issue_id for cluster in drawn.clusters if cluster.issue_id}
    newest = Place.objects.filter(cluster__issue__in=issues).order_by(
        "cluster__issue", "-cluster__clustering__day", "-cluster__clustering", "cluster__number"
    )
    stands = {
        issue: (x, y) for issue, x, y in newest.distinct("cluster__issue").values_list("cluster__issue", "x", "y")
    }
    places = np.full((len(drawn.clusters), 2), np.nan)
    for at, cluster in enumerate(drawn.clusters):
        if cluster.issue_id in stands:
            places[at] = stands.pop(cluster.issue_id)  # of two clusters of one issue the larger stays
    return places


def texts_of(clusters: Sequence[Cluster]) -> Iterator[list[str]]:
    """The beginnings of the surest posts of each."""
    rows = Assignment.objects.filter(cluster__in=clusters).order_by("-membership", "item")
    found: dict[int | None, list[str]] = {cluster.pk: [] for cluster in clusters}
    said = rows.values_list("cluster", "item__title", Left("item__said", READ))
    for cluster, title, text in said.iterator(chunk_size=BLOCK):
        if len(found[cluster]) < READ_TEXTS:
            found[cluster].append(f"{title}\n{text}")
    return iter(found.values())


def nearest(drawn: Drawn) -> tuple[Whole, Floats]:
    """The cluster each item of noise is most alike, as a position, -1 where there is none, and the cosine; (m,)."""
    noise, rows = drawn.noise, unit(drawn.centroids)
    near, alike = np.full(len(noise), -1, dtype=np.int64), np.zeros(len(noise))
    for start in range(0, len(noise) if len(rows) else 0, BLOCK):
        cosines = drawn.vectors[noise[start : start + BLOCK]] @ rows.T
        near[start : start + BLOCK] = cosines.argmax(axis=1)
        alike[start : start + BLOCK] = np.clip(cosines.max(axis=1), -1, 1)
    return near, alike


def spots(drawn: Drawn, points: Floats, near: Whole, alike: Floats, found: Whole) -> Iterator[tuple[object, ...]]:
    """A row for each item, in the order of SPOTS."""
    of_noise = {at: place for place, at in enumerate(drawn.noise.tolist())}
    for at, (row, (x, y)) in enumerate(zip(drawn.rows.tolist(), points.tolist(), strict=True)):
        place = of_noise.get(at)
        if place is None or near[place] < 0:
            cluster, cosine = None, None
        else:
            cluster, cosine = drawn.clusters[int(near[place])].pk, float(alike[place])
        pocket = int(found[place]) if place is not None and found[place] >= 0 else None
        yield row, x, y, cluster, cosine, pocket
