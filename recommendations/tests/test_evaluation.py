import numpy as np
import pytest

from recommendations import evaluation, scoring
from recommendations.evaluation import Case
from recommendations.tests.factories import EVEN, make_catalogue, make_person, random_person


def flags(text: str) -> np.ndarray:
    return np.array([mark == "+" for mark in text])


def numbers(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def make_case(catalogue, person, marks: str) -> Case:
    return Case(person, np.arange(len(marks)), flags(marks), np.arange(0))


def test_ndcg_of_a_perfect_order_is_1():
    assert evaluation.ndcg(flags("++---")) == 1


def test_ndcg_of_one_hit_at_the_second_place():
    assert evaluation.ndcg(flags("-+")) == pytest.approx(1 / np.log2(3))


def test_ndcg_is_0_when_the_hits_lie_beyond_the_cut():
    assert evaluation.ndcg(flags("-" * 10 + "+")) == 0


def test_ndcg_is_1_when_the_first_ten_of_more_are_hits():
    assert evaluation.ndcg(flags("+" * 12)) == pytest.approx(1)


def test_ndcg_without_a_hit_is_0():
    assert evaluation.ndcg(flags("---")) == 0


def test_recall_is_the_share_of_all_hits():
    assert evaluation.recall(flags("+" + "-" * 9 + "+")) == 0.5


def test_auc_of_a_perfect_order_is_1():
    assert evaluation.auc(numbers(3, 2, 1), flags("++-")) == 1


def test_auc_of_a_reversed_order_is_0():
    assert evaluation.auc(numbers(1, 2, 3), flags("++-")) == 0


def test_ties_count_half_in_auc():
    assert evaluation.auc(numbers(1, 1, 1), flags("+--")) == 0.5


@pytest.mark.parametrize("marks", ["++", "--"])
def test_auc_is_unknown_when_all_or_none_is_right(marks):
    assert np.isnan(evaluation.auc(numbers(1, 2), flags(marks)))


def test_tie_breaks_are_the_same_for_ever():
    assert evaluation.tie_breaks(["octo/tool"]).tolist() == [8017903488875569001]


def test_a_tie_break_does_not_depend_on_the_place_in_the_file():
    assert evaluation.tie_breaks(["a/b", "c/d"]).tolist() == evaluation.tie_breaks(["c/d", "a/b"]).tolist()[::-1]


def test_equal_scores_are_ordered_by_the_tie_break():
    catalogue = make_catalogue(size=3)
    case = make_case(catalogue, make_person(catalogue), "--+")
    first, last = np.array([5, 6, 1], np.uint64), np.array([5, 6, 9], np.uint64)
    assert evaluation.figures(case, np.zeros(3), first)["ndcg@10"] == 1
    assert evaluation.figures(case, np.zeros(3), last)["ndcg@10"] == 0.5


def test_mean_and_error_leave_out_what_is_unknown():
    assert evaluation.mean_and_error([1, float("nan"), 3]) == (2, 1)


def test_one_value_has_no_error():
    mean, error = evaluation.mean_and_error([1])
    assert mean == 1
    assert np.isnan(error)


def test_our_ranker_gives_the_score():
    catalogue = make_catalogue()
    person = random_person(catalogue)
    given = evaluation.by_formula(catalogue, EVEN)(make_case(catalogue, person, "+" * 20))
    found = scoring.scored(catalogue, np.arange(20), person, EVEN)
    assert given[found.positions] == pytest.approx(found.score)


def test_the_reference_does_not_look_at_what_was_liked():
    catalogue = make_catalogue(size=3, vectors=np.eye(3, dtype=np.float32))
    person = make_person(catalogue, text=catalogue.vectors[0], liked=np.array([1]))
    given = evaluation.by_reference(catalogue, {})(make_case(catalogue, person, "+++"))
    stars = np.minimum(np.nan_to_num(catalogue.stars) / 100_000, 1) * 0.1
    assert given == pytest.approx(numbers(0.25, 0, 0) + stars)


def test_the_reference_takes_the_plain_text_of_whom_it_knows():
    catalogue = make_catalogue(size=2, vectors=np.eye(2, dtype=np.float32), stars=numbers(0, 0))
    other = make_person(catalogue, text=catalogue.vectors[1])
    case = make_case(catalogue, make_person(catalogue, text=catalogue.vectors[0]), "+-")
    assert evaluation.by_reference(catalogue, {other.id: other})(case) == pytest.approx(numbers(0, 0.25))


def test_popularity_ranks_unknown_stars_last():
    catalogue = make_catalogue(size=2, stars=numbers(np.nan, 0))
    given = evaluation.by_popularity(catalogue)(make_case(catalogue, make_person(catalogue), "+-"))
    assert given[0] < given[1]


def test_tfidf_prefers_what_shares_words_with_the_starred():
    texts = ["a fast c++ parser", "a fast c++ lexer", "knitting patterns", "knitting wool"]
    catalogue = make_catalogue(size=4)
    case = Case(make_person(catalogue), np.array([1, 2]), flags("+-"), np.array([0]))
    lexer, knitting = evaluation.by_tfidf(texts)(case)
    assert lexer > knitting
