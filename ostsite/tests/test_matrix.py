"""Who gets what: every address of the site for every role, held to the table in matrix.py."""

import re
from itertools import cycle
from typing import Any
from urllib.parse import urlencode

import pytest
from django.apps import apps
from django.db.models import Model
from django.http import HttpResponse

from engine.models import ApiKey
from issues import edits
from issues.models import Issue
from ostsite.tests.matrix import PAGES, ROLES, WORDS, cell_of, classes, rights
from ostsite.tests.people import PASSWORD
from ostsite.tests.world import Place, World, model_of, places
from recommendations.models import Category, Fact, TechStack

pytestmark = pytest.mark.django_db
OTHER_METHODS = ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND")
CLASSES = {each.title: each for each in classes()}
CLASS_OF = {name: each for each in CLASSES.values() for name in each.names}


def said(world: World, place: Place, method: str) -> dict[str, object]:
    """What is sent, so that whoever may do it does it."""
    bodies: dict[str, dict[str, object]] = {
        "try POST": {"text": "a search engine"},
        "issues_similar POST": {"title": "The export stops"},
        "api_issues_similar POST": {"title": "The export stops"},
        "welcome POST": {"skip": "1"},
        "profile POST": {"do": "words", "bio": "I mend bicycles"},
        "fact POST": {"fact": Fact.objects.get().pk, "do": "mute", "next": "/profile/"},
        "act POST": {"project": world.project.pk, "do": "save", "next": "/projects/"},
        "keys POST": {"name": "a", "scopes": "read", "days": "9"},
        "profile_delete POST": {"username": "alice_ml"},
        "api_feedback POST": {"project": world.project.full_name, "kind": "save"},
        "api_conversations POST": {
            "conversations": [{"user_id": "sam", "message": "hello", "timestamp": "2026-01-01"}]
        },
        "api_me PATCH": {"bio": "I mend bicycles"},
        "api_me DELETE": {"confirm": "alice_ml"},
        "admin:engine_run_request POST": {"pipeline": "recommendations"},
        "admin:engine_run_materialise POST": {"pipeline": "recommendations"},
        "admin:engine_source_collect POST": {"source": "recommendations/github"},
    }
    if place.name == "issue_act":
        return {"do": "lock", "seen": edits.seen_of(int(world.value(place, "pk")))}
    return bodies.get(f"{place.name} {method}", {"post": "yes"} if place.name.endswith("_delete") else {})


def told(answer: HttpResponse) -> str:
    """The cell of an answer. No redirect leaves the site."""
    for name in ("HX-Redirect", "HX-Location", "HX-Push-Url", "HX-Replace-Url", "Location"):
        goes = answer.get(name, "")
        assert not goes or re.match(r"[/?](?![/\\])", goes), goes
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
    """Of those pages of a table that only show something, POST is a GET of Django's."""
    found = page_of(place)
    if found:
        return ["GET"] if found[1] in ("history", "row") else ["GET", "POST"]
    return list(CLASS_OF[place.name].cells)


def asked(place: Place, role: str) -> list[str]:
    """Its methods; one in turn where the admin's door is shut before the method is looked at."""
    known = methods(place)
    if page_of(place) and expected(place, "GET", role) == "door":
        return [known[(places().index(place) + ROLES.index(role)) % len(known)]]
    return known


def differing(world: World, role: str, chosen: list[Place]) -> dict[str, tuple[str, str]]:
    """What was answered otherwise than the table says: (said, answered) by method and address."""
    found = {}
    for place in chosen:
        for method in asked(place, role):
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


# Ways around it

PRIVATE = [each for each in places() if not page_of(each) and expected(each, methods(each)[0], "anon") != "200"]
OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
REWRITES = ("X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Script-Name")


def spellings(address: str) -> list[str]:
    """The same address as a careless proxy might take it for."""
    last = address.rstrip("/").rpartition("/")[2]
    first = address.split("/")[1]
    return [
        address.rstrip("/"), address + "/", "/" + address, address.upper(), address.title(), f"{address};",
        f"{address};.css",
        address.replace(f"/{first}", f"/{first};a=b", 1), f"/%2e{address}", f"/.{address}", f"/livez/..{address}",
        f"/livez/%2e%2e{address}", f"{address}%2e", f"{address}%20", f"{address}%23", f"{address}%3f",
        f"{address}.json",
        f"{address}..%2f", address.replace(last, f"{last}%09"), address.replace("/", "//"), address.replace("/", "%2f"),
    ]  # fmt: skip


def opened(world: World, role: str, address: str, **headers: str) -> bool:
    """Whether somebody gets something there, or anything but the way in where they are sent to."""
    answer = world.ask(role, "GET", address, **headers)
    told(answer)
    return 200 <= answer.status_code < 300


@pytest.mark.parametrize("place", PRIVATE, ids=lambda place: place.name)
def test_no_spelling_of_a_private_address_opens_it(world, place):
    address = world.address(place)
    assert [each for each in spellings(address) if opened(world, "anon", each)] == []


