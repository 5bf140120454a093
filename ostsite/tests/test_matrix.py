"""Who gets what: every address of the site for every role, held to the table in matrix.py."""

from itertools import cycle

import pytest
from django.http import HttpResponse

from ostsite.tests.matrix import PAGES, ROLES, WORDS, cell_of, classes, rights
from ostsite.tests.world import Place, World, model_of, places

pytestmark = pytest.mark.django_db
OTHER_METHODS = ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND")
CLASSES = {each.title: each for each in classes()}
CLASS_OF = {name: each for each in CLASSES.values() for name in each.names}


def said(world: World, place: Place, method: str) -> dict[str, object]:
    """What is sent, so that whoever may do it does it."""
    bodies: dict[str, dict[str, object]] = {
        "try POST": {"text": "a search engine"},
        "welcome POST": {"skip": "1"},
        "profile POST": {"do": "words", "bio": "I mend bicycles"},
        "act POST": {"project": world.project.pk, "do": "save", "next": "/projects/"},
        "keys POST": {"name": "a", "scopes": "read", "days": "9"},
        "profile_delete POST": {"username": "alice_ml"},
        "api_feedback POST": {"project": world.project.full_name, "kind": "save"},
        "api_me PATCH": {"bio": "I mend bicycles"},
        "api_me DELETE": {"confirm": "alice_ml"},
        "admin:engine_run_request POST": {"pipeline": "recommendations"},
    }
    return bodies.get(f"{place.name} {method}", {"post": "yes"} if place.name.endswith("_delete") else {})


def told(answer: HttpResponse) -> str:
    """The cell of an answer. No redirect leaves the site."""
    goes = answer.get("Location", "")
    assert not goes or (goes.startswith("/") and not goes.startswith("//")), goes
    return WORDS.get(goes.partition("?")[0], str(answer.status_code))


def page_of(place: Place) -> tuple[str, str] | None:
    """The table and the kind of page, of an address that the admin makes for each of its tables."""
    model = model_of(place)
    if model and place.route.endswith("/<path:object_id>/"):
        return model, "row"
    page = place.name.removeprefix(f"admin:{model}_")
    return (model, page) if model and page in PAGES else None


def expected(place: Place, method: str, role: str) -> str:
    if found := page_of(place):
        return cell_of(*found, method, role)
    return CLASS_OF[place.name].cells[method][role]


def methods(place: Place) -> list[str]:
    return ["GET", "POST"] if page_of(place) else list(CLASS_OF[place.name].cells)


def differing(world: World, role: str, chosen: list[Place]) -> dict[str, tuple[str, str]]:
    """What was answered otherwise than the table says: (said, answered) by method and address."""
    found = {}
    for place in chosen:
        for method in methods(place):
            address = world.address(place)
            answer = told(world.ask(role, method, address, said(world, place, method)))
            wanted = expected(place, method, role)
            if answer != wanted:
                found[f"{method} {address}"] = (wanted, answer)
    return found


# The table


def test_each_address_is_in_just_one_class():
    named = [name for each in classes() for name in each.names]
    known = [place.name for place in places() if not page_of(place)]
    assert sorted(named) == sorted(known)
    assert len({*named}) == len(named)


def test_each_table_of_the_admin_has_a_line():
    assert {found[0] for place in places() if (found := page_of(place))} == set(rights())


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("title", CLASSES)
def test_a_class_answers_as_the_table_says(world, title, role):
    chosen = [place for place in places() if place.name in CLASSES[title].names]
    assert differing(world, role, chosen) == {}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("model", rights())
def test_the_pages_of_a_table_open_as_the_table_says(world, model, role):
    chosen = [place for place in places() if (found := page_of(place)) and found[0] == model]
    assert differing(world, role, chosen) == {}


def test_any_other_method_is_refused_everywhere(world):
    roles = cycle(ROLES)
    answers = {
        f"{method} {address}": world.ask(next(roles), method, address).status_code
        for place in places()
        for address in [world.address(place)]
        for method in OTHER_METHODS
        if method not in methods(place)
    }
    assert len(answers) > 600
    assert {asked: status for asked, status in answers.items() if status != 405} == {}
