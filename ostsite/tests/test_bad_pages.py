"""What no page and no list of the admin can use is answered with a clear 4xx, or as if it were not there: never a 5xx."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from engine.models import Anomaly, Run
from ostsite.tests.world import Place, World, places
from recommendations.models import Category, TechStack, Weights

pytestmark = pytest.mark.django_db
MARKUP = "%27%22%3E%3Cscript%3E"
DIGITS = "9" * 5000
LISTS = ("/projects/", "/trending/", "/new/")


def ask(world: World, who: str, method: str, address: str, said: Any = None, **headers: str) -> HttpResponse:
    """Their request; a statement that fails spoils no other test."""
    with world.undo():
        return world.ask(who, method, address, said, **headers)


def status(world: World, who: str, method: str, address: str, said: Any = None, **headers: str) -> int:
    return ask(world, who, method, address, said, **headers).status_code


# Every page

READ = [
    place
    for place in places()
    if not place.route.startswith(("api/", "recommendations/", "livez", "health", "metrics"))
    and (not place.route.startswith("admin/") or place.name.endswith(("_changelist", "_add", "index", "_export")))
]
OWN = {
    "projects": (
        "q", "category", "stack", "language", "stars_min", "stars_max", "active", "newcomers", "order", "page",
    ),
    "trending": ("page",),
    "new": ("page",),
    "for_you": ("show", "active", "newcomers", "small"),
    "profile": ("kind", "page"),
    "admin:recommendations_weights_add": ("from", "people"),
    "admin:recommendations_weights_changelist": ("page",),
    "admin:recommendations_recommendation_changelist": ("person", "q", "p", "o"),
    "admin:recommendations_project_changelist": ("category", "stack", "links", "q", "p", "o", "is_archived__exact"),
    "admin:recommendations_project_export": ("as", "q", "links"),
}  # fmt: skip
OF_A_LIST = ("q", "p", "o", "_changelist_filters")


def names_of(place: Place) -> Sequence[str]:
    """The parameters that a page reads; of any other page one that it might."""
    usual = OF_A_LIST if place.name.endswith("_changelist") else ("next",)
    return OWN.get(place.name, usual)


def reader(world: World, place: Place) -> str:
    """Somebody for whom the page opens."""
    if place.route.startswith("admin/"):
        return "root"
    roles = ("alice", "anon")
    return next((role for role in roles if status(world, role, "GET", world.address(place)) == 200), "alice")


@pytest.mark.parametrize("place", READ, ids=lambda place: place.name)
@pytest.mark.parametrize("value", ["%00", "a%00b", "%ff", "%c3%28"])
def test_what_no_text_holds_is_a_400_on_every_page(world, place, value):
    assert status(world, "root", "GET", f"{world.address(place)}?{names_of(place)[-1]}={value}") == 400


@pytest.mark.parametrize("place", READ, ids=lambda place: place.name)
@pytest.mark.parametrize(
    "value", [DIGITS, MARKUP, "x" * 300_000, "-1", ""], ids=["digits", "markup", "300_kb", "below_0", "empty"]
)
def test_no_value_of_a_parameter_breaks_a_page(world, place, value):
    role, address = reader(world, place), world.address(place)
    answers = {name: ask(world, role, "GET", f"{address}?{name}={value}") for name in names_of(place)}
    assert {name: answer.status_code for name, answer in answers.items() if answer.status_code >= 500} == {}
    assert [name for name, answer in answers.items() if b"'\"><script>" in answer.getvalue()] == []


@pytest.mark.parametrize("place", READ, ids=lambda place: place.name)
@pytest.mark.parametrize(
    "query", ["{0}[]=1", "{0}=1&{0}=2", "unknown=1", "&&=&", "{0}", "{0}=%u0041", "%{0}=%", f"{MARKUP}=1", "a=1&" * 1001],
    ids=["array", "twice", "unknown", "no_name", "no_value", "percent_u", "lone_percent", "markup", "1001_fields"],
)  # fmt: skip
def test_no_form_of_a_parameter_breaks_a_page(world, place, query):
    role, address = reader(world, place), world.address(place)
    answer = ask(world, role, "GET", f"{address}?{query.replace('{0}', names_of(place)[0])}")
    assert answer.status_code < 500
    assert b"'\"><script>" not in answer.getvalue()
