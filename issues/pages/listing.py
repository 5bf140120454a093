"""Problems: the list with its search and filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from engine.pages import TRIES, Chip, HtmxRequest, page_at, said, tried
from issues import filters, searching
from issues.filters import ALLOWED, DAYS, ORDERS, Asked, Faults
from issues.models import Issue
from issues.pages.rows import rows_of, source_name
from issues.searching import Newest

ON_A_PAGE = 20
UNORDERED = tuple(name for name in filters.NAMES if name != "order")


@dataclass(frozen=True)
class Question:
    """What an address asks for, and what is wrong with it."""

    asked: Asked
    wrong: Faults
    newest: Newest | None

    @property
    def last(self) -> date | None:
        return self.newest.day if self.newest else None

    @property
    def known(self) -> Sequence[str]:
        return self.newest.known if self.newest else ()


class Option(NamedTuple):
    """One value of a filter. href: the list with it, or without it where it is in use."""

    text: str
    href: str
    on: bool


class Group(NamedTuple):
    title: str
    options: list[Option]


def question_of(given: QueryDict, others: Sequence[str] = ("page",)) -> Question:
    """What the parameters ask for; others: further names that the address may have."""
    newest = searching.newest()
    asked, wrong = filters.read(dict(given.lists()), newest.known if newest else (), others)
    return Question(asked, wrong, newest)


@require_safe
def issue_list(request: HtmxRequest) -> HttpResponse:
    """All problems, or those that the address asks for. HTMX gets the results alone."""
    given = said(request.GET)
    question = question_of(given)
    if question.wrong:
        typed = {"faults": question.wrong, "typed": given.get("q", "")[: filters.LONGEST]}
        return render(request, "issues/issues.html", {**typed, "asked": Asked()}, status=400)
    partial, page = bool(request.htmx), given.get("page", "")
    plain = address(question.asked, page=page)
    if not partial and lists(request.GET) != lists(QueryDict(plain.partition("?")[2])):
        return redirect(plain)  # a form sends its empty fields too, and filters among the words
    context = results(request, question, page) | {"partial": partial}
    response = render(request, f"issues/{'_results' if partial else 'issues'}.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def lists(given: QueryDict) -> dict[str, list[str]]:
    return {name: given.getlist(name) for name in given}


def results(request: HttpRequest, question: Question, number: str) -> dict[str, Any]:
    """What the list shows."""
    asked = question.asked
    searched = filters.words_of(asked.q).free != ""
    by_meaning, found = searching.found(asked, question.last)
    if not searched:
        searching.warm()
    page = page_at(list(found) if searched else found, number, ON_A_PAGE)  # a search finds few: they need no count
    chosen = listed(page.object_list)
    page.object_list = chosen
    tries = tried(request)
    return {
        "asked": asked,
        "newest": question.newest,
        "page": page,
        "rows": rows_of(chosen, question.last),
        "chips": chips_of(asked),
        "groups": groups(asked, question.known),
        "orders": orders(asked),
        "carried": [(name, value) for name, value in asdict(asked).items() if value and name != "q"],
        "links": links(asked),
        "words_only": searched and not by_meaning,
        "again": tries + 1 if tries < TRIES else 0,
    }


def listed(found: Iterable[Any]) -> list[Issue]:
    """The problems of a page, in its order, also where ids were found."""
    rows = list(found)
    return rows if rows and isinstance(rows[0], Issue) else searching.in_order(rows)


# Addresses


def query(asked: Asked, names: Sequence[str] = filters.NAMES, page: str = "") -> str:
    """The parameters that ask for just that."""
    said = QueryDict(mutable=True)
    said.update({name: getattr(asked, name) for name in names if getattr(asked, name)})
    if page not in ("", "1"):
        said["page"] = page
    return said.urlencode()


def address(asked: Asked, name: str = "issues", names: Sequence[str] = filters.NAMES, page: str = "") -> str:
    return f"{reverse(name)}?{query(asked, names, page)}".rstrip("?")


def links(asked: Asked) -> dict[str, str]:
    """The same problems as feeds and as files."""
    names = {"atom": "issues_atom", "feed": "issues_feed", "csv": "issues_csv", "json": "issues_json"}
    ordered = ("csv", "json")
    return {kind: address(asked, name, filters.NAMES if kind in ordered else UNORDERED) for kind, name in names.items()}


# What stands beside the list

PAY = {"yes": "would pay", "no": "no word of paying"}
SEEN = dict(DAYS)
TITLES = {"category": "Category", "pay": "Would pay", "impact": "Impact", "state": "State", "days": "Seen within"}


def groups(asked: Asked, known: Sequence[str]) -> list[Group]:
    """The filters with each of their values as a link."""
    found = [Group(title, options(asked, name, ALLOWED[name])) for name, title in TITLES.items()]
    return [*found, Group("Source", options(asked, "source", known))] if known else found


def options(asked: Asked, name: str, values: Sequence[str]) -> list[Option]:
    now = getattr(asked, name)
    return [
        Option(worded(name, value), address(replace(asked, **{name: "" if value == now else value})), value == now)
        for value in values
    ]


def worded(name: str, value: str) -> str:
    """A value as people say it."""
    words: Mapping[str, Mapping[str, str]] = {"pay": PAY, "days": SEEN}
    return source_name(value) if name == "source" else words.get(name, {}).get(value, value)


def chips_of(asked: Asked) -> list[Chip]:
    """One chip a filter in use, with the list without it."""
    said = {"q": "“{}”", "impact": "{} impact", "days": "seen within {}"}
    return [
        Chip(said.get(name, "{}").format(worded(name, value)), address(replace(asked, **{name: ""})))
        for name, value in asdict(asked).items()
        if value and name != "order"
    ]


def orders(asked: Asked) -> list[Option]:
    """The orders to choose from; the usual one comes first, and needs no word in the address."""
    usual = "relevance" if asked.q else "size"
    names = [usual, *(name for name, _ in ORDERS if name not in (usual, "relevance"))]
    now = asked.order if asked.order in names else usual
    return [
        Option(dict(ORDERS)[name], address(replace(asked, order="" if name == usual else name)), name == now)
        for name in names
    ]
