"""The words of words.toml, and where a text says them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from engine.text import squeeze


@dataclass(frozen=True)
class Hit:
    """A phrase of the lists found in a text, text[start:end]; meaning: where in words.toml it stands."""

    meaning: tuple[str, ...]
    phrase: str
    start: int
    end: int


WORD = re.compile(r"\.?\w[\w'’+#]*(?:\.\w+)*")
PATTERN = re.compile(WORD.pattern + r"\.?\*?")
NEGATIONS = frozenset(("not", "never", "avoid", "isn't", "don't", "didn't", "doesn't", "wouldn't", "won't"))
ABSENT = frozenset(("no", "without"))  # also with a word between: "without any crash"


class Lexicon:
    """Phrases by their first word, so that a text is read once however many phrases there are."""

    def __init__(self, lists: Mapping[tuple[str, ...], str]) -> None:
        self._by_head: dict[str, list[tuple[list[str], tuple[str, ...], str]]] = {}
        for meaning, phrases in lists.items():
            for phrase in filter(None, map(squeeze, phrases.split(","))):
                head, *rest = PATTERN.findall(phrase)
                self._by_head.setdefault(head, []).append((rest, meaning, phrase))
        self._stems = sorted({len(head) - 1 for head in self._by_head if head.endswith("*")})
        self._starting = lru_cache(maxsize=20_000)(self._found)  # a day's posts share most of their words

    def hits(self, text: str) -> Iterator[Hit]:
        """Every phrase the text holds, in its order; not what it denies ("never crashes")."""
        spans = list(WORD.finditer(text))
        words = [span[0].lower().replace("’", "'") for span in spans]
        for place, word in enumerate(words):
            if NEGATIONS.intersection(words[place - 1 : place]) or ABSENT.intersection(
                words[max(place - 2, 0) : place]
            ):
                continue
            for rest, meaning, phrase in self._starting(word):
                last = place + len(rest)
                if last < len(words) and all(map(_matches, rest, words[place + 1 : last + 1])):
                    yield Hit(meaning, phrase, spans[place].start(), spans[last].end())

    def _found(self, word: str) -> list[tuple[list[str], tuple[str, ...], str]]:
        """The rest of each phrase that begins with this word, what it means, and the phrase."""
        stems = [word[:length] + "*" for length in self._stems if length <= len(word)]
        return [phrase for head in (word, *stems) for phrase in self._by_head.get(head, ())]


def _matches(pattern: str, word: str) -> bool:
    return word.startswith(pattern[:-1]) if pattern.endswith("*") else word == pattern


def _lists(table: Mapping, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, value in table.items():
        yield from [((*path, name), value)] if isinstance(value, str) else _lists(value, (*path, name))


LISTS = tomllib.loads(Path(__file__).with_name("words.toml").read_text())
LEXICON = Lexicon(dict(_lists(LISTS)))
