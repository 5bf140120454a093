"""Components, contributions, the best n. Arrays in, arrays out.

The reference formula, that of OST Data Engine: .25 semantic + .45 category + .5 tech + .1 popularity.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.vectors import Matrix, unit

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

COMPONENTS = ("semantic", "category", "tech", "popularity")
REFERENCE = (0.25, 0.45, 0.5, 0.1)
VERSION = "2"  # part of what a generation is made from: raise it when a formula here or in ordering.py changes
NEAREST = 3  # the semantic component is the mean of so many largest cosines
DOUBT = 1e-5  # more than float32 can be wrong by in a score
UNCOPIED = 1_000_000  # multiplications: as many OpenBLAS does without copying its operands first
BLOCK = 4096  # projects whose cosines are worked on at once: they stay in the processor's cache


@dataclass(frozen=True)
class Formula:
    """One version of the weights, in the order of COMPONENTS. threshold: stars that count as 1."""

    weights: tuple[float, float, float, float]
    threshold: int
    log_scale: bool
    min_similarity: float


@dataclass(frozen=True)
class Catalogue:
    """All projects as arrays; row i is one project everywhere, ids ascend.

    ids (n,). vectors (n, d) unit rows with `centre` (d,) taken away, a zero row has none.
    categories (n, c), stacks (n, s): 0 or 1. stars (n,), unknown NaN. served (n,): may be recommended.
    """

    ids: Positions
    vectors: Matrix
    centre: Matrix
    categories: Matrix
    stacks: Matrix
    stars: Floats
    served: Flags

    @cached_property
    def linked(self) -> tuple[Matrix, Matrix]:
        """How many categories and how many stacks each project has, counted once for all people. (n,), (n,)."""
        return self.categories.sum(axis=1), self.stacks.sum(axis=1)

    def positions(self, ids: Sequence[int] | Positions) -> Positions:
        """Where those projects stand; unknown ids are left out. (m,) -> (<= m,)."""
        wanted = np.asarray(ids, dtype=np.int64)
        if not len(self.ids):
            return wanted[:0]
        found = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        return found[self.ids[found] == wanted]


@dataclass(frozen=True)
class Person:
    """What is known of one person.

    text: (d,) unit vector of the profile's text with the catalogue's centre taken away, or None. liked (m,):
    positions of the projects that stand for what they starred, liked or saved. categories (c,), stacks (s,):
    1 what they named, below 1 what was only understood of what they wrote. never (x,): positions not to be shown.
    spoken (k, d): the vectors of messages that speak for them, wrote (k,) the sentences. because: of a term, or of a
    project, that only what they wrote names: the sentence. only_wrote: nothing else is known of them.
    """

    id: int
    text: Matrix | None
    liked: Positions
    categories: Matrix
    stacks: Matrix
    never: Positions
    spoken: Matrix | None = None
    wrote: Sequence[str] = ()
    because: Mapping[str, str] = field(default_factory=dict)
    only_wrote: bool = False

    @property
    def heard(self) -> Flags:
        """Which components the person has something to say about; meaning and popularity always are."""
        return np.array([True, bool(self.categories.any()), bool(self.stacks.any()), True])

    @property
    def known(self) -> bool:
        """Whether there is anything to go by."""
        spoken = self.text is not None or self.spoken is not None
        return spoken or bool(len(self.liked)) or bool(self.heard[1:3].any())

    def taste(self, catalogue: Catalogue) -> Matrix:
        """The vectors a project is compared with: the text's, `spoken`, those of `liked`. (m, d), m may be 0."""
        none = np.empty((0, catalogue.vectors.shape[1]), np.float32)
        text = none if self.text is None else self.text[None, :]
        return np.concatenate([text, none if self.spoken is None else self.spoken, catalogue.vectors[self.liked]])


