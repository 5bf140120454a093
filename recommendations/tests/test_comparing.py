import random

import pytest
from scipy.stats import kendalltau

from recommendations.comparing import Move, kendall, mean, moves, overlap


def kinds(before, after):
    return [(move.id, move.kind, move.places) for move in moves(before, after)]


def test_an_unchanged_order_has_no_moves():
    assert {move.kind for move in moves([3, 1, 2], [3, 1, 2])} == {"same"}


def test_each_move_is_named():
    assert kinds([1, 2, 3, 4], [3, 2, 5, 1]) == [
        (3, "up", 2),
        (2, "same", 0),
        (5, "new", 0),
        (1, "down", 3),
        (4, "gone", 0),
    ]


def test_what_is_gone_keeps_its_old_order():
    assert [move.id for move in moves([1, 2, 3], [])] == [1, 2, 3]


def test_a_move_knows_both_ranks():
    assert moves([7, 8], [8]) == [Move(8, 2, 1), Move(7, 1, None)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [([], [], 1), ([1], [], 0), ([1, 2], [2, 1], 1), ([1, 2], [2, 3], 0.5), ([1, 2, 3, 4], [1], 0.25)],
)
def test_overlap_is_the_share_of_the_longer_list(before, after, expected):
    assert overlap(before, after) == expected


@pytest.mark.parametrize("seed", range(20))
def test_tau_is_that_of_scipy(seed):
    shuffled = random.Random(seed).sample(range(10), 10)
    expected = kendalltau(range(10), [shuffled.index(each) for each in range(10)]).statistic
    assert kendall(list(range(10)), shuffled) == pytest.approx(expected)


def test_tau_is_of_what_both_hold():
    assert kendall([1, 9, 2, 3], [3, 2, 8, 1]) == -1


@pytest.mark.parametrize(("before", "after"), [([], []), ([1, 2], [3, 4]), ([1, 2], [2, 3])])
def test_tau_is_unknown_when_fewer_than_two_are_shared(before, after):
    assert kendall(before, after) is None


def test_a_mean_leaves_out_what_is_unknown():
    assert (mean([1, None, 2]), mean([None])) == (1.5, None)
