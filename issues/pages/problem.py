"""The page of one problem: what it is, its proof, why its posts belong together, what is like it, and its history."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.core.paginator import Page
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.defaultfilters import pluralize
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from engine import slots
from engine.pages import HtmxRequest, page_at
from engine.text import clip, joined, printable, squeeze
from engine.urls import web_address
from issues import reading
from issues.folding import GROWTH
from issues.identity import NEAR, SAME
from issues.models import Issue, IssueEdit, Label, Lineage
from issues.pages.addresses import only
from issues.pages.curating import may_curate
from issues.pages.rows import READ, shortened, shown, source_name
from issues.reading import Figures

ON_A_PAGE = 10
DAYS = 14  # of the trend
STEP, COLUMN = 30, 22  # from a day's column to the next, and its width
AROUND = 100  # characters of a post on each side of the words of a claim
SNIPPET = 240
TITLE = 300
FAR = 0.4  # cosine below which two issues have nothing to do with each other
TOKENS = 60  # words of a claim
FIELDS = {"would_pay": "would pay", "impact": "impact"}
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


# --- the posts ---


class Quote(NamedTuple):
    """Words of a post and what stands around them. field: what they bear out."""

    before: str
    words: str
    after: str
    field: str


@dataclass(frozen=True)
class Proof:
    """A post as evidence. item: as reading.posts has it; href: "" where a browser should not be sent there."""

    item: Any
    quotes: Sequence[Quote] = ()

    @property
    def title(self) -> str:
        return shown(self.item.title, TITLE)

    @property
    def inside(self) -> list[Quote]:
        """Those that are more than the title once more."""
        return [quote for quote in self.quotes if quote.words != self.title]

    @property
    def href(self) -> str:
        return web_address(self.item.url)

    @property
    def snippet(self) -> str:
        return shortened(self.item.begins, SNIPPET)

    @property
    def source(self) -> str:
        return source_name(self.item.source)

    @property
    def author(self) -> str:
        return shown(self.item.author, 100)

    @property
    def licence(self) -> str:
        return shown(self.item.licence, 100)

    @property
    def sure(self) -> str:
        """How surely it belongs here."""
        if not self.item.clusters:
            return "put here by a curator"
        degrees = ((0.9, "surely about this"), (0.75, "very likely about this"), (0.5, "likely about this"))
        return next((said for least, said in degrees if self.item.sure >= least), "perhaps about this")


def evidence(issue: Issue, page: Page[Any]) -> dict[str, Any]:
    """One page of posts, and the words that the label rests on."""
    start = max(page.start_index() - 1, 0)
    claims = claims_of(issue)
    found = [Proof(item, quotes(item, claims)) for item in reading.surest(issue, start, start + ON_A_PAGE)]
    return {
        "issue": issue,
        "page": page,
        "proofs": found,
        "borne_out": borne_out(claims, reading.speaking(issue)) if claims else [],
    }


def claims_of(issue: Issue) -> list[tuple[str, str]]:
    """(field, words) of each claim, as far as it is one."""
    claims = issue.claims if isinstance(issue.claims, list) else []
    said = [(str(each.get("field", "")), str(each.get("words", ""))) for each in claims if isinstance(each, dict)]
    return list(dict.fromkeys((FIELDS[field], words) for field, words in said if field in FIELDS and words.strip()))


def quotes(item: Any, claims: Sequence[tuple[str, str]]) -> list[Quote]:
    """The claims that the post bears out, each with the words around it."""
    texts = [squeeze(item.begins), squeeze(clip(item.title, TITLE))]
    found = [next(filter(None, (quoted(text, words, field) for text in texts)), None) for field, words in claims]
    return [quote for quote in found if quote]


def quoted(text: str, words: str, field: str) -> Quote | None:
    """Those words in that text, whatever stands between them and in whatever case; None where they are not in it."""
    tokens = re.findall(r"\w+", clip(words, 1_000))[:TOKENS]
    sought = r"\W{1,20}".join(map(re.escape, tokens))  # words and what is none share no character: no way back
    place = re.search(rf"(?<!\w){sought}(?!\w)", text, re.IGNORECASE) if tokens else None
    if place is None:
        return None
    before, after = text[: place.start()], text[place.end() :]
    head = before if len(before) <= AROUND else f"… {before[-AROUND:].partition(' ')[2]}"
    tail = after if len(after) <= AROUND else f"{clip(after, AROUND)} …"
    return Quote(printable(head), printable(place[0]), printable(tail), field)


class Borne(NamedTuple):
    """What a label says, and the posts that say so. said: as a heading has it."""

    said: str
    proofs: list[tuple[Quote, Proof]]


def borne_out(claims: Sequence[tuple[str, str]], items: Sequence[Any]) -> list[Borne]:
    """The claims of each field with the post that has the words."""
    found: dict[str, list[tuple[Quote, Proof]]] = {}
    for claim in claims:
        for item in items:
            if quote := next(iter(quotes(item, [claim])), None):
                found.setdefault(quote.field, []).append((quote, Proof(item)))
                break
    return [Borne(field, pairs) for field, pairs in found.items()]


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
    return f"They come from {len(sources)} sources; the largest, {source_name(first)}, has {share} % of them."


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


# --- the history ---


@dataclass(frozen=True)
class Entry:
    """Something that happened to the issue. other: another one that it concerns, where readers see it."""

    at: date
    text: str
    other: Issue | None = None
    why: str = ""
    undone: str = ""

    @property
    def other_title(self) -> str:
        return shown(self.other.title, 120) if self.other else ""


def history(issue: Issue, figures: Figures) -> list[Entry]:
    """What runs and curators did and what it grew to, the earliest first."""
    runs = [of_lineage(row, issue) for row in reading.lineage(issue)]
    people = [of_edit(edit, issue) for edit in reading.edits(issue)]
    return sorted([*runs, *growth(figures.days), *people], key=lambda entry: entry.at)


BY_RUN: Mapping[str, tuple[str, str]] = {
    Lineage.Kind.BORN: ("First seen", ""),
    Lineage.Kind.KNOWN: ("Known again", "Known again as this one"),
    Lineage.Kind.SPLIT: ("Split off from", "This split off from it:"),
    Lineage.Kind.MERGED: ("Merged by a run into", "A run merged into it:"),
}


def of_lineage(row: Lineage, issue: Issue) -> Entry:
    mine = row.issue_id == issue.pk
    other = row.other if mine else row.issue
    return Entry(row.day, BY_RUN[row.kind][0 if mine else 1] or "Seen", seen(other, issue), shown(row.why, 200))


def seen(other: Issue | None, issue: Issue) -> Issue | None:
    """The other issue, where readers see it and it is not this one."""
    return other if other and other.pk != issue.pk and (other.is_visible or other.into_id) else None


def growth(days: Mapping[date, Mapping[str, int]]) -> list[Entry]:
    """The days on which it grew by the rule that calls an issue growing."""
    totals = {day: sum(counts.values()) for day, counts in days.items()}
    found = []
    for day, count in list(totals.items())[1:]:
        before = totals.get(day - timedelta(days=1), 0)
        if count >= GROWTH * before and count >= before + 2:
            found.append(Entry(day, f"Grew from {before} to {count} post{pluralize(count)} a day"))
    return found


BY_CURATOR: Mapping[str, tuple[str, str]] = {
    IssueEdit.Kind.MERGE: ("Merged into", "Merged into it:"),
    IssueEdit.Kind.SPLIT: ("Posts made an issue of their own:", "Made of posts of"),
    IssueEdit.Kind.SET: ("", ""),
    IssueEdit.Kind.HIDE: ("Hidden", ""),
    IssueEdit.Kind.LOCK: ("Locked: no later label changes what it says", ""),
    IssueEdit.Kind.PIN: ("Posts put where they belong", ""),
    IssueEdit.Kind.DIFFER: ("Said not to be the same as", "Said not to be the same as"),
}


def of_edit(edit: IssueEdit, issue: Issue) -> Entry:
    mine = edit.issue_id == issue.pk
    text = renamed(edit) if edit.kind == IssueEdit.Kind.SET else BY_CURATOR[edit.kind][0 if mine else 1]
    undone = f"undone on {day(edit.undone_at)}" if edit.undone_at else ""
    other = edit.other if mine else edit.issue
    return Entry(edit.at.date(), text or edit.get_kind_display(), seen(other, issue), "by a curator", undone)


def renamed(edit: IssueEdit) -> str:
    """Which of its words a curator changed, and into what."""
    fields = edit.value.get("fields") if isinstance(edit.value, dict) else None
    if not isinstance(fields, dict):
        return "Changed"
    if "title" in fields:
        return f"Renamed “{shown(str(fields['title']), 120)}”"
    said = [f"{name.replace('_', ' ')}: {shown(str(value), 60)}" for name, value in fields.items()]
    return f"Set {', '.join(said)}" if said else "Changed"


def day(at: datetime) -> str:
    return f"{at:%-d %B %Y}"
