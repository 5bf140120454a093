"""What people wrote reaches their list, says so, and is taken back as if it had never been."""

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import connection

from recommendations import answers, facts, serving, spoken
from recommendations.models import Fact, Profile
from recommendations.tests.factories import (
    act,
    belongs,
    give_vector,
    knows,
    make_category,
    make_project,
    make_stack,
    make_user,
    make_weights,
    score,
    star,
)
from recommendations.tests.taste import hear, say, wants

pytestmark = pytest.mark.django_db
DATABASES, GAMES = [1.0, 0.1, 0.0], [0.0, 0.1, 1.0]


@pytest.fixture
def world():
    """Ten games known to many, ten databases in Rust that few know, a live generation; of alice nothing is known."""
    make_weights()
    rust, python = make_stack("Rust"), make_stack("Python")
    storage, games = make_category("Databases"), make_category("Games")
    for number in range(10):
        game = make_project(f"play{number}/game", stars=500 + number)
        belongs(game, python, games)
        give_vector(game, [0.01 * number, 0.1, 1])
        store = make_project(f"keep{number}/store", stars=number)
        belongs(store, rust, storage)
        give_vector(store, [1, 0.1, 0.01 * number])
    alice = make_user()
    score()
    return alice, rust, storage


def listed(user, top=10):
    """Their list as it is served: name, score, rank and reasons."""
    found = serving.for_user(user, top)
    return [(row.project.full_name, row.score, row.rank, tuple(answers.sentences(row))) for row in found.rows]


def share(rows):
    return sum(name.startswith("keep") for name, *_ in rows) / len(rows)


def converse(world):
    """A conversation about databases in Rust."""
    alice, rust, storage = world
    intent = wants()
    heard = hear(say(alice, "I look for an embedded database in Rust.", DATABASES, intent), rust, storage)
    return [*heard, *hear(say(alice, "And for a log that survives a crash.", [1, 0.2, 0], intent), "write-ahead log")]


def test_a_conversation_moves_the_list_towards_what_it_is_about(world):
    before = share(listed(world[0]))
    converse(world)
    assert (before, share(listed(world[0]))) == (0.0, 1.0)


def test_the_reasons_quote_what_they_wrote(world):
    converse(world)
    assert listed(world[0])[0][3] == (
        "Made with Rust: you wrote “I look for an embedded database in Rust.”",
        "Serves Databases, by the same words.",
        "Close in meaning, by the same words.",
    )


@pytest.mark.parametrize("state", [Fact.State.MUTED, Fact.State.DELETED])
def test_muted_or_deleted_facts_leave_the_list_as_it_was(world, state):
    before = listed(world[0])
    for fact in converse(world):
        facts.decide(world[0], fact.pk, state)
    assert listed(world[0]) == before


def test_muting_one_fact_takes_back_all_that_its_message_did(world):
    alice, rust, _ = world
    hear(say(alice, "Games, games!", GAMES, wants()), "games")
    before = listed(alice)
    (fact,) = hear(say(alice, "I look for an embedded database in Rust.", DATABASES, wants()), rust)
    assert listed(alice) != before
    facts.decide(alice, fact.pk, "muted")
    assert listed(alice) == before


def test_nobody_decides_of_what_another_said(world):
    (fact, *_) = converse(world)
    assert facts.decide(make_user("bob"), fact.pk, "muted") is None
    assert Fact.objects.get(pk=fact.pk).state == "heard"


def test_an_unmuted_fact_counts_again(world):
    heard = converse(world)
    after = listed(world[0])
    for state in ("muted", "heard"):
        facts.decide(world[0], heard[0].pk, state)
    assert listed(world[0]) == after


def test_a_hundred_greetings_move_nothing(world):
    before = listed(world[0])
    for number in range(100):
        say(world[0], f"Good morning, number {number}!", DATABASES)
    facts.changed([world[0].pk])
    assert listed(world[0]) == before


def test_the_stored_list_equals_the_live_one(world):
    converse(world)
    live = listed(world[0])
    score()
    assert not serving.for_user(world[0]).live
    assert listed(world[0]) == live


def test_a_new_fact_is_work_for_a_new_generation(world):
    converse(world)
    assert score().counts["score"]["scored"] == 1


