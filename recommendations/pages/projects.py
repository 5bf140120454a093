"""Projects: the list with its search and filters, what is rising, and what is new."""

from collections.abc import Callable
from itertools import repeat
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.core.paginator import Page
from django.db.models import Count, F, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from engine.pages import TRIES, HtmxRequest, chips_of, page_at, said, tried
from engine.text import clip, printable
from recommendations import acts, search, serving
from recommendations.filters import DAYS, ORDERS, ProjectFilter, faults, ordered
from recommendations.models import Project
from recommendations.pages.keeping import kept

ON_A_PAGE = 20
LANGUAGES = 30


class Row(NamedTuple):
    """A project in a list. done: the acts of whoever looks."""

    project: Project
    done: set[str] | None
    hidden: bool
    rank: int | None


# The list


@require_safe
def project_list(request: HtmxRequest) -> HttpResponse:
    """All projects, or those that the address asks for. HTMX gets the results and the filters alone."""
    given = said(request.GET)
    filters = ProjectFilter(given, Project.objects.offered().lean())
    wrong = faults(filters, request.GET)
    if wrong:
        return render(request, "recommendations/projects.html", {"faults": wrong}, status=400)
    partial = bool(request.htmx)
    plain = f"{request.path}?{given.urlencode()}".rstrip("?")
    if not partial and given != request.GET:  # a form sends its empty fields too
        return redirect(plain)
    context = results(request, filters, given) | {"partial": partial}
    template = "recommendations/_results.html" if partial else "recommendations/projects.html"
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request"])
    if partial and not context["tries"]:
        response["HX-Push-Url"] = plain
    return response


def results(request: HttpRequest, filters: ProjectFilter, given: QueryDict) -> dict[str, Any]:
    """What the list shows."""
    asked = filters.form.cleaned_data
    by_meaning, projects = found(asked, filters.qs)
    page = page_of(projects, given.get("page", ""))
    chips, tries = chips_of(given, WORDS), tried(request)
    spoken = kept("projects:languages", languages)
    return {
        "asked": asked,
        "chips": chips,
        "page": page,
        "rows": rows_of(request, page),
        "orders": orders(bool(asked["q"])),
        "categories": names_of(filters, "category"),
        "stacks": names_of(filters, "stack"),
        "languages": spoken,
        "other_language": asked["language"] if asked["language"] not in dict(spoken) else "",
        "days": ACTIVE.items(),
        "words_only": bool(asked["q"]) and not by_meaning,
        "tries": tries,
        "again": tries + 1 if tries < TRIES else 0,
    }


def found(asked: dict[str, Any], projects: QuerySet[Project]) -> tuple[bool, QuerySet[Project] | list[int]]:
    """Whether meaning was compared, and the projects in the order asked for: the best answers as ids."""
    if not asked["q"]:
        serving.warm()
        return False, ordered(projects, asked["order"])
    answer = search.search(asked["q"], projects)
    if asked["order"] in ("", "relevance"):
        return answer.by_meaning, answer.ids
    return answer.by_meaning, ordered(Project.objects.lean().filter(pk__in=answer.ids), asked["order"])


def page_of(projects: QuerySet[Project] | list[int], number: str) -> Page:
    """That page, with projects on it also where ids were given. Raises Http404 for one that there is not."""
    page = page_at(projects, number, ON_A_PAGE)
    if isinstance(projects, list):
        by_id = Project.objects.lean().in_bulk(list(page.object_list))
        page.object_list = [by_id[pk] for pk in page.object_list if pk in by_id]
    else:
        page.object_list = list(page.object_list)
    return page


def rows_of(request: HttpRequest, page: Page, ranked: bool = False) -> list[Row]:
    """The rows of a page, with the buttons of somebody signed in."""
    projects = list(page.object_list)
    done = done_by(request, projects)
    ranks = range(page.start_index(), page.end_index() + 1) if ranked else repeat(None)
    return [
        Row(project, kinds, "dismiss" in (kinds or ()), rank)
        for project, kinds, rank in zip(projects, done, ranks, strict=False)
    ]


def done_by(request: HttpRequest, projects: list[Project]) -> list[set[str] | None]:
    """What somebody signed in did with each; None for a stranger, who has no buttons."""
    if not isinstance(request.user, User):
        return [None for _ in projects]
    done = acts.done(request.user, [project.pk for project in projects])
    return [done.get(project.pk, set()) for project in projects]


def stars_said(value: str) -> str:
    return f"{int(value):,} stars"


ACTIVE = {str(days): text for days, text in DAYS}
WORDS: dict[str, Callable[[str], str]] = {
    "q": lambda value: f"“{value}”",
    "category": str,
    "stack": str,
    "language": lambda value: f"in {value}",
    "stars_min": lambda value: f"at least {stars_said(value)}",
    "stars_max": lambda value: f"at most {stars_said(value)}",
    "active": lambda value: f"active {ACTIVE[value]}",
    "newcomers": lambda value: "asks for newcomers" if value in ("1", "true") else "does not ask for newcomers",
}


def orders(searched: bool) -> list[tuple[str, str]]:
    """The orders to choose from; the usual one comes first, and needs no word in the address."""
    usual = "relevance" if searched else "stars"
    others = [(name, text) for name, text in ORDERS if name not in (usual, "relevance")]
    return [("", dict(ORDERS)[usual]), *others]


def names_of(filters: ProjectFilter, name: str) -> list[str]:
    return [value for value, _ in filters.filters[name].extra["choices"]]


def languages() -> list[tuple[str, int]]:
    """The languages of most projects, with how many."""
    spoken = Project.objects.offered().exclude(language="").values("language").annotate(count=Count("pk"))
    rows = spoken.order_by("-count", "language").values_list("language", "count")
    return list(rows[:LANGUAGES])


# Rising and new


@require_safe
def trending(request: HttpRequest) -> HttpResponse:
    return plain_list(request, "trending", search.trending(Project.objects.lean()))


@require_safe
def new(request: HttpRequest) -> HttpResponse:
    made = Project.objects.offered().lean().filter(created_at__lte=Now())
    return plain_list(request, "new", made.order_by(F("created_at").desc(), "pk"))


def plain_list(request: HttpRequest, kind: str, projects: QuerySet[Project]) -> HttpResponse:
    """A list that is only paged."""
    template, context = "recommendations/trending.html", {"kind": kind}
    unknown = [name for name in request.GET if name != "page"]
    if unknown or len(request.GET.getlist("page")) > 1:
        wrong = {clip(printable(name), 40): "Allowed: page, once." for name in unknown or ["page"]}
        return render(request, template, {**context, "faults": wrong}, status=400)
    page = page_of(projects, request.GET.get("page", ""))
    return render(request, template, {**context, "page": page, "rows": rows_of(request, page, kind == "trending")})
