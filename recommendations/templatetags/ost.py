"""What templates need to show figures, ages, scores and reasons."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.template import Context, Library
from django.template.defaultfilters import pluralize
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from recommendations import answers
from recommendations import reasons as telling
from recommendations.models import Project, Recommendation, Weights
from recommendations.scoring import COMPONENTS

register = Library()

LABELS = {"semantic": "Meaning", "category": "Category", "tech": "Tech stack", "popularity": "Popularity"}
STEPS = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))
AGES = (("year", 365), ("month", 30), ("day", 1))  # in days


class Part(NamedTuple):
    """One component's share: its label, the class of its colour, whole or tenths of percents."""

    label: str
    css: str
    percent: float


# Figures


@register.filter
def compact(number: int | None) -> str:
    """46,123 as 46.1k; what is unknown is a dash."""
    if number is None:
        return "–"
    for size, sign in STEPS:
        if number >= size:
            tenths = number * 10 // size  # rounded down: 999,999 is not yet 1M
            return f"{tenths / 10:.1f}".removesuffix(".0") + sign
    return str(number)


@register.filter
def age(when: datetime | None) -> str:
    """How long ago in its largest unit: "2 days ago", "today"; nothing for what is unknown."""
    if when is None:
        return ""
    days = (timezone.now() - when).days
    for unit, length in AGES:
        if days >= length:
            count = days // length
            return f"{count} {unit}{pluralize(count)} ago"
    return "today"


@register.filter
def ago(when: datetime | None) -> str:
    """How long ago for what is new: "just now", "20 minutes ago", "3 hours ago", then days."""
    if when is None:
        return ""
    past = int((timezone.now() - when).total_seconds() // 60)
    if past < 1:
        return "just now"
    if past < 24 * 60:
        count, unit = (past, "minute") if past < 60 else (past // 60, "hour")
        return f"{count} {unit}{pluralize(count)} ago"
    return age(when)


@register.filter
def code(told: str) -> str:
    """What stands between backticks as code."""
    parts = [(format_html("<code>{}</code>", part) if at % 2 else part,) for at, part in enumerate(told.split("`"))]
    return format_html_join("", "{}", parts)


@register.filter
def percent(share: float | None, digits: int = 0) -> str:
    """0.824 as 82%, rounded as its parts are."""
    return "" if share is None else f"{telling.percents([share], digits)[0]:.{digits}f}%"


# Scores


def values_of(parts: Mapping[str, float]) -> list[float]:
    """The parts in the order of the formula."""
    return [parts.get(name, 0.0) for name in COMPONENTS]


def labelled(shown: Sequence[float], digits: int = 0) -> list[Part]:
    figures = [value if digits else int(value) for value in shown]
    return [Part(LABELS[name], f"part-{name}", figure) for name, figure in zip(COMPONENTS, figures, strict=True)]


def parts_in(parts: Mapping[str, float], score: float | None = None, digits: int = 0) -> list[Part]:
    values = values_of(parts)
    return labelled(telling.percents(values, digits, sum(values) if score is None else score), digits)


@register.simple_tag
def parts_of(row: Recommendation | None, digits: int = 0) -> list[Part]:
    """What each component brings in percents that add up to the score shown; nothing for a cold start."""
    return parts_in(row.parts, row.score, digits) if row and row.parts else []


@register.simple_tag
def score_bar(parts: Mapping[str, float] | None) -> SafeString | str:
    """A bar filled as far as the score, in the colours of its parts; a reader hears them in words."""
    if not parts:
        return ""
    said = ", ".join(f"{part.label} {part.percent}%" for part in parts_in(parts))
    places = zip(COMPONENTS, telling.segments(values_of(parts)), strict=True)
    drawn = format_html_join(
        "",
        '<rect class="part-{}" x="{}" width="{}" height="4"></rect>',
        ((name, f"{left:g}", f"{width:g}") for name, (left, width) in places if width),
    )
    return format_html(
        '<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" role="img"><title>Score {}: {}</title>'
        '<rect class="bar-rest" width="100" height="4"></rect>{}</svg>',
        percent(sum(values_of(parts))),
        said,
        drawn,
    )


@register.inclusion_tag("_partials/legend.html")
def legend(weights: Weights) -> dict[str, Any]:
    """What counts, and how much of all."""
    return {"parts": labelled(telling.shares(weights.formula.weights))}


@register.simple_tag
def sparkline(values: Sequence[float], label: str = "") -> SafeString | str:
    """A curve without axes. label: what a reader hears; without one it only decorates the figures beside it."""
    if len(values) < 2:
        return ""
    points = " ".join(f"{x:g},{y:g}" for x, y in telling.line(values, 84, 24))
    return format_html(
        '<svg class="spark" viewBox="0 0 84 24" {}="{}"><title>{}</title><polyline points="{}"></polyline></svg>',
        *(("role", "img") if label else ("aria-hidden", "true")),
        label,
        points,
    )


# Reasons


@register.simple_tag
def reasons(row: Recommendation) -> list[str]:
    """Why it is recommended, one sentence a reason."""
    return answers.sentences(row)


@register.simple_tag
def reason_pieces(row: Recommendation) -> list[list[tuple[str, bool]]]:
    """The same sentences, each cut into (text, whether it is a name), so that names stand out."""
    names = [*row.stacks, *row.categories, *([row.nearest.full_name] if row.nearest else [])]
    return [telling.pieces(sentence, names) for sentence in answers.sentences(row)]


# Links and buttons


@register.simple_tag(takes_context=True)
def nav_link(context: Context, name: str, label: str) -> SafeString | str:
    """A link to a page that says whether one is on it, or on a page below it."""
    try:
        address = reverse(name)
    except NoReverseMatch:  # an error page is drawn whatever addresses there are
        return ""
    request = request_of(context)
    path = request.path if request else ""
    if not path.startswith(address):
        return format_html('<a href="{}">{}</a>', address, label)
    here = "page" if path == address else "true"
    return format_html('<a href="{}" aria-current="{}">{}</a>', address, here, label)


@register.inclusion_tag("recommendations/_actions.html", takes_context=True)
def actions(
    context: Context,
    project: Project,
    done: set[str],
    stacks: Sequence[tuple[int, str]] = (),
    plain: bool = False,
) -> dict[str, Any]:
    """The buttons of a project. plain: the page is drawn anew, for where there is no row to exchange."""
    return {**posting(context), "project": project, "done": done, "stacks": stacks, "plain": plain}


@register.inclusion_tag("recommendations/_undo.html", takes_context=True)
def undo_button(context: Context, project: Project, refused: int | None = None) -> dict[str, Any]:
    """The button that takes hiding back; refused: with the stack of that id, which was marked as not theirs."""
    return {**posting(context), "project": project, "do": f"accept-{refused}" if refused else "undo-dismiss"}


@register.filter
def of(found: Mapping[int, Any] | None, pk: int) -> Any:
    """What was found for one row, an empty set when nothing was; None where nobody looked."""
    return None if found is None else found.get(pk, set())


def posting(context: Context) -> dict[str, Any]:
    """What a form needs that a row, included with `only`, is not given: the token, and the way back."""
    request = request_of(context)
    back = context.get("next") or (request.get_full_path() if request else "/")
    return {"csrf_token": get_token(request) if request else "", "next": back, "shown": context.get("shown")}


def request_of(context: Context) -> HttpRequest | None:
    return getattr(context, "request", None)
