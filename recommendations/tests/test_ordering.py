"""Variety, and rest for what was seen often."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommendations.ordering import interleaved, rotated, varied


def test_varied_caps_an_owner_among_those_shown():
    assert varied(["a", "a", "a", "b", "c"], shown=3, most=1) == [0, 3, 4, 1, 2]


def test_varied_moves_as_few_as_it_takes():
    assert varied(["a", "b", "a", "c", "a", "d"], shown=4, most=2) == [0, 1, 2, 3, 4, 5]


def test_varied_fills_up_with_the_best_when_owners_are_too_few():
    assert varied(["a", "a", "a", "b"], shown=3, most=1) == [0, 3, 1, 2]


def test_varied_0_moves_nothing():
    assert varied(["a", "a", "b"], shown=3, most=0) == [0, 1, 2]


@given(owners=st.lists(st.sampled_from("abc"), max_size=12), shown=st.integers(1, 8), most=st.integers(0, 3))
def test_varied_loses_nothing_and_keeps_the_order_within_an_owner(owners, shown, most):
    order = varied(owners, shown, most)
    assert sorted(order) == list(range(len(owners)))
    for owner in set(owners):
        mine = [index for index in order if owners[index] == owner]
        assert mine == sorted(mine)


# What was seen often


def resting(tired, seed=(1, 739_000)) -> list[int]:
    found = rotated(np.array(tired), seed)
    return [index for place, index in enumerate(found) if place > index]


def test_every_third_place_goes_to_the_next_that_was_chosen():
    assert interleaved(range(6), [5, 4], 3) == [0, 1, 5, 2, 3, 4]


def test_nobody_tired_moves_nothing():
    assert rotated(np.zeros(50, dtype=bool), (1, 1)) == list(range(50))


def test_at_most_a_quarter_of_the_places_rests():
    assert len(resting([True] * 50)) == 5


def test_only_the_tired_rest():
    assert set(resting([index in (3, 7) for index in range(50)])) == {3, 7}


def test_what_stands_behind_the_places_stays_in_order():
    found = rotated(np.array([index < 20 for index in range(50)]), (1, 1))
    assert sorted(found) == list(range(50))
    assert [index for index in found if index >= 20] == list(range(20, 50))


def test_in_a_short_list_the_resting_stand_at_the_end():
    found = rotated(np.array([True] * 8), (1, 1))
    assert set(found[6:]) == set(rotated(np.array([True] * 8), (1, 1))[6:])
    assert len(found) == len(set(found)) == 8


def test_the_day_changes_who_rests():
    drawn = {tuple(resting([True] * 50, (1, day))) for day in range(20)}
    assert len(drawn) > 10


def test_over_the_days_everyone_comes_back():
    away = [set(resting([True] * 50, (1, day))) for day in range(20)]
    assert not set.intersection(*away)
