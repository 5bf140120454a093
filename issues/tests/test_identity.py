"""Who is who, from one day or run to the next."""

import numpy as np

from issues.identity import Found, Known, match

EAST, NORTH, BETWEEN = (np.array(each, dtype=np.float32) for each in ([1, 0], [0, 1], [1, 1]))


def found(number, members=(), centroid=EAST, fingerprint="") -> Found:
    return Found(number, frozenset(members), fingerprint, centroid)


def known(issue, members=(), centroid=EAST, fingerprint="") -> Known:
    return Known(issue, frozenset(members), fingerprint, centroid)


def issues(matches) -> dict[int, int]:
    return {cluster: pair.issue for cluster, pair in matches.certain.items()}


def test_a_rerun_of_a_day_knows_its_clusters_by_their_members():
    matches = match([found(0, {1, 2, 3}), found(1, {7, 8})], [known(10, {7, 8, 9}), known(20, {1, 2, 3})], [])
    assert issues(matches) == {0: 20, 1: 10}


def test_a_few_posts_that_became_many_in_a_rerun_are_known_by_their_meaning():
    assert issues(match([found(0, range(100))], [known(10, range(5))], [])) == {0: 10}


def test_members_count_before_titles_and_meaning():
    matches = match([found(0, {1, 2}, EAST, "f")], [known(10, {1, 2}, NORTH)], [known(20, (), EAST, "f")])
    assert issues(matches) == {0: 10}


def test_the_titles_that_speak_for_it_are_enough():
    matches = match([found(0, (), NORTH, "f")], [], [known(10, (), EAST, "f")])
    assert (issues(matches), matches.certain[0].how) == ({0: 10}, "title")


def test_clusters_without_a_fingerprint_are_not_alike_by_it():
    assert issues(match([found(0, (), NORTH, "")], [], [known(10, (), EAST, "")])) == {}


def test_another_day_is_recognised_by_its_meaning():
    assert issues(match([found(0), found(1, centroid=NORTH)], [], [known(10, centroid=NORTH), known(20)])) == {
        0: 20,
        1: 10,
    }


def test_one_issue_goes_to_one_cluster_the_most_alike():
    matches = match([found(0, centroid=np.array([1, 0.3], dtype=np.float32)), found(1)], [], [known(10)])
    assert issues(matches) == {1: 10}


def test_what_is_only_near_is_for_a_person_to_say():
    matches = match([found(0, centroid=BETWEEN)], [], [known(10)])
    assert (issues(matches), [pair.issue for pair in matches.near]) == ({}, [10])


def test_what_is_near_and_far_from_all_else_is_known_again():
    near = np.array([1, 1, 0, 0], dtype=np.float32)
    one, two, three = np.eye(4, dtype=np.float32)[[0, 2, 3]]
    matches = match(
        [found(0, centroid=near), found(1, centroid=two)], [], [known(10, centroid=one), known(20, centroid=three)]
    )
    assert issues(matches) == {0: 10}


def test_an_issue_of_two_clusters_is_no_other_than_itself():
    near = np.array([1, 1, 0, 0], dtype=np.float32)
    one, two, three = np.eye(4, dtype=np.float32)[[0, 2, 3]]
    others = [known(10, centroid=one), known(20, centroid=three)]
    matches = match([found(0, centroid=near), found(1, centroid=two)], [known(10, centroid=one)], others)
    assert issues(matches) == {0: 10}


def test_what_is_as_near_to_two_is_for_a_person_to_say():
    near = np.array([1, 1, 0], dtype=np.float32)
    one, two, three = np.eye(3, dtype=np.float32)
    matches = match(
        [found(0, centroid=near), found(1, centroid=three)], [], [known(10, centroid=one), known(20, centroid=two)]
    )
    assert (issues(matches), {pair.issue for pair in matches.near}) == ({}, {10, 20})


def test_two_clusters_of_what_was_one_are_a_split():
    matches = match([found(0, {1, 2, 3, 4}), found(1, {5, 6, 7}, NORTH)], [known(10, range(1, 8))], [])
    assert (issues(matches), matches.split[1].issue) == ({0: 10}, 10)


def test_one_cluster_of_what_were_two_is_a_merge():
    matches = match([found(0, range(10))], [known(10, range(6)), known(20, range(6, 10))], [])
    assert (issues(matches), matches.merged[20].cluster) == ({0: 10}, 0)


def test_nothing_on_either_side_is_no_match():
    assert issues(match([], [], [known(10)])) == issues(match([found(0)], [], [])) == {}