def test_parts_sum_to_the_score(world):
    converse(world)
    for row in serving.for_user(world[0]).rows:
        assert sum(row.parts.values()) == pytest.approx(row.score, abs=1e-9)


def test_what_is_only_heard_counts_less_than_what_is_pinned(world):
    alice, rust, _ = world
    make_stack("Go")
    knows(alice, make_stack("C"))
    (fact,) = hear(say(alice, "Rust, perhaps"), rust, confidence=0.5)
    heard = serving.for_user(alice).rows[0].components["tech"]
    facts.decide(alice, fact.pk, "pinned")
    assert (heard, serving.for_user(alice).rows[0].components["tech"]) == (pytest.approx(0.25), pytest.approx(0.5))


def test_words_of_an_intent_that_tells_nothing_count_by_the_terms_they_name_alone(world):
    alice, rust, _ = world
    hear(say(alice, "Rust is down for me, for you too?", DATABASES, wants("a check", counts=False)), rust)
    assert serving.for_user(alice).rows[0].components["semantic"] == 0


def test_words_without_an_intent_count_by_meaning_where_they_say_more_than_a_name(world):
    alice, rust, _ = world
    hear(say(alice, "Rust is what I write all day.", DATABASES), rust)
    assert serving.for_user(alice).rows[0].components["semantic"] > 0


def test_an_older_message_is_silent_too_where_a_fact_of_it_is_muted(world):
    alice, rust, _ = world
    older = say(alice, "Rust is what I write all day.", DATABASES)
    (fact,) = hear(older, rust, "a log")[:1]
    fact.sayings.create(message=say(alice, "Rust, again", GAMES), sentence="Rust, again", confidence=0.9)
    facts.decide(alice, fact.pk, "muted")
    assert not spoken.heard_by(np.array([alice.pk]))


def test_a_project_that_is_named_is_not_liked_until_it_is_pinned(world):
    alice, *_ = world
    project = serving.for_user(alice).rows[0].project
    (fact,) = hear(say(alice, f"Who knows {project}?"), project)
    assert project.full_name in [name for name, *_ in listed(alice, 50)]
    facts.decide(alice, fact.pk, "pinned")
    rows = serving.for_user(alice).rows
    assert project not in [row.project for row in rows]
    assert f"Close in meaning to {project}: you wrote" in " ".join(answers.sentences(rows[0]))


def test_a_pinned_interest_is_part_of_the_text_of_the_profile(world):
    alice, *_ = world
    (fact,) = hear(say(alice, "I care for write-ahead logs"), "write-ahead logs")
    facts.decide(alice, fact.pk, "pinned")
    assert alice.profile.embeddings.get().text == "write-ahead logs"


def test_what_somebody_refused_is_not_heard(world):
    alice, rust, _ = world
    alice.profile.stack_links.create(stack=rust, applies=False, source="curated")
    facts.changed([alice.pk])
    before = listed(alice)
    hear(say(alice, "I look for an embedded database in Rust.", DATABASES, wants()), rust)
    assert listed(alice) == before


def test_pinning_takes_a_refusal_back(world):
    alice, rust, _ = world
    alice.profile.stack_links.create(stack=rust, applies=False, source="curated")
    (fact,) = hear(say(alice, "Rust it is"), rust)
    facts.decide(alice, fact.pk, "pinned")
    assert not alice.profile.stack_links.exists()


def test_so_many_messages_speak_the_newest():
    alice, intent = make_user(), wants()
    for number in range(spoken.SPEAK + 4):
        hear(say(alice, f"message {number}", DATABASES, intent), f"thing {number}")
    heard = spoken.heard_by(np.array([alice.pk]))[alice.pk]
    assert list(heard.messages.values()) == [f"message {number}" for number in range(19, 3, -1)]


def test_of_a_long_history_no_more_is_read_than_speaks():
    alice, rust, intent = make_user(), make_stack("Rust"), wants()
    (fact,) = hear(say(alice, "Rust, the first time", DATABASES, intent), rust)
    for number in range(100):
        fact.sayings.create(message=say(alice, f"Rust {number}", DATABASES, intent), sentence="Rust", confidence=0.9)
    with connection.cursor() as cursor:
        given = [[alice.pk], [alice.pk], spoken.SPEAK]
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {spoken.SPOKEN}", given)
        ((plan,),) = cursor.fetchall()
    read = [node["Actual Loops"] for node in nodes(plan[0]["Plan"]) if node["Node Type"] == "Aggregate"]
    assert (read, len(spoken.heard_by(np.array([alice.pk]))[alice.pk].messages)) == ([spoken.SPEAK], spoken.SPEAK)


