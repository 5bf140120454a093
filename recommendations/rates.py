"""Rates of answers to what was shown, how sure they are, and what the place in a list adds. Arrays in, arrays out.

An answer is any act on a project of a list: opened, liked, saved or hidden; each shows that the place was looked at.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

SURE = 1.959964  # normal quantile of 95 percent
PLACES = (1, 2, 3, 4, 6, 11, 21)  # where groups of places begin: far down few answers tell them apart
ROUNDS, NEAR = 500, 1e-9


def group_of(ranks: Counts) -> Counts:
    """The group of each place, from 0. (n,) -> (n,)."""
    return np.searchsorted(np.array(PLACES), ranks, side="right").astype(np.int64) - 1


def named(group: int) -> str:
    """The places of a group: "1", "4–5", "21 and on"."""
    first = PLACES[group]
    if group + 1 == len(PLACES):
        return f"{first} and on"
    last = PLACES[group + 1] - 1
    return str(first) if last == first else f"{first}–{last}"


def share(answers: Floats, shown: Floats) -> Floats:
    """Answers to each thing shown; NaN where nothing was. (n,), (n,) -> (n,)."""
    return np.divide(answers, shown, out=np.full(np.shape(shown), np.nan), where=np.asarray(shown) > 0)


def interval(answers: Floats, shown: Floats) -> tuple[Floats, Floats]:
    """Between which rates the true one lies in 95 of 100 cases, in [0, 1]; 0 to 1 where nothing was shown.

    The score interval: Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    count = np.maximum(shown, 0).astype(np.float64)
    rate = np.nan_to_num(share(answers, count))
    scale = np.divide(SURE**2, count, out=np.full(count.shape, np.inf), where=count > 0)
    with np.errstate(invalid="ignore"):
        middle = (rate + scale / 2) / (1 + scale)
        half = SURE * np.sqrt(rate * (1 - rate) * scale / SURE**2 + (scale / SURE / 2) ** 2) / (1 + scale)
    low, high = np.where(count > 0, middle - half, 0.0), np.where(count > 0, middle + half, 1.0)
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


@dataclass(frozen=True)
class Bias:
    """How much each group of places is looked at, the first being 1. NaN where the data cannot tell.

    looked (g,), low (g,), high (g,): 95 percent. pairs: how many pairs tell anything.
    """

    looked: Floats
    low: Floats
    high: Floats
    pairs: int


def position_bias(shown: Counts, answers: Counts) -> Bias:
    """From pairs of a person and a project that were shown at several places. shown, answers (m, g) -> Bias.

    The examination hypothesis: an answer comes when the place is looked at (p of its group) and the project suits the
    person (r of the pair), p times r (Richardson, Dominowska and Ragno 2007; Chuklin, Markov and de Rijke 2015,
    Click Models for Web Search, section 3.3). For given answers of a pair, r falls out: each answer of a pair i fell
    on group k with probability n_ik p_k / sum_j n_ij p_j (the fixed-effects Poisson likelihood: Hausman, Hall and
    Griliches 1984), which is greatest where the steps of Hunter (2004, MM algorithms for generalized Bradley-Terry
    models) end. So nothing has to be assumed of how well projects suit, and what was shown at one place only tells
    nothing. The intervals are those of its information matrix, on the scale of logarithms.
    """
    told = (answers.sum(axis=1) > 0) & ((shown > 0).sum(axis=1) > 1)
    seen, heard = shown[told].astype(np.float64), answers[told].astype(np.float64)
    figures = np.full((3, shown.shape[1]), np.nan)
    joined = linked(seen, heard)
    if joined.sum() > 1:
        told = heard[:, joined].any(axis=1)
        seen, heard = seen[np.ix_(told, joined)], heard[np.ix_(told, joined)]
        looked = likeliest(seen, heard)
        spread = np.exp(SURE * errors(seen, heard.sum(axis=1), looked))
        figures[:, joined] = looked, looked / spread, looked * spread
    return Bias(figures[0], figures[1], figures[2], len(seen))


def linked(shown: Floats, answers: Floats) -> npt.NDArray[np.bool_]:
    """The groups that chains of pairs compare with the first, among those with an answer. (m, g), (m, g) -> (g,)."""
    heard = answers.sum(axis=0) > 0
    seen = ((shown > 0) & heard).astype(np.float64)
    beside = seen.T @ seen > 0
    reached = np.zeros(len(heard), dtype=bool)
    reached[0] = heard[0]
    for _ in heard:
        reached |= beside[reached].any(axis=0)
    return reached & heard


def likeliest(shown: Floats, answers: Floats) -> Floats:
    """The p of each group with the greatest likelihood, that of the first 1. (m, g), (m, g) -> (g,)."""
    each, total = answers.sum(axis=1), answers.sum(axis=0)
    looked = np.ones(shown.shape[1])
    for _ in range(ROUNDS):
        before = looked
        looked = total / (each[:, None] * shown / (shown @ looked)[:, None]).sum(axis=0)
        looked = looked / looked[0]
        if np.abs(looked - before).max() < NEAR:
            break
    return looked


def errors(shown: Floats, each: Floats, looked: Floats) -> Floats:
    """The standard errors of the logarithms of p, 0 for the first. shown (m, g), each (m,), looked (g,) -> (g,)."""
    share = shown * looked
    share /= share.sum(axis=1, keepdims=True)
    information = np.diag(each @ share) - (share * each[:, None]).T @ share
    variance = np.diag(np.linalg.pinv(information[1:, 1:]))
    return np.sqrt(np.concatenate([[0.0], np.maximum(variance, 0.0)]))


def at_first_place(answers: Counts, shown: Counts, looked: Floats) -> Floats:
    """The rate each row would have in the first place: answers to what was looked at. (n, g), (n, g), (g,) -> (n,).

    The expected number of looks at a place is what was shown there times p, so that versions that showed at other
    places compare; groups of which p is unknown are left out. NaN where nothing is left.
    """
    known = ~np.isnan(looked)
    return share(answers[:, known].sum(axis=1).astype(np.float64), shown[:, known] @ looked[known])
