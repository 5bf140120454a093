"""Where clusters and their items stand on a map."""

import numpy as np
import pytest

from engine.layout import Box, centres, scattered, uncovered
from engine.vectors import unit

DIMENSIONS = 48


def directions(count, seed=0):
    return unit(np.random.default_rng(seed).normal(size=(count, DIMENSIONS)).astype(np.float32))


def near(rows, seed, spread=0.4):
    return unit(rows + spread * directions(len(rows), seed))


def gaps(places, radii):
    """Between the edges of each two discs."""
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) - radii[:, None] - radii[None]
    return apart[np.triu_indices(len(places), 1)]


def test_no_two_discs_overlap():
    sizes = np.random.default_rng(3).integers(5, 200, 60)
    assert gaps(*centres(directions(60), sizes)).min() > 0


def test_a_larger_cluster_has_a_larger_disc():
    _, radii = centres(directions(3), [5, 20, 80])
    assert radii[1] == pytest.approx(2 * radii[0])
    assert radii[2] == pytest.approx(2 * radii[1])


def test_what_is_alike_stands_nearer_than_what_is_not():
    topics = directions(4)
    rows = near(np.repeat(topics, 5, axis=0), 9, spread=0.6)
    places, _ = centres(rows, [10] * 20)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    same = np.kron(np.eye(4), np.ones((5, 5))).astype(bool)
    assert apart[same & ~np.eye(20, dtype=bool)].mean() < 0.6 * apart[~same].mean()


def test_the_same_clusters_stand_in_the_same_places():
    rows = directions(30)
    assert (centres(rows, [9] * 30)[0] == centres(rows, [9] * 30)[0]).all()


def test_a_problem_stays_where_it_was_the_day_before():
    rows, sizes = directions(25), [9] * 25
    before, _ = centres(rows, sizes)
    known = before.copy()
    known[20:] = np.nan  # five are new
    after, _ = centres(np.concatenate([near(rows[:20], 5), directions(5, 77)]), sizes, known)
    moved = np.linalg.norm(after[:20] - before[:20], axis=1)
    assert moved.max() < 0.08 * np.ptp(before, axis=0).max()


def test_a_map_that_would_be_turned_or_mirrored_is_not():
    rows = directions(12)
    before, _ = centres(rows, [9] * 12)
    mirrored = before * [-1, 1] @ np.array([[0.6, 0.8], [-0.8, 0.6]]) + [0.3, -0.2]
    after, _ = centres(rows, [9] * 12, mirrored)
    assert np.abs(after - mirrored).max() < 0.02


def test_a_new_problem_stands_by_the_known_one_that_it_is_like():
    rows = directions(12)
    known, _ = centres(rows, [9] * 12)
    twin = near(rows[4:5], 3, spread=0.3)
    after, _ = centres(np.concatenate([rows, twin]), [9] * 13, np.concatenate([known, [[np.nan, np.nan]]]))
    assert np.linalg.norm(after[:12] - after[12], axis=1).argmin() == 4


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_clusters_have_places_too(count):
    places, radii = centres(directions(count), [7] * count)
    assert (places.shape, radii.shape) == ((count, 2), (count,))
    assert np.isfinite(places).all()


def test_clusters_in_one_place_part():
    places, radii = centres(np.repeat(directions(1), 4, axis=0), [5] * 4)
    assert gaps(places, radii).min() > 0


def spread_out(noise=30):
    rows = directions(4)
    labels = np.concatenate([np.repeat(np.arange(4), 25), -np.ones(noise, dtype=np.int64)])
    vectors = np.concatenate([near(np.repeat(rows, 25, axis=0), 1), directions(noise, 8)])
    places, radii = centres(rows, [25] * 4)
    return scattered(vectors, labels, rows, places, radii), labels, places, radii


def test_an_item_stands_in_the_disc_of_its_cluster():
    points, labels, places, radii = spread_out()
    inside = labels >= 0
    away = np.linalg.norm(points[inside] - places[labels[inside]], axis=1)
    assert (away <= radii[labels[inside]]).all()


def test_an_item_of_no_cluster_stands_in_no_disc():
    points, labels, places, radii = spread_out()
    away = np.linalg.norm(points[labels < 0][:, None] - places[None], axis=2)
    assert (away > radii[None]).all()


def test_the_surest_items_stand_in_the_middle():
    rows = directions(1)
    vectors = np.concatenate([near(np.repeat(rows, 10, axis=0), 1, 0.1), near(np.repeat(rows, 10, axis=0), 2, 0.9)])
    points = scattered(vectors, np.zeros(20, dtype=np.int64), rows, np.zeros((1, 2)), np.ones(1))
    away = np.linalg.norm(points, axis=1)
    assert away[:10].max() < away[10:].min()


def test_items_of_a_day_without_clusters_have_places():
    points = scattered(directions(9), -np.ones(9, dtype=np.int64), directions(0), np.empty((0, 2)), np.empty(0))
    assert len(np.unique(points.round(6), axis=0)) == 9


def test_items_without_a_vector_have_places():
    vectors = np.zeros((3, DIMENSIONS), dtype=np.float32)
    points = scattered(vectors, np.array([0, 0, -1]), directions(1), np.zeros((1, 2)), np.ones(1))
    assert np.isfinite(points).all()


def test_a_label_gives_way_to_the_larger_one():
    first, covering, beside = Box(0, 0, 10, 4), Box(5, 1, 10, 4), Box(5, 9, 10, 4)
    assert uncovered([[first], [covering], [covering, beside]]) == [first, None, beside]
