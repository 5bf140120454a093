"""Rows and arrays with plain defaults, for tests. A vector given here is data: no model made it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from engine import runs
from engine.models import EmbeddingModel, Run
from engine.pipeline import Scope
from engine.text import text_hash
from recommendations import answers
from recommendations.models import (
    Category,
    Generation,
    Interaction,
    Profile,
    Project,
    ProjectEmbedding,
    Recommendation,
    TechStack,
    Weights,
)
from recommendations.pipeline import RECOMMENDATIONS
from recommendations.scoring import Catalogue, Formula, Person

EVEN = Formula((0.25, 0.45, 0.5, 0.1), threshold=1_000, log_scale=True, min_similarity=0.0)
LEDGER = ("engine_run", "engine_step", "engine_tally")


def make_model(dimensions: int = 3) -> EmbeddingModel:
    """The live model, narrow enough for vectors that a person can read."""
    return EmbeddingModel.objects.filter(state="live").first() or EmbeddingModel.objects.create(
        name=settings.MODEL_NAME,
        provider=settings.EMBEDDING_PROVIDER,
        dimensions=dimensions,
        state="live",
        used_at=timezone.now(),
    )


def make_project(full_name: str = "octo/tool", **facts: Any) -> Project:
    return Project.objects.create(full_name=full_name, **facts)


def make_projects(count: int, **facts: Any) -> list[Project]:
    """Projects octo0/tool, octo1/tool …, each with its own direction of meaning."""
    rows = [Project(full_name=f"octo{number}/tool", stars=number, **facts) for number in range(count)]
    made, model = Project.objects.bulk_create(rows), make_model()
    ProjectEmbedding.objects.bulk_create(
        vectored(ProjectEmbedding(subject=project, model=model), [1, number / count, 0])
        for number, project in enumerate(made)
    )
    return made


def make_user(username: str = "alice", **said: Any) -> User:
    user = User.objects.create(username=username, password="!")
    Profile.objects.create(user=user, **said)
    return user


def make_category(name: str = "Games", **rules: Any) -> Category:
    return Category.objects.create(name=name, **rules)


def make_stack(name: str = "Python", **rules: Any) -> TechStack:
    return TechStack.objects.create(name=name, kind=TechStack.Kind.TECH, **rules)


def make_weights(**changed: Any) -> Weights:
    """The next version: the reference weights, every score allowed, nothing moved."""
    plain = {"semantic": 0.25, "category": 0.45, "tech": 0.5, "popularity": 0.1, "popularity_threshold": 1_000}
    plain |= {"min_similarity": 0.0, "top_n": 5, "variety": 0}
    return Weights.objects.create(version=Weights.objects.count() + 1, **{**plain, **changed})


def give_vector(subject: Any, values: Sequence[float], text: str = "") -> None:
    """Say that this is the vector of the subject's text: of a new text, or of the one it has."""
    subject = subject.profile if isinstance(subject, User) else subject
    model = make_model(len(values))
    row = subject.embeddings.filter(model=model).first() or subject.embeddings.model(subject=subject, model=model)
    vectored(row, values, text).save()


def vectored(row: Any, values: Sequence[float], text: str = "") -> Any:
    """That row of embeddings, unsaved, with this vector."""
    row.text = text or row.text or f"text of {row.subject}"
    row.text_hash = row.vector_hash = text_hash(row.text)
    row.vector = list(values)
    return row


def belongs(project: Project, *terms: Category | TechStack, **link: Any) -> None:
    """Link a project or, for a user, their profile to categories and stacks."""
    for term in terms:
        if isinstance(term, Category):
            project.category_links.create(category=term, **link)
        else:
            project.stack_links.create(stack=term, **link)


def knows(user: User, *terms: Category | TechStack) -> None:
    for term in terms:
        if isinstance(term, Category):
            user.profile.category_links.create(category=term, source="curated")
        else:
            user.profile.stack_links.create(stack=term, source="curated")


def act(user: User, project: Project, kind: str, at: datetime | None = None) -> Interaction:
    when = at or datetime(2024, 1, 1, tzinfo=UTC)
    return Interaction.objects.create(user=user, project=project, kind=kind, at=when)


def star(user: User, project: Project, at: datetime | None = None) -> Interaction:
    return act(user, project, "star", at)


def run(*stages: str, force: bool = False) -> Run:
    """The pipeline, or those stages of it, through the real runner."""
    return runs.run(RECOMMENDATIONS, Scope(force=force), only=stages)


def score() -> Run:
    """A new generation, published."""
    done = run("score")
    assert done.state == Run.State.DONE, done.error
    return done


def stored_for(user: User, top: int = 50) -> list[Recommendation]:
    """Their rows of the live generation."""
    live = Generation.objects.live()
    assert live
    return list(answers.recommendations(live).filter(user=user)[:top])


def snapshot(*left_out: str) -> dict[str, list[tuple[str, str]]]:
    """Every row of every table as text with its place on disk: a row that was only rewritten differs too."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        tables = [row[0] for row in cursor.fetchall() if row[0] not in left_out]
        found = {}
        for table in tables:
            cursor.execute(f"SELECT ctid::text, t::text FROM {table} t ORDER BY 1")
            found[table] = cursor.fetchall()
    return found


def make_catalogue(seed: int = 0, size: int = 120, **given: Any) -> Catalogue:
    """Random projects with some zero vectors, unknown stars and archived ones; arrays that nobody may write to."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(size, 6))
    vectors[random.random(size) < 0.05] = 0
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    arrays = {
        "ids": np.sort(random.choice(10 * size, size, replace=False) + 1).astype(np.int64),
        "vectors": np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0).astype(np.float32),
        "centre": np.zeros(6, np.float32),
        "categories": (random.random((size, 5)) < 0.3).astype(np.float32),
        "stacks": (random.random((size, 7)) < 0.3).astype(np.float32),
        "stars": np.where(random.random(size) < 0.1, np.nan, random.integers(0, 5_000, size)).astype(np.float64),
        "served": random.random(size) > 0.1,
        **given,
    }
    for array in arrays.values():
        array.setflags(write=False)
    return Catalogue(**arrays)


def make_person(catalogue: Catalogue, **given: Any) -> Person:
    """Somebody who said nothing and did nothing, unless given."""
    none = np.empty(0, dtype=np.int64)
    plain: dict[str, Any] = {
        "id": 1,
        "text": None,
        "liked": none,
        "categories": np.zeros(catalogue.categories.shape[1], np.float32),
        "stacks": np.zeros(catalogue.stacks.shape[1], np.float32),
        "never": none,
        **given,
    }
    for value in plain.values():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    return Person(**plain)


def random_person(catalogue: Catalogue, seed: int = 0, liked: int = 5) -> Person:
    random = np.random.default_rng(seed + 1_000)
    text = random.normal(size=catalogue.vectors.shape[1])
    categories, stacks = (random.random(rows.shape[1]) for rows in (catalogue.categories, catalogue.stacks))
    at = random.choice(len(catalogue.ids), liked, replace=False).astype(np.int64)
    return make_person(
        catalogue,
        text=(text / np.linalg.norm(text)).astype(np.float32),
        liked=at,
        categories=np.where(categories < 0.4, 1, 0).astype(np.float32),
        stacks=np.where(stacks < 0.4, 1, 0).astype(np.float32),
        never=np.sort(at),
    )
