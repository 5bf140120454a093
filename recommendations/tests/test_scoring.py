from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommendations import scoring
from recommendations.scoring import REFERENCE, Formula, Scored
from recommendations.tests.factories import EVEN, make_catalogue, make_person, random_person

LINEAR = Formula((1, 1, 1, 1), threshold=100, log_scale=False, min_similarity=0)
LOG = replace(LINEAR, log_scale=True)
ALL = np.array([True] * 4)


def row(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def whole(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def best(catalogue, person, formula=EVEN, count=20) -> Scored:
    popular = scoring.popularity(catalogue.stars, formula).astype(np.float32)
    return scoring.best(catalogue, person, formula, count, popular)


def best_plainly(catalogue, person, formula=EVEN, count=20) -> list[tuple[int, float]]:
    """The contract of `best` in a double loop: (id, score), best first."""
    popular = scoring.popularity(catalogue.stars, formula)
    share = scoring.shares(formula.weights, person.heard)
    taste = [unit(vector) for vector in person.taste(catalogue)]
    found = []
    for at in set(np.flatnonzero(catalogue.served)) - set(person.never):
        cosines = sorted(float(unit(catalogue.vectors[at]) @ vector) for vector in taste)[-scoring.NEAREST :]
        values = [
            max(0.0, sum(cosines) / len(cosines)) if cosines else 0.0,
            overlap(catalogue.categories[at], person.categories),
            overlap(catalogue.stacks[at], person.stacks),
            float(popular[at]),
        ]
        score = float(np.dot(share, values))
        if sum(values[:3]) > 0 and score >= formula.min_similarity:
            found.append((int(catalogue.ids[at]), score))
    return sorted(found, key=lambda pair: (-round(pair[1], 12), pair[0]))[:count]


def unit(vector) -> np.ndarray:
    length = np.linalg.norm(vector.astype(np.float64))
    return vector.astype(np.float64) / length if length else vector.astype(np.float64)


def overlap(theirs, mine) -> float:
    a, b = set(np.flatnonzero(theirs)), set(np.flatnonzero(mine))
    return len(a & b) / len(a | b) if a and b else 0.0


@pytest.mark.parametrize(
    ("components", "raw"),
    [
        pytest.param((0.552, 0.333, 1.0, 0.514), 0.839, id="OpenBB"),
        pytest.param((0.470, 0.333, 0.5, 0.719), 0.589, id="d2l-zh"),
        pytest.param((0.384, 0.333, 0.5, 0.926), 0.588, id="pytorch"),
        pytest.param((0.348, 0.333, 0.5, 1.0), 0.587, id="AutoGPT"),
    ],
)
def test_raw_score_is_the_reference_formula(components, raw):
    found = Scored(whole(0), row(*components)[None, :], np.zeros((1, 4)), whole(-1), whole(-1))
    assert found.raw_score[0] == pytest.approx(raw, abs=0.0006)


@pytest.mark.parametrize(("theirs", "mine"), [((0, 0), (1, 1)), ((1, 1), (0, 0)), ((0, 0), (0, 0))])
def test_jaccard_is_0_when_a_set_is_empty(theirs, mine):
    assert scoring.jaccard(row(*theirs)[None, :], row(*mine)).tolist() == [0]


def test_jaccard_is_common_over_together():
    rows = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1]], dtype=np.float64)
    assert scoring.jaccard(rows, row(1, 1, 0)).tolist() == [1, 0.5, 0]


def test_shares_sum_to_1_and_leave_out_the_unheard():
    found = scoring.shares((1, 2, 3, 4), np.array([True, False, True, True]))
    assert found == pytest.approx([1 / 8, 0, 3 / 8, 4 / 8])


@pytest.mark.parametrize(
    ("weights", "heard"), [((1, 1, 1, 1), [False] * 4), ((0, 1, 1, 0), [True, False, False, True])]
)
def test_shares_refuse_when_nothing_is_heard(weights, heard):
    with pytest.raises(ValueError, match="no component is heard"):
        scoring.shares(weights, np.array(heard))


@given(
    weights=st.tuples(*[st.floats(0.01, 1_000)] * 4),
    heard=st.tuples(st.booleans(), st.booleans()),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=50, deadline=None)
def test_parts_sum_to_the_score_and_the_score_lies_between_0_and_1(weights, heard, seed):
    catalogue = make_catalogue(seed, size=20)
    person = random_person(catalogue, seed)
    person = replace(person, categories=person.categories * heard[0], stacks=person.stacks * heard[1])
    found = scoring.scored(catalogue, np.arange(20), person, replace(EVEN, weights=weights))
    exact = found.components @ scoring.shares(weights, person.heard)
    assert found.parts.sum(axis=1) == pytest.approx(exact, abs=1e-9)
    assert found.score == pytest.approx(exact, abs=1e-9)
    assert ((found.score >= 0) & (found.score <= 1 + 1e-9)).all()


