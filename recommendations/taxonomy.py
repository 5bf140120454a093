"""Which categories and tech stacks a project belongs to, read off its own words.

Pure: the entries come in as values, and the answer goes out as ids with confidences. A rule is a topic, a
language or a phrase; a phrase is matched token by token, so "html" never holds "ml", nor "Django" "go".
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

RULES_VERSION = 1  # raise it when the code below places differently: stored placements are then redone

# How far one finding is believed, by where it was found. Set on a catalogue of 31,951 projects.
TOPIC = 0.9
LANGUAGE = 0.85
SECOND_LANGUAGE = 0.6
DESCRIPTION = 0.7
DESCRIPTION_TAIL = 0.4  # what a description names late is mostly a list of what it also supports
NAME = 0.55
README = 0.2
UNSIZED_LANGUAGE = 0.2  # the language is there, but its bytes are unknown: it may be one file

FLOOR = 0.5  # one word of a name is enough, three of a README are not, four are
MIN_SHARE = 0.05  # of the bytes, for a language that is not the first
HEAD_LENGTH = 30  # tokens of a description that are not yet its tail
README_LENGTH = 2_000  # characters: after that come install logs and changelogs
MAX_CATEGORIES = 4
LEAST_SHARE = 0.35  # of the surest category's strength: one stray topic beside three that agree is dropped
MAX_STACKS = 10

# A term after one of these is what the project does without; what it replaces is no part of its stack either.
_WITHOUT = ("no", "non", "without", "zero")
_INSTEAD_OF = ("alternative to", "alternatives to", "replacement for", "instead of", "unlike")

# Longer phrases that hide a term they only look like.
_HOMONYMS = (
    "react to",
    "game changer",
    "game changing",
    "game of life",
    "theme hospital",
    "social engineering",
    "of course",
    "educational purposes",
    "twitter bootstrap",
    "twitter's bootstrap",
    "robots.txt",
    "qr code generation",
    "aria2 rpc",
    "flow chart",
    "flow charts",
    "helm chart",
    "helm charts",
    "search engine optimization",
    "privacy first",
    "privacy friendly",
    "privacy focused",
    "privacy respecting",
    "privacy aware",
)

_TOKEN = re.compile(
    r"https?://\S+|[a-z0-9-]+\.(?:com|org|gg)\b\S*"  # an address: twitter.com is not about Twitter
    r"|:[a-z0-9_]+:"  # an emoji, by its name
    r"|ci/cd"
    r"|\.net\b"
    r"|[a-z0-9]+(?:\.(?:js|net)\b|\+\+|#)?"
    r"|[,;:|()!?\[\]{}\"]|\.(?=\s|$)"  # a mark is a token too, so no phrase runs across it
)

Owners = tuple[int, ...]  # ids of the entries that a rule speaks for


@dataclass(frozen=True)
class Entry:
    """A category or a stack, with the rules that place a project in it."""

    id: int
    name: str
    aliases: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Placement:
    """Where a project belongs: entry id -> confidence in (0, 1], surest first."""

    categories: dict[int, float]
    stacks: dict[int, float]


@dataclass(frozen=True)
class _Facts:
    """What a project says of itself, each fact a term with the weight of the place it was found in."""

    topics: tuple[str, ...]
    languages: dict[str, float]
    texts: tuple[tuple[list[str], float], ...]


class Taxonomy:
    """All categories and stacks, compiled once into lookups by topic, language and phrase."""

    def __init__(self, categories: Sequence[Entry], stacks: Sequence[Entry]) -> None:
        self._categories = _Index(categories, hidden=_WITHOUT)
        self._stacks = _Index(stacks, hidden=_WITHOUT + _INSTEAD_OF)
        self.version = _digest(categories, stacks)

    def place(
        self,
        *,
        full_name: str,
        description: str,
        language: str,
        topics: Sequence[str],
        languages: Mapping[str, int],
        readme: str,
    ) -> Placement:
        """Place one project by its own words; empty facts give an empty placement.

        languages: bytes by GitHub language name, all 0 when the sizes are unknown. Only the repository's half
        of full_name is read, because an owner's name says who and not what.
        """
        tags = tuple(topic.lower() for topic in topics)
        said = tokens(description)
        facts = _Facts(
            topics=tags,
            languages=_languages(language, languages),
            texts=(
                (said[:HEAD_LENGTH], DESCRIPTION),
                (said[HEAD_LENGTH:], DESCRIPTION_TAIL),
                (tokens(" ; ".join(tags)), DESCRIPTION),
                (tokens(full_name.rpartition("/")[2]), NAME),
                (tokens(readme[:README_LENGTH]), README),
            ),
        )
        return Placement(
            categories=_best(self._categories.evidence(facts), MAX_CATEGORIES, LEAST_SHARE),
            stacks=_best(self._stacks.evidence(facts), MAX_STACKS),
        )

    def category(self, name: str) -> int | None:
        """The id of the category that goes by this name or alias, whatever its case and accents."""
        return self._categories.named(name)

    def stack(self, name: str) -> int | None:
        """The id of the stack that goes by this name or alias, whatever its case and accents."""
        return self._stacks.named(name)


class _Index:
    """The rules of one axis, turned round: from what may be found to the entries it speaks for."""

    def __init__(self, entries: Sequence[Entry], hidden: Iterable[str]) -> None:
        self._names = {fold(name).strip(): entry.id for entry in entries for name in (*entry.aliases, entry.name)}
        self._topics = _turned((topic, entry.id) for entry in entries for topic in entry.topics)
        self._languages = _turned((name.lower(), entry.id) for entry in entries for name in entry.languages)
        said = [(" ".join(tokens(word)), entry.id) for entry in entries for word in entry.words]
        phrases = _turned((phrase, owner) for phrase, owner in said if phrase)  # one of signs alone is in no text
        decoys = [f"{before} {phrase}" for before in hidden for phrase in phrases]
        self._phrases = {**dict.fromkeys(decoys, ()), **_homonyms(), **phrases}
        self._lengths = _lengths_by_first_token(self._phrases)

    def named(self, name: str) -> int | None:
        return self._names.get(fold(name).strip())

    def evidence(self, facts: _Facts) -> dict[int, dict[str, float]]:
        """What speaks for each entry: id -> term -> weight.

        A term found twice counts once, where it weighs most.
        """
        found: dict[int, dict[str, float]] = {}
        for owners, term, weight in self._findings(facts):
            for owner in owners:
                terms = found.setdefault(owner, {})
                terms[term] = max(weight, terms.get(term, 0.0))
        return found

    def _findings(self, facts: _Facts) -> Iterator[tuple[Owners, str, float]]:
        for topic in facts.topics:
            if topic in self._topics:
                yield self._topics[topic], " ".join(tokens(topic)), TOPIC
        for name, weight in facts.languages.items():
            if name in self._languages:
                yield self._languages[name], name, weight
        for text, weight in facts.texts:
            for owners, term in self._phrases_in(text):
                yield owners, term, weight

    def _phrases_in(self, text: list[str]) -> Iterator[tuple[Owners, str]]:
        """Phrases from left to right, the longest first, none overlapping another."""
        at = 0
        while at < len(text):
            step = 1
            for length in self._lengths.get(text[at], ()):
                phrase = " ".join(text[at : at + length])
                if phrase in self._phrases:
                    yield self._phrases[phrase], phrase
                    step = length
                    break
            at += step


def tokens(text: str) -> list[str]:
    """The words and marks of a text in lower case; c++, c#, .net, node.js and ci/cd stay whole."""
    return _TOKEN.findall(fold(text))


