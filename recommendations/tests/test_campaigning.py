"""Who took up what is promoted: edges counted from what people did and wrote."""

from datetime import UTC, datetime

import numpy as np
import pytest

from recommendations import campaigning, company, serving
from recommendations.company import Company, Voice
from recommendations.models import Campaign, Engagement
from recommendations.scoring import Person
from recommendations.tests.factories import (
    LEDGER,
    act,
    belongs,
    give_vector,
    make_category,
    make_project,
    make_stack,
    make_user,
    make_weights,
    run,
    score,
    snapshot,
)
from recommendations.tests.taste import BEGAN, hear, say, wants

pytestmark = pytest.mark.django_db
NOW, LATER = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)


def promote(kind, subject, name="Spring", **given):
    return Campaign.objects.create(name=name, kind=kind, subject=subject.pk, **{"begins_at": BEGAN, **given})


def edges():
    return sorted(Engagement.objects.values_list("user__username", "intent__name", "campaign__name", "count"))


def test_an_act_on_what_is_promoted_is_an_edge():
    project = make_project()
    promote("project", project)
    act(make_user(), project, "like", NOW)
    campaigning.recount()
    assert edges() == [("alice", None, "Spring", 1)]


@pytest.mark.parametrize(("kind", "make"), [("category", make_category), ("stack", make_stack)])
def test_so_is_an_act_on_a_project_placed_under_it(kind, make):
    project, term = make_project(), make()
    belongs(project, term)
    promote(kind, term)
    act(make_user(), project, "save", NOW)
    campaigning.recount()
    assert edges() == [("alice", None, "Spring", 1)]


def test_a_message_that_names_it_is_an_edge_with_its_intent():
    alice, rust = make_user(), make_stack("Rust")
    promote("stack", rust)
    hear(say(alice, "Who teaches me Rust?", intent=wants("to learn")), rust)
    campaigning.recount()
    assert edges() == [("alice", "to learn", "Spring", 1)]


def test_an_act_has_the_intent_that_was_written_last_before_it():
    alice, project = make_user(), make_project()
    promote("project", project)
    say(alice, "I want to learn", intent=wants("to learn"))
    act(alice, project, "like", NOW)
    campaigning.recount()
    assert edges() == [("alice", "to learn", "Spring", 1)]


@pytest.mark.parametrize("given", [{"begins_at": LATER}, {"ends_at": NOW}])
def test_what_was_done_before_or_after_it_is_none(given):
    project = make_project()
    promote("project", project, **given)
    act(make_user(), project, "like", NOW)
    assert (campaigning.waiting(), campaigning.recount()) == (0, 0)


@pytest.mark.parametrize("kind", ["view", "dismiss"])
def test_to_look_at_it_or_to_hide_it_is_no_engagement(kind):
    project = make_project()
    promote("project", project)
    act(make_user(), project, kind, NOW)
    assert campaigning.recount() == 0


def test_a_muted_fact_takes_its_edge_back():
    alice, rust = make_user(), make_stack("Rust")
    promote("stack", rust)
    (fact,) = hear(say(alice, "Who teaches me Rust?"), rust)
    campaigning.recount()
    type(fact).objects.update(state="muted")
    assert (campaigning.waiting(), campaigning.recount(), edges()) == (1, 1, [])


def test_acts_add_up():
    alice, project = make_user(), make_project()
    promote("project", project)
    for kind in ("like", "save", "click"):
        act(alice, project, kind, NOW)
    campaigning.recount()
    assert edges() == [("alice", None, "Spring", 3)]


def test_counting_twice_changes_no_row():
    alice, project = make_user(), make_project()
    promote("project", project)
    act(alice, project, "like", NOW)
    assert (campaigning.waiting(), campaigning.recount()) == (1, 1)
    before = snapshot(*LEDGER)
    assert (campaigning.waiting(), campaigning.recount()) == (0, 0)
    assert snapshot(*LEDGER) == before


def test_the_pipeline_counts_before_it_scores():
    project = make_project()
    promote("project", project)
    act(make_user(), project, "like", NOW)
    assert run("engage").counts["engage"] == {"edges": 1}


def test_a_campaign_that_near_people_took_up_is_a_reason():
    make_weights()
    intent, projects = wants(), [make_project(f"keep{number}/store") for number in range(6)]
    for number, project in enumerate(projects):
        give_vector(project, [1, 0.1 * number, 0])
    promoted = projects[-1]
    promote("project", promoted)
    for name in ("bob", "carol", "dave"):
        user = make_user(name)
        hear(say(user, f"{name} asks for a database", [1, 0, 0.1], intent), "databases")
        act(user, promoted, "click", NOW)
    alice = make_user()
    hear(say(alice, "A database?", [1, 0, 0.1], intent), "databases")
    campaigning.recount()
    score()
    row = serving.for_user(alice).rows[2]
    assert (row.project, row.moved_because) == (promoted, "3 people who write like you took up “Spring”")


@pytest.mark.parametrize(
    ("campaigns", "said"),
    [
        (["Spring", "Spring"], "2 people who write like you took up “Spring”"),
        (["Spring", "Autumn"], "2 people who write like you took it up"),
        (["Spring", ""], "2 people who write like you like it"),
    ],
)
def test_a_campaign_is_named_where_all_took_it_up(campaigns, said):
    assert company.words(campaigns) == said


def test_two_who_are_near_are_too_few():
    none = np.empty(0, dtype=np.int64)
    centres = np.array([[1, 0], [1, 0], [1, 0]], dtype=np.float32)
    company = Company(np.array([1, 2, 3]), centres, [Voice(row, 7) for row in range(3)])
    whole = {"text": None, "liked": none, "categories": centres[0] * 0, "stacks": centres[0] * 0, "never": none}
    known = {**whole, "spoken": centres[:1], "only_wrote": True}
    assert company.vouch(Person(id=9, **known)) == {7: "3 people who write like you like it"}
    assert company.vouch(Person(id=1, **known)) == {}
