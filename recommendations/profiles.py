"""What people say of themselves, and what follows: their text, and that their recommendations are out of date."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models.functions import Now

from recommendations import texts
from recommendations.models import Fact, Profile, ProfileCategory, ProfileEmbedding, ProfileTechStack


def of(user: User) -> Profile:
    """The profile of a user, made when there is none yet."""
    return Profile.objects.get_or_create(user=user)[0]


HOLD = "SELECT id FROM auth_user WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"


def hold(users: Iterable[int]) -> set[int]:
    """Keep these people until the end of this transaction; returns those who are there.

    To be called before any row of theirs is locked: whoever deletes a person locks the person first and then the rows,
    and two who go opposite ways wait for each other.
    """
    with connection.cursor() as cursor:
        cursor.execute(HOLD, [list(users)])
        return {pk for (pk,) in cursor.fetchall()}


@transaction.atomic
def say(
    user: User,
    *,
    bio: str | None = None,
    job_title: str | None = None,
    location: str | None = None,
    company: str | None = None,
    interests: Sequence[str] | None = None,
    stacks: Collection[int] | None = None,
    categories: Collection[int] | None = None,
) -> Profile:
    """What a person says of themselves replaces what is there, None leaves it; what they refused stays refused."""
    profile = of(user)
    given = {"bio": bio, "job_title": job_title, "location": location, "company": company}
    given_lists = {"interests": None if interests is None else list(interests)}
    changed = {name: value for name, value in {**given, **given_lists}.items() if value is not None}
    differs = {name: value for name, value in changed.items() if getattr(profile, name) != value}
    if differs:
        Profile.objects.filter(pk=profile.pk).update(**differs)
    relinked = [
        relink(links, term, ids)
        for links, term, ids in (
            (profile.stack_links, "stack_id", stacks),
            (profile.category_links, "category_id", categories),
        )
        if ids is not None
    ]
    if differs or any(relinked):
        touch([profile.pk])
        profile.refresh_from_db()
    return profile


def relink(links: Any, term: str, ids: Collection[int]) -> bool:
    """Make the terms that apply just these; returns whether anything changed."""
    gone, _ = links.filter(applies=True).exclude(**{f"{term}__in": ids}).delete()
    said = {"source": "curated", "confidence": 1.0, "applies": True}
    raised = links.filter(**{f"{term}__in": ids}).exclude(source="curated", applies=True).update(**said)
    known = set(links.values_list(term, flat=True))
    fresh = [links.model(profile=links.instance, **{term: pk}, **said) for pk in sorted(set(ids) - known)]
    links.bulk_create(fresh, ignore_conflicts=True)
    return bool(gone or raised or fresh)


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
    """The text of each profile, "" for one without any fact; what somebody pinned is as good as said."""
    pinned = Fact.objects.filter(user__in=ids, state=Fact.State.PINNED).order_by("pk")
    said = pinned.values_list("user", "interest", "stack__name", "category__name")
    wrote = [names((pk, named[at]) for pk, *named in said if named[at]) for at in range(3)]
    own = (ProfileTechStack.objects, "stack__name"), (ProfileCategory.objects, "category__name")
    stacks, categories = (
        names(links.filter(profile__in=ids, applies=True).values_list("profile", name)) for links, name in own
    )
    return {
        profile.pk: texts.profile_text(
            job_title=profile.job_title,
            bio=profile.bio,
            interests=together(profile.interests, wrote[0].get(profile.pk)),
            stacks=together(stacks.get(profile.pk), wrote[1].get(profile.pk)),
            categories=together(categories.get(profile.pk), wrote[2].get(profile.pk)),
        )
        for profile in Profile.objects.filter(pk__in=ids)
    }


def together(*lists: Sequence[str] | None) -> list[str]:
    """Each name once."""
    return list(dict.fromkeys(name for each in lists for name in each or ()))


def names(pairs: Iterable[tuple[int, str]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for pk, name in pairs:
        found.setdefault(pk, []).append(name)
    return found