def fold(text: str) -> str:
    """The text in lower case and without accents."""
    if text.isascii():
        return text.lower()
    return "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))


def _languages(first: str, sizes: Mapping[str, int]) -> dict[str, float]:
    """The languages that count, in lower case, with their weights."""
    total = sum(sizes.values())
    if total:
        weights = {name.lower(): SECOND_LANGUAGE for name, size in sizes.items() if size / total >= MIN_SHARE}
    else:
        weights = {name.lower(): UNSIZED_LANGUAGE for name in sizes}
    return weights | ({first.lower(): LANGUAGE} if first else {})


def _best(evidence: Mapping[int, Mapping[str, float]], most: int, least_share: float = 0.0) -> dict[int, float]:
    """The surest entries at or above the floor, ties by id, without those far weaker than the surest.

    least_share: of the surest entry's strength, where strength is -log(doubt) and so adds up over findings.
    """
    doubts = {owner: _doubt(terms.values()) for owner, terms in evidence.items()}
    ranked = sorted(doubts.items(), key=lambda row: (row[1], row[0]))[:most]
    limit = min(1.0 - FLOOR, ranked[0][1] ** least_share) if ranked else 0.0
    return {owner: round(1.0 - doubt, 4) for owner, doubt in ranked if doubt <= limit}


def _doubt(weights: Iterable[float]) -> float:
    """The chance that all of some independent findings are wrong, rounded so that no order shows."""
    return round(math.prod(1.0 - weight for weight in weights), 12)


def _homonyms() -> dict[str, Owners]:
    return {" ".join(tokens(phrase)): () for phrase in _HOMONYMS}


def _turned(pairs: Iterable[tuple[str, int]]) -> dict[str, Owners]:
    owners: dict[str, Owners] = {}
    for term, owner in pairs:
        if owner not in owners.get(term, ()):
            owners[term] = (*owners.get(term, ()), owner)
    return owners


def _lengths_by_first_token(phrases: Iterable[str]) -> dict[str, list[int]]:
    """How many tokens the phrases have that begin with a token, the most first."""
    lengths: dict[str, set[int]] = {}
    for phrase in phrases:
        words = phrase.split()
        lengths.setdefault(words[0], set()).add(len(words))
    return {token: sorted(found, reverse=True) for token, found in lengths.items()}


def _digest(categories: Sequence[Entry], stacks: Sequence[Entry]) -> str:
    """One name for equal rules, whatever the order of their rows and whatever their ids."""
    axes = [
        sorted([e.name, *map(sorted, (e.aliases, e.languages, e.topics, e.words))] for e in entries)
        for entries in (categories, stacks)
    ]
    return hashlib.sha256(json.dumps([RULES_VERSION, axes]).encode()).hexdigest()
