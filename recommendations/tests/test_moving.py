"""Whose list moved by what they wrote."""

import pytest
from django.contrib.auth.models import User

from recommendations import moving
from recommendations.tests.factories import (
    belongs,
    give_vector,
    make_project,
    make_projects,
    make_stack,
    make_user,
    make_weights,
)
from recommendations.tests.taste import hear, say

pytestmark = pytest.mark.django_db


@pytest.fixture
def moved():
    """alice, whose list is another one by what she wrote."""
    make_weights()
    make_projects(6)
    rust = make_stack("Rust")
    store = make_project("keep/store", stars=0)
    belongs(store, rust)
    give_vector(store, [0, 0, 1])
    hear(say(make_user("alice"), "A store in Rust?"), rust)


def test_the_one_whose_list_moved_is_named_with_both_lists(moved):
    found = moving.most_moved(3)
    assert (found.username, found.came) == ("alice", ["keep/store"])
    assert "keep/store" not in found.before
    assert "you wrote “A store in Rust?”" in found.why


def test_who_wrote_last_is_looked_at_first(moved, monkeypatch):
    hear(say(make_user("bob"), "Rust, perhaps"), make_stack("Zig"))
    hear(say(User.objects.get(username="alice"), "Go, now"), make_stack("Go"))
    monkeypatch.setattr(moving, "LOOKED_AT", 1)
    assert [name for _, name in moving.wrote_last()] == ["alice"]


def test_nobody_moved_where_nobody_wrote():
    make_weights()
    make_projects(3)
    make_user()
    assert moving.most_moved() is None


def test_the_command_shows_both_lists_and_why(moved, ost):
    out = ost("most_moved", "--top", "3").out
    assert "What alice wrote moved their list" in out
    assert "you wrote “A store in Rust?”" in out


def test_the_command_says_that_nobody_moved(ost):
    assert "Nobody's list moved" in ost("most_moved").out
