"""What words say of whoever wrote them: denials are cut out, small talk says nothing."""

import time

import pytest

from recommendations import listening


def affirmed(text: str) -> str:
    return " ".join(each.affirmed for each in listening.sentences(text))


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("I don't use Java", "Java"),
        ("I do not really like Java, PHP or Perl.", "Perl"),
        ("I never wrote Java", "Java"),
        ("i dont use Java", "Java"),
        ("I wouldnt want Java", "Java"),
        ("I cant recommend Java", "Java"),
        ("I hate PHP", "PHP"),
        ("I'm tired of PHP and its arrays", "PHP"),
        ("I can't stand PHP", "PHP"),
        ("I stopped using Java", "Java"),
        ("PHP sucks", "PHP"),
        ("Java is really awful", "Java"),
        ("we moved away from Java to Rust", "Java"),
        ("we switched from Java to Rust last year", "Java"),
        ("I use Rust instead of Java", "Java"),
        ("I prefer Rust over Java", "Java"),
        ("Rust is faster than Java", "Java"),
        ("no Java please", "Java"),
        ("I am not a Java developer", "Java"),
        ("we do it without Java", "Java"),
        ("I have no interest in Java", "Java"),
        ("We are hiring somebody who writes Java", "Java"),
        ("I don't want to learn Java", "Java"),
        ("I do not plan to use Java", "Java"),
        ("there is no need to learn Java", "Java"),
        ("I refuse to use Java", "Java"),
        ("nobody needs Java", "Java"),
        ("I know nothing about Java", "Java"),
        ("I recommend against Java", "Java"),
    ],
)
def test_what_is_denied_left_or_disliked_is_not_affirmed(text, denied):
    assert denied not in affirmed(text)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("I don't use Java, but I love Rust", "Rust"),
        ("we switched from Java to Rust last year", "Rust"),
        ("I use Rust instead of Java", "Rust"),
        ("I prefer Rust over Java", "Rust"),
        ("I hate waiting. I use Rust.", "Rust"),
        ("I can't install Rust", "Rust"),
        ("why does Rust not compile?", "Rust"),
        ("Java sucks, so I learn Rust", "Rust"),
        ("I don't like it and I use Rust", "Rust"),
        ("I want to learn Rust.", "Rust"),
        ("I want to use Rust", "Rust"),
        ("I went to learn Rust", "Rust"),
        ("the client I use is in Rust", "Rust"),
        ("I don't know how to install Rust", "Rust"),
        ('I use "Rust" every day', "Rust"),
    ],
)
def test_what_is_said_beside_a_denial_stands(text, kept):
    assert kept in affirmed(text)


@pytest.mark.parametrize(
    "text",
    ["hi", "Hello everyone!", "ok", "lol", "thank you very much", ":-)", "???", "42",
     "hahaha", "good morning, how are you doing?"],
)  # fmt: skip
def test_small_talk_is_known(text):
    assert listening.is_small_talk(text)


@pytest.mark.parametrize("text", ["I use Rust", "thanks, that fixed docker", "how do I mount it?", "Java"])
def test_what_says_something_is_no_small_talk(text):
    assert not listening.is_small_talk(text)


def test_what_somebody_says_of_themselves_is_believed_more_than_what_they_advise():
    own, plain, advice = (listening.belief(text) for text in ("I use Rust", "Rust has a borrow checker", "try Rust"))
    assert own > plain > advice


def test_what_is_quoted_is_somebody_elses():
    assert affirmed("> I use Java\nI use Rust") == "I use Rust"


@pytest.mark.parametrize(
    "text", ['my boss said "I love Java"', "“I use Java”, she says", "he wrote „we use Java“ here"]
)
def test_what_somebody_else_says_between_marks_is_theirs(text):
    assert "Java" not in affirmed(text)


def test_paths_files_and_options_are_no_words():
    (said,) = listening.sentences("I run /usr/bin/perl index.php --python bash_history https://php.example/x with Rust")
    assert [name for name in ("perl", "php", "python", "bash", "Rust") if name in said.words] == ["Rust"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("I'm interested in vector search, and more", ["vector search"]),
        ("we are very curious about the borrow checker.", ["borrow checker"]),
        ("I am not interested in vector search", []),
        ("are you interested in vector search?", []),
        ("thats what I am interested in knowing", []),
    ],
)
def test_interests_are_said_outright(text, found):
    assert [phrase for said in listening.sentences(text) for phrase in listening.interests(said)] == found


def test_full_names_are_found_in_words_and_addresses():
    text = "try octo/tool, https://github.com/rust-lang/rust.git or /usr/bin/env"
    assert {"octo/tool", "rust-lang/rust"} == listening.full_names(text)


@pytest.mark.parametrize(("name", "sure"), [("aria2", True), ("PostgREST", True), ("three.js", True), ("refit", False),
                                            ("self-hosted", False), ("x2", False)])  # fmt: skip
def test_only_unmistakable_names_name_a_project(name, sure):
    assert listening.unmistakable(name) == sure


def test_a_capital_within_a_name_must_be_said():
    assert listening.spelled("NetworkX", {"NetworkX"})
    assert not listening.spelled("NETworkManager", {"NetworkManager"})


LONG = ["not " * 2500, "a" * 10_000, "- " * 5000, "i am not a " * 900, "x." * 5000, "`" * 10_000, "from to " * 1250,
        "is so " * 1600, "a/" * 5000, "not a b c " * 1000, "a" * 40 + "(", "aB1." * 2500 + "=",
        "a-b" * 3000 + "/"]  # fmt: skip


@pytest.mark.parametrize("text", LONG)
def test_no_text_takes_long(text):
    began = time.process_time()
    for said in listening.sentences(text):
        said.words, list(listening.interests(said))
    listening.is_small_talk(text), listening.full_names(text), listening.names(text)
    assert time.process_time() - began < 1