def test_a_part_of_an_unheard_component_is_0():
    catalogue = make_catalogue()
    person = replace(random_person(catalogue), stacks=np.zeros(7, np.float32))
    assert not scoring.scored(catalogue, np.arange(20), person, EVEN).parts[:, 2].any()


def test_semantic_is_the_mean_of_the_three_largest_cosines():
    taste = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1]])
    assert scoring.semantic(np.array([[1.0, 0]]), taste) == pytest.approx([(1 + 0.8 + 0.6) / 3])


def test_semantic_is_the_mean_of_as_many_cosines_as_there_are():
    assert scoring.semantic(np.array([[1.0, 0]]), np.array([[1, 0], [0.6, 0.8]])) == pytest.approx([0.8])


def test_semantic_is_never_negative():
    assert scoring.semantic(np.array([[1.0, 0]]), np.array([[-1.0, 0]])).tolist() == [0]


def test_semantic_is_0_without_taste():
    assert scoring.semantic(np.array([[1.0, 0]]), np.empty((0, 2))).tolist() == [0]


def test_semantic_is_the_same_in_blocks(monkeypatch):
    vectors, taste = make_catalogue().vectors, make_catalogue(1).vectors[:5]
    at_once = scoring.semantic(vectors, taste)
    monkeypatch.setattr(scoring, "BLOCK", 7)
    assert scoring.semantic(vectors, taste) == pytest.approx(at_once, abs=1e-6)


