"""Search by words and by meaning at once, and the order of what is rising."""

import re
from collections.abc import Sequence
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import NamedTuple

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.core.exceptions import ValidationError
from django.db.models import Case, ExpressionWrapper, F, FloatField, Q, QuerySet, When
from django.db.models.functions import Extract, Greatest, Now
from django.db.models.lookups import IContains, IEndsWith

from engine.ranking import fused
from recommendations import serving
from recommendations.models import Project

LONGEST = 200  # characters of a question
MOST = 200  # projects found
YOUNG = timedelta(days=3 * 365)  # older projects are known by now, however many stars a day they ever got


class Found(NamedTuple):
    """Ids of projects, best first. by_meaning: whether their meaning was compared too, or words alone."""

    ids: list[int]
    by_meaning: bool


def search(q: str, projects: QuerySet[Project]) -> Found:
    """The projects that answer best to a text, at most 200: by name, by words and by meaning, fused."""
    asked = checked(q)
    if not asked:
        return Found([], False)
    near = serving.nearest(asked, MOST)
    rankings = (*by_name(asked, projects), by_words(asked, projects), within(projects, near or ()))
    return Found(fused(*rankings)[:MOST], near is not None)


def checked(q: str) -> str:
    """The text without the blanks around it; ValidationError for one that no search takes."""
    if len(q) > LONGEST:
        raise ValidationError(f"The search text has {len(q)} characters; allowed: at most {LONGEST}.", code="too_long")
    if "\0" in q or any("\ud800" <= character <= "\udfff" for character in q):
        raise ValidationError("The search text holds characters that no text has.", code="no_text")
    return q.strip()


def by_name(q: str, projects: QuerySet[Project]) -> tuple[list[int], list[int]]:
    """Projects named just so, and all whose name begins with the text; by stars."""
    wanted = q if "/" in q else f"/{q}"
    named = projects.filter(IContains(F("full_name"), wanted)).annotate(exact=IEndsWith(F("full_name"), wanted))
    rows = named.order_by("-exact", F("stars").desc(nulls_last=True), "pk").values_list("pk", "exact")[:MOST]
    return [pk for pk, exact in rows if exact], [pk for pk, _ in rows]


def by_words(q: str, projects: QuerySet[Project]) -> list[int]:
    """Projects that hold every word, in the syntax of web searches, by cover density.

    Names and topics are kept as separate words, a description as it was written: "node.js" is looked up both ways.
    """
    ways = {q, re.sub(r"(?<=\w)[-_./]+(?=\w)", " ", q)}
    query = reduce(or_, [SearchQuery(way, config="english", search_type="websearch") for way in sorted(ways)])
    rank = SearchRank(F("search"), query, cover_density=True)
    return list(projects.filter(search=query).order_by(rank.desc(), "pk").values_list("pk", flat=True)[:MOST])


def within(projects: QuerySet[Project], ids: Sequence[int]) -> list[int]:
    """Those of the ids that are among the projects, in their order."""
    there = set(projects.filter(pk__in=ids).values_list("pk", flat=True)) if ids else set()
    return [pk for pk in ids if pk in there]


def with_stars_a_day(projects: QuerySet[Project]) -> QuerySet[Project]:
    """Each with `stars_a_day`, stars by days since it was created, at least one; null where either is unknown."""
    days = Greatest(Extract(Now() - F("created_at"), "epoch") / 86400.0, 1.0, output_field=FloatField())
    rate = ExpressionWrapper(F("stars") / days, output_field=FloatField())
    # GREATEST passes over a null: without the condition an unknown date would count as today's.
    return projects.annotate(stars_a_day=Case(When(created_at__isnull=False, then=rate)))


def trending(projects: QuerySet[Project]) -> QuerySet[Project]:
    """The kept ones of the last three years, most stars a day since their creation first."""
    young = Q(created_at__gt=Now() - YOUNG, created_at__lte=Now(), stars__isnull=False)
    kept = projects.filter(young, is_archived=False, is_disabled=False, gone_at=None)
    return with_stars_a_day(kept).order_by(F("stars_a_day").desc(), "pk")
