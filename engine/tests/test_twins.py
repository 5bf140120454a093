import random
import time

from engine.twins import twins

WORDS = [f"word{number}" for number in range(5_000)]
LONG = "Saving a large file loses its last part, and the log tells nothing about what went wrong or where it went"


def test_the_same_words_in_other_clothes_are_twins():
    assert twins([7, 8, 9], ["Uploads fail!", "uploads  FAIL", "Downloads fail"]) == {8: 7}


def test_a_long_text_with_a_word_more_is_a_twin():
    assert twins([1, 2], [LONG, LONG + " today"]) == {2: 1}


def test_another_word_in_a_short_text_is_another_matter():
    assert twins([1, 2], ["Upgrade the client to 2.3", "Upgrade the server to 2.3"]) == {}


def test_another_text_is_no_twin():
    other = (
        "Loading a small file takes minutes, although the network is idle and the disk has nothing to do at all then"
    )
    assert twins([1, 2], [LONG, other]) == {}


def test_every_twin_names_the_first():
    texts = [LONG, LONG + " today", LONG, LONG + " again today"]
    assert twins([4, 5, 6, 7], texts) == {5: 4, 6: 4, 7: 4}


def test_a_text_without_words_has_no_twin():
    assert twins([1, 2, 3, 4], ["", "", "...", "..."]) == {}


def test_nothing_has_no_twins():
    assert twins([], []) == {}


def test_three_hundred_times_the_same_is_one_text():
    assert twins(range(300), [LONG] * 300) == dict.fromkeys(range(1, 300), 0)


def test_many_texts_that_are_nearly_alike_take_bounded_time():
    chance = random.Random(5)
    base = chance.choices(WORDS, k=60)
    texts = [" ".join(chance.choice(WORDS) if chance.random() < 0.06 else word for word in base) for _ in range(2_000)]
    start = time.process_time()
    twins(range(len(texts)), texts)
    assert time.process_time() - start < 10


def test_twice_gives_the_same():
    chance = random.Random(6)
    texts = [" ".join(chance.choices(WORDS[:30], k=12)) for _ in range(200)] * 2
    assert twins(range(400), texts) == twins(range(400), texts)
