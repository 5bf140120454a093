import inspect

import hdbscan
import numpy as np
import pytest
from hdbscan import _hdbscan_tree
from sklearn.metrics import adjusted_rand_score

from engine import density
from engine.density import Points, density_clusters


def scattered(n, width=384, seed=0):
    return np.random.default_rng(seed).standard_normal((n, width), dtype=np.float32)


def topical(n, width=384, topics=12, seed=0):
    """Unit vectors: two in three around a topic, each topic of its own density, the rest anywhere."""
    random = np.random.default_rng(seed)
    topic = random.integers(0, topics, n)
    spread = np.where(random.random(n) < 0.67, random.uniform(0.2, 0.8, topics)[topic], 3)[:, None]
    plane = random.standard_normal((min(width, 30), width))
    rows = (random.standard_normal((topics, len(plane)))[topic] + spread * scattered(n, len(plane), seed)) @ plane
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def theirs(vectors, min_cluster_size, min_samples, selection="eom", epsilon=0.0):
    """The package's exact way; its own choice for narrow vectors is an approximation."""
    return hdbscan.HDBSCAN(
        min_cluster_size,
        min_samples,
        algorithm="prims_kdtree",
        cluster_selection_method=selection,
        cluster_selection_epsilon=epsilon,
    ).fit(vectors)


SETS = {
    "topics": topical(800),
    "few topics": topical(300, topics=3, seed=1),
    "narrow": topical(500, width=5, seed=2),
    "even": scattered(400, width=20),
    "far from zero": 100 + scattered(200, width=50) / 1000,
    "of every size": np.exp(scattered(300, width=3) * 5),
    "few": topical(50),
}


@pytest.mark.parametrize("vectors", SETS.values(), ids=SETS)
@pytest.mark.parametrize("selection", ["eom", "leaf"])
@pytest.mark.parametrize("sizes", [(2, 1), (5, 1), (5, 2), (5, 5), (10, 3), (15, 30)])
def test_labels_and_strengths_are_those_of_hdbscan(vectors, selection, sizes):
    expected = theirs(vectors, *sizes, selection=selection)
    labels, strengths = density_clusters(vectors, *sizes, selection=selection)
    assert labels.tolist() == expected.labels_.tolist()
    np.testing.assert_allclose(strengths, expected.probabilities_, atol=1e-9)


def test_the_sets_have_clusters_and_noise_to_agree_on():
    labels = density_clusters(SETS["topics"], 5, 5)[0]
    assert labels.max() >= 8
    assert 0.1 < (labels < 0).mean() < 0.6


@pytest.mark.parametrize("epsilon", [0.1, 0.5, 1.0])
def test_clusters_nearer_than_epsilon_are_one_as_in_hdbscan(epsilon):
    expected = theirs(SETS["topics"], 5, 2, epsilon=epsilon)
    assert density_clusters(SETS["topics"], 5, 2, epsilon=epsilon)[0].tolist() == expected.labels_.tolist()


def test_the_package_itself_chooses_the_same_for_wide_vectors():
    vectors = topical(600)
    expected = hdbscan.HDBSCAN(8, min_samples=4).fit_predict(vectors)
    assert density_clusters(vectors, 8, 4)[0].tolist() == expected.tolist()


@pytest.mark.parametrize("min_samples", [1, 3, 10])
def test_copies_of_points_are_grouped_as_in_hdbscan(min_samples):
    vectors = topical(200)[np.random.default_rng(0).integers(0, 200, 600)]
    expected = theirs(vectors, 8, min_samples)
    assert adjusted_rand_score(expected.labels_, density_clusters(vectors, 8, min_samples)[0]) > 0.99


def test_thousands_of_copies_are_clusters_of_their_own():
    texts = np.random.default_rng(0).integers(0, 3, 3000)
    assert adjusted_rand_score(texts, density_clusters(topical(3)[texts], 15, 7)[0]) == 1


