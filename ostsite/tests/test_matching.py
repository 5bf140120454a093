"""How well a project answers a problem, on words and vectors that a person can check."""

import math

import numpy as np
import pytest

from ostsite import matching
from ostsite.matching import Index, Post, Problem

TEXTS = [("invoice", "bank"), ("invoice", "game"), ("game", "engine"), ("parcel",)]


def problem(*words, posts=(), vector=(1, 0)):
    return Problem(1, np.array(vector, np.float32), "", [list(words)], posts)


def post(title="A post", url="", words=()):
    return Post(url, title, "", list(words))


def matched(*words, vectors=((1, 0),) * 4, stars=(0,) * 4):
    (found,) = matching.matches(
        [problem(*words)], np.array(vectors, np.float32), Index.of(TEXTS), np.array(stars, float)
    )
    return found


def test_words_in_common_count_by_their_rarity():
    alike = Index.of(TEXTS).alike({"invoice": 1.0, "bank": 1.0})
    common, rare = math.log(5 / 3), math.log(5 / 2)
    expected = common**2 / math.hypot(common, rare) ** 2
    assert alike[0] == pytest.approx(1)
    assert alike[1] == pytest.approx(expected**0.5 / math.sqrt(2))
    assert list(alike[2:]) == [0, 0]


def test_the_words_in_common_come_with_what_tells_most_first():
    assert Index.of(TEXTS).common({"invoice": 1.0, "bank": 1.0, "parcel": 1.0}, 0) == ["bank", "invoice"]


def test_numbers_and_letters_tell_nothing():
    assert Index.of([("503", "x"), ("game",)]).columns.keys() == {"game"}


def test_a_catalogue_without_words_has_nothing_in_common():
    assert not Index.of([(), ()]).alike({"game": 1.0}).any()


def test_a_word_of_several_posts_weighs_more_than_one_of_a_single_post():
    weights = problem("bank", posts=[post(words=["bank", "game"]), post(words=["bank", "late"])]).weights
    assert weights["bank"] > weights["game"] == weights["late"]


def test_a_post_that_is_also_the_title_counts_once():
    assert problem("bank", posts=[post(words=["bank"])]).weights == problem("bank").weights


def test_meaning_without_a_word_in_common_is_not_enough():
    assert not matched("printer").fit.any()


def test_words_without_meaning_are_not_enough():
    assert not matched("game", "engine", vectors=[(0, 1)] * 4).fit.any()


def test_what_fits_comes_best_first_and_of_equals_the_better_known():
    assert matched("game", stars=(0, 10, 10, 0)).best(np.ones(4, bool), np.arange(4), 5)[0] in (1, 2)
    equal = matching.matches(
        [problem("game")],
        np.array([(1, 0)] * 3, np.float32),
        Index.of([("game",), ("game",), ("bank",)]),
        np.array([5, 500, 0.0]),
    )
    assert equal[0].best(np.ones(3, bool), np.arange(3), 5) == [1, 0]


def test_what_is_not_offered_is_left_out():
    assert matched("game").best(np.array([True, False, False, True]), np.arange(4), 5) == []


@pytest.mark.parametrize(
    ("title", "url"),
    [
        ("It hangs", "https://github.com/Octo/Tool/issues/7"),
        ("octo/tool hangs", ""),
        ("why does Tool hang", ""),
        ("See github.com/octo/tool.git", ""),
    ],
)
def test_a_post_names_a_project_by_its_address_or_its_name(title, url):
    assert {"octo/tool", "tool"} & matching.brought_up(post(title, url))


@pytest.mark.parametrize("title", ["Tool of mine hangs", "the tool hangs", "etc/octo/tools"])
def test_a_word_is_no_name(title):
    assert not {"octo/tool", "tool"} & matching.brought_up(post(title))


def named(*posts, meaning=0.5):
    return matching.named(problem(posts=posts), {"octo/tool": 3, "tool": 3}, np.full(4, meaning))


def test_a_problem_is_about_what_several_of_its_posts_name():
    assert named(post("octo/tool hangs"), post("my Tool hangs"), post("it hangs")) == {3: 2}


def test_one_post_is_not_enough_to_be_about_it():
    assert named(post("octo/tool hangs"), post("it hangs")) == {}


def test_a_name_that_means_something_else_here_is_none():
    assert named(post("octo/tool hangs"), post("octo/tool stops"), meaning=0.1) == {}


def test_a_name_alone_means_only_a_project_whose_owner_goes_by_it():
    known = matching.names_of(["a/tool", "tool-dev/Tool", "mytool/tool"], np.array([9, 7, 8]))
    assert known == {"a/tool": 0, "tool-dev/tool": 1, "mytool/tool": 2, "tool": 1}


def test_of_several_such_a_name_means_the_best_known():
    assert matching.names_of(["tool-x/tool", "tool/tool"], np.array([np.nan, 7]))["tool"] == 1


def test_of_more_projects_more_is_asked():
    assert matching.least(10) == matching.least(500) < matching.least(5_000) < matching.least(30_000)


def test_stems_are_shown_as_the_project_writes_them():
    assert matching.as_written(["invoic", "categori", "bank"], "Sends Invoices by category", 3) == [
        "Invoices",
        "category",
    ]


def test_a_long_hostile_title_takes_no_time():
    assert matching.brought_up(post("a/" * 50_000 + "A" * 50_000)) is not None
