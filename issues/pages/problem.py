"""The page of one problem: what it is, its proof, why its posts belong together, what is like it, and its history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from engine import slots
from engine.pages import HtmxRequest, page_at
from engine.text import joined
from issues import reading
from issues.identity import NEAR, SAME
from issues.models import Issue, Label
from issues.pages.addresses import only
from issues.pages.curating import may_curate
from issues.pages.evidence import ON_A_PAGE, TITLE, evidence
from issues.pages.history import history
from issues.pages.rows import READ, shown, source_name
from issues.reading import Figures

DAYS = 14  # of the trend
STEP, COLUMN = 30, 22  # from a day's column to the next, and its width
FAR = 0.4  # cosine below which two issues have nothing to do with each other
KNOWN_SOURCES = ("github", "stackoverflow", "hackernews", "reddit")


@require_safe
def problem(request: HtmxRequest, pk: int) -> HttpResponse:
    """All that is known of an issue; of a merged one, the page of what it became. HTMX gets more of its posts alone."""
    only(request, "page")
    issue = get_object_or_404(reading.issues().select_related("label"), pk=pk)
    if issue.into_id:
        return redirect("issue", pk=issue.into_id)
    if not (issue.is_visible or may_curate(request.user)):
        raise Http404("There is no such problem.")
    figures = reading.figures(issue)
    page = page_at(list(range(figures.posts)), request.GET.get("page", ""), ON_A_PAGE)
    context = evidence(issue, page)
    partial = bool(request.htmx)
    if not partial:
        context |= told(issue, figures) | {"staff": request.user.is_staff}
    response = render(request, f"issues/{'_evidence' if partial else 'issue'}.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def told(issue: Issue, figures: Figures) -> dict[str, Any]:
    """What the page says beside the posts."""
    return {
        "title": shown(issue.title, READ) or f"Issue {issue.pk}",
        "description": shown(issue.description, READ),
        "figures": figures,
        "sources": joined([source_name(source) for source in figures.sources]),
        "by": label_source(issue),
        "trend": trend(figures),
        "together": together(issue, figures),
        "alike": [Alike(each, cosine) for each, cosine in reading.alike(issue) if cosine >= FAR],
        "history": history(issue, figures),
        "solvers": (slots.fill("solvers", [issue.pk]) or {}).get(issue.pk, ()),
    }


def label_source(issue: Issue) -> str:
    """Whose words these are."""
    if issue.label_state != Label.State.LABELLED:
        return f"Nobody has named it yet: {shown(issue.reason, 200) or 'no label was tried'}."
    if issue.label_source == Label.Source.LLM:
        model = shown(issue.label.model, 80) if issue.label else ""
        return f"Named by a model{f', {model}' if model else ''}."
    return "Extracted: title and description are the posts' own words."


# --- the trend ---


class Piece(NamedTuple):
    """A source's part of a day's column, in the units of the picture."""

    source: str
    x: float
    y: float
    height: float


@dataclass(frozen=True)
class Trend:
    """Posts a day by source. rows: (day, counts by source, their sum), the newest first; kinds: classes of colours."""

    sources: Sequence[tuple[str, str]]
    rows: Sequence[tuple[date, Sequence[int], int]]
    pieces: Sequence[Piece]
    TALL, COLUMN = 120, COLUMN

    @property
    def wide(self) -> float:
        return len(self.rows) * STEP

    @property
    def top(self) -> int:
        return max((total for _, _, total in self.rows), default=0)


def trend(figures: Figures) -> Trend | None:
    """The last days up to the newest that readers see, from the first on which it was seen."""
    if not figures.days or figures.newest is None:
        return None
    last = max(figures.newest, *figures.days)
    first = max(min(figures.days), last - timedelta(days=DAYS - 1))
    days = [first + timedelta(days=at) for at in range((last - first).days + 1)]
    sources = list(figures.sources)[: len(KNOWN_SOURCES) + 1]
    counts = [[figures.days.get(day, {}).get(source, 0) for source in sources] for day in days]
    totals = [sum(figures.days.get(day, {}).values()) for day in days]
    rows = list(zip(days, counts, totals, strict=True))
    named = [(source_name(source), kind_of(source)) for source in sources]
    return Trend(named, rows[::-1], pieces(sources, counts, max(totals) or 1))


def kind_of(source: str) -> str:
    """The class that gives a source its colour."""
    return f"source-{source}" if source in KNOWN_SOURCES else "source-other"


def pieces(sources: Sequence[str], counts: Sequence[Sequence[int]], top: int) -> list[Piece]:
    found = []
    for at, of_day in enumerate(counts):
        foot = float(Trend.TALL)
        for source, count in zip(sources, of_day, strict=True):
            height = count / top * Trend.TALL
            foot -= height
            if count:
                found.append(Piece(kind_of(source), at * STEP, round(foot, 2), round(height, 2)))
    return found


# --- why its posts belong together ---


@dataclass(frozen=True)
class Together:
    """phrases: what its posts share and other posts of the day do not; close: how near they lie, in words."""

    phrases: Sequence[str]
    close: str
    distance: float | None
    spread: str


CLOSENESS = ((0.5, "very close together"), (0.65, "close together"), (0.8, "rather loosely together"))


def together(issue: Any, figures: Figures) -> Together:
    """issue: as reading.issues has it."""
    away = issue.distance
    close = "" if away is None else next((said for most, said in CLOSENESS if away < most), "far apart")
    return Together([shown(phrase, 60) for phrase in issue.phrases or ()], close, away, spread(figures))


def spread(figures: Figures) -> str:
    """Whether one place alone complains, or several."""
    sources = figures.sources
    if not sources:
        return ""
    first, most = next(iter(sources.items()))
    if len(sources) == 1:
        return f"All of them are from {source_name(first)}."
    share = round(100 * most / max(sum(sources.values()), 1))
    return f"They come from {len(sources)} sources; the largest, {source_name(first)}, has {share}% of them."


@dataclass(frozen=True)
class Alike:
    """Another issue, with the cosine of their clusters' middles."""

    issue: Issue
    cosine: float

    @property
    def title(self) -> str:
        return shown(self.issue.title, TITLE)

    @property
    def near(self) -> str:
        degrees = ((SAME, "nearly the same"), (NEAR, "close"), (0.5, "related"))
        return next((said for least, said in degrees if self.cosine >= least), "distantly related")