@dataclass(frozen=True)
class Scored:
    """The best projects of one person, best first. positions (k,), components and parts (k, 4), score (k,).

    nearest (k,): the position of what they liked that is most like each, -1 where there is none. spoken (k,): which
    message is more like it than anything else they said or liked, -1 where none is.
    """

    positions: Positions
    components: Floats
    parts: Floats
    nearest: Positions
    spoken: Positions

    @property
    def score(self) -> Floats:
        return self.parts.sum(axis=1)

    @property
    def raw_score(self) -> Floats:
        return self.components @ np.array(REFERENCE)

    def at(self, rows: Positions) -> "Scored":
        """Some of them, in that order."""
        told = self.components[rows], self.parts[rows]
        return Scored(self.positions[rows], *told, self.nearest[rows], self.spoken[rows])

    def qualify(self, formula: Formula) -> "Scored":
        """Those that may be recommended: near enough, and not by their popularity alone."""
        return self.at(np.flatnonzero((self.score >= formula.min_similarity) & (self.parts[:, :3].sum(axis=1) > 0)))


def centre_of(vectors: Matrix) -> Matrix:
    """What all texts of the catalogue share: the mean of its vectors, held back where there are few. (n, d) -> (d,).

    Sentence vectors of one field point the same way to begin with; without that direction cosines tell more
    (docs/decisions/scoring.md). A hundred vectors at the origin count as known before any other.
    """
    known = vectors[vectors.any(axis=1)]
    return (known.sum(axis=0, dtype=np.float64) / (len(known) + 100)).astype(np.float32)


def centred(vectors: Matrix, centre: Matrix) -> Matrix:
    """Unit rows with the centre taken away; a row of zeros stays zeros. (n, d), (d,) -> (n, d)."""
    known = vectors.any(axis=1, keepdims=True)
    return unit(np.where(known, vectors - centre, 0)).astype(np.float32)


def mean_of_largest(cosines: npt.NDArray[np.floating], count: int = NEAREST) -> npt.NDArray[np.floating]:
    """The mean of the `count` largest values of each column, of all of them when there are fewer. (m, n) -> (n,).

    Running maxima, row by row: no sorting, and a tenth of the time of a partition.
    """
    largest = np.full((min(count, len(cosines)), cosines.shape[1]), -np.inf, cosines.dtype)
    for row in cosines:
        carried = row
        for place in largest:
            smaller = np.minimum(place, carried)
            np.maximum(place, carried, out=place)
            carried = smaller
    return largest.mean(axis=0) if len(largest) else np.zeros(cosines.shape[1], cosines.dtype)


