"""The nearest category by meaning, for projects that no word placed. It comes after embedding: it needs vectors."""

from collections.abc import Iterator

import numpy as np
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import MD5, Concat

from engine.bulk import copy_in
from engine.models import EmbeddingModel
from engine.vectors import Matrix, digest
from recommendations import scoring
from recommendations.catalogue import Positions
from recommendations.models import Category, CategoryEmbedding, ProjectCategory, ProjectEmbedding

PROJECTS_AT_ONCE = 5000
VERSION = "1"  # raise it when placing changes: every project is then compared anew
NEAR_ENOUGH = 0.25  # cosine below which no category is said to fit; docs/decisions/placing-by-vector.md


def compared_with(model: EmbeddingModel) -> str:
    """Digest of the category vectors: with others, every project is compared again."""
    rows = CategoryEmbedding.objects.filter(model=model).order_by("subject_id").values_list("subject_id", "vector_hash")
    return digest(*(f"{pk} {vector_hash}" for pk, vector_hash in rows), str(NEAR_ENOUGH), VERSION)


def unplaced(model: EmbeddingModel) -> "QuerySet[ProjectEmbedding]":
    """Vectors of projects without a category of their own that were not compared with the present categories."""
    if not Category.objects.exists():
        return ProjectEmbedding.objects.none()
    own = ProjectCategory.objects.filter(project=OuterRef("subject"), by_vector=False, applies=True)
    return ProjectEmbedding.objects.filter(~Exists(own), Q(vector__isnull=False), model=model).exclude(
        subject__placed_by=mark(model)
    )


def mark(model: EmbeddingModel) -> MD5:
    """What a project's `placed_by` is once its present vector was compared with the present categories."""
    return MD5(Concat(F("vector_hash"), Value(compared_with(model))))


def place(model: EmbeddingModel) -> Iterator[tuple[int, int]]:
    """Give each its nearest category if that is near enough, with the cosine as confidence.

    Yields how many were compared and how many of them placed, by blocks.
    """
    ids = np.array(Category.objects.order_by("pk").values_list("pk", flat=True), dtype=np.int64)
    if not len(ids):
        return
    categories = CategoryEmbedding.objects.vectors_of(model, ids)
    centre = middle_of(categories)
    categories = scoring.centred(categories, centre)
    after = 0
    while True:
        with transaction.atomic():
            rows = list(
                unplaced(model)
                .filter(subject_id__gt=after)
                .order_by("subject_id")
                .values_list("subject_id", mark(model))[:PROJECTS_AT_ONCE]
            )
            if not rows:
                return
            projects = np.array([row[0] for row in rows], dtype=np.int64)
            vectors = ProjectEmbedding.objects.vectors_of(model, projects)
            placed = nearest(scoring.centred(vectors, centre), categories)
            near = write(projects, [row[1] for row in rows], ids, placed)
        yield len(rows), near
        after = int(projects[-1])


def middle_of(categories: Matrix) -> Matrix:
    """What all descriptions of categories share, to be taken away before they are compared. (c, d) -> (d,).

    Of one or two there is nothing to share: then it is the origin.
    """
    return categories.mean(axis=0) if len(categories) > 2 else np.zeros_like(categories[0])


def nearest(vectors: Matrix, categories: Matrix) -> tuple[Positions, Matrix]:
    """The column of the nearest category and its cosine. (n, d), (c, d) unit rows -> (n,), (n,)."""
    cosines = vectors @ categories.T
    best = cosines.argmax(axis=1)
    return best, cosines[np.arange(len(best)), best]


def write(projects: Positions, marks: list[str], ids: Positions, placed: tuple[Positions, Matrix]) -> int:
    """Replace the links by vector of those projects, and note what they were compared with; how many are near."""
    best, cosines = placed
    near = np.where(cosines >= NEAR_ENOUGH, ids[best], 0)
    sure = np.clip(cosines, 0.0, 1.0)
    columns = {"project_id": "bigint", "mark": "text", "category_id": "bigint", "confidence": "float8"}
    copy_in("nearest", columns, zip(projects.tolist(), marks, near.tolist(), sure.tolist(), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(HELD, [projects.tolist()])
        for statement in (OTHERS_GONE, LINKED, MARKED):
            cursor.execute(statement)
    return int((near > 0).sum())


HELD = "SELECT FROM recommendations_project WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
OTHERS_GONE = """
DELETE FROM recommendations_projectcategory l USING pg_temp.nearest n
WHERE l.project_id = n.project_id AND l.by_vector AND l.source = 'auto' AND l.category_id <> n.category_id
"""
LINKED = """
INSERT INTO recommendations_projectcategory AS l (project_id, category_id, confidence, source, applies, by_vector)
SELECT project_id, category_id, confidence, 'auto', TRUE, TRUE FROM pg_temp.nearest WHERE category_id > 0
ON CONFLICT (project_id, category_id) DO UPDATE SET confidence = excluded.confidence
WHERE l.source = 'auto' AND l.confidence <> excluded.confidence
"""
MARKED = """
UPDATE recommendations_project p SET placed_by = n.mark FROM pg_temp.nearest n WHERE p.id = n.project_id
"""
