"""Projects: the list with its search and filters, what is rising, what is new, and the page of one."""

import re
from collections.abc import Callable
from itertools import accumulate, repeat
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.paginator import Page
from django.db import DatabaseError
from django.db.models import Count, F, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from engine import slots
from engine.pages import TRIES, HtmxRequest, chips_of, page_at, said, tried
from engine.text import clip, printable
from engine.urls import web_address
from recommendations import acts, reasons, search, serving, showing
from recommendations.filters import DAYS, ORDERS, ProjectFilter, faults, ordered
from recommendations.models import Project, ProjectActivity, ProjectCategory, ProjectCommit, ProjectTechStack
from recommendations.pages.first_issue_rows import of_project

ON_A_PAGE = 20
LANGUAGES = 30
TEN_MINUTES = 600
BEGINNING = 1_000  # characters of a README that are shown


class Row(NamedTuple):
    """A project in a list. done: the acts of whoever looks."""

    project: Project
    done: set[str] | None
    hidden: bool
    rank: int | None


class Fact(NamedTuple):
    """A figure or a date of a project; None where nobody knows it."""

    label: str
    value: Any


class Term(NamedTuple):
    """A category or a stack of a project. source: whose word that is, and how sure."""

    name: str
    source: str
    href: str


class Share(NamedTuple):
    """A language's piece of the bar, in percent of its length; the smaller, the paler."""

    name: str
    start: float
    width: float
    opacity: float


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
    chips, tries, spoken = chips_of(given, WORDS), tried(request), languages()
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
    """The languages of most projects, with how many; kept for ten minutes, if the cache can be reached."""
    key = "projects:languages"
    try:
        known = cache.get(key)
    except CACHE_AWAY:
        return counted_languages()
    if not known:  # none: before the first import, which nobody should have to wait for
        known = counted_languages()
        with_luck(cache.set, key, known, TEN_MINUTES)
    return known


CACHE_AWAY = (DatabaseError, OSError, RedisError)


def with_luck(act: Callable[..., Any], *arguments: Any) -> None:
    """Do what the page can do without."""
    try:
        act(*arguments)
    except CACHE_AWAY:
        return


def counted_languages() -> list[tuple[str, int]]:
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


# One project


