"""What a person decides of the facts that their messages gave; and that their lists are then out of date."""

from collections.abc import Collection

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from recommendations import acts, profiles
from recommendations.models import Fact, Profile

SHOWN = 500
State = Fact.State


@transaction.atomic
def changed(users: Collection[int], told: bool = False) -> None:
    """Facts of theirs came, or their states changed: the next list of each knows it, also of who had no profile yet.

    told: also what counts as said in a profile changed, so its text is made anew.
    """
    Profile.objects.bulk_create((Profile(user_id=pk) for pk in sorted(users)), ignore_conflicts=True)
    profiles.touch(users, told)


@transaction.atomic
def decide(user: User, fact: int, state: str) -> Fact | None:
    """Set the state of a fact of theirs; None where they have none of that id. What stands already changes nothing."""
    mine = Fact.objects.select_for_update(of=("self",)).select_related("stack", "category", "project")
    found = mine.filter(user=user, pk=fact).first()
    if found is None or found.state == state:
        return found
    pinned = State.PINNED in (found.state, state)
    found.state = State(state)
    found.save(update_fields=["state"])
    if state == State.PINNED:
        take_back_refusal(found)
    changed([user.pk], told=pinned)
    return found


def take_back_refusal(fact: Fact) -> None:
    """Who pins something says that it is theirs."""
    term = fact.stack or fact.category
    if term:
        links, own = acts.links_of(profiles.of(fact.user), term)
        links.filter(**own, applies=False).delete()


def shown(user: User) -> QuerySet[Fact]:
    """The facts of a person that they did not delete, the newest first, as many as a person looks through."""
    named = Fact.objects.filter(user=user).exclude(state=State.DELETED)
    whole = named.select_related("stack", "category", "project").defer("project__readme", "project__search")
    return whole.order_by("-said_at", "-pk")[:SHOWN]


def subject(fact: Fact) -> tuple[str, str]:
    """What kind of thing a fact names, and its name."""
    if fact.stack:
        return "stack", fact.stack.name
    if fact.category:
        return "category", fact.category.name
    return ("project", fact.project.full_name) if fact.project else ("interest", fact.interest)
