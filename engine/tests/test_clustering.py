import numpy as np
import pytest

from engine.clustering import METHODS, SMALLEST, belonging, by_size, cluster, neighbours, parameters
from engine.vectors import Matrix, unit
from engine.words import words_of

WIDTH = 384


def directions(count: int, seed: int = 0) -> Matrix:
    return unit(np.random.default_rng(seed).standard_normal((count, WIDTH))).astype(np.float32)


def around(centres: Matrix, each: int, spread: float = 0.05, seed: int = 1) -> Matrix:
    """`each` items about each centre, in turn: item i is of topic i % len(centres)."""
    rows = np.tile(centres, (each, 1))
    return unit(rows + spread * np.random.default_rng(seed).standard_normal(rows.shape)).astype(np.float32)


@pytest.fixture(params=sorted(METHODS))
def method(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize(("topics", "each"), [(3, 12), (4, 12), (12, 40)])
def test_topics_that_stand_apart_are_found(topics, each):
    found = cluster(around(directions(topics), each)).labels
    assert [len(set(found[topic::topics])) for topic in range(topics)] == [1] * topics
    assert len(set(found)) == topics
    assert found.min() == 0


def test_what_is_near_nothing_is_noise():
    topics = around(directions(6), 20)
    alone = directions(60, seed=2)
    found = cluster(np.vstack([topics, alone])).labels
    assert (found[:120] >= 0).all()
    assert (found[120:] == -1).mean() > 0.9


@pytest.mark.parametrize("n", [1, 4, 5, 30, 300])
def test_directions_without_any_order_are_all_noise(n):
    found = cluster(directions(n))
    assert (found.labels == -1).all()
    assert found.outlier_ratio == 1
    assert found.centroids.shape == (0, WIDTH)


def test_nothing_is_clustered_into_nothing(method):
    found = cluster(np.empty((0, WIDTH), dtype=np.float32), method)
    assert (len(found.labels), len(found.mean_distance), found.outlier_ratio) == (0, 0, 0.0)


@pytest.mark.parametrize("n", [1, 4])
def test_fewer_items_than_a_cluster_are_noise(method, n):
    assert (cluster(np.repeat(directions(1), n, axis=0), method).labels == -1).all()


def test_items_that_are_all_alike_are_one_cluster():
    found = cluster(np.repeat(directions(1), 300, axis=0))
    assert (found.labels == 0).all()
    assert (found.membership == 1).all()


@pytest.mark.parametrize("n", [60, 300])
def test_items_that_are_nearly_alike_are_one_cluster(n):
    assert np.mean(cluster(around(directions(1), n, spread=0.02)).labels == 0) > 0.9


def test_copies_of_one_text_are_a_cluster_among_others():
    copies = np.repeat(directions(1, seed=3), 40, axis=0)
    found = cluster(np.vstack([around(directions(5), 20), copies])).labels
    assert len(set(found[100:])) == 1
    assert found[100] == 0


def test_a_row_of_zeros_is_noise(method):
    vectors = around(directions(3), 20)
    vectors[7] = 0
    found = cluster(vectors, method)
    assert found.labels[7] == -1
    assert found.membership[7] == 0
    assert found.labels.max() == 2


def test_clusters_are_numbered_by_size_and_then_by_first_item():
    assert by_size(np.array([4, -1, 2, 2, 2, 9, 9, 4])).tolist() == [1, -1, 0, 0, 0, 2, 2, 1]


def test_membership_is_of_a_cluster_and_none_of_noise():
    found = cluster(np.vstack([around(directions(4), 15), directions(20, seed=2)]))
    assert (found.membership[found.labels < 0] == 0).all()
    assert all(found.membership[found.labels == each].max() == 1 for each in range(4))
    assert (found.membership[found.labels >= 0] > 0).all()


def test_centroid_and_mean_distance_are_those_of_the_items(method):
    vectors = around(directions(2), 12)
    found = cluster(vectors, method)
    mine = vectors[found.labels == 1]
    assert np.allclose(found.centroids[1], mine.mean(axis=0), atol=1e-6)
    assert found.mean_distance[1] == pytest.approx(np.linalg.norm(mine - mine.mean(axis=0), axis=1).mean(), abs=1e-6)


def test_the_same_seed_gives_the_same_clusters():
    vectors = around(directions(20), 20, spread=0.12)
    one, other = cluster(vectors, seed=3), cluster(vectors, seed=3)
    assert np.array_equal(one.labels, other.labels)
    assert np.array_equal(one.membership, other.membership)


def test_the_reference_is_hdbscan_with_the_sizes_of_the_contract():
    assert parameters("reference", 300) == {"min_cluster_size": SMALLEST, "min_samples": 2}
    assert parameters("reference", 4000) == {"min_cluster_size": 20, "min_samples": 10}


@pytest.mark.parametrize(
    ("vectors", "method", "reason"),
    [
        (directions(3), "k-means", "allowed: graph, reference"),
        (directions(3)[0], "graph", "rows"),
        (np.full((6, 3), np.nan, dtype=np.float32), "graph", "finite"),
    ],
)
def test_what_cannot_be_clustered_says_why(vectors, method, reason):
    with pytest.raises(ValueError, match=reason):
        cluster(vectors, method)


def test_of_those_near_in_meaning_the_neighbours_are_those_that_share_words():
    words = words_of(["printer jam", "calendar lost"] * 30)
    near, cosine, alike = neighbours(around(directions(1), 60), words)
    assert np.mean(near % 2 == np.arange(60)[:, None] % 2) > 0.95
    assert (alike >= cosine).mean() > 0.95


def test_a_group_that_is_mostly_clear_keeps_its_clearest_few():
    labels, clear = np.repeat([0, 1, 2], 6), np.ones(18)
    clear[[2, 3, 4, 8, 9, 10, 11]] = [0.5, 0.4, 0.3, 0.5, 0.5, 0.5, 0.5]
    kept = belonging(labels, clear)
    assert kept.reshape(3, 6).sum(axis=1).tolist() == [5, 2, 6]
    assert not kept[4]