@pytest.mark.parametrize("place", PRIVATE, ids=lambda place: place.name)
def test_no_header_makes_a_request_another_one(world, place):
    address = world.address(place)
    plain = told(world.ask("alice", "GET", address))
    assert {name: told(world.ask("alice", "GET", address, **{name: "DELETE"})) for name in OVERRIDES} == dict.fromkeys(
        OVERRIDES, plain
    )
    seen = {name: world.ask("alice", "GET", "/try/", **{name: address}).resolver_match.url_name for name in REWRITES}
    assert seen == dict.fromkeys(REWRITES, "try")


# Forms of other sites

UNSAFE = [(place, method) for place in places() for method in methods(place) if method != "GET"]


def let_in(place: Place, method: str) -> str:
    """Somebody who may do it."""
    closed = ("in", "door", "401", "403", "404", "405")
    found = [role for role in ("alice", "root", "curator", "anon") if expected(place, method, role) not in closed]
    return (found or ["root"])[0]


@pytest.mark.parametrize("origin", ["", "https://evil.example", "null"])
def test_nothing_is_done_for_the_form_of_another_site(world, origin):
    headers = {"Origin": origin} if origin else {}
    for place, method in UNSAFE:
        answer = world.ask(
            let_in(place, method),
            method,
            world.address(place),
            said(world, place, method),
            as_a_browser=True,
            **headers,
        )
        assert answer.status_code == 403, (method, place)
        assert ("CSRF Failed" if place.route.startswith("api/") else 'class="wordmark"') in answer.content.decode()


# Addresses that lead elsewhere

AWAY = (
    "//evil.example", "https:evil.example", "https://evil.example/", "javascript:alert(1)", "/\\evil.example",
    "///evil.example",
    "http://testserver@evil.example/", "/%09/evil.example", "//evil.example/%2e%2e", "\thttps://evil.example",
)  # fmt: skip
NAMES = ("next", "return", "return_to", "redirect", "redirect_to", "redirect_uri", "url", "continue", "success_url")


@pytest.mark.parametrize("role", ["anon", "root"])
def test_no_parameter_leads_off_the_site(world, role):
    pages = [place for place in places() if not page_of(place)]
    for number, place in enumerate(pages):
        away = {name: AWAY[(number + at) % len(AWAY)] for at, name in enumerate(NAMES)}
        for method in methods(place):
            form = {**away, **said(world, place, method), "next": away["next"]} if method == "POST" else {}
            address = world.address(place)
            told(world.ask(role, method, f"{address}?{urlencode(away)}", form, Referer=AWAY[2]))
            told(world.ask(role, method, address, form, **{"HX-Request": "true", "HX-Current-URL": AWAY[2]}))


# What a write may change


def stored() -> dict[str, dict[Any, dict[str, str]]]:
    """Every row of every table, by table and key."""
    tables = [table for table in apps.get_models(include_auto_created=True) if table._meta.managed]
    return {
        table._meta.label: {row[table._meta.pk.attname]: {k: str(v) for k, v in row.items()} for row in rows_of(table)}
        for table in tables
        if table._meta.label not in PASSING and not table._meta.proxy
    }


def rows_of(table: type[Model]) -> list[dict[str, Any]]:
    return list(table._base_manager.values(*(field.attname for field in table._meta.concrete_fields)))


PASSING = ("sessions.Session", "engine.Allowance")


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Where there are new rows ("table +"), where some are gone ("table -"), and which columns differ."""
    found = set()
    for table, rows in before.items():
        now = after[table]
        found |= {f"{table} +"} if now.keys() - rows.keys() else set()
        found |= {f"{table} -"} if rows.keys() - now.keys() else set()
        for key in rows.keys() & now.keys():
            found |= {f"{table}.{column}" for column in rows[key] if rows[key][column] != now[key][column]}
    return found


def every_column(world: World) -> dict[str, str]:
    """A value for each column of each table: somebody else's id, yes, or 1."""
    fields = {field for table in apps.get_models() for field in table._meta.concrete_fields}
    other = str(world.people["root"].pk)
    return {name: other if field.is_relation else "1" for field in fields for name in (field.name, field.attname)}


