"""Storing a generation's rows, COPY beside bulk_create."""

from collections.abc import Iterator

from django.contrib.auth.models import User
from django.db.models.functions import Now

from benchmarks.table import Row, seconds
from engine.bulk import copy_into
from engine.models import EmbeddingModel
from recommendations.generations import COLUMNS, named, with_json
from recommendations.models import Generation, Profile, Project, Recommendation, Weights

PEOPLE, KEPT = 1_000, 50


def measure() -> Iterator[Row]:
    weights, model = Weights.objects.current(), EmbeddingModel.objects.live()
    users = User.objects.bulk_create(User(username=f"person{at}", password="!") for at in range(PEOPLE))
    Profile.objects.bulk_create(Profile(user=user) for user in users)
    projects = Project.objects.bulk_create(Project(full_name=f"owner/tool{at}") for at in range(KEPT))
    copied, created = (
        [row(draft.pk, user.pk, project.pk, at) for user in users for at, project in enumerate(projects, 1)]
        for draft in (
            Generation.objects.create(inputs=name, weights=weights, model=model, inputs_at=Now()) for name in ("1", "2")
        )
    )
    took = seconds(lambda: by_copy(copied))
    other = seconds(lambda: by_objects(created))
    note = f"{PEOPLE * KEPT / took:,.0f} rows/s"
    yield Row(f"{PEOPLE * KEPT:,} recommendations, stored", took, "bulk_create", other, note, "at least 4 x")
    Generation.objects.all().delete()
    Project.objects.all().delete()
    User.objects.all().delete()


def row(draft: int, user: int, project: int, rank: int) -> tuple[object, ...]:
    """In the order of COLUMNS, with figures and words of the usual length."""
    figures = named((0.4, 0.5, 0.1, 0.7))
    told = ["Python", "PostgreSQL"], ["Databases"]
    return (draft, user, project, rank, rank, "", 0.5, 0.5, figures, figures, *told, None, False, {})


def by_copy(rows: list[tuple[object, ...]]) -> None:
    copy_into(Recommendation._meta.db_table, COLUMNS, [with_json(each) for each in rows])


def by_objects(rows: list[tuple[object, ...]]) -> None:
    made = (Recommendation(**dict(zip(COLUMNS, each, strict=True))) for each in rows)
    Recommendation.objects.bulk_create(made, batch_size=1_000)
