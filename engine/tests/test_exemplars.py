"""Picks, snippets, fingerprints and phrases on clusters that know their own answer."""

import numpy as np

from engine.exemplars import central, fingerprint, key_phrases, snippet

DEGREES = np.array([0, 6, -15, 35, -45, 90])  # their mean lies at 9 degrees
SPREAD = np.column_stack([np.cos(np.radians(DEGREES)), np.sin(np.radians(DEGREES))])
TITLES = ["disk full", "slow login", "lost mail", "bad font", "no sound", "pricing"]


def test_the_nearest_to_the_middle_come_first():
    assert central(SPREAD, TITLES, count=3) == [1, 0, 2]


def test_length_of_a_vector_gives_no_weight():
    longer = SPREAD * np.array([[1], [2], [30], [4], [5], [600]])
    assert central(longer, TITLES) == central(SPREAD, TITLES)


def test_a_title_of_nearly_the_same_words_is_skipped():
    titles = ["the app crashes on start", "The app crashes: on START!", *TITLES[2:]]
    assert central(SPREAD, titles, count=2) == [1, 2]


def test_fewer_where_there_are_no_more_different_titles():
    assert central(SPREAD, ["same"] * 6) == [1]
    assert central(SPREAD, ["", "!!", "?", "", "", ""]) == [1]
    assert central(np.empty((0, 2)), []) == []


def test_an_author_speaks_once_while_others_can():
    assert central(SPREAD, TITLES, count=3, authors=["a", "a", "a", "b", "c", "d"]) == [1, 3, 4]


def test_an_author_speaks_again_when_nobody_else_is_left():
    assert central(SPREAD, TITLES, count=3, authors=["a", "a", "a", "b", "a", "a"]) == [1, 0, 3]


def test_unknown_authors_are_not_one_author():
    assert central(SPREAD, TITLES, count=3, authors=[""] * 6) == [1, 0, 2]


def test_equal_vectors_keep_their_order():
    assert central(np.ones((4, 2)), ["one", "two", "three", "four"], count=4) == [0, 1, 2, 3]


def test_vectors_of_zeros_are_picked_in_order():
    assert central(np.zeros((3, 2)), ["one", "two", "three"]) == [0, 1, 2]


def test_a_snippet_is_one_line_cut_at_a_word():
    assert snippet("It fails.\n\n  Always.") == "It fails. Always."
    assert snippet("word " * 60) == ("word " * 40).strip()
    assert len(snippet("x" * 900)) == 200


def test_a_fingerprint_knows_no_order_case_or_width():
    assert fingerprint(["A b", "C", "D"]) == fingerprint(["d", "ａ  B", "c\n"])
    assert fingerprint(["a b", "c", "d"]) != fingerprint(["a", "b c", "d"])


def test_fewer_than_three_titles_have_no_fingerprint():
    assert fingerprint(["a", "b"]) == fingerprint(["a", "b", " "]) == ""


def test_phrases_are_what_distinguishes_a_cluster():
    mail = ["The mail server drops attachments", "mail server refuses mail", "our mail server is slow"]
    disk = ["The disk is slow", "disk full again", "slow disk after the update"]
    phrases = key_phrases([mail, disk])
    assert [found[0] for found in phrases] == ["mail server", "disk"]


def test_one_text_that_repeats_itself_is_no_phrase():
    texts = ["buy pills " * 50, "printer offline", "printer jams"]
    assert key_phrases([texts])[0] == ["printer"]


def test_phrases_of_nothing_are_none():
    assert key_phrases([]) == []
    assert key_phrases([["the of", "!!"], []]) == [[], []]