@given(rows=st.integers(0, 9), count=st.integers(1, 5), seed=st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_mean_of_largest_is_the_mean_of_a_sorted_head(rows, count, seed):
    cosines = np.random.default_rng(seed).normal(size=(rows, 6))
    plainly = np.sort(cosines, axis=0)[::-1][:count].mean(axis=0) if rows else np.zeros(6)
    assert scoring.mean_of_largest(cosines, count) == pytest.approx(plainly)


def test_popularity_is_linear_to_1_at_the_threshold():
    assert scoring.popularity(row(0, 50, 100, 5_000), LINEAR).tolist() == [0, 0.5, 1, 1]


def test_popularity_is_logarithmic_to_1_at_the_threshold():
    assert scoring.popularity(row(0, 9, 100, 5_000), LOG) == pytest.approx([0, np.log(10) / np.log(101), 1, 1])


@pytest.mark.parametrize("formula", [LINEAR, LOG])
def test_unknown_stars_are_0(formula):
    assert scoring.popularity(row(np.nan), formula).tolist() == [0]


@pytest.mark.parametrize("seed", range(12))
def test_best_equals_a_plain_double_loop(seed):
    catalogue = make_catalogue(seed)
    person = random_person(catalogue, seed, liked=seed)
    formula = replace(EVEN, min_similarity=(0.0, 0.3, 0.6)[seed % 3])
    found, plainly = best(catalogue, person, formula), best_plainly(catalogue, person, formula)
    assert catalogue.ids[found.positions].tolist() == [pk for pk, _ in plainly]
    assert found.score == pytest.approx([score for _, score in plainly], abs=1e-9)


def test_best_gives_all_that_qualify_when_they_are_few():
    catalogue = make_catalogue()
    formula = replace(EVEN, min_similarity=0.7)
    plainly = best_plainly(catalogue, random_person(catalogue), formula, count=1_000)
    assert len(best(catalogue, random_person(catalogue), formula, count=1_000).positions) == len(plainly) < 120


def test_best_leaves_out_what_scores_too_low():
    catalogue = make_catalogue()
    found = best(catalogue, random_person(catalogue), replace(EVEN, min_similarity=0.5), 100)
    assert len(found.score) > 0
    assert found.score.min() >= 0.5


def test_best_leaves_out_what_the_person_must_not_see():
    catalogue = make_catalogue()
    person = random_person(catalogue)
    assert not set(best(catalogue, person, count=200).positions) & set(person.never)


def test_best_leaves_out_what_is_not_served():
    catalogue = make_catalogue()
    assert catalogue.served[best(catalogue, random_person(catalogue), count=200).positions].all()


@pytest.fixture
def meant_and_popular():
    """Two projects, the second by far the more popular, and somebody whose words lead to the first alone."""
    catalogue = make_catalogue(size=2, vectors=np.array([[1, 0], [0, 1]], np.float32), stars=row(0, 1e6))
    catalogue = replace(catalogue, categories=np.zeros((2, 5), np.float32), served=np.array([True, True]))
    return catalogue, make_person(catalogue, text=np.array([1, 0], np.float32))


def test_popularity_alone_never_qualifies_a_project(meant_and_popular):
    assert best(*meant_and_popular).positions.tolist() == [0]


def test_what_is_only_popular_takes_no_place_from_what_qualifies(meant_and_popular):
    catalogue, person = meant_and_popular
    popular_first = replace(EVEN, weights=(0.1, 0.45, 0.5, 1))
    assert best(catalogue, person, popular_first, count=1).positions.tolist() == [0]


def test_a_component_without_weight_qualifies_nothing():
    catalogue = make_catalogue(served=np.ones(120, bool))
    person = make_person(catalogue, stacks=np.ones(7, np.float32))
    assert not len(best(catalogue, person, replace(EVEN, weights=(1, 1, 0, 1))).positions)


def test_exact_ties_are_ordered_by_project_id():
    catalogue = make_catalogue(
        size=3_000,
        vectors=np.tile(make_catalogue().vectors[:1], (3_000, 1)),
        categories=np.ones((3_000, 5), np.float32),
        stacks=np.ones((3_000, 7), np.float32),
        stars=np.full(3_000, 10.0),
        served=np.ones(3_000, bool),
    )
    found = best(catalogue, replace(random_person(catalogue), never=whole()), count=50)
    assert found.positions.tolist() == list(range(50))


def test_a_person_with_nothing_is_shown_nothing_by_score():
    catalogue = make_catalogue()
    person = make_person(catalogue)
    assert not person.known
    assert not len(best(catalogue, person).positions)


@pytest.mark.parametrize("field", ["text", "liked", "categories", "stacks"])
def test_any_one_fact_makes_a_person_known(field):
    catalogue = make_catalogue()
    assert make_person(catalogue, **{field: getattr(random_person(catalogue), field)}).known


def test_a_project_stands_where_the_list_has_it():
    catalogue = make_catalogue()
    person = random_person(catalogue)
    found = scoring.standing(catalogue, person, EVEN, scoring.popular_of(catalogue, EVEN))
    listed = best(catalogue, person, count=20).positions
    assert [found.rank(int(at)) for at in listed] == list(range(1, 21))


def test_of_equals_the_smaller_id_stands_first():
    found = scoring.Standing(np.ones(3, np.float32), np.array([True] * 3))
    assert [found.rank(at) for at in range(3)] == [1, 2, 3]


def test_the_message_that_is_most_like_a_project_speaks_for_it():
    catalogue = make_catalogue(size=2, vectors=np.eye(2, dtype=np.float32))
    person = make_person(catalogue, text=np.array([-1, 0], np.float32), spoken=np.eye(2, dtype=np.float32)[::-1])
    assert scoring.nearest_spoken(catalogue, whole(0, 1), person).tolist() == [1, 0]


def test_where_the_profile_is_more_like_a_project_no_message_speaks():
    catalogue = make_catalogue(size=2, vectors=np.eye(2, dtype=np.float32))
    person = make_person(catalogue, text=np.array([1, 0], np.float32), spoken=np.array([[0.6, 0.8]], np.float32))
    assert scoring.nearest_spoken(catalogue, whole(0, 1), person).tolist() == [-1, 0]


def test_pairs_become_ones():
    assert scoring.incidence(whole(0, 1), whole(2, 0), (2, 3)).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_many_columns_are_multiplied_at_once():
    rows, columns = np.ones((3, 200)), np.full((200, 100), 0.5)
    assert np.array_equal(scoring.products(rows, columns), rows @ columns)


def test_an_empty_catalogue_gives_nothing():
    catalogue = make_catalogue(size=0)
    person = make_person(catalogue, text=np.ones(6, np.float32))
    assert not len(best(catalogue, person).positions)
    assert not len(scoring.cold_start(catalogue, row()))
    assert not list(scoring.hybrid(catalogue))


def test_nearest_names_the_most_alike_of_what_was_liked():
    catalogue = make_catalogue(size=3, vectors=np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32))
    person = make_person(catalogue, liked=whole(0, 2))
    assert scoring.nearest_liked(catalogue, whole(1), person).tolist() == [0]


def test_nearest_is_none_where_nothing_liked_is_alike():
    catalogue = make_catalogue(size=2, vectors=np.array([[1, 0], [-1, 0]], np.float32))
    assert scoring.nearest_liked(catalogue, whole(1), make_person(catalogue, liked=whole(0))).tolist() == [-1]
    assert scoring.nearest_liked(catalogue, whole(1), make_person(catalogue)).tolist() == [-1]


