"""How well a project answers a problem: what both mean, and the words that both say. Arrays in, arrays out."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.vectors import Matrix

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]

# Measured in docs/decisions/bridge.md.
WORDS = 0.7  # of the cosine of words, beside that of meaning
KNOWN = 0.05  # what all the stars in the world add: of equals the better known comes first
ALL_STARS = 100_000
CHANCE = 0.115  # how much the totals of projects that have nothing to do with a problem differ (standard deviation)
FEW = 500  # projects: of fewer no less is asked
LEAST_WORDS = 0.1  # nor has one with few words in common, whatever the model finds alike
ALONE = 0.2  # unless a field, a stack or another word is in common too: "label" stands on parcels and on timelines
LEAST_MEANING = 0.1  # nor one that says the same words of something else
FAINT = 0.3  # of what the word that tells most brings: less is not worth a mention
ENDING = 5  # letters that a stem may lack
NAMED = 2  # posts that name a project before the problem is about it
BROUGHT_UP = 0.2  # cosine below which a name means something else: a parcel that is late is no bundler


@dataclass(frozen=True)
class Post:
    """One that speaks for a problem."""

    url: str
    title: str
    beginning: str
    words: Sequence[str]


@dataclass(frozen=True)
class Problem:
    """A problem as projects are compared with it. vector (d,): a unit row, centred as theirs; words: of its own text.

    posts: those that speak for it.
    """

    id: int
    vector: Matrix
    text: str
    words: Sequence[Sequence[str]]
    posts: Sequence[Post] = ()

    @property
    def weights(self) -> dict[str, float]:
        """How much each word says of it: log(1 + the different texts that hold it)."""
        texts = {tuple(sorted(set(words))) for words in (*self.words, *(post.words for post in self.posts))}
        counts: dict[str, int] = {}
        for text in texts:
            for word in text:
                counts[word] = counts.get(word, 0) + 1
        return {word: math.log1p(count) for word, count in counts.items()}


@dataclass(frozen=True)
class Index:
    """The words of all projects by TF-IDF, turned round: from a word to who says it.

    columns: word -> its number; starts (v + 1,): where in `rows` and `shares` its projects begin. rows (p,):
    positions; shares (p,): of the unit vector of that project's words. rarity (v,): log of how few say it.
    """

    columns: Mapping[str, int]
    starts: Positions
    rows: Positions
    shares: Floats
    rarity: Floats
    height: int

    @classmethod
    def of(cls, texts: Sequence[Collection[str]]) -> Index:
        """Each text as its different words."""
        columns: dict[str, int] = {}
        said = [columns.setdefault(word, len(columns)) for text in texts for word in text if telling(word)]
        column = np.array(said, dtype=np.int64)
        row = np.repeat(np.arange(len(texts)), [sum(map(telling, text)) for text in texts])
        counts = np.bincount(column, minlength=len(columns))
        rarity = np.log((1 + len(texts)) / (1 + counts))
        shares = rarity[column]
        lengths = np.sqrt(np.bincount(row, shares**2, minlength=len(texts)))[row]
        shares = np.divide(shares, lengths, out=np.zeros_like(shares), where=lengths > 0)
        order = np.argsort(column, kind="stable")
        starts = np.concatenate([[0], np.cumsum(counts)])
        return cls(columns, starts, row[order], shares[order], rarity, len(texts))

    def weighed(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Those of the words that some project says, as a unit vector with the rare ones the longest."""
        known = {
            word: weight * self.rarity[self.columns[word]] for word, weight in weights.items() if word in self.columns
        }
        length = math.sqrt(sum(value**2 for value in known.values()))
        return {word: value / length for word, value in known.items()} if length else {}

    def alike(self, weights: Mapping[str, float]) -> Floats:
        """The cosine of those words with the words of every project. (n,)."""
        total = np.zeros(self.height)
        for word, value in self.weighed(weights).items():
            span = slice(*self.starts[self.columns[word] : self.columns[word] + 2])
            total[self.rows[span]] += value * self.shares[span]
        return total

    def common(self, weights: Mapping[str, float], at: int) -> list[str]:
        """The words of those that this project says too, what tells most first; those that hardly count left out."""
        found = {}
        for word, value in self.weighed(weights).items():
            first, last = self.starts[self.columns[word] : self.columns[word] + 2]
            place = first + np.searchsorted(self.rows[first:last], at)
            if place < last and self.rows[place] == at and self.shares[place]:
                found[word] = value * self.shares[place]
        told = [word for word in found if found[word] >= FAINT * max(found.values())]
        return sorted(told, key=lambda word: (-found[word], word))


