"""Days: the list of them, and what one brought: its problems, its sources, what may be growing, and the noise shelf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from engine.pages import page_at
from engine.urls import web_address
from issues import reading
from issues.models import Clustering, Issue, IssueDay, RawItem
from issues.pages.addresses import live_day, only
from issues.pages.rows import Counted, Row, rows_of, shortened, shown, source_name

DAYS, PROBLEMS, SHELF = 30, 20, 20  # on a page
POCKETS = 6  # of a day that are shown
TITLE, SNIPPET = 300, 200

Outcome = Clustering.Outcome
STATES: Mapping[str, str] = {
    Outcome.EMPTY: "No post came in on this day.",
    Outcome.TOO_FEW: "Too few posts came in to find problems in them: all of them are below.",
    Outcome.ALL_ALIKE: "All posts of this day are about one problem.",
    Outcome.ALL_NOISE: "No two handfuls of posts were about the same: all of them are below.",
}


@dataclass(frozen=True)
class Day:
    """A day in a list, or as the head of its page. sources: of each how many posts, the most first."""

    clustering: Clustering
    problems: int
    sources: Sequence[tuple[str, int]]

    @property
    def noise(self) -> int | None:
        """The share of posts in no problem, in percent."""
        ratio = self.clustering.outlier_ratio
        return None if ratio is None else round(100 * ratio)

    @property
    def clustered(self) -> int | None:
        return None if self.noise is None else 100 - self.noise

    @property
    def missing(self) -> list[str]:
        return [source_name(source) for source in self.clustering.missing_sources]

    @property
    def told(self) -> str:
        """What is out of the usual about how its posts were grouped."""
        return STATES.get(self.clustering.outcome, "")


@require_safe
def day_list(request: HttpRequest) -> HttpResponse:
    """All days that were published, the newest first."""
    only(request, "page")
    page = page_at(reading.days(), request.GET.get("page", ""), DAYS)
    return render(request, "issues/days.html", {"page": page, "days": described(list(page.object_list))})


def described(found: Sequence[Clustering]) -> list[Day]:
    """Two queries, however many they are."""
    on = [each.day for each in found]
    sources, problems = reading.sources_on(on), reading.problems_on(on)
    return [Day(each, problems.get(each.day, 0), named(sources.get(each.day, {}))) for each in found]


def named(sources: Mapping[str, int]) -> list[tuple[str, int]]:
    return [(source_name(source), count) for source, count in sources.items()]


@require_safe
def day(request: HttpRequest, day: str) -> HttpResponse:
    """One day."""
    only(request, "page", "shelf")
    clustering = live_day(day)
    problems = page_at(list(reading.issues_on(clustering.day)), request.GET.get("page", ""), PROBLEMS)
    shelf = page_at(reading.noise(clustering), request.GET.get("shelf", ""), SHELF)
    sources = reading.sources_on([clustering.day]).get(clustering.day, {})
    context = {
        "clustering": clustering,
        "day": Day(clustering, problems.paginator.count, named(sources)),
        "problems": problems,
        "rows": counted(list(problems.object_list)),
        "pockets": pockets(clustering) if shelf.number == 1 else [],
        "shelf": shelf,
        "lone": [lone(assignment) for assignment in shelf.object_list],
    }
    return render(request, "issues/day.html", context)


def counted(found: Sequence[IssueDay]) -> list[tuple[Row, Counted]]:
    """The problems of a day, each with what the day brought to it."""
    if not found:
        return []
    rows = rows_of([each.issue for each in found], found[0].day, solved=False)
    return [(row, Counted(each.items, each.authors, each.sources)) for row, each in zip(rows, found, strict=True)]


# Posts that are in no problem


class Post(NamedTuple):
    """A post as the shelf shows it. href: "" where a browser should not be sent there."""

    title: str
    href: str
    source: str


@dataclass(frozen=True)
class Lone:
    """A post in no problem. near: the issue whose cluster is nearest, where readers see it; alike: the cosine to it."""

    post: Post
    snippet: str
    near: Issue | None
    alike: float | None

    @property
    def near_title(self) -> str:
        return shown(self.near.title, TITLE) if self.near else ""

    @property
    def distance(self) -> float | None:
        return None if self.alike is None else 1 - self.alike


def lone(assignment: Any) -> Lone:
    """assignment: as reading.noise has it."""
    spot = getattr(assignment, "spot", None)
    issue = spot.nearest.issue if spot and spot.nearest else None
    snippet = shortened(assignment.begins, SNIPPET)
    near = issue if issue and issue.is_visible else None
    return Lone(post(assignment.item), snippet, near, spot.alike if spot and near else None)


def post(item: RawItem) -> Post:
    return Post(shown(item.title, TITLE), web_address(item.url), source_name(item.source))


def pockets(clustering: Clustering) -> list[list[Post]]:
    """Small groups of such posts that lie close together, the closest first."""
    return [list(map(post, items)) for items in reading.pockets(clustering, POCKETS).values()]
