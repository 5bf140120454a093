import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendations.reasons import line, percents, pieces, segments, sentences, shares

EVEN = {"semantic": 0.25, "category": 0.25, "tech": 0.25, "popularity": 0.25}
NOTHING = {"stacks": (), "categories": (), "nearest": None, "stars": None}


def said(parts=EVEN, **given) -> str:
    return " ".join(sentences(parts, **{**NOTHING, **given}))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(0, 3))
def test_percents_add_up_to_the_rounded_total(parts, digits):
    shown = percents(parts, digits)
    assert sum(shown) == pytest.approx(round(sum(part * 100 * 10**digits for part in parts)) / 10**digits)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_a_percent_is_less_than_one_step_from_its_part(parts):
    assert all(abs(shown - 100 * part) < 0.1 + 1e-9 for shown, part in zip(percents(parts), parts, strict=True))


def test_the_largest_remainder_is_rounded_up():
    assert percents([0.3333, 0.3334, 0.3333], digits=0) == [33, 34, 33]


def test_equal_remainders_are_rounded_up_from_the_left():
    assert percents([0.125, 0.125, 0.25], digits=0) == [13, 12, 25]


def test_a_reason_names_the_stacks_and_the_categories():
    text = said(stacks=["Go", "Rust"], categories=["Games"])
    assert "Made with Go and Rust, which you know." in text
    assert "Serves Games, which you care for." in text


def test_a_reason_names_what_the_person_liked():
    assert "Close in meaning to octo/tool, from your stars, likes and saves." in said(nearest="octo/tool")


def test_a_reason_names_the_stars_where_they_count():
    assert "12,345 stars" in said(stars=12_345)


def test_a_component_that_brings_little_is_not_a_reason():
    little = {"semantic": 0.01, "category": 0.5, "tech": 0.0, "popularity": 0.01}
    assert said(little, nearest="octo/tool", stars=9, categories=["Games"]) == "Serves Games, which you care for."


@given(st.fixed_dictionaries({name: st.floats(0, 1) for name in EVEN}))
def test_there_is_always_a_reason(parts):
    assert said(parts)


def test_a_person_nothing_is_known_of_is_told_so():
    assert said({}) == "Popular or new: nothing that is known of you leads to a project yet."


def test_what_somebody_wrote_is_quoted_once():
    told = said({**EVEN, "semantic": 0}, stacks=["Go", "Rust"], categories=["Games"], wrote=dict.fromkeys(
        ("Go", "Rust", "Games"), "games in Go or Rust"))  # fmt: skip
    assert told == "Made with Go and Rust: you wrote “games in Go or Rust”. Serves Games, by the same words."


def test_what_is_near_to_a_message_quotes_it():
    assert said({**EVEN, "popularity": 0}, wrote={"": "I like games"}) == "Close in meaning: you wrote “I like games”."


def test_a_quotation_that_ends_has_no_second_stop():
    assert said({**EVEN, "popularity": 0}, wrote={"": "I like games!"}) == "Close in meaning: you wrote “I like games!”"


def test_what_is_near_to_a_project_they_wrote_of_quotes_that():
    told = said(nearest="octo/tool", wrote={"octo/tool": "octo/tool is fine"})
    assert told == "Close in meaning to octo/tool: you wrote “octo/tool is fine”."


def test_weights_are_shown_as_whole_percents_of_their_sum():
    assert shares([1, 1, 1, 0]) == [34, 33, 33, 0]


def test_weights_of_nothing_are_shown_as_nothing():
    assert shares([0, 0]) == [0, 0]


def test_the_segments_of_a_bar_are_as_long_as_the_sum():
    assert segments([0.5, 0.25]) == [(0, 50), (50, 25)]


def test_a_curve_is_highest_at_its_largest_value():
    assert line([0, 1, 0.5], 10, 10) == [(0, 8), (5, 2), (10, 5)]


def test_a_curve_of_equal_values_runs_in_the_middle():
    assert line([3, 3], 10, 10) == [(0, 5), (10, 5)]


def test_a_name_is_cut_out_where_it_stands_whole():
    assert pieces("Made with Go, not Gopher.", ["Go"]) == [
        ("Made with ", False),
        ("Go", True),
        (", not Gopher.", False),
    ]


def test_without_names_a_sentence_is_one_piece():
    assert pieces("Popular or new.", []) == [("Popular or new.", False)]
