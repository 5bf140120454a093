"""Small groups among the noise of a day."""

import numpy as np
import pytest

from engine.pockets import MOST, pockets
from engine.vectors import unit

DIMENSIONS = 64


def alone(count, seed=0):
    """Rows in directions of their own."""
    return unit(np.random.default_rng(seed).normal(size=(count, DIMENSIONS)).astype(np.float32))


def group(count, seed, spread=0.5):
    """Rows near one direction: their cosines are about 1 / (1 + spread²)."""
    return unit(alone(1, seed) + spread * alone(count, seed + 1))


def test_three_posts_that_lie_close_together_are_a_pocket():
    found = pockets(np.concatenate([alone(40), group(3, 7), alone(40, 1)]))
    assert (found >= 0).nonzero()[0].tolist() == [40, 41, 42]


def test_posts_in_directions_of_their_own_are_none():
    assert (pockets(alone(300)) == -1).all()


def test_two_posts_are_none():
    assert (pockets(np.concatenate([alone(40), group(2, 7)])) == -1).all()


def test_the_closest_one_comes_first():
    found = pockets(np.concatenate([group(4, 3, spread=0.9), group(3, 11, spread=0.2), alone(50)]))
    assert found[:7].tolist() == [1, 1, 1, 1, 0, 0, 0]


def test_copies_of_one_text_are_one_post():
    found = pockets(np.concatenate([np.repeat(alone(1, 5), 4, axis=0), alone(40)]))
    assert (found == -1).all()


def test_a_copy_is_where_its_original_is():
    three = group(3, 7)
    found = pockets(np.concatenate([three, three[:1], alone(40)]))
    assert found[:4].tolist() == [0, 0, 0, 0]


def test_what_hangs_together_by_a_chain_alone_is_none():
    turns = np.linspace(0, np.pi, 3 * MOST)
    chain = np.zeros((len(turns), DIMENSIONS), dtype=np.float32)
    chain[:, 0], chain[:, 1] = np.cos(turns), np.sin(turns)
    assert (pockets(chain) == -1).all()


def test_a_post_without_a_vector_is_in_none():
    found = pockets(np.concatenate([group(3, 7), np.zeros((5, DIMENSIONS), dtype=np.float32)]))
    assert found.tolist() == [0, 0, 0, -1, -1, -1, -1, -1]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_of_very_few_posts_none_is_in_one(count):
    assert pockets(alone(count)).tolist() == [-1] * count


def test_the_order_of_posts_changes_no_pocket():
    rows = np.concatenate([alone(60), group(3, 7), group(4, 19)])
    order = np.random.default_rng(2).permutation(len(rows))
    assert (pockets(rows[order]) == pockets(rows)[order]).all()
