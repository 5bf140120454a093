"""The schema says what the API does: every operation is tried with data made from it, right and wrong."""

import os
from io import StringIO

import pytest
import schemathesis
from django.core.management import call_command
from django.core.servers.basehttp import WSGIRequestHandler
from django.db import connections
from schemathesis.engine import events, from_schema

from engine.models import ApiKey, Run
from recommendations import serving
from recommendations.api import documents
from recommendations.api.serializers import FirstIssuesAsked, ProjectsAsked
from recommendations.filters import MANY, ProjectFilter
from recommendations.issue_filters import FirstIssueFilter
from recommendations.tests.factories import (
    act,
    belongs,
    knows,
    make_category,
    make_projects,
    make_stack,
    make_user,
    make_weights,
    score,
)

pytestmark = pytest.mark.django_db
EXAMPLES = int(os.environ.get("API_EXAMPLES", 5))  # for each operation, beside those that the schema suggests


@pytest.fixture
def key(transactional_db, settings, monkeypatch):
    """A key to an API with a few rows of everything, which may be asked without end."""
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)  # no thread of the server keeps one
    monkeypatch.setattr(WSGIRequestHandler, "disable_nagle_algorithm", True)  # or each answer takes 40 ms longer
    rates = dict.fromkeys(("anon", "user", "try"), 10**9)
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
    serving.forget()
    bob, projects = make_user("bob_webdev", bio="Games."), make_projects(4)
    games, rust = make_category("Games"), make_stack("Rust")
    belongs(projects[0], games, rust)
    knows(bob, rust)
    act(bob, projects[0], "like")
    make_weights()
    score()
    Run.objects.create(pipeline="other")
    return ApiKey.objects.issue(bob, "a program", ["read", "write"], 30)[1]


def findings(url, key, examples):
    """What schemathesis has to say, with all of its checks and kinds of data."""
    config = {
        "seed": 1,
        "base-url": url,
        "headers": {"Authorization": f"Bearer {key}"},
        "generation": {"max-examples": examples, "deterministic": True, "database": "none"},
    }
    loaded = schemathesis.openapi.from_url(
        f"{url}/api/schema/?format=json", config=schemathesis.Config.from_dict(config)
    )
    found = []
    for event in from_schema(loaded).execute():
        if isinstance(event, events.ScenarioFinished):
            found += told(event.recorder)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            found.append(repr(event))
    return found


def told(recorder):
    return [
        f"{recorder.label}: {node.name}: {node.failure_info.failure}\n{node.failure_info.code_sample}"
        for nodes in recorder.checks.values()
        for node in nodes
        if node.failure_info
    ]


def test_every_operation_does_what_the_schema_says(live_server, key):
    found = findings(live_server.url, key, EXAMPLES)
    assert not found, "\n\n".join(found)


def test_the_schema_is_valid_and_complete(capsys):
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=StringIO())


def operations(whole):
    return {
        f"{method} {path}": operation
        for path, methods in whole["paths"].items()
        for method, operation in methods.items()
    }


def test_every_answer_has_an_example():
    bare = [
        f"{name} {status}"
        for name, operation in operations(documents.schema()).items()
        for status, answer in operation["responses"].items()
        if status != "204" and not next(iter(answer["content"].values())).get("examples")
    ]
    assert bare == []


def test_every_body_has_an_example():
    bodies = [each["requestBody"]["content"]["application/json"] for each in operations(documents.schema()).values()
              if "requestBody" in each]  # fmt: skip
    assert (len(bodies), all("examples" in each for each in bodies)) == (5, True)


def test_the_filters_of_the_page_are_those_of_the_api():
    assert set(ProjectsAsked().fields) == {*ProjectFilter.base_filters, "page_size"}
    assert set(FirstIssuesAsked().fields) == {*FirstIssueFilter.base_filters, "page_size"}
    assert MANY == ("stack",)


def test_the_schema_names_the_terms_of_the_tables():
    make_stack("Rust")
    shown = operations(documents.schema())["get /api/v1/projects/"]["parameters"]
    assert next(each for each in shown if each["name"] == "stack")["schema"]["items"]["enum"] == ["Rust"]


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("", "*/*", "application/vnd.oai.openapi"),
        ("?format=json", "*/*", "application/json"),
        ("?format=yaml", "*/*", "application/yaml"),
        ("", "application/json", "application/json"),
    ],
)
def test_the_schema_is_given_as_yaml_and_as_json(client, query, accept, kind):
    answer = client.get(f"/api/schema/{query}", HTTP_ACCEPT=accept)
    assert (answer.status_code, answer["Content-Type"].split(";")[0]) == (200, kind)


def test_another_format_of_the_schema_is_refused_as_json(client):
    answer = client.get("/api/schema/?format=exe")
    assert (answer.status_code, answer.json()["field"]) == (400, "format")


# The page


def test_the_page_names_every_operation(client):
    page = client.get("/api/docs/").content.decode()
    assert all(f'id="{each["operationId"]}"' in page for each in operations(documents.schema()).values())


def test_the_page_needs_no_script_and_no_style_of_its_own(client):
    content = client.get("/api/docs/").content.decode().partition("<h1>")[2]
    assert not any(word in content for word in ("<script", "style=", "onclick"))


def test_the_page_says_how_often_one_may_ask(client):
    assert "60 requests a minute" in client.get("/api/docs/").content.decode()
