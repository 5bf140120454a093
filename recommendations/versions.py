"""What the page of the models shows of ours: versions of the taxonomy and of the weights."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, Max, Min
from django.urls import reverse

from engine.versions import Cell, Versions
from recommendations.models import Category, Generation, TechStack, Weights
from recommendations.models.taxonomy import entries
from recommendations.taxonomy import Taxonomy

SHOWN = 10
WHOLE = Generation.objects.exclude(published_at=None).order_by()


class Used(NamedTuple):
    """When recommendations made with a version were published, and how many sets of them are kept."""

    first: datetime | None = None
    last: datetime | None = None
    kept: int = 0

    @property
    def cells(self) -> list[Cell]:
        return [Cell(at=self.first), Cell(at=self.last), Cell(str(self.kept))]


def taxonomy() -> Versions:
    """The present one, and those that recommendations were made with."""
    categories, stacks = entries(Category.objects.all()), entries(TechStack.objects.all())
    present, used = Taxonomy(categories, stacks).version, dict(uses("taxonomy"))
    sizes = Cell(f"{len(categories)} categories, {len(stacks)} stacks")
    rows = [[Cell("present", digest=present), sizes, *used.pop(present, Used()).cells]]
    rows += [[Cell(digest=version), Cell(), *found.cells] for version, found in list(used.items())[:SHOWN]]
    columns = ("Version", "Holds", "First used", "Used last", "Generations kept")
    return Versions("Taxonomy", "A version is the digest of all names and rules.", columns, rows)


def weights() -> Versions:
    """The newest versions: what counts, who published them, and when they were used."""
    used = uses("weights")
    newest = Weights.objects.select_related("author").order_by("-version")[:SHOWN]
    rows = [
        [named(each), Cell(what_counts(each)), published(each), *used.get(each.pk, Used()).cells] for each in newest
    ]
    columns = ("Version", "What counts", "Published by", "First used", "Used last", "Generations kept")
    return Versions("Weights", "No version is ever changed; the formula is the ranker.", columns, rows)


def uses(field: str) -> Mapping[Any, Used]:
    """By the version of that kind: when it was used, the last used first."""
    grouped = WHOLE.values_list(field).annotate(first=Min("published_at"), last=Max("published_at"), kept=Count("pk"))
    return {version: Used(*found) for version, *found in grouped.order_by("-last")}


def named(each: Weights) -> Cell:
    return Cell(f"Version {each.version}", href=reverse("admin:recommendations_weights_change", args=[each.pk]))


def what_counts(each: Weights) -> str:
    return (
        f"meaning {each.semantic:g}, category {each.category:g}, stack {each.tech:g}, popularity {each.popularity:g};"
        f" at least {each.min_similarity:.0%}, {each.top_n} shown"
    )


def published(each: Weights) -> Cell:
    return Cell(each.author.get_username() if each.author else "the settings", at=each.created_at)
