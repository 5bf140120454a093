import pytest

from engine.text import clip, joined, squeeze, text_hash, visible


def test_a_short_text_is_not_clipped():
    assert clip("a b c", 5) == "a b c"


def test_a_long_text_is_clipped_at_a_blank_near_its_end():
    assert clip("word " * 100, 52) == " ".join(["word"] * 10)


def test_a_text_without_a_blank_near_its_end_is_clipped_within_a_word():
    assert clip("a " + "x" * 200, 100) == "a " + "x" * 98


def test_a_text_of_blanks_is_clipped():
    assert len(clip(" " * 200, 100)) <= 100


@pytest.mark.parametrize("text", ["", "x", "x" * 8000])
def test_the_longest_text_is_the_tokenizers(text):
    assert clip(text) == text


def test_squeezing_leaves_one_blank_between_words():
    assert squeeze("  a\t b\n\n\r c\N{NO-BREAK SPACE} d ") == "a b c d"


def test_a_control_character_is_shown_and_not_obeyed():
    assert visible("a\n\x1b[2J\u2028\u202e\ud800 한") == r"a\n\x1b[2J\u2028\u202e\ud800 한"


def test_the_hash_is_sha_256():
    assert text_hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_hash_takes_all_of_unicode():
    assert text_hash("\N{POT OF FOOD}") != text_hash("\N{FORK AND KNIFE}")


@pytest.mark.parametrize(
    ("names", "said"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_joined_as_a_person_lists_them(names, said):
    assert joined(names) == said
