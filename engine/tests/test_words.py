import numpy as np
import pytest

from engine.words import words_of


def test_a_text_is_nearest_to_the_one_that_shares_its_rare_words():
    words = words_of(["the modem drops", "a modem drops calls", "the invoice is late", "an invoice comes late"])
    alike = (words @ words.T).toarray()
    np.fill_diagonal(alike, 0)
    assert alike.argmax(axis=1).tolist() == [1, 0, 3, 2]


def test_rows_are_unit_vectors():
    words = words_of(["red lamp", "red door", "blue door", "blue lamp"])
    assert words.multiply(words).sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("texts", [[], ["one"], ["no", "word", "shared", "here"], ["all alike"] * 5, [""] * 6])
def test_texts_that_share_nothing_telling_have_rows_of_zeros(texts):
    words = words_of(iter(texts))
    assert (words.shape[0], words.nnz) == (len(texts), 0)
