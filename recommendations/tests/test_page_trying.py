"""A list without an account: what is typed leads to it and goes nowhere else."""

import logging

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from engine.models import Allowance
from recommendations.models import Profile, Project
from recommendations.tests.factories import (
    belongs,
    make_category,
    make_projects,
    make_stack,
    make_weights,
    snapshot,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def rust():
    """A stack that twelve projects are made with."""
    make_weights()
    rust = make_stack("Rust")
    for project in make_projects(12):
        belongs(project, rust)
    return rust


@pytest.fixture
def unread(settings):
    """The model is asked for, and is not there yet."""
    settings.READ_TEXTS, settings.EMBEDDING_PROVIDERS = True, {}


def tried(client, headers=None, **said):
    return client.post("/try/", said, headers=headers)


def text(answer):
    return " ".join(answer.content.decode().split())


# The list


def test_the_form_shows_every_stack_and_category(client, rust):
    make_category("Games")
    found = text(client.get("/try/"))
    assert f'name="stacks" value="{rust.pk}"' in found
    assert "Games" in found


def test_choices_lead_to_the_ten_best(client, rust):
    rows = tried(client, stacks=[rust.pk]).context["found"].rows
    assert len(rows) == 10
    assert rows[0].stacks == ["Rust"]


def test_the_form_keeps_what_was_said(client, rust):
    found = text(tried(client, stacks=[rust.pk], text="small machines"))
    assert f'value="{rust.pk}" checked' in found
    assert "small machines</textarea>" in found


def test_rows_have_reasons_and_no_buttons(client, rust):
    found = text(tried(client, stacks=[rust.pk]))
    assert "Made with <strong>Rust</strong>" in found
    assert 'name="do"' not in found


def test_a_script_gets_the_list_alone(client, rust):
    answer = tried(client, HTMX, stacks=[rust.pk])
    assert answer.content.decode().strip().startswith('<section id="results"')
    assert "HX-Request" in answer["Vary"]


def test_nothing_chosen_is_said(client, rust):
    answer = tried(client, text="  ")
    assert answer.status_code == 200
    assert "Nothing is chosen" in text(answer)


def test_without_a_project_the_page_names_the_command(client):
    assert "import_projects" in text(tried(client, text="search"))


def test_hostile_text_is_shown_as_it_is(client):
    make_weights()
    games = make_category()
    (project,) = make_projects(1, description="<script>alert(1)</script>{{7*7}}")
    belongs(project, games)
    found = text(tried(client, categories=[games.pk], text="<b>{{6*6}}"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}" in found
    assert "&lt;b&gt;{{6*6}}</textarea>" in found


def test_nine_more_rows_cost_no_more_queries(client, rust):
    rare = make_stack("Zig")
    belongs(Project.objects.all()[0], rare)
    counts = []
    for stack, rows in ((rust, 10), (rust, 10), (rare, 1)):
        with CaptureQueriesContext(connection) as queries:
            assert len(tried(client, stacks=[stack.pk]).context["found"].rows) == rows
        counts.append(len(queries))
    assert counts[1] == counts[2] <= 12


# A sentence


def test_a_sentence_that_is_not_read_yet_is_sent_again(client, rust, unread):
    found = text(tried(client, HTMX, text="small machines", stacks=[rust.pk]))
    assert "not read yet: the model is still loading. The list goes by your stacks and categories so far." in found
    assert 'hx-trigger="load delay:2s"' in found
    assert "Try again" in found


def test_each_time_it_waits_longer(client, rust, unread):
    answer = tried(client, {**HTMX, "X-Tries": "2"}, text="small machines")
    assert 'hx-trigger="load delay:8s"' in text(answer)


def test_without_a_sentence_nothing_waits(client, rust, unread):
    assert "not read yet" not in text(tried(client, stacks=[rust.pk]))


def test_a_sentence_is_neither_stored_nor_logged(client, rust, unread, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    before = snapshot("engine_allowance")
    tried(client, text="my secret sentence", stacks=[rust.pk])
    tried(client, text="my secret sentence" * 100)
    assert snapshot("engine_allowance") == before
    assert not any("secret" in logged for logged in [caplog.text, *capfd.readouterr()])


def test_a_sentence_in_the_address_is_not_taken(client, rust):
    assert "secret" not in text(client.get("/try/?text=secret"))


# Limits


def test_thirty_lists_a_minute_are_enough(client, rust):
    Allowance.objects.take("try:127.0.0.1", 60)
    Allowance.objects.update(taken=30)
    answer = tried(client, stacks=[rust.pk])
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 60
    assert "Try again in" in text(answer)
    assert f'value="{rust.pk}" checked' in text(answer)


def test_the_thirtieth_is_answered(client, rust):
    Allowance.objects.take("try:127.0.0.1", 60)
    Allowance.objects.update(taken=29)
    assert tried(client, stacks=[rust.pk]).status_code == 200


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"text": "a" * 1_001}, "at most 1000 characters"),
        ({"text": "a" * 1_000_000}, "at most 1000 characters"),
        ({"text": "a\0b"}, "control characters"),
        ({"text": "\u202eabc"}, "control characters"),
        ({"stacks": ["abc"]}, "not on the list"),
        ({"stacks": ["0"]}, "not on the list"),
        ({"stacks": ["-1"]}, "not on the list"),
        ({"stacks": ["1.5"]}, "not on the list"),
        ({"stacks": ["1\0"]}, "not on the list"),
        ({"stacks": ["9" * 5_000]}, "not on the list"),
        ({"categories": ["١"]}, "not on the list"),
        ({"stacks": list(range(11))}, "You chose 11 stacks; choose at most 10."),
        ({"categories": list(range(7))}, "You chose 7 categories; choose at most 6."),
    ],
)
@pytest.mark.parametrize("headers", [None, HTMX])
def test_what_cannot_be_tried_is_told(client, rust, said, told, headers):
    answer = tried(client, headers, **said)
    assert answer.status_code == 422
    assert told in text(answer)


@pytest.mark.parametrize("body", ["text=%ED%A0%80", "text=%ff%fe", "stacks=%ff", "text", "&&=;", "unknown=1"])
def test_broken_bytes_break_nothing(client, rust, body):
    answer = client.post("/try/", body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code in (200, 422)


def test_a_body_that_is_too_large_is_refused(client, rust):
    body = "text=" + "a" * 3_000_000
    assert client.post("/try/", body, content_type="application/x-www-form-urlencoded").status_code in (400, 413)


def test_too_many_fields_are_refused(client, rust):
    assert tried(client, stacks=list(range(1_001))).status_code == 400


def test_another_method_is_refused(client):
    assert client.put("/try/").status_code == 405


def test_it_needs_the_token(client, rust):
    client.handler.enforce_csrf_checks = True
    assert tried(client, stacks=[rust.pk]).status_code == 403


def test_nobody_is_made(client, rust):
    tried(client, stacks=[rust.pk], text="small machines")
    assert not Profile.objects.exists()
    assert not client.session.keys()
