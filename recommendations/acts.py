"""What people do on a page: each act is committed before the answer, and the next list already knows it."""

from collections.abc import Collection
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now

from recommendations import profiles
from recommendations.models import Category, Interaction, Profile, Project, TechStack

PAGE_ACTS = (Interaction.Kind.LIKE, Interaction.Kind.SAVE, Interaction.Kind.DISMISS)


@transaction.atomic
def act(*, user: User, project: Project, kind: str) -> bool:
    """Note that they did it, the latest time and the count; returns whether it is the first time.

    What stands already stays as it is: a click that arrives twice is one act. To hide takes a like and a save back.
    """
    profile = profiles.of(user)
    kind = Interaction.Kind(kind)
    _, new = Interaction.objects.get_or_create(user=user, project=project, kind=kind, defaults={"at": Now()})
    opposed = Interaction.objects.filter(user=user, project=project, kind__in=opposite(kind))
    if opposed.delete()[0] or new:
        profiles.touch([profile.pk], told=False)
    return new


def opposite(kind: str) -> tuple[str, ...]:
    if kind == Interaction.Kind.DISMISS:
        return (Interaction.Kind.LIKE, Interaction.Kind.SAVE)
    return (Interaction.Kind.DISMISS,) if kind in Interaction.TASTE else ()


@transaction.atomic
def undo(*, user: User, project: Project, kind: str) -> bool:
    """Take an act back; returns whether there was one."""
    gone, _ = Interaction.objects.filter(user=user, project=project, kind=Interaction.Kind(kind)).delete()
    if gone:
        profiles.touch([profiles.of(user).pk], told=False)
    return bool(gone)


@transaction.atomic
def refuse(*, user: User, project: Project, stack: TechStack) -> None:
    """Not my stack: hide this project, and those made with that stack and nothing that they know."""
    act(user=user, project=project, kind=Interaction.Kind.DISMISS)
    say_of(profiles.of(user), stack, applies=False)


@transaction.atomic
def accept(*, user: User, stack: TechStack) -> None:
    """Take a refusal back; the stack is then neither refused nor known."""
    forget(profiles.of(user), stack)


@transaction.atomic
def say_of(profile: Profile, term: Category | TechStack, applies: bool) -> None:
    """That a term is theirs, or is not: their own word, which nothing inferred replaces."""
    links, key = links_of(profile, term)
    said = {"source": "curated", "confidence": 1.0, "applies": applies}
    _, new = links.get_or_create(**key, defaults=said)
    if new or links.filter(**key).exclude(source="curated", applies=applies).update(**said):
        profiles.touch([profile.pk])


@transaction.atomic
def forget(profile: Profile, term: Category | TechStack) -> None:
    """That nothing is said of a term."""
    links, key = links_of(profile, term)
    if links.filter(**key).delete()[0]:
        profiles.touch([profile.pk])


def links_of(profile: Profile, term: Category | TechStack) -> tuple[Any, dict[str, Category | TechStack]]:
    """The links of a profile to terms of that kind, and what finds the one to this term."""
    if isinstance(term, Category):
        return profile.category_links, {"category": term}
    return profile.stack_links, {"stack": term}


def done(user: User, projects: Collection[int]) -> dict[int, set[str]]:
    """Which kinds of act they did on each of those projects; only projects with one are named."""
    found: dict[int, set[str]] = {}
    rows = Interaction.objects.filter(user=user, project__in=projects).values_list("project_id", "kind")
    for project, kind in rows:
        found.setdefault(project, set()).add(kind)
    return found
