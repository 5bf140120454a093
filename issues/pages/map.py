"""The map of a day: its posts by problem, drawn as an SVG that needs no script, and as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from engine.layout import Box, uncovered
from engine.text import clip, normal_title
from issues import reading
from issues.models import Category, Issue, Place
from issues.pages.addresses import live_day, only
from issues.pages.rows import shown, source_name
from issues.reading import Dot

MOST = 3_000  # posts that are drawn
SIZE = 960.0  # of the picture, both ways
EDGE = 30.0  # free around it
STEP = 0.05  # in which what is seen of the plane grows
DOT, FAINT = 3.2, 2.0  # radii of a post in a problem, and in none
LETTER, LINE = 7.4, 15.0  # a label's size: of a letter and of a line
LABELS = 40  # of the largest problems; the others say their names when they are pointed at
LONGEST = 22  # characters of a line of a label
LONGEST_SEARCH = 100
TITLE = 120


class Point(NamedTuple):
    """A post on the map. kind: the class of its colour; lit: what was searched for."""

    x: float
    y: float
    r: float
    kind: str
    told: str
    lit: bool


@dataclass(frozen=True)
class Disc:
    """A problem on the map. lines: its label, none where it would cover another; lit: how many of its posts are."""

    issue: Issue
    x: float
    y: float
    r: float
    size: int
    lit: int = 0
    label_x: float = 0
    lines: Sequence[tuple[float, str]] = ()

    @property
    def title(self) -> str:
        return shown(self.issue.title, TITLE)

    @property
    def kind(self) -> str:
        return f"of-{self.issue.category}"


@dataclass(frozen=True)
class Scale:
    """From places on the plane to the picture: the middle of the plane is the middle of the picture."""

    half: float

    def x(self, x: float) -> float:
        return round(SIZE / 2 + x / self.half * (SIZE / 2 - EDGE), 1)

    def length(self, length: float) -> float:
        return round(length / self.half * (SIZE / 2 - EDGE), 1)


@require_safe
def day_map(request: HttpRequest, day: str) -> HttpResponse:
    """One day. q: words that the titles of the posts that light up have in them."""
    only(request, "q")
    clustering = live_day(day)
    asked = request.GET.get("q", "").strip()
    if len(asked) > LONGEST_SEARCH:
        raise BadRequest(f"A search takes {LONGEST_SEARCH} characters at most.")
    placed = [(place, place.cluster.issue) for place in reading.discs(clustering) if place.cluster.issue]
    hidden = {place.cluster_id for place, issue in placed if issue.hidden}
    named = [(place, issue) for place, issue in placed if issue.is_visible]
    dots = [dot for dot in reading.dots(clustering, MOST) if dot.cluster not in hidden]
    scale = scale_of([place for place, _ in named], dots)
    points, lit = points_of(dots, named, scale, asked)
    discs = labelled(discs_of(named, scale, lit))
    context = {
        "clustering": clustering,
        "asked": asked,
        "size": SIZE,
        "points": points,
        "discs": discs,
        "table": table(discs),
        "kinds": kinds(discs),
        "lit": sum(point.lit for point in points),
        "every": -(-clustering.items // MOST) or 1,
    }
    return render(request, "issues/map.html", context)


def scale_of(places: Sequence[Place], dots: Sequence[Dot]) -> Scale:
    """So that all of it is seen; in steps, so that a day that is a little wider does not move everything."""
    reach = [max(abs(place.x), abs(place.y)) + place.radius for place in places]
    reach += [max(abs(dot.x), abs(dot.y)) for dot in dots]
    return Scale(max(STEP, -(-max(reach, default=1.0) // STEP) * STEP))


def points_of(
    dots: Sequence[Dot], named: Sequence[tuple[Place, Issue]], scale: Scale, asked: str
) -> tuple[list[Point], Counter[int | None]]:
    """The posts, those in no problem first and so beneath the others; and how many of each cluster light up."""
    categories = {place.cluster_id: issue.category for place, issue in named}
    words = normal_title(asked).split()
    lit: Counter[int | None] = Counter()
    points = []
    for dot in sorted(dots, key=lambda dot: (dot.cluster in categories, dot.item)):
        category = categories.get(dot.cluster or 0)
        told = f"{shown(dot.title, TITLE)} ({source_name(dot.source)})"
        said = normal_title(told) if words else ""
        on = bool(words) and all(word in said for word in words)
        lit[dot.cluster] += on
        r, kind = (DOT, f"of-{category}") if category else (FAINT, "of-none")
        points.append(Point(scale.x(dot.x), scale.x(dot.y), r, kind, told, on))
    return points, lit


def discs_of(named: Sequence[tuple[Place, Issue]], scale: Scale, lit: Counter[int | None]) -> list[Disc]:
    """Those problems, the largest first."""
    return [
        Disc(
            issue=issue,
            x=scale.x(place.x),
            y=scale.x(place.y),
            r=scale.length(place.radius),
            size=place.cluster.size,
            lit=lit[place.cluster_id],
        )
        for place, issue in named
    ]


def table(discs: Sequence[Disc]) -> list[Disc]:
    """Each problem once, also where curators made one of several: those that light up first, then the largest."""
    found: dict[int, Disc] = {}
    for disc in discs:
        known = found.get(disc.issue.pk)
        found[disc.issue.pk] = replace(known, size=known.size + disc.size, lit=known.lit + disc.lit) if known else disc
    return sorted(found.values(), key=lambda disc: (-disc.lit, -disc.size, disc.issue.pk))


# Labels


def labelled(discs: Sequence[Disc]) -> list[Disc]:
    """With a label at each of the largest discs; none where it would cover that of a larger one."""
    lines = [lines_of(disc.title) for disc in discs]
    largest = [boxes_of(disc, each) for disc, each in zip(discs[:LABELS], lines, strict=False)]
    boxes = uncovered([*largest, *([()] * len(discs[LABELS:]))])
    return [
        replace(disc, label_x=round(box.x, 1), lines=written(box, each)) if box else disc
        for disc, each, box in zip(discs, lines, boxes, strict=True)
    ]


def lines_of(title: str) -> list[str]:
    """The title's beginning in two short lines."""
    first = clip(title, LONGEST)
    rest = title[len(first) :].strip()
    second = clip(rest, LONGEST)
    return [first, *([f"{second}…" if len(rest) > len(second) else second] if second else [])]


def boxes_of(disc: Disc, lines: Sequence[str]) -> list[Box]:
    """Where a label may lie: below the disc, above or on it; it does not leave the picture."""
    width, height = max(map(len, lines), default=0) * LETTER + LINE / 2, len(lines) * LINE
    x = min(max(disc.x, width / 2 + 4), SIZE - width / 2 - 4)
    beside = disc.r + height / 2 + 2
    heights = (disc.y + beside, disc.y - beside, disc.y)
    return [Box(x, min(max(y, height), SIZE - height), width, height) for y in heights]


def written(box: Box, lines: Sequence[str]) -> list[tuple[float, str]]:
    """The base of each line, and its words."""
    top = box.y - box.height / 2
    return [(round(top + (at + 0.75) * LINE, 1), line) for at, line in enumerate(lines)]


def kinds(discs: Sequence[Disc]) -> list[tuple[str, str, int]]:
    """The legend: categories with the class of their colour and how many problems they have."""
    counts = Counter(disc.issue.category for disc in table(discs))
    return [(str(name), f"of-{name}", counts[name]) for name in Category.values if counts[name]]
