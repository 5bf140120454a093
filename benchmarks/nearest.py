"""The nearest of many vectors: all of them compared, beside the index of halved precision."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from django.db import connection

from benchmarks.table import Row, seconds
from engine.bulk import copy_in_vectors
from engine.embeddings import indexes
from engine.models import EmbeddingModel
from engine.postgresql import neighbours
from engine.vectors import Matrix, Numbers, agreement
from recommendations.models import Project, ProjectEmbedding

VECTORS, CENTRES, QUERIES, NEIGHBOURS = 30_000, 300, 100, 10
TABLE = ProjectEmbedding._meta.db_table


def measure() -> Iterator[Row]:
    """The index finds what the comparison with all finds, but for a few; how many is the note."""
    model, random = EmbeddingModel.objects.live(), np.random.default_rng(5)
    centres = random.normal(size=(CENTRES, model.dimensions))
    fill(model, around(centres, VECTORS, random))
    asked = around(centres, QUERIES, random)
    exact, took_exact = answers(model, asked)
    building = seconds(lambda: indexes.keep(least=VECTORS))
    found, took = answers(model, asked)
    note = f"recall@{NEIGHBOURS} {agreement(found, exact):.3f}, built in {building:.0f} s"
    yield Row(f"{QUERIES} x {NEIGHBOURS} nearest of {VECTORS:,}", took, "all compared", took_exact, note, "recall 0.99")
    neighbours.drop(neighbours.name_of(TABLE, model.pk))
    Project.objects.all().delete()


def around(centres: npt.NDArray[np.floating], count: int, random: np.random.Generator) -> Matrix:
    """Unit vectors in clusters, (count, d)."""
    width = centres.shape[1]
    rows = centres[random.integers(len(centres), size=count)] + 0.7 * random.normal(size=(count, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def fill(model: EmbeddingModel, vectors: Matrix) -> None:
    projects = Project.objects.bulk_create(
        (Project(full_name=f"bench/{at}") for at in range(len(vectors))), batch_size=5_000
    )
    ids = np.array([project.pk for project in projects], dtype=np.int64)
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        copy_in_vectors("made", ids, vectors)
        cursor.execute(
            f"INSERT INTO {TABLE} (subject_id, model_id, text, text_hash, vector, vector_hash, attempts, lease, error)"
            " SELECT id, %s, 'text', 'h', vector, 'h', 0, '', '' FROM pg_temp.made",
            [model.pk],
        )
        cursor.execute("COMMIT")
        cursor.execute(f"ANALYZE {TABLE}")


def answers(model: EmbeddingModel, asked: Matrix) -> tuple[Numbers, float]:
    """The ids that are found for each, and the seconds that it took."""
    found: list[list[int]] = []

    def ask() -> None:
        for vector in asked:
            found.append([pk for pk, _ in ProjectEmbedding.objects.nearest(model, vector, NEIGHBOURS)])

    took = seconds(ask)
    return np.array(found), took