def nodes(plan):
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def test_each_state_makes_the_list_out_of_date(world):
    (fact, *_) = converse(world)
    for state in ("pinned", "muted", "deleted", "heard"):
        before = Profile.objects.get(pk=world[0].pk).changed_at
        facts.decide(world[0], fact.pk, state)
        assert Profile.objects.get(pk=world[0].pk).changed_at > before


def test_the_same_state_twice_changes_nothing(world):
    (fact, *_) = converse(world)
    before = Profile.objects.get(pk=world[0].pk).changed_at
    facts.decide(world[0], fact.pk, "heard")
    assert Profile.objects.get(pk=world[0].pk).changed_at == before


def test_nobody_decides_of_what_another_wrote(world):
    (fact, *_) = converse(world)
    assert facts.decide(make_user("bob"), fact.pk, "muted") is None
    fact.refresh_from_db()
    assert fact.state == "heard"


def test_who_had_no_profile_is_served_by_what_they_wrote(world):
    alice, rust, storage = world
    Profile.objects.filter(pk=alice.pk).delete()
    alice.refresh_from_db()
    converse((alice, rust, storage))
    assert share(listed(alice)) == 1.0


@pytest.mark.parametrize(("hostile", "quoted"), [("a\u202eb\x00c", "abc"), ("two\nlines", "two lines")])
def test_a_sentence_is_quoted_without_what_turns_a_line_around(hostile, quoted):
    assert spoken.quoted(hostile) == quoted


# People like them


@pytest.fixture
def company(world):
    """Three people who write of databases and like one that is not near; and one who writes of games."""
    alice, rust, _ = world
    odd = make_project("odd/one", stars=1)
    belongs(odd, rust)
    give_vector(odd, [0.2, 1, 0.2])
    intent = wants()
    for name in ("bob", "carol", "dave"):
        user = make_user(name)
        hear(say(user, f"{name} asks for a database", DATABASES, intent), "databases")
        star(user, odd)
    other = make_user("erin")
    hear(say(other, "erin plays", GAMES, intent), "games")
    act(other, make_project("alone/game"), "like")
    return alice, rust, odd


def test_what_people_like_them_like_takes_a_third_place(company):
    alice, rust, odd = company
    hear(say(alice, "I look for an embedded database in Rust.", DATABASES, wants()), rust)
    score()
    row = serving.for_user(alice).rows[2]
    assert (row.project, row.moved_because) == (odd, "3 people who write like you like it")


def test_a_live_list_knows_those_people_too(company):
    alice, rust, odd = company
    score()
    hear(say(alice, "I look for an embedded database in Rust.", DATABASES, wants()), rust)
    assert serving.for_user(alice).rows[2].project == odd


def test_what_a_person_says_of_themselves_is_not_moved_by_others(company):
    alice, rust, _ = company
    hear(say(alice, "I look for an embedded database in Rust.", DATABASES, wants()), rust)
    knows(alice, rust)
    score()
    assert not any(row.moved_because for row in serving.for_user(alice).rows)


def test_two_people_are_no_company(company):
    alice, rust, _ = company
    Fact.objects.filter(user__username="dave").update(state="muted")
    hear(say(alice, "I look for an embedded database in Rust.", DATABASES, wants()), rust)
    score()
    assert not any(row.moved_because for row in serving.for_user(alice).rows)


def test_nobody_is_company_to_themselves(company):
    _, rust, _ = company
    bob = User.objects.get(username="bob")
    bob.interactions.all().delete()
    facts.changed([bob.pk])
    hear(say(bob, "A database in Rust?", DATABASES, wants()), rust)
    score()
    assert not any(row.moved_because for row in serving.for_user(bob).rows)


def test_what_somebody_hid_does_not_come_back_by_others(company):
    alice, rust, odd = company
    act(alice, odd, "dismiss")
    hear(say(alice, "I look for an embedded database in Rust.", DATABASES, wants()), rust)
    score()
    assert odd not in [row.project for row in serving.for_user(alice).rows]
