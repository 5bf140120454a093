"""Who says that they take an issue. The table is our own sentences; no two say it alike."""

import time
from datetime import UTC, datetime

import pytest

from recommendations.claims import Comment, claimed_at, claims, gives_back

TAKEN = [
    "I'd like to work on this.",
    "I would love to take this up!",
    "Hi, can I work on this issue?",
    "Hello! May I take this one?",
    "Can I please try to fix this?",
    "I'm working on it",
    "Im working on this, PR soon",
    "I am currently working on this.",
    "I'll take it",
    "I will give this a shot",
    "I'll give it a try this weekend",
    "Let me take this.",
    "lemme handle this",
    "Working on it!",
    "Hey @octo, working on this now",
    "Taking this",
    "Picking this up.",
    "On it",
    "dibs",
    "I call dibs on the parser",
    "Please assign this to me",
    "could you assign me?",
    "Can this be assigned to me?",
    "I would like to be assigned",
    "/assign",
    "/assign me",
    ".take",
    "/claim",
    "@taskbot claim",
    "I will do it",
    "I'd definitely like to pick this up",
    "Is it ok if I take this?",
    "Would you mind if I work on this?",
    "If nobody is working on this, can I take it?",
    "If no one has started, I'd be happy to take this.",
    "I am interested in working on this",
    "Happy to take this",
    "Interested in working on this issue.",
    "I'm new here and I want to contribute to this issue",
    "I have started working on this",
    "I think I can fix this",
    "We would like to tackle this issue",
    "I can’t promise a date, but I want to implement this feature",
    "I opened a pull request for it",
    "I'll open a PR tonight",
    "I'm looking into this",
    "> is anyone on this?\n\nYes, I'm working on it",
    "**I'd like to work on this**",
    "I want to solve #1234",
    "Je m'en occupe",
]
FREE = [
    "Is anyone working on this?",
    "Are you still working on this?",
    "@bob are you working on this?",
    "Who is working on it?",
    "Nobody is working on this",
    "Feel free to take this",
    "You can take this one",
    "Anyone can work on this",
    "This is not working on my machine",
    "It does not work on Windows",
    "I have the same problem",
    "I fixed it by going back one version",
    "I can fix it by deleting the cache",
    "I would like to know if someone is working on this",
    "I would like to see this fixed",
    "I would like you to take this",
    "I think someone should fix this",
    "I hope somebody takes this",
    "We should fix this before the release",
    "I'm not working on this anymore",
    "I can't work on this",
    "I won't be able to take this",
    "I was working on this last year",
    "I am no longer working on this",
    "I had started working on this",
    "Please do not assign this to me",
    "It was assigned to me by mistake",
    "Unassign me please",
    "/unassign",
    "/assign @bob",
    "Thanks for taking this!",
    "@bob is on vacation",
    "Assigned to @bob",
    "Go ahead!",
    "+1",
    "any update?",
    "> I'd like to work on this\n\nSure, go ahead",
    "`I will take it` is what the button should say",
    "```\nI'm working on it\n```",
    "The assignment of the variable is wrong",
    "I'm having trouble with this function",
    "I use this at work",
    "I have this too",
    "I have to do this every day",
    "I do it the same way",
    "I give this a thumbs up",
    "I try this on Windows and it fails",
    "If I take this out, it works",
    "I want this feature",
    "What should I do about this warning?",
    "I like this idea",
    "",
    "🎉",
]
GIVEN_BACK = [
    "I'm not working on this anymore",
    "I can no longer work on this",
    "Sorry, I won't be able to work on this",
    "I don't have time to finish it, feel free to take it",
    "Unassigning myself",
    "please unassign me",
    "/unassign",
    "@taskbot release-assignment",
    "I'm giving up",
    "I have to drop this",
    "Somebody else can pick this up",
]


@pytest.mark.parametrize("text", TAKEN)
def test_who_takes_an_issue_is_heard(text):
    assert claims(text)


@pytest.mark.parametrize("text", FREE)
def test_who_does_not_take_it_is_not(text):
    assert not claims(text)


@pytest.mark.parametrize("text", GIVEN_BACK)
def test_who_gives_it_back_is_heard(text):
    assert gives_back(text)


@pytest.mark.parametrize("text", TAKEN)
def test_who_takes_it_does_not_give_it_back(text):
    assert not gives_back(text)


def on(day, author, text, bot=False):
    return Comment(datetime(2026, 5, day, tzinfo=UTC), author, text, bot)


def test_the_newest_claim_counts():
    said = [on(2, "ada", "I'll take it"), on(9, "bob", "working on it"), on(12, "eve", "nice")]
    assert claimed_at(said) == datetime(2026, 5, 9, tzinfo=UTC)


def test_a_claim_that_was_given_back_is_none():
    assert claimed_at([on(2, "ada", "I'll take it"), on(9, "ada", "I can't work on this anymore")]) is None


def test_nobody_gives_back_what_another_took():
    said = [on(2, "ada", "I'll take it"), on(9, "bob", "I am not working on it")]
    assert claimed_at(said) == datetime(2026, 5, 2, tzinfo=UTC)


def test_a_program_takes_nothing():
    assert claimed_at([on(2, "helper", "I'm working on it", bot=True)]) is None


def test_the_order_of_the_comments_does_not_matter():
    said = [on(9, "ada", "I can't work on this anymore"), on(2, "ada", "I'll take it")]
    assert claimed_at(said) is None


@pytest.mark.parametrize(
    "text",
    [
        "i would " * 100_000,
        "i " + "would like to " * 100_000,
        "i would like to " * 20_000 + "work on",
        "`" * 100_000,
        ">" * 100_000 + "\n" * 100_000,
        "@" + "a" * 100_000,
        "hi " * 100_000,
        ". " * 100_000,
        "i not " * 50_000,
        "feel free " * 50_000,
        "<!--" * 50_000,
        "\u202e" * 50_000 + "\x00",
    ],
)
def test_no_text_takes_long(text):
    began = time.perf_counter()
    claims(text)
    gives_back(text)
    assert time.perf_counter() - began < 0.1
