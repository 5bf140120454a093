"""What is recommended to somebody, what they do with it, and why a project stands where it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.core.exceptions import BadRequest
from django.db.models import Count, Value
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from engine.pages import Wait, number
from engine.text import joined
from recommendations import acts, profiles, serving, showing
from recommendations.generations import KEPT
from recommendations.models import Interaction, Profile, Project, Recommendation, TechStack
from recommendations.pages.rows import Request, foreign_stacks, lines_of, own_path, signed_in, to_sign_in
from recommendations.reasons import percents
from recommendations.scoring import COMPONENTS
from recommendations.templatetags.ost import LABELS

FIRST = 20  # rows of the first page
SMALL = 1_000  # stars
MONTH = timedelta(days=30)


# What they said


@dataclass(frozen=True)
class Said:
    """What is known of a person, by name, and how often they starred, liked or saved."""

    stacks: list[str]
    categories: list[str]
    interests: list[str]
    taste: dict[str, int]

    @property
    def named(self) -> list[str]:
        return [*self.stacks, *self.categories, *self.interests]

    @property
    def source(self) -> str:
        """What the list is made from: "3 stacks, 2 interests and 41 stars"; "" when nothing is known."""
        counts = [
            (len(self.stacks), "stack", "stacks"),
            (len(self.categories), "category", "categories"),
            (len(self.interests), "interest", "interests"),
            *((self.taste.get(kind, 0), kind, f"{kind}s") for kind in ("star", "like", "save")),
        ]
        return joined([f"{count:,} {one if count == 1 else many}" for count, one, many in counts if count])


def said_by(person: Profile) -> Said:
    taste = Interaction.objects.filter(user=person.pk, kind__in=Interaction.TASTE).order_by()
    named = [
        links.filter(applies=True).annotate(kind=Value(kind)).values_list("kind", f"{kind}__name")
        for kind, links in (("stack", person.stack_links), ("category", person.category_links))
    ]
    names = sorted(named[0].union(named[1], all=True))  # one query for both
    return Said(
        stacks=[name for kind, name in names if kind == "stack"],
        categories=[name for kind, name in names if kind == "category"],
        interests=person.interests,
        taste=dict(taste.values_list("kind").annotate(Count("pk"))),
    )


# The list, and what is shown of it


@dataclass(frozen=True)
class Switch:
    """A filter of the list: on while the address holds its name and this one value."""

    value: str
    label: str
    keeps: Callable[[Project], bool]


def active(project: Project) -> bool:
    return project.pushed_at is not None and project.pushed_at > timezone.now() - MONTH


SWITCHES = {
    "newcomers": Switch("1", "asks for newcomers", lambda project: project.asks_newcomers),
    "active": Switch("30", "active this month", active),
    "small": Switch("1", "under 1k stars", lambda project: project.stars is not None and project.stars < SMALL),
}
VALUES = {**{name: switch.value for name, switch in SWITCHES.items()}, "show": "50"}


def switched_on(asked: QueryDict) -> set[str]:
    """The names of what the address switches on. Raises BadRequest for a name or a value that none has."""
    for name, values in asked.lists():
        if name not in VALUES:
            raise BadRequest(f"Unknown: {name[:50]}. Allowed: {', '.join(VALUES)}.")
        if set(values) != {VALUES[name]}:
            raise BadRequest(f"Allowed: {name}={VALUES[name]}.")
    return set(asked)


def query(names: set[str]) -> str:
    """The address of the list with just those switched on."""
    chosen = "&".join(f"{name}={value}" for name, value in VALUES.items() if name in names)
    return f"{resolve_url('for_you')}{'?' if chosen else ''}{chosen}"


@signed_in
@require_safe
def for_you(request: Request) -> HttpResponse:
    on = switched_on(request.GET)
    person = profiles.of(request.user)
    found = serving.for_user(request.user, profile=person)
    rows = found.rows if found else []
    fitting = [row for row in rows if all(SWITCHES[name].keeps(row.project) for name in on & SWITCHES.keys())]
    shown = fitting if "show" in on else fitting[:FIRST]
    ids = [row.project_id for row in shown]
    seen = showing.list_of(request.user.pk, "for you", ids, found.generation, found.weights) if found else None
    context = {
        "found": found,
        "shown": seen,
        "cold": any(row.cold_start for row in rows),
        "lines": lines_of(request.user, shown),
        "fitting": len(fitting),
        "more": query(on | {"show"}) if len(shown) < len(fitting) else "",
        "filtered": bool(on & SWITCHES.keys()),
        "switches": [(switch.label, query(on ^ {name}), name in on) for name, switch in SWITCHES.items()],
        "said": said_by(person),
        "person": person,
        "wait": Wait.of(request),
    }
    answer = render(request, "recommendations/for_you.html", context)
    if showing.really(request):
        showing.show(seen)
    return answer


# What they do


@require_POST
def act(request: Request) -> HttpResponse:
    """One act on one project, committed before the answer; the same act twice is one."""
    back = own_path(request.POST.get("next", ""))
    if not request.user.is_authenticated:
        return to_sign_in(request, back)
    project = get_object_or_404(Project.objects.lean(), pk=number(request.POST.get("project")))
    scored = request.htmx and back.partition("?")[0] in (resolve_url("for_you"), resolve_url("home"))
    before = row_of(request, project) if scored else None
    perform(request, project, request.POST.get("do", ""))
    note(request, project, request.POST["do"])
    if not request.htmx:
        return redirect(back)
    row = before or (row_of(request, project) if scored else None)
    return drawn(request, project, row, back)


def perform(request: Request, project: Project, do: str) -> None:
    """Raises BadRequest when there is no such act, Http404 when there is no such stack."""
    verb, _, rest = do.partition("-")
    if do in acts.PAGE_ACTS:
        acts.act(user=request.user, project=project, kind=do)
    elif verb == "undo" and rest in acts.PAGE_ACTS:
        acts.undo(user=request.user, project=project, kind=rest)
    elif verb == "refuse":
        acts.refuse(user=request.user, project=project, stack=get_object_or_404(TechStack, pk=number(rest)))
    elif verb == "accept":
        acts.accept(user=request.user, stack=get_object_or_404(TechStack, pk=number(rest)))
        acts.undo(user=request.user, project=project, kind=Interaction.Kind.DISMISS)
    else:
        raise BadRequest("Allowed: like, save, dismiss, each with undo- before it; refuse- or accept- and a stack.")


def note(request: Request, project: Project, do: str) -> None:
    """Join it to the list that it was done in; what is taken back was an answer all the same."""
    kind = Interaction.Kind.DISMISS if do.startswith("refuse-") else do
    if kind in acts.PAGE_ACTS:
        showing.answered(request.user, project, kind, showing.request_id(request.POST.get("request")))


def row_of(request: Request, project: Project) -> Recommendation | None:
    """The project's row in the present list; a project that was just liked is in it no more."""
    found = serving.for_user(request.user)
    return next((row for row in found.rows if row.project_id == project.pk), None) if found else None


