"""The page of one project: all that is known of it, and how it stands with whoever looks."""

import re
from itertools import accumulate
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from engine import slots
from engine.text import clip
from engine.urls import web_address
from recommendations import reasons, search, serving, showing
from recommendations.models import Project, ProjectActivity, ProjectCategory, ProjectCommit, ProjectTechStack
from recommendations.pages.first_issue_rows import of_project
from recommendations.pages.projects import done_by

BEGINNING = 1_000  # characters of a README that are shown


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