TEXT = {
    "recommendations.Profile.changed_at", "recommendations.ProfileEmbedding.text",
    "recommendations.ProfileEmbedding.text_hash", "recommendations.ProfileEmbedding.wanted_at",
}  # fmt: skip
WORDS_OF_HERS = {f"recommendations.Profile.{name}" for name in ("bio", "job_title", "location", "company")}
# address: what is sent, and what it may change; the first two numbers are those of a category and a stack
WRITES = {
    "welcome": (
        {"bio": "I mend", "interests": "maps", "categories": "{category}", "stacks": "{stack}"},
        {*TEXT, *(f"recommendations.Profile.{name}" for name in ("bio", "interests", "welcomed_at"))},
    ),
    "profile": ({"do": "words", "bio": "I mend"}, {*TEXT, *WORDS_OF_HERS}),
    "act": (
        {"do": "save", "project": "{project}"},
        {"recommendations.Interaction +", "recommendations.Profile.changed_at"},
    ),
    "fact": ({"do": "mute", "fact": "{fact}"}, {"recommendations.Fact.state", "recommendations.Profile.changed_at"}),
    "keys": ({"name": "mine", "scopes": "read", "days": "9"}, {"engine.ApiKey +"}),
    "key_revoke": ({}, {"engine.ApiKey.revoked_at"}),
    "try": ({"text": "maps", "categories": "{category}", "stacks": "{stack}"}, set()),
    "account_email": ({"email": "a@example.org", "action_add": "1"}, {"account.EmailAddress +", "auth.User.email"}),
    "account_change_password": (
        {"oldpassword": PASSWORD, "password1": "quite another 7", "password2": "quite another 7"},
        {"auth.User.password"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITES)
def test_a_form_changes_what_it_shows_and_nothing_else(world, name):
    form, may = WRITES[name]
    ids = {"category": Category.objects.get().pk, "stack": TechStack.objects.get().pk, "project": world.project.pk + 1}
    ids["fact"] = Fact.objects.get().pk
    given = {**every_column(world), **{key: text.format(**ids) for key, text in form.items()}}
    place = next(place for place in places() if place.name == name)
    before = stored()
    with world.lasting():
        answer = world.ask("alice", "POST", world.address(place), given)
    assert answer.status_code in (200, 302), answer.content
    assert changed(before, stored()) - may == set()
    assert not may or changed(before, stored())


SAID = {"PATCH": {"bio": "I mend"}, "DELETE": {"confirm": "alice_ml"}}
HERS = ("bio", "location", "company", "job_title", "interests")


@pytest.mark.parametrize("method", SAID)
def test_a_program_that_says_too_much_is_told_what_that_is(world, method):
    columns, before = every_column(world), stored()
    with world.lasting():
        for column in sorted(columns.keys() - {*HERS}):
            answer = world.ask("alice", method, "/api/v1/me/", {**SAID[method], column: columns[column]})
            assert (answer.status_code, answer.json()["field"]) == (400, column)
    assert changed(before, stored()) == set()


def test_a_program_that_says_everything_changes_nothing(world):
    columns, feedback = every_column(world), {"project": "octo1/tool", "kind": "save"}
    before = stored()
    with world.lasting():
        for address, said in (("/api/v1/me/", {}), ("/api/v1/feedback/", feedback)):
            assert world.ask("alice", "POST", address, {**columns, **said}).status_code in (400, 405)
            assert world.ask("alice", "POST", f"{address}?{urlencode(columns)}", said).status_code in (400, 405)
    assert changed(before, stored()) == set()


# What an answer tells


def faults_of(schema: dict[str, Any], node: dict[str, Any], value: Any, at: str = "") -> list[str]:
    """Where an answer has other keys than its schema."""
    for part in [node, *node.get("allOf", ())]:
        if "$ref" in part:
            node = schema["components"]["schemas"][part["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        return [fault for each in value for fault in faults_of(schema, node["items"], each, f"{at}[]")]
    if not isinstance(value, dict) or "properties" not in node:
        return []
    own = [f"{at}: {key}" for key in value.keys() ^ node["properties"].keys()]
    both = value.keys() & node["properties"].keys()
    return own + [
        fault for key in both for fault in faults_of(schema, node["properties"][key], value[key], f"{at}.{key}")
    ]


def read(world: World) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The schema; and by address what it says of a GET."""
    schema = world.ask("anon", "GET", "/api/schema/?format=json").json()
    return schema, {path: found["get"] for path, found in schema["paths"].items() if "get" in found}


def test_an_answer_has_just_the_keys_of_its_schema(world):
    schema, operations = read(world)
    filled = {"{owner}": "octo0", "{name}": "tool", "{username}": "alice_ml"}
    filled["{number}"] = str(Issue.objects.visible().earliest("pk").pk)
    assert len(operations) >= 12
    for path, operation in operations.items():
        address = re.sub(r"{\w+}", lambda found: filled[found[0]], path)
        answer = world.ask("root" if "runs" in path else "alice", "GET", address)
        node = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert answer.status_code == 200
        assert faults_of(schema, node, answer.json()) == [], path


SECRET_NAMES = {
    "password",
    "digest",
    "vector",
    "token",
    "secret",
    "seed",
    "facts_hash",
    "text_hash",
    "search",
    "author_hash",
}


def names_in(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {*value, *(name for each in value.values() for name in names_in(each))}
    return {name for each in value for name in names_in(each)} if isinstance(value, list) else set()


@pytest.mark.parametrize("role", ["anon", "alice", "bob", "root", "writes"])
def test_no_answer_of_the_api_tells_a_secret(world, role):
    hidden = {user.password for user in world.people.values()} | set(world.keys.values())
    hidden |= set(ApiKey.objects.values_list("digest", flat=True))
    if role not in ("alice", "writes"):
        hidden.add("alice_ml@example.org")
    for place in places():
        if place.name.startswith(("api_", "recommendations")) and "GET" in methods(place) and place.name != "api_docs":
            answer = world.ask(role, "GET", world.address(place))
            assert not [secret for secret in hidden if secret in answer.content.decode()]
            assert place.name == "api_schema" or not names_in(answer.json()) & SECRET_NAMES