def drawn(request: Request, project: Project, row: Recommendation | None, back: str) -> HttpResponse:
    """The row in its new state."""
    done = acts.done(request.user, [project.pk]).get(project.pk, set())
    refused = request.POST["do"].removeprefix("refuse-")
    context = {
        "project": project,
        "row": row,
        "rank": row and row.rank,
        "done": done,
        "stacks": foreign_stacks(request.user, [project.pk]).get(project.pk, []),
        "hidden": Interaction.Kind.DISMISS in done,
        "shown": {"request": showing.request_id(request.POST.get("request"))},
        "refused": refused.isdigit() and TechStack.objects.get(pk=refused),
        "next": back,
    }
    answer = render(request, "recommendations/_project_row.html", context)
    patch_vary_headers(answer, ["HX-Request"])
    return answer


# Why


@dataclass(frozen=True)
class Part:
    """One component of a score. value in [0, 1]; share of the weights and what it brings, in percent.

    counts: whether the person has said anything it can go by; last: what it brings to the project compared with.
    """

    name: str
    value: float
    share: float
    brings: float
    counts: bool
    last: float | None

    @property
    def more(self) -> float:
        """By how many points it brings more than the other; below 0 where it brings less."""
        return round(self.brings - (self.last or 0), 1)

    @property
    def lacks(self) -> float:
        return -self.more

    @property
    def signed(self) -> str:
        return signed(self.more)


def signed(points: float) -> str:
    """With its sign, as it is printed: −8.1, +0.4, 0.0."""
    return f"{points:+.1f}".replace("-", "−") if points else "0.0"


@signed_in
@require_safe
def why(request: Request, owner: str, name: str) -> HttpResponse:
    project = get_object_or_404(Project.objects.named(owner, name).lean())
    place = serving.why(request.user, project)
    context: dict[str, object] = {"project": project, "place": place}
    if place:
        context |= explained(place)
    return render(request, "recommendations/why.html", context)


def explained(place: serving.Place) -> dict[str, object]:
    """The figures of a place as the page shows them: each part beside that of the last row of the first page."""
    row, last = place.row, place.last
    beyond = last is not None and bool(place.left_out or place.rank is None or place.rank > last.rank)
    compared = last if beyond and last and last.parts else None
    parts = parts_of(place, compared) if row.parts else []
    difference = round(sum(part.more for part in parts), 1)
    return {
        "parts": parts,
        "compared": compared,
        "total": round(sum(part.brings for part in parts), 1),
        "last_total": round(sum(part.last or 0 for part in parts), 1),
        "difference": difference,
        "lacks": -difference,
        "signed": signed(difference),
        "costs": sorted((part for part in parts if part.more < 0), key=lambda part: part.more),
        "listed": not place.left_out and place.rank is not None and place.rank <= KEPT,
    }


def parts_of(place: serving.Place, compared: Recommendation | None) -> list[Part]:
    shares = dict(zip(COMPONENTS, percents([place.shares[name] for name in COMPONENTS]), strict=True))
    values = place.row.components or {}
    brings, last = percents_of(place.row), percents_of(compared) if compared else {}
    return [
        Part(
            name=LABELS[name],
            value=values[name],
            share=shares[name],
            brings=brings[name],
            counts=bool(shares[name]),
            last=last.get(name),
        )
        for name in COMPONENTS
    ]


def percents_of(row: Recommendation) -> dict[str, float]:
    parts = row.parts or {}
    return dict(zip(COMPONENTS, percents([parts[name] for name in COMPONENTS]), strict=True))