@require_safe
def project(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """All that is known of it, and how it stands with whoever looks."""
    rows = Project.objects.select_related("activity", "named").defer("search")
    found = get_object_or_404(rows.named(owner, name))
    if (found.owner, found.name) != (owner, name):
        return redirect(found)
    context = {
        "project": found,
        "facts": facts(found),
        "commits": latest_commits(found),
        "notices": notices(found),
        "homepage": web_address(found.homepage),
        "categories": placed(found, "category"),
        "stacks": placed(found, "stack"),
        "topics": [(topic, listed(q=re.sub(r"[-_./]+", " ", topic))) for topic in found.topics],
        "shares": shares(found.languages),
        "readme": beginning(found.readme),
        "similar": serving.similar(found, 6),
        "first_issues": of_project(found),
        "problems": slots.fill("problems", found),
        "done": done_by(request, [found])[0],
        "place": serving.why(request.user, found) if isinstance(request.user, User) else None,
        "shown": {"request": showing.request_id(request.GET.get("from"))},
    }
    answer = render(request, "recommendations/project.html", context)
    if isinstance(request.user, User) and showing.really(request):
        showing.answered(request.user, found, "click", showing.request_id(request.GET.get("from")))
    return answer


def placed(project: Project, kind: str) -> list[Term]:
    """What it is placed under, the surest first, and by whose word."""
    links = getattr(project, f"{kind}_links").filter(applies=True).select_related(kind)
    rows = links.order_by("-confidence", f"{kind}__name")
    return [Term(str(getattr(row, kind)), sure(row), listed(**{kind: str(getattr(row, kind))})) for row in rows]


def sure(link: ProjectCategory | ProjectTechStack) -> str:
    """Where a link comes from, and how sure it is."""
    if link.source == link.Source.CURATED:
        return "by a curator"
    return f"by {'meaning' if getattr(link, 'by_vector', False) else 'words'} {link.confidence:.2f}"


def listed(**asked: str) -> str:
    """The address of the list with one filter; a search text is cut to what a search takes."""
    return f"{reverse('projects')}?{urlencode({name: value[: search.LONGEST] for name, value in asked.items()})}"


def facts(project: Project) -> dict[str, list[Fact]]:
    """Counts and dates, unknown ones as None."""
    counts = [("Stars", "stars"), ("Forks", "forks"), ("Watchers", "watchers"), ("Open issues", "open_issues")]
    dates = [("Created", "created_at"), ("Last push", "pushed_at"), ("First seen here", "first_seen_at")]
    return {
        "counts": [Fact(label, getattr(project, name)) for label, name in counts],
        "dates": [Fact(label, getattr(project, name)) for label, name in dates],
        "alive": alive(getattr(project, "activity", None)),
    }


def alive(activity: ProjectActivity | None) -> list[Fact]:
    """How much its people did when it was measured."""
    if activity is None or activity.measured_at is None:
        return []
    told = [
        Fact("Commits in 30 days", activity.commits_month),
        Fact("Commits in a year", activity.commits_year),
        Fact("Maintainers answer", answered(activity.response_hours)),
    ]
    return [fact for fact in told if fact.value is not None]


def answered(hours: float | None) -> str | None:
    """How long somebody of the project takes to answer, in words."""
    if hours is None:
        return None
    if hours < 1:
        return "within the hour"
    count, unit = (round(hours), "hour") if hours < 48 else (round(hours / 24), "day")
    return f"in {count:,} {unit}{'' if count == 1 else 's'}, half of the time sooner"


def latest_commits(project: Project, count: int = 5) -> list[ProjectCommit]:
    """Of a repository that somebody named: those of others are not kept."""
    return list(project.commits.order_by("-committed_at", "pk")[:count]) if hasattr(project, "named") else []


def notices(project: Project) -> list[str]:
    """What somebody who wants to contribute must know first."""
    said = [
        (project.gone_at, "It is there no more: GitHub does not find it, and it is not recommended."),
        (project.is_archived, "Archived: its owners no longer change it, and it is not recommended."),
        (project.is_disabled, "Disabled on GitHub: it is not recommended."),
        (project.is_fork, "A fork: the original may be the better place to begin."),
    ]
    return [text for holds, text in said if holds]


def shares(languages: dict[str, int], count: int = 6) -> list[Share]:
    """The largest languages as pieces of a bar of 100; all others make the last piece."""
    largest = sorted(languages.items(), key=lambda item: (-item[1], item[0]))
    others = sum(size for _, size in largest[count:])
    sizes = [(name, size) for name, size in (*largest[:count], ("other", others)) if size]
    widths = reasons.percents([size / sum(languages.values()) for _, size in sizes])
    starts = accumulate(widths, initial=0.0)
    return [
        Share(name, round(start, 1), width, round(0.85**place, 2))
        for place, ((name, _), start, width) in enumerate(zip(sizes, starts, widths, strict=False))
    ]


def beginning(readme: str) -> str:
    """The first words of a README without its marks: pictures, tags, link targets, headings, rules, code fences."""
    text = clip(readme, 4 * BEGINNING)
    for mark, instead in MARKS:
        text = mark.sub(instead, text)
    text = re.sub(r"\n\s*\n\s*", "\n\n", text).strip()
    return text if len(text) <= BEGINNING else f"{clip(text, BEGINNING)} …"


MARKS = [
    (re.compile(r"</?[a-zA-Z!][^<>]{0,500}>"), ""),
    (re.compile(r"!\[[^\]\n]{0,300}\](\([^)\n]{0,500}\)|\[[^\]\n]{0,100}\])"), ""),
    (re.compile(r"\[\s{0,9}\](\([^)\n]{0,500}\)|\[[^\]\n]{0,100}\])"), ""),
    (re.compile(r"\[([^\]\n]{1,300})\](\([^)\n]{0,500}\)|\[[^\]\n]{0,100}\])"), r"\1"),
    (re.compile(r"^\[[^\]\n]{1,100}\]:.*$", re.M), ""),
    (re.compile(r"^ {0,3}(#{1,6} |```.*$|[-=*_]{3,}[ \t]*$|> ?)", re.M), ""),
    (re.compile(r"\*\*|`"), ""),
    (re.compile(r"[ \t]+$", re.M), ""),
]
