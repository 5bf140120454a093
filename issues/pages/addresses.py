"""What the address of a page may say: parameters that the page knows, and days that readers see."""

import re
from datetime import date
from typing import Any

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest

from engine.text import joined
from issues import reading


def only(request: HttpRequest, *names: str) -> None:
    """Raises BadRequest for a parameter that the page does not know, or that is there twice."""
    if any(name not in names or len(values) > 1 for name, values in request.GET.lists()):
        raise BadRequest(f"Allowed: {joined(list(names))}, once.")


def live_day(text: str) -> Any:
    """The day that is written so, as reading.day has it. Raises Http404 where readers see none."""
    try:
        on = date.fromisoformat(text) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        on = None
    found = reading.day(on) if on else None
    if found is None:
        raise Http404("No such day was published.")
    return found