def telling(word: str) -> bool:
    """Whether it is more than a number or a letter."""
    return len(word) > 1 and any(map(str.isalpha, word))


def least(count: int) -> float:
    """What the best of `count` projects reaches by chance: the more there are, the more is asked of each."""
    return CHANCE * math.sqrt(2 * math.log(max(count, FEW)))


def popularity(stars: Floats) -> Floats:
    """Stars on a logarithmic scale to 1, unknown ones 0. (n,) -> (n,)."""
    return np.minimum(np.log1p(np.nan_to_num(stars, nan=0.0)) / math.log1p(ALL_STARS), 1.0)


@dataclass(frozen=True)
class Match:
    """How every project stands to one problem. (n,) each. total: what they are ordered by."""

    meaning: Floats
    words: Floats
    total: Floats

    @property
    def fit(self) -> npt.NDArray[np.bool_]:
        """Whether each has to do with the problem: better than the best of so many would be by chance."""
        return (self.total >= least(len(self.total))) & (self.words >= LEAST_WORDS) & (self.meaning >= LEAST_MEANING)

    def best(self, offered: npt.NDArray[np.bool_], ids: Positions, count: int) -> list[int]:
        """The positions of those that fit and are offered, best first, ties by id."""
        at = np.flatnonzero(self.fit & offered)
        return [int(position) for position in at[np.lexsort((ids[at], -self.total[at]))][:count]]


def matches(problems: Sequence[Problem], vectors: Matrix, index: Index, stars: Floats) -> list[Match]:
    """vectors (n, d): unit rows of the projects, centred."""
    if not problems:
        return []
    meanings = vectors @ np.stack([problem.vector for problem in problems]).T
    known = KNOWN * popularity(stars)
    found = []
    for problem, meaning in zip(problems, meanings.T.astype(np.float64), strict=True):
        words = index.alike(problem.weights)
        found.append(Match(meaning, words, meaning + WORDS * words + known))
    return found


# What a problem is about

REPOSITORY = re.compile(r"\bgithub\.com/([A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100})")
FULL_NAME = re.compile(r"(?<![\w/.-])([A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100})(?![\w/-])")
NAME = re.compile(r"(?<=[^\W\d_] )[A-Z][\w.+#-]{2,60}")  # a capital inside a sentence


def brought_up(post: Post) -> set[str]:
    """What may be names of projects in a post, in lower case: owner/name, or a name alone."""
    text = f"{post.title}\n{post.beginning}"
    found = [*REPOSITORY.findall(f"{post.url}\n{text}"), *FULL_NAME.findall(text), *NAME.findall(text)]
    return {name.lower().removesuffix(".git").rstrip(".-") for name in found}


def named(problem: Problem, known: Mapping[str, int], meaning: Floats) -> dict[int, int]:
    """The projects that several posts name: position -> how many. known: names in lower case."""
    counts: dict[int, int] = {}
    for post in problem.posts:
        for at in {known[name] for name in brought_up(post) if name in known}:
            counts[at] = counts.get(at, 0) + 1
    return {at: count for at, count in counts.items() if count >= NAMED and meaning[at] >= BROUGHT_UP}


def names_of(full_names: Sequence[str], stars: Floats) -> dict[str, int]:
    """Whom a name means, in lower case: owner/name exactly; a name alone only a project whose owner goes by it.

    Otherwise "Python" would mean somebody's exercises. Of several it means the most starred.
    """
    ranked = np.lexsort((np.arange(len(full_names)), -np.nan_to_num(stars, nan=-1.0)))
    known: dict[str, int] = {}
    for at in ranked.tolist():
        owner, name = full_names[at].lower().split("/", 1)
        if owner.split("-")[0] == name:
            known.setdefault(name, at)
        known[f"{owner}/{name}"] = at
    return known


def as_written(words: Iterable[str], text: str, count: int) -> list[str]:
    """Stems as the text writes them, each once, the shortest way; those that it does not hold are left out."""
    written = sorted(re.findall(r"[^\W_][\w+#]*", text), key=len)
    found: dict[str, str] = {}
    for stem in words:
        start = stem.removesuffix("i")  # what the stemmer makes of a "y"
        word = next((word for word in written if word.lower().startswith(start)), "")
        if word and len(word) <= len(stem) + ENDING:
            found.setdefault(word.lower(), word)
    return list(found.values())[:count]
