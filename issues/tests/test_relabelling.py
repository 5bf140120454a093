"""A label asked for once more: the stage asks, the old answer serves until there is another."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from engine.tests.llm_server import LABEL, SCRIPTS, VALID, Server, says
from issues import relabelling
from issues.models import Issue, Label
from issues.tests.factories import DAY, make_topic, publish, run

pytestmark = pytest.mark.django_db

OLD = LABEL["title"]
NEW = says(json.dumps({**LABEL, "title": "Large exports never end"}))


@pytest.fixture
def ask(settings) -> Iterator:
    """A scripted model, which answers so: ask(step, …)."""
    servers = []

    def start(*steps) -> Server:
        servers.append(Server(*steps).__enter__())
        settings.LLM_MODEL, settings.LLM_API_BASE, settings.LLM_API_KEY = "openai/local", servers[-1].url, "sk-planted"
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__(None, None, None)


def a_labelled_day() -> Label:
    make_topic(0)
    publish()
    return Label.objects.get()


def title() -> str:
    return Issue.objects.visible().get().title


def test_the_next_run_asks_and_the_new_answer_takes_the_old_ones_place(ask):
    server = ask(VALID, NEW)
    label = a_labelled_day()
    relabelling.ask_anew([label.pk], "egon")
    assert title() == OLD
    run("label", day=DAY)
    assert (title(), server.calls, Label.objects.get().state) == ("Large exports never end", 2, "labelled")
    run("label", day=DAY)
    assert server.calls == 2


def test_the_old_answer_stays_where_the_new_question_fails(ask):
    ask(VALID, *SCRIPTS["broken"])
    label = a_labelled_day()
    relabelling.ask_anew([label.pk], "egon")
    run("label", day=DAY)
    assert (title(), Label.objects.get().state) == (OLD, "label_failed")
    assert Label.objects.filter(next_attempt_at__gt=timezone.now()).exists()


def test_the_limit_of_the_day_holds_for_what_is_asked_anew(ask, settings):
    server = ask(VALID, NEW)
    label = a_labelled_day()
    settings.LLM_DAILY_CALLS = 1
    relabelling.ask_anew([label.pk], "egon")
    run("label", day=DAY)
    assert (title(), server.calls, Label.objects.get().state) == (OLD, 1, "deferred")


def test_what_failed_is_asked_again_once_it_is_told_to_be_tried_now(ask):
    steps = SCRIPTS["broken"]
    ask(*steps)
    label = a_labelled_day()
    assert label.state == "label_failed"
    ask(VALID)
    run("label", day=DAY)
    assert Label.objects.get().state == "label_failed"
    assert relabelling.try_now([label.pk]) == 1
    run("label", day=DAY)
    assert title() == OLD


def test_an_extract_is_replaced_by_the_answer_of_a_model_that_came_later(ask, settings):
    make_topic(0)
    publish()
    extract = Label.objects.get()
    ask(VALID)
    relabelling.ask_anew([extract.pk], "egon")
    run("label", day=DAY)
    assert (title(), Issue.objects.get().label_source) == (OLD, "llm")


def test_trying_now_leaves_answers_alone(ask):
    ask(VALID)
    label = a_labelled_day()
    assert relabelling.try_now([label.pk]) == 0
    assert Label.objects.get().made_at == label.made_at
    assert timezone.now() - label.made_at < timedelta(hours=1)
