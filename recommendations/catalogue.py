"""The catalogue as arrays: every project with its vector, its terms and its figures."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
from django.db.models import QuerySet

from engine.models import EmbeddingModel
from engine.vectors import Matrix, digest
from recommendations import scoring
from recommendations.company import Company
from recommendations.models import Category, Project, ProjectCategory, ProjectEmbedding, ProjectTechStack, TechStack
from recommendations.scoring import Catalogue, Floats, Positions


@dataclass(frozen=True)
class Terms:
    """Which id stands in which column of an incidence matrix, and its name."""

    ids: Positions
    names: tuple[str, ...]

    @classmethod
    def of(cls, terms: "QuerySet[Category] | QuerySet[TechStack]") -> "Terms":
        rows = list(terms.order_by("pk").values_list("pk", "name"))
        return cls(np.array([pk for pk, _ in rows], dtype=np.int64), tuple(name for _, name in rows))

    def matrix(self, rows: Positions, ids: Positions, height: int) -> Matrix:
        return scoring.incidence(rows, np.searchsorted(self.ids, ids), (height, len(self.ids)))

    def common(self, mine: Matrix, theirs: Matrix) -> list[list[str]]:
        """The names of what each of them and I both have. (t,), (k, t)."""
        names: list[list[str]] = [[] for _ in theirs]
        for row, column in np.argwhere((theirs > 0) & (mine > 0)).tolist():
            names[row].append(self.names[column])
        return names


@dataclass(frozen=True)
class Loaded:
    """The catalogue with what it takes to speak of it: names of projects, terms, dates, and who vouches for what."""

    catalogue: Catalogue
    names: tuple[str, ...]
    created: Floats
    categories: Terms
    stacks: Terms
    company: Company | None = None

    def centred(self) -> "Loaded":
        """The same with what all texts share taken away: how projects and people are compared."""
        plain = self.catalogue.vectors
        centre = scoring.centre_of(plain)
        return replace(self, catalogue=replace(self.catalogue, vectors=scoring.centred(plain, centre), centre=centre))

    @cached_property
    def owners(self) -> tuple[str, ...]:
        return tuple(name.split("/", 1)[0].lower() for name in self.names)

    @cached_property
    def by_owner(self) -> dict[str, list[int]]:
        """The positions of what each owner has."""
        found: dict[str, list[int]] = {}
        for position, owner in enumerate(self.owners):
            found.setdefault(owner, []).append(position)
        return found

    @property
    def slots(self) -> str:
        """Digest of which id stands at which place of a hybrid vector."""
        return digest(self.categories.ids, self.stacks.ids)


def load(model: EmbeddingModel) -> Loaded:
    """Every project, in the order of its id, with the vectors of that model as they are."""
    rows = list(
        Project.objects.order_by("pk").values_list(
            "pk", "full_name", "stars", "is_archived", "is_disabled", "created_at", "gone_at"
        )
    )
    ids = np.array([row[0] for row in rows], dtype=np.int64)
    categories, stacks = Terms.of(Category.objects.all()), Terms.of(TechStack.objects.all())
    return Loaded(
        catalogue=Catalogue(
            ids=ids,
            vectors=ProjectEmbedding.objects.vectors_of(model, ids),
            centre=np.zeros(model.dimensions, dtype=np.float32),
            categories=linked(ProjectCategory.objects.all(), "project_id", "category_id", ids, categories),
            stacks=linked(ProjectTechStack.objects.all(), "project_id", "stack_id", ids, stacks),
            stars=np.array([np.nan if row[2] is None else row[2] for row in rows], dtype=np.float64),
            served=np.array([not (row[3] or row[4] or row[6]) for row in rows], dtype=bool),
        ),
        names=tuple(row[1] for row in rows),
        created=np.array([seconds(row[5]) for row in rows], dtype=np.float64),
        categories=categories,
        stacks=stacks,
    )


def seconds(moment: datetime | None) -> float:
    return np.nan if moment is None else moment.timestamp()


def linked(links: QuerySet[Any], subject: str, term: str, ids: Positions, terms: Terms) -> Matrix:
    """The links that apply as a matrix of 0 and 1: a row a subject, a column a term."""
    chosen = links.filter(applies=True, **{f"{subject}__in": ids.tolist(), f"{term}__in": terms.ids.tolist()})
    pairs = np.array(list(chosen.values_list(subject, term)), dtype=np.int64).reshape(-1, 2)
    return terms.matrix(np.searchsorted(ids, pairs[:, 0]), pairs[:, 1], len(ids))
