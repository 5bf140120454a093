"""The one screen that somebody new goes through, or past."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recommendations import serving
from recommendations.models import Profile
from recommendations.tests.factories import (
    belongs,
    knows,
    make_category,
    make_projects,
    make_stack,
    make_user,
    make_weights,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(client):
    user = make_user()
    client.force_login(user)
    return user


@pytest.fixture
def said():
    """What is enough to say."""
    return {"stacks": [make_stack("Rust").pk], "categories": [make_category("Games").pk]}


def profile(user):
    return Profile.objects.get(pk=user.pk)


def text(answer):
    return " ".join(answer.content.decode().split())


def told(client, said, **more):
    """What the page answers to that."""
    answer = client.post("/welcome/", {**said, **more})
    assert answer.status_code == 422
    return text(answer)


def test_a_stranger_signs_in_first(client):
    assert client.get("/welcome/").url == "/accounts/login/?next=/welcome/"


def test_what_is_said_is_saved_and_leads_to_the_list(client, alice, said):
    answer = client.post("/welcome/", {**said, "interests": "search, maps", "bio": "I make games."})
    assert (answer.status_code, answer.url) == (302, "/for-you/")
    person = profile(alice)
    assert (person.bio, person.interests) == ("I make games.", ["search", "maps"])
    assert [link.stack.name for link in person.stack_links.all()] == ["Rust"]
    assert [link.category.name for link in person.category_links.all()] == ["Games"]


def test_the_list_goes_by_it_at_once(client, alice):
    make_weights()
    rust, games = make_stack("Rust"), make_category("Games")
    wanted = make_projects(5)[0]
    belongs(wanted, rust, games)
    client.post("/welcome/", {"stacks": [rust.pk], "categories": [games.pk]})
    assert serving.for_user(alice).rows[0].project == wanted


@pytest.mark.parametrize("skip", [True, False])
def test_it_is_noted_once_that_they_were_here(client, alice, said, skip):
    data = {"skip": "1"} if skip else said
    client.post("/welcome/", data)
    first = profile(alice).welcomed_at
    assert first
    client.post("/welcome/", data)
    assert profile(alice).welcomed_at == first


def test_whoever_skips_it_changes_nothing_they_said(client, alice):
    knows(alice, make_stack("Rust"))
    changed = profile(alice).changed_at
    assert client.post("/welcome/", {"skip": "1", "bio": "half a word"}).url == "/for-you/"
    assert profile(alice).changed_at == changed
    assert profile(alice).bio == ""


def test_a_user_without_a_profile_gets_one(client, said, django_user_model):
    user = django_user_model.objects.create(username="bare")
    client.force_login(user)
    client.post("/welcome/", said)
    assert profile(user).welcomed_at


def test_what_is_known_already_is_filled_in(client, alice):
    rust, games = make_stack("Rust"), make_category("Games")
    knows(alice, rust, games)
    Profile.objects.update(bio="I make games.", interests=["search", "maps"])
    found = text(client.get("/welcome/"))
    assert f'name="stacks" value="{rust.pk}" checked' in found
    assert f'name="categories" value="{games.pk}" checked' in found
    assert 'value="search, maps"' in found
    assert "I make games.</textarea>" in found


def test_what_was_refused_is_not_filled_in(client, alice):
    alice.profile.stack_links.create(stack=make_stack("Rust"), applies=False)
    assert "checked" not in text(client.get("/welcome/"))


def test_interests_are_words_that_come_once(client, alice, said):
    client.post("/welcome/", {**said, "interests": " maps ,, deep   learning,Maps,\n"})
    assert profile(alice).interests == ["Maps", "deep learning"]


def test_a_stack_and_a_category_are_asked_for(client, alice):
    found = told(client, {})
    assert "Choose at least one of the stacks, or skip this." in found
    assert "Choose at least one of the categories, or skip this." in found


@pytest.mark.parametrize(
    ("more", "limit"),
    [
        ({"stacks": list(range(11))}, "You chose 11 stacks; choose at most 10."),
        ({"categories": list(range(7))}, "You chose 7 categories; choose at most 6."),
        ({"interests": ", ".join(f"word{number}" for number in range(21))}, "You gave 21 interests; at most 20"),
        ({"interests": "a" * 61}, "An interest has at most 60 characters."),
        ({"interests": "a" * 1_000_000}, "at most 1240 characters"),
        ({"bio": "a" * 2_001}, "at most 2000 characters"),
        ({"bio": "a" * 1_000_000}, "at most 2000 characters"),
        ({"bio": "a\0b"}, "control characters"),
        ({"interests": "a\0b"}, "control characters"),
        ({"stacks": ["abc"]}, "not on the list"),
        ({"stacks": ["9" * 5_000]}, "not on the list"),
        ({"categories": ["1\0"]}, "not on the list"),
    ],
)
def test_an_error_names_the_limit_and_nothing_is_saved(client, alice, said, more, limit):
    assert limit in told(client, said, **more)
    assert profile(alice).welcomed_at is None
    assert not profile(alice).stack_links.exists()


def test_after_an_error_the_form_keeps_what_was_typed(client, alice, said):
    found = told(client, said, bio="a" * 2_001, interests="maps")
    assert 'value="maps"' in found
    assert f'value="{said["stacks"][0]}" checked' in found


def test_exactly_at_the_limits_all_is_saved(client, alice):
    stacks = [make_stack(f"stack {number}").pk for number in range(10)]
    categories = [make_category(f"field {number}").pk for number in range(6)]
    interests = [f"{number:02}" + "a" * 58 for number in range(20)]
    answer = client.post(
        "/welcome/",
        {"stacks": stacks, "categories": categories, "interests": ", ".join(interests), "bio": "a" * 2_000},
    )
    assert answer.status_code == 302
    assert profile(alice).interests == interests
    assert profile(alice).stack_links.count() == 10


def test_hostile_text_is_shown_as_it_is(client, alice):
    Profile.objects.update(bio="<script>alert(1)</script>{{7*7}}")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}</textarea>" in text(client.get("/welcome/"))


def test_broken_bytes_break_nothing(client, alice):
    body, form = "bio=%ED%A0%80&stacks=%ff&interests=%ff", "application/x-www-form-urlencoded"
    assert client.post("/welcome/", body, content_type=form).status_code == 422


def test_another_method_is_refused(client, alice):
    assert client.put("/welcome/").status_code == 405


def test_it_needs_the_token(client, alice, said):
    client.handler.enforce_csrf_checks = True
    assert client.post("/welcome/", said).status_code == 403


def test_ten_more_chips_cost_no_more_queries(client, alice):
    client.get("/welcome/")
    with CaptureQueriesContext(connection) as few:
        client.get("/welcome/")
    knows(alice, *(make_stack(f"stack {number}") for number in range(10)))
    with CaptureQueriesContext(connection) as many:
        client.get("/welcome/")
    assert len(many) == len(few) <= 12
