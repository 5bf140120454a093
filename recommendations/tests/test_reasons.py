import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendations.reasons import percents, sentences

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
