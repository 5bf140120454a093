"""What every page with a list does: read its address, cut a page out, and ask again while the model is loading."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.core.paginator import InvalidPage, Page, Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, QueryDict
from django_htmx.middleware import HtmxDetails

LARGEST = 2**63 - 1  # what an id may be
TRIES = 10  # how often a page asks again while the model is loading


class HtmxRequest(HttpRequest):
    """What the middleware of django-htmx makes of a request."""

    htmx: HtmxDetails


class Chip(NamedTuple):
    """A filter in use, and the address of the list without it."""

    text: str
    href: str


def chips_of(given: QueryDict, words: Mapping[str, Callable[[str], str]]) -> list[Chip]:
    """One chip a value in use, in the words of its parameter. Without it the list begins at the first page."""
    found = []
    for name, values in given.lists():
        for value in values if name in words else ():
            rest = given.copy()
            rest.setlist(name, [other for other in values if other != value])
            rest.pop("page", None)
            found.append(Chip(words[name](value), f"?{rest.urlencode()}"))
    return found


def said(given: QueryDict) -> QueryDict:
    """The parameters that say something."""
    kept = QueryDict(mutable=True)
    for name, values in given.lists():
        if any(value.strip() for value in values):
            kept.setlist(name, [value for value in values if value.strip()])
    return kept


def page_at(rows: QuerySet[Any] | list[Any], number: str, size: int) -> Page[Any]:
    """That page of a list, "" the first. Raises Http404 for one that there is not."""
    if not re.fullmatch(r"([1-9][0-9]{0,6})?", number):
        raise Http404("no such page")
    try:
        return Paginator(rows, size).page(int(number or 1))
    except InvalidPage as error:
        raise Http404("no such page") from error


def number(text: str | None) -> int:
    """An id. Anything else names nothing."""
    if text and text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= LARGEST:
        return int(text)
    raise Http404("There is no such thing.")


def tried(request: HttpRequest) -> int:
    """How often this page has asked again by itself."""
    given = request.headers.get("X-Tries", "")
    return min(int(given), TRIES) if re.fullmatch(r"[0-9]{1,2}", given) else 0


@dataclass(frozen=True)
class Wait:
    """How long a page waits before it asks once more for what the model reads: 2, 4, 8, 16 and then 30 seconds."""

    tries: int

    @classmethod
    def of(cls, request: HttpRequest) -> Wait:
        said = request.headers.get("X-Tries", "")
        return cls(int(said) if said.isascii() and said.isdigit() and len(said) < 3 else 0)

    @property
    def next(self) -> int:
        return self.tries + 1

    @property
    def seconds(self) -> int:
        return min(2**self.next, 30) if self.tries < 5 else 30