@pytest.mark.parametrize("n", [0, 1, 2, 4, 30, 2000])
def test_points_all_alike_are_noise(n):
    labels, strengths = density_clusters(np.ones((n, 8), dtype=np.float32), 5, 2)
    assert labels.tolist() == [-1] * n
    assert strengths.tolist() == [0] * n
    assert labels.dtype == np.int64
    assert strengths.dtype == np.float64


@pytest.mark.parametrize("n", [3, 4, 7])
def test_fewer_points_than_min_samples_reach_the_farthest(n):
    vectors = scattered(n, width=3)
    expected = theirs(vectors, 2, n + 5)
    assert density_clusters(vectors, 2, n + 5)[0].tolist() == expected.labels_.tolist()


def test_small_blocks_change_nothing(monkeypatch):
    whole = density_clusters(SETS["topics"], 5, 5)
    monkeypatch.setattr(density, "BLOCK", 7 * 800)
    for one, other in zip(whole, density_clusters(SETS["topics"], 5, 5), strict=True):
        assert one.tolist() == other.tolist()


def test_the_same_vectors_give_the_same_clusters():
    first, second = (density_clusters(topical(700, seed=3), 5, 2) for _ in range(2))
    assert first[0].tolist() == second[0].tolist()
    assert first[1].tolist() == second[1].tolist()


@pytest.mark.parametrize("vectors", SETS.values(), ids=SETS)
def test_no_squared_distance_is_farther_from_the_truth_than_its_error(vectors):
    points = Points.of(vectors)
    rows = np.arange(len(points))
    square = points.left @ points.right
    true = points.distances(rows.repeat(len(rows)), np.tile(rows, len(rows))).reshape(square.shape) / points.scale
    error = np.array([points.error(rows, column) for column in square.T]).T
    assert (np.abs(square - true**2) <= np.minimum(error, error.T)).all()


@pytest.mark.parametrize(
    ("vectors", "settings"),
    [
        (np.full((9, 2), np.nan), (5, 2)),
        (np.full((9, 2), np.inf), (5, 2)),
        (np.ones(9), (5, 2)),
        (np.ones((9, 2)), (1, 2)),
        (np.ones((9, 2)), (5, 0)),
        (np.ones((9, 2)), (5, 2, "best")),
        (np.ones((9, 2)), (5, 2, "eom", -0.1)),
        (np.ones((9, 2)), (5, 2, "eom", np.nan)),
    ],
)
def test_vectors_and_settings_that_mean_nothing_are_refused(vectors, settings):
    with pytest.raises(ValueError, match=r"finite|at least|selection"):
        density_clusters(vectors.astype(np.float32), *settings)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("condense_tree", ["hierarchy", "min_cluster_size"]),
        ("compute_stability", ["condensed_tree"]),
        ("get_clusters", ["tree", "stability", "cluster_selection_method"]),
    ],
)
def test_the_package_still_has_the_private_functions_that_are_called(name, first):
    parameters = inspect.signature(getattr(_hdbscan_tree, name)).parameters
    assert list(parameters)[: len(first)] == first, f"hdbscan's private {name} has changed: read engine/density.py anew"
    assert name != "get_clusters" or "cluster_selection_epsilon" in parameters


def test_a_square_on_the_edge_of_doubt_counts_once():
    points = Points.of(scattered(100, width=70))
    rows, square = np.arange(100), points.left @ points.right
    kth = np.sort(square)[:, 50]
    square[rows, square.argsort()[:, 1]] = kth - 2 * points.error(rows, kth)
    row, column = np.divmod(np.arange(100 * 100), 100)
    core = density.settled(points, rows, row, column, square.ravel(), 50)[0]
    true = np.sort(points.distances(row, column).reshape(100, 100))
    assert core.tolist() == true[:, 50].tolist()


def test_points_that_are_not_all_joined_are_refused():
    pair = density.Edges(np.array([0]), np.array([1]), np.ones(1), np.ones(1, dtype=bool))
    with pytest.raises(ArithmeticError, match="joined"):
        density.prim(3, pair)
