"""Which posts speak of a keyword."""

import time

import pytest

from issues.keywords import Keywords, plain


def speaks(text: str, *phrases: str) -> bool:
    return Keywords(dict.fromkeys(phrases, 1.0)).speak_for(text)


@pytest.mark.parametrize(
    "text", ["The price drops on laptops", "devopsish", "OPSIS", "shops, stops and props", "ops_team"]
)
def test_ops_is_no_part_of_another_word(text):
    assert not speaks(text, "ops")


@pytest.mark.parametrize("text", ["ops", "Our OPS team", "dev-ops", "(ops)", "ops.", "What do ops do?", "ｏｐｓ"])
def test_ops_is_found_as_a_word_in_any_case(text):
    assert speaks(text, "ops")


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("It doesn’t  work\nat all", "doesn't work"),
        ("Die STRASSE ist zu", "straße"),
        ("un cafe\u0301 trop cher", "café"),
        ("この料金は高すぎると思う", "高すぎる"),
        ("Written in C++, sadly", "c++"),
        ("too   \t expensive", "too expensive"),
    ],
)
def test_words_are_compared_as_people_read_them(text, phrase):
    assert speaks(text, phrase)


def test_weights_add_up_and_each_phrase_counts_once():
    keywords = Keywords({"ops": 0.5, "manually": 0.5, "hiring": -1.0})
    assert keywords.score("ops ops ops") == 0.5
    assert keywords.speak_for("ops do it manually")
    assert not keywords.speak_for("ops do it manually; we are hiring")


def test_of_two_that_overlap_the_longer_counts():
    assert Keywords({"expensive": 0.1, "expensive to run": 1.0}).score("expensive to run") == 1.0


def test_signs_of_patterns_are_signs():
    assert not speaks("aaaa", "a+", ".*", "[a]", "(a)")


def test_without_keywords_nothing_speaks():
    assert Keywords({}).score("anything") == 0
    assert Keywords({"  ": 5.0}).score("anything") == 0


@pytest.mark.parametrize("text", ["too " * 500_000, "too" + " " * 2_000_000 + "e", "a" * 2_000_000, "\u0301" * 500_000])
def test_no_text_takes_long(text):
    keywords = Keywords({f"too expensive {number}": 1.0 for number in range(200)} | {"too expensive": 1.0})
    began = time.process_time()
    keywords.score(text)
    assert time.process_time() - began < 1.0


def test_a_phrase_is_the_same_however_it_is_written():
    assert plain("  Don’t\u00a0STOP ") == "don't stop"
