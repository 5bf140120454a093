"""A curator's word: what it writes, and what follows from it."""

from collections.abc import Collection, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q

from recommendations import profiles
from recommendations.models import (
    Category,
    CategoryEmbedding,
    Profile,
    Project,
    ProjectCategory,
    ProjectTechStack,
    TechStack,
)
from recommendations.models.project import Link
from recommendations.seeding import category_text

AT_ONCE = 1000
CURATED = Link.Source.CURATED


def say(*, projects: Sequence[int], term: Category | TechStack, applies: bool) -> None:
    """That these projects belong under a term, or do not; no run says otherwise afterwards."""
    table: Any
    table, field = (ProjectCategory, "category") if isinstance(term, Category) else (ProjectTechStack, "stack")
    word = {"source": CURATED, "confidence": 1.0, "applies": applies}
    if table is ProjectCategory:
        word["by_vector"] = False
    for begin in range(0, len(projects), AT_ONCE):
        table.objects.bulk_create(
            [table(project_id=pk, **{field: term}, **word) for pk in projects[begin : begin + AT_ONCE]],
            update_conflicts=True,
            unique_fields=["project", field],
            update_fields=list(word),
        )


def curate(link: ProjectCategory | ProjectTechStack) -> None:
    """Store a link as a curator's."""
    link.source, link.confidence = CURATED, 1.0
    if isinstance(link, ProjectCategory):
        link.by_vector = False
    link.save()


def remove(link: ProjectCategory | ProjectTechStack) -> None:
    """Take a link away for good, by a word that says no; taking that word away leaves it to the next run."""
    if link.applies:
        link.applies = False
        curate(link)
    else:
        link.delete()
        Project.objects.filter(pk=link.project_id).update(enriched_facts="", placed_by="")


def whose(term: Category | TechStack) -> list[int]:
    """The profiles that name a term, and whose text therefore does."""
    named = Q(category_links__category=term) if isinstance(term, Category) else Q(stack_links__stack=term)
    return list(Profile.objects.filter(named).values_list("pk", flat=True))


def describe(categories: Collection[Category]) -> None:
    """The text of each category is what it says now."""
    CategoryEmbedding.objects.want({category.pk: category_text(category) for category in categories})


def retold(term: Category | TechStack, renamed: bool) -> None:
    """What follows from a changed term: its own text, and that of the people who name it."""
    if isinstance(term, Category):
        describe([term])
    if renamed:
        profiles.touch(whose(term))


@transaction.atomic
def delete(terms: Sequence[Category | TechStack]) -> None:
    """Terms with all links to them; the people who named them are told of without."""
    people = sorted({pk for term in terms for pk in whose(term)})
    for term in terms:
        term.delete()
    profiles.touch(people)
