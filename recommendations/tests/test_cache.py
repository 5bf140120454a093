"""An answer is given again only while nothing changed that it is made from, and never to another."""

import threading
import time

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from recommendations import facts, holding, serving
from recommendations.api.recommendations import RENDERED
from recommendations.models import Fact
from recommendations.tests.factories import (
    act,
    give_vector,
    make_projects,
    make_stack,
    make_user,
    make_weights,
    score,
)
from recommendations.tests.taste import hear, say, wants

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(client):
    """Over thirty projects with a live generation, signed in."""
    RENDERED.clear()
    serving.forget()
    make_weights()
    make_projects(30)
    user = make_user("alice_ml")
    give_vector(user, [1, 0.5, 0])
    score()
    client.force_login(user)
    return user


def rows(client, top=5, who="alice_ml"):
    answer = client.get(f"/recommendations/{who}?top={top}")
    assert answer.status_code == 200, answer.content
    return [each["full_name"] for each in answer.json()["recommendations"]]


def test_top_5_then_top_20_answers_20(client, alice):
    assert (len(rows(client, 5)), len(rows(client, 20)), len(rows(client, 5))) == (5, 20, 5)


def test_feedback_shows_in_the_next_answer(client, alice):
    first, *_ = rows(client)
    client.post("/api/v1/feedback/", {"project": first, "kind": "dismiss"}, "application/json")
    assert first not in rows(client)


def test_a_fact_and_its_muting_show_in_the_next_answers(client, alice):
    before = rows(client)
    (fact,) = hear(say(alice, "Something with Zig?", [1, 9, 0], wants()), make_stack("Zig"))
    after = rows(client)
    facts.decide(alice, fact.pk, Fact.State.MUTED)
    assert after != before
    assert rows(client) == before


def test_new_weights_show_once_they_are_live(client, alice):
    before = client.get("/recommendations/alice_ml").json()
    make_weights(semantic=0.0, popularity=1.0)
    score()
    after = client.get("/recommendations/alice_ml").json()
    assert (before["weights"], after["weights"]) == (1, 2)


def test_an_answer_lasts_as_long_as_the_setting_says(client, alice, settings, django_assert_max_num_queries):
    rows(client)
    assert len(RENDERED._held) == 1
    settings.RECOMMENDATION_CACHE_TTL = 0
    rows(client)
    (kept,) = RENDERED._held.values()
    assert time.monotonic() - kept[0] < 5
    assert RENDERED.get(next(iter(RENDERED._held))) is None


def test_a_list_of_an_older_catalogue_is_not_kept_for_a_new_generation(client, alice, monkeypatch):
    """While the new catalogue is loaded aside, the old one answers."""
    rows(client)
    held = holding.catalogue()
    make_weights(semantic=0.0, popularity=1.0)
    score()
    facts.changed([alice.pk])
    monkeypatch.setattr(holding.HOLDER, "get", lambda live: held)
    assert client.get("/recommendations/alice_ml").json()["weights"] == 1
    monkeypatch.undo()
    assert client.get("/recommendations/alice_ml").json()["weights"] == 2


def test_who_is_known_from_conversations_alone_is_served(client, alice):
    carol = User.objects.create(username="carol", password="!")
    hear(say(carol, "Who likes Zig?", [1, 9, 0], wants()), make_stack("Zig"))
    client.force_login(carol)
    body = client.get("/recommendations/carol?top=5").json()
    assert len(body["recommendations"]) == 5
    assert "you wrote “Who likes Zig?”" in " ".join(body["recommendations"][0]["reasons"])


def test_a_person_of_another_name_is_answered_by_that_name(client, alice):
    client.get("/recommendations/alice_ml")
    User.objects.filter(pk=alice.pk).update(username="alice")
    assert client.get("/recommendations/alice").json()["user_id"] == "alice"


@pytest.mark.django_db(transaction=True)
def test_two_people_never_see_each_others(alice):
    other = make_user("bob")
    give_vector(other, [1, -0.5, 0.3])
    score()
    wrong, clients = [], {}
    for user in (alice, other):
        clients[user.username] = Client()
        clients[user.username].force_login(user)

    def ask(name):
        for number in range(40):
            body = clients[name].get(f"/recommendations/{name}?top={1 + number % 20}").json()
            if body["user_id"] != name or len(body["recommendations"]) != 1 + number % 20:
                wrong.append(body)
        connection.close()

    threads = [threading.Thread(target=ask, args=[name]) for name in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_answer_of_one_is_not_that_of_another(client, alice):
    bob = make_user("bob")
    give_vector(bob, [1, -0.5, 0.3])
    act(bob, serving.for_user(alice).rows[0].project, "dismiss")
    score()
    mine = rows(client)
    client.force_login(bob)
    assert rows(client, who="bob") != mine
    assert client.get("/recommendations/alice_ml").status_code == 404
