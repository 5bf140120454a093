"""First issues: the list with its filters, and the last look at the rows that are about to be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import BadRequest
from django.db.models import Count, F, Func, QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from engine.pages import HtmxRequest, chips_of, number, page_at, said
from recommendations import first_issues
from recommendations.filters import faults
from recommendations.issue_filters import FirstIssueFilter
from recommendations.models import FirstIssue
from recommendations.pages.first_issue_rows import address_of_look
from recommendations.pages.keeping import kept
from recommendations.pages.projects import names_of

ON_A_PAGE = 20
CHOICES = 30  # languages and labels to choose from


@require_safe
def first_issue_list(request: HtmxRequest) -> HttpResponse:
    """The ones that can be taken, or those that the address asks for. HTMX gets the results alone."""
    given = said(request.GET)
    filters = FirstIssueFilter(given)
    wrong = faults(filters, request.GET)
    if wrong:
        return render(request, "recommendations/first_issues.html", {"faults": wrong}, status=400)
    partial = bool(request.htmx)
    plain = f"{request.path}?{given.urlencode()}".rstrip("?")
    if not partial and given != request.GET:  # a form sends its empty fields too
        return redirect(plain)
    template = "recommendations/_first_issue_results.html" if partial else "recommendations/first_issues.html"
    response = render(request, template, results(filters, given) | {"partial": partial})
    patch_vary_headers(response, ["HX-Request"])
    if partial:
        response["HX-Push-Url"] = plain
    return response


def results(filters: FirstIssueFilter, given: QueryDict) -> dict[str, Any]:
    """What the list shows."""
    asked = filters.form.cleaned_data
    page = page_at(filters.qs.with_project(), given.get("page", ""), ON_A_PAGE)
    rows = list(page.object_list)
    return {
        "asked": asked,
        "chips": chips_of(given, WORDS),
        "page": page,
        "rows": rows,
        "look": address_of_look(rows),
        "stacks": names_of(filters, "stack"),
        "categories": names_of(filters, "category"),
        **choices(asked),
    }


@require_safe
@never_cache
def look(request: HtmxRequest) -> HttpResponse:
    """Rows as they stand now, if GitHub says so within three seconds; otherwise as they are stored, with their age."""
    ids = [number(pk) for pk in request.GET.getlist("id")]
    if len(ids) > ON_A_PAGE or request.GET.keys() - {"id", "bare"}:
        raise BadRequest(f"Allowed: at most {ON_A_PAGE} ids, and bare.")
    shown = {"rows": first_issues.look(list(dict.fromkeys(ids))), "bare": "bare" in request.GET}
    return render(request, "recommendations/_first_issue_rows.html", shown)


# What there is to choose from


WORDS: dict[str, Callable[[str], str]] = {
    "q": lambda value: f"“{value}”",
    "stack": str,
    "category": str,
    "language": lambda value: f"in {value}",
    "label": lambda value: f"labelled {value}",
    "project": lambda value: f"of {value}",
}


def choices(asked: dict[str, Any]) -> dict[str, Any]:
    """The languages and labels of most issues, with how many; what was asked for is always among them."""
    known = kept(
        "first-issues:choices",
        lambda: {"languages": languages(), "labels": labels()},
        telling=lambda found: found["languages"],
    )
    others = {
        f"other_{name}": asked[name] if asked[name] not in dict(known[f"{name}s"]) else ""
        for name in ("language", "label")
    }
    return {**known, **others}


def languages() -> list[tuple[str, int]]:
    spoken = FirstIssue.objects.takeable().exclude(project__language="")
    return counted(spoken.values_list("project__language"))


def labels() -> list[tuple[str, int]]:
    return counted(FirstIssue.objects.takeable().values_list(Func(F("names"), function="unnest")))


def counted(values: QuerySet[Any, tuple[Any, ...]]) -> list[tuple[str, int]]:
    """The most frequent of the values, as (value, count)."""
    rows = values.order_by().annotate(count=Count("pk")).order_by("-count")
    return list(rows[:CHOICES])
