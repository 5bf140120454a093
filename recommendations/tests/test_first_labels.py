"""Labels that invite: one meaning, many spellings."""

import time

import pytest

from recommendations.first_labels import ASKED, FIRST, HELP, invites, normalised


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("Good First Issue", "good first issue"),
        ("good-first-issue", "good first issue"),
        ("good_first_issue", "good first issue"),
        ("🚀 good first issue 🎉", "good first issue"),
        (":rocket: Good First Issue", "good first issue"),
        ("E-easy", "easy"),
        ("D - easy", "easy"),
        ("difficulty/easy", "easy"),
        ("Difficulty: Easy", "easy"),
        ("Status: Help Wanted!", "help wanted"),
        ("ｅａｓｙ", "easy"),
        ("C++", "c++"),
        ("type: C#", "c#"),
        ("kind/", "kind"),
        ("🎉", ""),
        ("", ""),
        ("a" * 500, "a" * 100),
    ],
)
def test_spellings_of_a_label_come_to_the_same_words(label, words):
    assert normalised(label) == words


@pytest.mark.parametrize("label", FIRST)
def test_what_is_asked_for_as_a_first_issue_is_one(label):
    assert invites([label]) == "first"


@pytest.mark.parametrize("label", HELP)
def test_what_asks_for_help_is_known_as_that(label):
    assert invites([label]) == "help"


def test_a_first_issue_is_worth_more_than_a_call_for_help():
    assert invites(["help wanted", "bug", "beginner"]) == "first"


@pytest.mark.parametrize(
    "label",
    [
        "bug",
        "not easy",
        "hard",
        "priority: low",
        "low",
        "kind/bug",
        "documentation",
        "first",
        "good",
        "help",
        "wontfix",
        "needs triage",
        "starter pack",
        "uneasy",
        "easy-install",
        "",
    ],
)
def test_other_labels_invite_nobody(label):
    assert invites([label]) == ""


def test_there_are_many_spellings_each_once():
    assert len(ASKED) == len(set(ASKED)) >= 60


@pytest.mark.parametrize("label", [" " * 100_000, "e" + "-" * 100_000, ":" * 100_000, "­" * 1000, "a:" * 50_000])
def test_no_label_takes_long(label):
    began = time.perf_counter()
    normalised(label)
    assert time.perf_counter() - began < 0.05
