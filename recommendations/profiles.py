"""What follows from a change of a profile: its text, and that its recommendations are out of date."""

from collections.abc import Collection, Iterable
from typing import Any

from django.db.models.functions import Now

from recommendations import texts
from recommendations.models import Profile, ProfileCategory, ProfileEmbedding, ProfileTechStack


def changed_by(cursor: Any, statement: str) -> set[int]:
    """Run a statement that returns the profiles it changed."""
    cursor.execute(statement)
    return {row[0] for row in cursor.fetchall()}


def touch(ids: Collection[int], told: bool = True) -> None:
    """These profiles changed, in this transaction. told: in what they say of themselves, so also in their text."""
    if not ids:
        return
    profiles = Profile.objects.filter(pk__in=ids)
    list(profiles.order_by("pk").select_for_update().values_list("pk"))  # in one order: two of us do not deadlock
    profiles.update(changed_at=Now())
    if told:
        ProfileEmbedding.objects.want(texts_of(ids))


def texts_of(ids: Collection[int]) -> dict[int, str]:
    """The text of each profile, "" for one without any fact."""
    categories = names(
        ProfileCategory.objects.filter(profile__in=ids, applies=True).values_list("profile", "category__name")
    )
    stacks = names(ProfileTechStack.objects.filter(profile__in=ids, applies=True).values_list("profile", "stack__name"))
    return {
        profile.pk: texts.profile_text(
            job_title=profile.job_title,
            bio=profile.bio,
            interests=profile.interests,
            stacks=stacks.get(profile.pk, []),
            categories=categories.get(profile.pk, []),
        )
        for profile in Profile.objects.filter(pk__in=ids)
    }


def names(pairs: Iterable[tuple[int, str]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for pk, name in pairs:
        found.setdefault(pk, []).append(name)
    return found
