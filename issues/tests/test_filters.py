"""What the address of a list and the words of its search box ask for."""

import pytest

from issues import filters
from issues.filters import ALLOWED, Asked, read, words_of
from issues.models import Category, Impact, Issue

SOURCES = ("github", "Reddit")


def asked(q="", **given):
    found, wrong = read({"q": [q], **{name: [value] for name, value in given.items()}}, SOURCES)
    assert not wrong, wrong
    return found


def wrong(q="", **given):
    return read({"q": [q], **given}, SOURCES)[1]


def test_tokens_are_filters_and_the_rest_is_searched_for():
    found = asked('jobs source:github impact:high -cron category:ai pay:yes state:growing days:7 "lost mail"')
    assert found == Asked('jobs -cron "lost mail"', "ai", "high", "yes", "github", "growing", "7")


def test_a_token_counts_before_the_parameter():
    assert asked("impact:high", impact="low").impact == "high"


def test_capitals_do_not_matter_in_a_token():
    assert (asked("Impact:HIGH").impact, asked("source:reddit").source) == ("high", "Reddit")


@pytest.mark.parametrize(
    "q", ['"colour:red"', "https://example.org/a", "std::vector", "error: it", "10:30", ":a", "a:"]
)
def test_what_is_quoted_or_no_token_is_searched_for(q):
    assert asked(q).q == q


@pytest.mark.parametrize(
    ("q", "told"),
    [
        ("colour:red", "“colour:red” is no filter; allowed: category:, impact:, pay:, source:, state:, days:."),
        ("impact:huge", "allowed: high, medium, low."),
        ("source:usenet", "allowed: Reddit, github."),
        ("days:3", "allowed: 1, 7, 30, 90."),
        ("state:gone", "allowed: new, growing, steady, quiet."),
        ("-source:github", "only words can be ruled out"),
        ("pay:yes pay:no", "“pay:” is given more than once."),
        ("x" * 201, "The search text has 201 characters; allowed: at most 200."),
        ("a\0b", "holds characters that no text has"),
    ],
)
def test_what_is_wrong_with_a_search_text_is_said_with_what_is_allowed(q, told):
    assert told in wrong(q)["q"]


def test_every_mistake_in_a_search_text_is_said():
    assert wrong("colour:red impact:huge")["q"].count("allowed:") == 2


@pytest.mark.parametrize(
    ("given", "name"),
    [({"impact": ["huge"]}, "impact"), ({"colour": ["red"]}, "colour"), ({"pay": ["yes", "yes"]}, "pay"),
     ({"order": ["worst"]}, "order")],
)  # fmt: skip
def test_a_wrong_parameter_is_named_with_what_is_allowed(given, name):
    assert "llowed: " in wrong(**given)[name]


def test_while_no_source_is_known_any_is_taken():
    assert read({"source": ["usenet"]}, ()) == (Asked(source="usenet"), {})


def test_the_same_token_twice_is_no_mistake():
    assert asked("pay:yes pay:yes").pay == "yes"


def test_words_are_taken_apart_into_meaning_and_letter():
    assert words_of('lost jobs -cron "dead letter" -"on windows"') == (
        "lost jobs dead letter",
        '-cron "dead letter" -"on windows"',
    )


@pytest.mark.parametrize("q", ['"', '""', "-", '-"', "- -", '"a" -b" c'])
def test_any_quotes_and_signs_can_be_read(q):
    assert read({"q": [q]}, SOURCES)[1] == {}
    assert words_of(q)


def test_a_rest_reads_as_it_was_read():
    rest = asked('a "b  c"d  -"e" f').q
    assert asked(rest).q == rest


def test_a_long_text_of_signs_takes_no_time():
    assert "q" in wrong('-"' * 100_000)


def test_what_is_allowed_is_what_the_tables_hold():
    assert set(ALLOWED["category"]) == set(Category.values)
    assert set(ALLOWED["impact"]) == set(Impact.values)
    assert set(ALLOWED["state"]) == set(Issue.State.values) - {Issue.State.GONE}
    assert set(filters.TOKENS) < set(filters.NAMES)
