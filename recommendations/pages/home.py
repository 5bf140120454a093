"""The first page: for a stranger a list to try, for a member the first of theirs; beside it the problems that grow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from engine import slots
from engine.pages import Wait
from recommendations import search, serving, showing
from recommendations.forms import TryForm
from recommendations.models import Generation, Project, Recommendation
from recommendations.pages.rows import Request, lines_of

SHOWN = 5


@require_safe
def home(request: Request) -> HttpResponse:
    if request.user.is_authenticated:
        context = for_member(request)
        answer = render(request, "recommendations/home.html", context)
        if showing.really(request):
            showing.show(context["shown"])
        return answer
    serving.warm()
    trending = search.trending(Project.objects.lean())[:SHOWN]
    context = {"form": TryForm(), "trending": trending, "growing": slots.fill("growing", None)}
    return render(request, "recommendations/home.html", context)


def for_member(request: Request) -> dict[str, Any]:
    found = serving.for_user(request.user)
    rows = found.rows if found else []
    since, fresh = new_in(request.user, rows)
    first = [row.project_id for row in rows[:SHOWN]]
    return {
        "found": found,
        "shown": found and showing.list_of(request.user.pk, "home", first, found.generation, found.weights),
        "cold": any(row.cold_start for row in rows),
        "lines": lines_of(request.user, rows[:SHOWN]),
        "since": since,
        "fresh": fresh,
        "wait": Wait.of(request),
        "growing": slots.fill("growing", request.user),
    }


def new_in(user: User, rows: Sequence[Recommendation]) -> tuple[datetime | None, list[Recommendation]]:
    """When their list was last another one, and the first few rows that were not in it."""
    mine = Recommendation.objects.filter(user=user, generation__state=Generation.State.RETIRED)
    newest = mine.order_by("-generation").values("generation")[:1]
    before = dict(mine.filter(generation=newest).values_list("project", "generation__published_at"))
    if not before:
        return None, []
    return next(iter(before.values())), [row for row in rows if row.project_id not in before][:SHOWN]