def semantic(vectors: npt.NDArray[np.floating], taste: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Mean of the three largest cosines with any of `taste`, never below 0. (n, d), (m, d) unit rows -> (n,)."""
    result, mine = np.zeros(len(vectors), vectors.dtype), np.ascontiguousarray(taste.T)
    for start in range(0, len(vectors) if len(taste) else 0, BLOCK):
        block = slice(start, start + BLOCK)
        result[block] = mean_of_largest(products(vectors[block], mine).T)
    return np.clip(result, 0, 1)


def products(rows: npt.NDArray[np.floating], columns: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """rows @ columns. (n, d), (d, m) -> (n, m).

    OpenBLAS copies both before it multiplies, which for a few columns takes as long again, unless the product is small:
    so it gets small ones.
    """
    step = UNCOPIED // columns.size
    if step < 64:
        return rows @ columns
    result = np.empty((len(rows), columns.shape[1]), rows.dtype)
    for start in range(0, len(rows), step):
        np.matmul(rows[start : start + step], columns, out=result[start : start + step])
    return result


def jaccard(
    rows: npt.NDArray[np.floating], mine: npt.NDArray[np.floating], theirs: npt.NDArray[np.floating] | None = None
) -> npt.NDArray[np.floating]:
    """|A ∩ B| / |A ∪ B| of each row with `mine`, 0 when either is empty. (n, t) of 0 and 1, (t,) -> (n,).

    mine: how much of each is in the set, in [0, 1]; then it is Σ min / Σ max (Ruzicka). theirs: the sums of the rows,
    where they are known. (n,).
    """
    common = rows @ mine
    together = (rows.sum(axis=1) if theirs is None else theirs) + mine.sum() - common
    return np.divide(common, together, out=np.zeros_like(common), where=common > 0)


def popularity(stars: Floats, formula: Formula) -> Floats:
    """Stars on a scale to 1 at the threshold, linear or logarithmic; unknown stars are 0. (n,) -> (n,)."""
    known = np.nan_to_num(stars, nan=0.0)
    if formula.log_scale:
        return np.minimum(np.log1p(known) / np.log1p(formula.threshold), 1.0)
    return np.minimum(known / formula.threshold, 1.0)


def popular_of(catalogue: Catalogue, formula: Formula) -> Matrix:
    """The popularity of every project in float32, made once for all people. (n,)."""
    return popularity(catalogue.stars, formula).astype(np.float32)


def shares(weights: Sequence[float] | Floats, heard: Flags) -> Floats:
    """What each component may add at most; the shares of those heard sum to 1. (c,), (c,) -> (c,).

    Raises ValueError when nothing is heard.
    """
    share = np.asarray(weights, dtype=np.float64) * heard
    if not share.sum():
        raise ValueError("no component is heard")
    return share / share.sum()


def components(catalogue: Catalogue, at: Positions, person: Person, formula: Formula) -> Floats:
    """The four components of those projects, in float64. (k,) positions -> (k, 4)."""
    taste = unit(person.taste(catalogue).astype(np.float64))
    return np.column_stack([
        semantic(unit(catalogue.vectors[at].astype(np.float64)), taste),
        jaccard(catalogue.categories[at].astype(np.float64), person.categories.astype(np.float64)),
        jaccard(catalogue.stacks[at].astype(np.float64), person.stacks.astype(np.float64)),
        popularity(catalogue.stars[at], formula),
    ])  # fmt: skip


def nearest_liked(catalogue: Catalogue, at: Positions, person: Person) -> Positions:
    """For each project the position of the most alike of what the person liked, or -1. (k,) -> (k,)."""
    if not len(person.liked) or not len(at):
        return np.full(len(at), -1, dtype=np.int64)
    cosines = catalogue.vectors[at] @ catalogue.vectors[person.liked].T
    best = cosines.argmax(axis=1)
    return np.where(cosines[np.arange(len(at)), best] > 0, person.liked[best], -1)


def nearest_spoken(catalogue: Catalogue, at: Positions, person: Person) -> Positions:
    """For each project the message that is the most like it of all it is compared with, or -1. (k,) -> (k,)."""
    if person.spoken is None or not len(at):
        return np.full(len(at), -1, dtype=np.int64)
    cosines = catalogue.vectors[at] @ person.taste(catalogue).T
    best, first = cosines.argmax(axis=1), int(person.text is not None)
    spoken = (best >= first) & (best < first + len(person.spoken)) & (cosines.max(axis=1) > 0)
    return np.where(spoken, best - first, -1)


def scored(catalogue: Catalogue, at: Positions, person: Person, formula: Formula) -> Scored:
    """All of those projects, best first, ties by project id. (k,) positions."""
    values = components(catalogue, at, person, formula)
    parts = values * shares(formula.weights, person.heard)
    order = np.lexsort((catalogue.ids[at], -parts.sum(axis=1)))
    at = at[order]
    nearest, spoken = nearest_liked(catalogue, at, person), nearest_spoken(catalogue, at, person)
    return Scored(at, values[order], parts[order], nearest, spoken)


@dataclass(frozen=True)
class Standing:
    """How every project stands with one person, in float32.

    total (n,): scores. fit (n,): may be shown, and qualifies.
    """

    total: Matrix
    fit: Flags

    def rank(self, at: int) -> int:
        """The place of one project among those that fit, as if it were one of them; of equals the smaller id first."""
        better = self.total > self.total[at]
        better[:at] |= self.total[:at] == self.total[at]
        return 1 + int(np.count_nonzero(better & self.fit))


def standing(catalogue: Catalogue, person: Person, formula: Formula, popular: Matrix) -> Standing:
    """popular: popular_of() the catalogue."""
    share = shares(formula.weights, person.heard).astype(np.float32)
    meaning = semantic(catalogue.vectors, person.taste(catalogue))
    category, tech = (
        jaccard(catalogue.categories, person.categories, catalogue.linked[0]),
        jaccard(catalogue.stacks, person.stacks, catalogue.linked[1]),
    )
    told = share[0] * meaning + share[1] * category + share[2] * tech
    total = told + share[3] * popular
    # Popularity alone never qualifies a project.
    fit = catalogue.served & (told > 0) & (total >= formula.min_similarity - DOUBT)
    fit[person.never] = False
    return Standing(total, fit)


def best(catalogue: Catalogue, person: Person, formula: Formula, count: int, popular: Matrix) -> Scored:
    """The `count` best projects that the person may be shown and that qualify.

    float32 finds the candidates, with a margin wider than its error; float64 scores and orders them.
    """
    found = standing(catalogue, person, formula, popular)
    fit = np.flatnonzero(found.fit)
    if len(fit) > count:
        total = found.total[fit]
        edge = np.partition(total, len(total) - count)[len(total) - count]
        fit = fit[total >= edge - DOUBT]
    fine = scored(catalogue, fit, person, formula).qualify(formula)
    return fine.at(np.arange(min(count, len(fine.positions))))


def cold_start(catalogue: Catalogue, created: Floats) -> Positions:
    """For people nothing is known of: the popular and the new in turn, all of them once.

    created (n,): seconds, unknown NaN.
    """
    served = np.flatnonzero(catalogue.served)
    stars, age = np.nan_to_num(catalogue.stars[served], nan=-1), np.nan_to_num(created[served], nan=-np.inf)
    popular = served[np.lexsort((catalogue.ids[served], -stars))]
    new = served[np.lexsort((catalogue.ids[served], -stars, -age))]
    both = np.column_stack([popular, new]).ravel()
    _, first = np.unique(both, return_index=True)
    return both[np.sort(first)]


def representatives(liked: Positions, at: Floats, stars: Floats, count: int) -> Positions:
    """Which of what a person liked stand for the rest: the newest.

    Of the same instant those with fewer stars come first, unknown as none: what few know says more of a taste;
    then by position. liked (m,), at (m,) seconds, stars (m,) -> (<= count,).
    """
    return liked[np.lexsort((liked, np.nan_to_num(stars, nan=0), -at))][:count]


def incidence(rows: Positions, columns: Positions, shape: tuple[int, int]) -> Matrix:
    """Pairs as a matrix of 0 and 1. (p,), (p,) -> shape."""
    matrix = np.zeros(shape, dtype=np.float32)
    matrix[rows, columns] = 1
    return matrix


def hybrid(catalogue: Catalogue) -> Iterator[tuple[Positions, Matrix]]:
    """The hybrid vectors of OST Data Engine, a block of projects at a time: positions (b,), vectors (b, d + c + s + 1).

    Blocks: meaning, categories, stacks, each of length 0 or 1, and the log of the stars on a scale to 1 at 100,000.
    """
    scale = Formula((1, 1, 1, 1), 100_000, True, 0)
    for start in range(0, len(catalogue.ids), BLOCK):
        at = np.arange(start, min(start + BLOCK, len(catalogue.ids)))
        stars = popularity(catalogue.stars[at], scale).astype(np.float32)[:, None]
        blocks: list[Any] = [
            catalogue.vectors[at],
            unit(catalogue.categories[at]),
            unit(catalogue.stacks[at]),
            stars,
        ]
        yield at, np.concatenate(blocks, axis=1)
