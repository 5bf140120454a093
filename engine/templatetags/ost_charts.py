"""Small charts of the staff's pages, as SVG: no script, a title for whoever cannot see them, figures beside them."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django import template
from django.template.defaultfilters import filesizeformat
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

from engine import drawing
from engine.trends import Values

register = template.Library()


@register.inclusion_tag("admin/engine/_sparkline.html")
def sparkline(values: Values, label: str = "") -> dict[str, Any]:
    """A line over time, the oldest value first; nothing without values. label: what it is a line of."""
    finite = [None if value is None or math.isinf(value) else float(value) for value in values]
    known = [value for value in finite if value is not None]
    shown = f"{min(known):,.4g} to {max(known):,.4g}, last {known[-1]:,.4g}" if known else ""
    return {
        "lines": drawing.polylines(finite) if known else [],
        "told": f"{label}: {shown}" if label else shown,
        "width": drawing.WIDTH,
        "height": drawing.HEIGHT,
    }


@register.inclusion_tag("admin/engine/_bar.html")
def bar(value: float | None, usual: float | None = None, label: str = "") -> dict[str, Any]:
    """A length against the usual one, which a line marks."""
    drawn = drawing.bar(value or 0, usual)
    told = f"{duration(value)}, usually {duration(usual)}" if usual else f"{duration(value)}, no usual yet"
    return {
        "bar": drawn,
        "told": f"{label}: {told}" if label else told,
        "over": bool(usual and (value or 0) > 2 * usual),
    }


@register.inclusion_tag("admin/engine/_graph.html")
def graph(after: Mapping[str, Sequence[str]], states: Mapping[str, str], label: str) -> dict[str, Any]:
    """Boxes and arrows. after: name -> those it comes after; states: name -> state."""
    drawn = drawing.graph(after)
    return {"graph": drawn, "box": drawing.BOX, "states": states, "label": label}


@register.filter
def states(nodes: Sequence[Any]) -> dict[str, str]:
    return {node.asset.name: node.state for node in nodes}


@register.filter
def breakable(name: str) -> SafeString:
    """With places to break after each underscore: a long name is not cut anywhere."""
    return mark_safe(conditional_escape(name).replace("_", "_<wbr>"))  # noqa: S308  escaped before


@register.filter
def joined(text: str, number: int) -> str:
    """One after the other, as an id."""
    return f"{text}{number}"


@register.filter
def state_in(states: Mapping[str, str], name: str) -> str:
    return states.get(name, "")


@register.filter
def duration(seconds: float | None) -> str:
    """In the largest unit that says it: 18 ms, 2.3 s, 4 min 10 s, 3 h 5 min."""
    if seconds is None:
        return "–"
    if math.isinf(seconds):
        return "beyond"
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"


@register.filter
def within(seconds: float | None, bounds: Sequence[float]) -> str:
    """As `duration`; what lies above the last bound says so."""
    return f"> {duration(max(bounds))}" if seconds is not None and math.isinf(seconds) else duration(seconds)


@register.filter
def signed(number: float) -> str:
    return f"{number:+,}"


@register.filter
def signed_size(size: int) -> str:
    return ("−" if size < 0 else "+") + str(filesizeformat(abs(size)))


@register.filter
def age(moment: datetime | None, now: datetime) -> str:
    """How long ago, in one unit."""
    if moment is None:
        return "never"
    seconds = max((now - moment).total_seconds(), 0)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length * (2 if unit == "d" else 1):
            return f"{int(seconds // length)} {unit} ago"
    return "just now"
