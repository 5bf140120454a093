"""What is served: a person's recommendations as rows of the live generation, in words and figures."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet

from recommendations import reasons
from recommendations.models import Generation, Recommendation
from recommendations.scoring import COMPONENTS

PEOPLE_AT_ONCE = 500


def recommendations(generation: Generation) -> "QuerySet[Recommendation]":
    """The rows of a generation with the projects they name, best first."""
    rows = generation.recommendations.select_related("project", "nearest").order_by("user_id", "rank")
    unread = ("readme", "languages", "topics")  # a README is long, and fifty a person come along
    return rows.defer(*(f"{project}__{name}" for project in ("project", "nearest") for name in unread))


def answer(row: Recommendation) -> dict[str, Any]:
    """One recommendation as exports, commands and the API give it."""
    return {
        "full_name": row.project.full_name,
        "rank": row.rank,
        "score": row.score,
        "raw_score": row.raw_score,
        "components": in_order(row.components),
        "parts": in_order(row.parts),
        "reasons": sentences(row),
        "cold_start": row.cold_start,
    }


def in_order(figures: dict[str, float] | None) -> dict[str, float] | None:
    """The figures in the order of the formula; the database keeps keys in one of its own."""
    return figures and {name: figures[name] for name in (*COMPONENTS, *sorted(set(figures) - set(COMPONENTS)))}


def sentences(row: Recommendation) -> list[str]:
    said = reasons.sentences(
        parts=row.parts or {},
        stacks=row.stacks,
        categories=row.categories,
        nearest=row.nearest.full_name if row.nearest else None,
        stars=row.project.stars,
    )
    return [*said, f"Moved: {row.moved_because}."] if row.moved_because else said


def for_user(user: User, top: int | None = None) -> tuple[Generation | None, list[Recommendation]]:
    """The live generation and the user's best of it, as many as its weights say; none while none was published."""
    generation = Generation.objects.live()
    if generation is None:
        return None, []
    return generation, list(recommendations(generation).filter(user=user)[: top or generation.weights.top_n])


def everyone(generation: Generation, top: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each user's best in the order of their names, a few hundred people at a time."""
    users = User.objects.filter(profile__isnull=False).order_by("username").values_list("pk", "username")
    for block in in_blocks(users.iterator(), PEOPLE_AT_ONCE):
        rows = recommendations(generation).filter(user__in=[pk for pk, _ in block], rank__lte=top)
        by_user: dict[int, list[dict[str, Any]]] = {}
        for row in rows:
            by_user.setdefault(row.user_id, []).append(answer(row))
        for pk, name in block:
            yield name, by_user.get(pk, [])


def in_blocks(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    block: list[Any] = []
    for row in rows:
        block.append(row)
        if len(block) == size:
            yield block
            block = []
    if block:
        yield block
