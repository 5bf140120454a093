import numpy as np
import pytest

from engine.vectors import checked, digest, unit


def test_rows_are_scaled_to_length_one():
    assert unit(np.array([[3.0, 4.0], [0.0, 2.0]])).tolist() == [[0.6, 0.8], [0.0, 1.0]]


def test_a_row_of_zeros_stays_zeros():
    assert unit(np.zeros((1, 3))).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_scaling_keeps_the_precision(precision):
    assert unit(np.ones((2, 3), dtype=precision)).dtype == precision


def test_scaling_changes_nothing_of_the_callers():
    rows = np.array([[3.0, 4.0]])
    unit(rows)
    assert rows.tolist() == [[3, 4]]


def test_no_rows_are_scaled_to_none():
    assert unit(np.empty((0, 3))).shape == (0, 3)


def test_a_table_of_the_right_shape_is_taken_as_float32():
    table = checked([[1, 2], [3, 4]], 2, 2)
    assert (table.dtype, table.tolist()) == (np.float32, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([[1, 2]], "expected 2 vectors of 2, got an array of shape (1, 2)"),
        ([[1, 2, 3], [1, 2, 3]], "expected 2 vectors of 2, got an array of shape (2, 3)"),
        ([1, 2], "got an array of shape (2,)"),
        ([], "got an array of shape (0,)"),
        ([[1, 2], [1]], "not a table of numbers"),
        ([["a", "b"], ["c", "d"]], "not a table of numbers"),
        (None, "got an array of shape ()"),
        ([[1, 2], [np.nan, 2]], "not finite"),
        ([[1, 2], [-np.inf, 2]], "not finite"),
        ([[1, 2], [0, 0]], "length 0"),
        ([[1, 2], [1e-30, 0]], "length 0"),
    ],
)
def test_a_wrong_answer_of_a_model_is_refused_with_the_reason(rows, reason):
    with pytest.raises(ValueError) as refused:
        checked(rows, 2, 2)
    assert reason in str(refused.value)


def test_equal_parts_have_equal_digests():
    assert digest("a", np.arange(3)) == digest("a", np.arange(3))


@pytest.mark.parametrize(
    ("parts", "others"),
    [
        (("a", "b"), ("b", "a")),
        (("ab",), ("a", "b")),
        (("a",), ()),
        ((np.array([1, 2, 3, 4]),), (np.array([[1, 2], [3, 4]]),)),
        ((np.array([1], np.int64),), (np.array([1], np.uint64),)),
        ((np.array([0.0]),), (np.array([0]),)),
        ((np.empty((0, 2)),), (np.empty((0, 3)),)),
        ((np.array([[1, 2], [3, 4]]),), (np.array([[1, 3], [2, 4]]),)),
    ],
)
def test_different_parts_have_different_digests(parts, others):
    assert digest(*parts) != digest(*others)


def test_the_layout_of_an_array_is_no_part_of_its_digest():
    table = np.arange(6.0).reshape(2, 3)
    assert digest(table) == digest(np.asfortranarray(table)) == digest(np.repeat(table, 2, axis=1)[:, ::2])


def test_a_digest_stays_the_same_over_releases():
    assert digest("a", np.array([1, 2], "<i8")).startswith("174c4111fc57bd66")