def test_cold_start_takes_the_popular_and_the_new_in_turn():
    catalogue = make_catalogue(size=4, stars=row(9, 8, 1, 0), served=np.ones(4, bool))
    assert scoring.cold_start(catalogue, row(1, 2, 3, 4)).tolist() == [0, 3, 1, 2]


def test_cold_start_repeats_nothing_and_serves_nothing_archived():
    catalogue = make_catalogue()
    found = scoring.cold_start(catalogue, np.arange(120.0)).tolist()
    assert len(set(found)) == len(found) == catalogue.served.sum()
    assert catalogue.served[found].all()


def test_cold_start_puts_unknown_stars_and_dates_last():
    catalogue = make_catalogue(size=3, stars=row(np.nan, 0, 1), served=np.ones(3, bool))
    assert scoring.cold_start(catalogue, row(np.nan, 5, 9)).tolist() == [2, 1, 0]


def test_hybrid_holds_meaning_categories_stacks_and_stars_side_by_side():
    catalogue = make_catalogue()
    (at, vectors), *rest = scoring.hybrid(catalogue)
    assert not rest
    assert at.tolist() == list(range(120))
    assert vectors.shape == (120, 6 + 5 + 7 + 1)


def test_each_block_of_a_hybrid_vector_has_length_0_or_1():
    ((_, vectors),) = scoring.hybrid(make_catalogue())
    for block in np.split(vectors[:, :-1], [6, 11], axis=1):
        lengths = np.linalg.norm(block, axis=1)
        assert np.all(np.isclose(lengths, 0) | np.isclose(lengths, 1, atol=1e-6))
    assert ((vectors[:, -1] >= 0) & (vectors[:, -1] <= 1)).all()


def test_hybrid_comes_in_blocks(monkeypatch):
    monkeypatch.setattr(scoring, "BLOCK", 50)
    assert [len(at) for at, _ in scoring.hybrid(make_catalogue())] == [50, 50, 20]


def test_representatives_are_the_newest():
    assert scoring.representatives(whole(4, 7, 9), row(1, 3, 2), row(5, 5, 5), 2).tolist() == [7, 9]


def test_representatives_of_one_moment_are_those_that_few_know():
    assert scoring.representatives(whole(4, 7, 9), row(1, 1, 1), row(5, 2, np.nan), 2).tolist() == [9, 7]


def test_representatives_of_one_moment_and_fame_go_by_position():
    assert scoring.representatives(whole(9, 4, 7), row(1, 1, 1), row(5, 5, 5), 2).tolist() == [4, 7]


def test_taking_the_centre_away_leaves_unit_rows_and_rows_of_zeros():
    vectors = make_catalogue().vectors
    found = scoring.centred(vectors, scoring.centre_of(vectors))
    assert np.linalg.norm(found, axis=1) == pytest.approx(vectors.any(axis=1).astype(float), abs=1e-6)


def test_the_centre_is_what_many_vectors_share_and_nearly_nothing_of_a_few():
    same = np.tile(np.array([[1, 0]], np.float32), (9_900, 1))
    assert scoring.centre_of(same) == pytest.approx([0.99, 0])
    assert scoring.centre_of(same[:1]) == pytest.approx([1 / 101, 0])


def test_vectors_that_are_not_there_do_not_move_the_centre():
    some = make_catalogue().vectors[:5]
    with_gaps = np.concatenate([some, np.zeros((50, 6), np.float32)])
    assert scoring.centre_of(with_gaps) == pytest.approx(scoring.centre_of(some))


def test_positions_drop_unknown_ids():
    catalogue = replace(make_catalogue(size=3), ids=whole(10, 20, 30))
    assert catalogue.positions([30, 15, 10, 99, 0]).tolist() == [2, 0]


def test_positions_in_an_empty_catalogue_are_none():
    assert make_catalogue(size=0).positions([1, 2]).tolist() == []


def test_no_function_writes_to_what_it_is_given():
    catalogue = make_catalogue()  # its arrays are read-only: a write would raise
    person = random_person(catalogue)
    popular = scoring.popularity(catalogue.stars, EVEN).astype(np.float32)
    popular.setflags(write=False)
    before = popular.copy()
    scoring.best(catalogue, person, EVEN, 10, popular)
    scoring.cold_start(catalogue, catalogue.stars)
    list(scoring.hybrid(catalogue))
    cosines = row(3, 1, 2)[:, None]
    scoring.mean_of_largest(cosines)
    assert cosines.ravel().tolist() == [3, 1, 2]
    assert (popular == before).all()


def test_the_reference_weights_sum_to_1_3():
    assert sum(REFERENCE) == pytest.approx(1.3)
