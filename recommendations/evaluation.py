"""How good a ranking is: nDCG@10, recall@10, AUC, and the rankers that ours must beat. Arrays in, figures out."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from recommendations import scoring
from recommendations.scoring import Catalogue, Floats, Formula, Person, Positions

Relevant = npt.NDArray[np.bool_]
CUT = 10
WORD = r"(?u)\b\w[\w+#.]*\b"  # keeps c++ and c# apart from c
REFERENCE = Formula(scoring.REFERENCE, 100_000, False, 0.1)


@dataclass(frozen=True)
class Case:
    """One person's candidates. at (k,): positions in the catalogue; relevant (k,): which of them are right.

    train (m,): positions of all that the person may be judged by.
    """

    person: Person
    at: Positions
    relevant: Relevant
    train: Positions


Ranker = Callable[[Case], Floats]


def tie_breaks(names: Sequence[str]) -> npt.NDArray[np.uint64]:
    """A fixed pseudo-random number a name: equal scores are ordered by it, so that no ranker gains by file order."""
    return np.array([int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) for name in names], dtype=np.uint64)


def ndcg(ranked: Relevant) -> float:
    """Binary nDCG@10: gains of the first ten over those of an ideal order. ranked (k,): relevance, best first."""
    discounts = 1 / np.log2(np.arange(2, CUT + 2))
    ideal = discounts[: min(CUT, int(ranked.sum()))].sum()
    return float((ranked[:CUT] * discounts[: len(ranked[:CUT])]).sum() / ideal) if ideal else 0.0


def recall(ranked: Relevant) -> float:
    """The share of all relevant ones among the first ten."""
    return float(ranked[:CUT].sum() / ranked.sum()) if ranked.any() else 0.0


def auc(score: Floats, relevant: Relevant) -> float:
    """The chance that a relevant one has the higher score; ties count half. NaN when all or none is relevant."""
    from scipy.stats import rankdata  # here, because Django is to start without it

    good, bad = int(relevant.sum()), int((~relevant).sum())
    if not good or not bad:
        return float("nan")
    return float((rankdata(score)[relevant].sum() - good * (good + 1) / 2) / (good * bad))


def figures(case: Case, score: Floats, ties: npt.NDArray[np.uint64]) -> dict[str, float]:
    """The three measures of one person's ranking. score (k,), the higher the better."""
    ranked = case.relevant[np.lexsort((ties[case.at], -score))]
    return {"ndcg@10": ndcg(ranked), "recall@10": recall(ranked), "auc": auc(score, case.relevant)}


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean and its standard error, sd / √n."""
    known = np.array([value for value in values if not np.isnan(value)])
    if not len(known):
        return float("nan"), float("nan")
    return float(known.mean()), float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else float("nan")


def by_formula(catalogue: Catalogue, formula: Formula) -> Ranker:
    """Our score."""

    def rank(case: Case) -> Floats:
        values = scoring.components(catalogue, case.at, case.person, formula)
        return values @ scoring.shares(formula.weights, case.person.heard)

    return rank


def by_reference(catalogue: Catalogue, texts: Mapping[int, Person]) -> Ranker:
    """The reference formula over the profile's text: its raw score, no component left out.

    catalogue, texts (by the person's id): with plain vectors, nothing taken away, as the reference has them.
    """

    def rank(case: Case) -> Floats:
        plain = texts.get(case.person.id, case.person)
        alone = replace(plain, liked=plain.liked[:0])
        return scoring.components(catalogue, case.at, alone, REFERENCE) @ np.array(scoring.REFERENCE)

    return rank


def by_popularity(catalogue: Catalogue) -> Ranker:
    """GitHub's stars, unknown ones last."""
    return lambda case: np.nan_to_num(catalogue.stars[case.at], nan=-1.0)


def at_random() -> Ranker:
    """All alike: the tie-break decides."""
    return lambda case: np.zeros(len(case.at))


def by_tfidf(texts: Sequence[str]) -> Ranker:
    """Cosine with the mean TF-IDF vector of what the person starred: words and pairs, sublinear counts.

    texts (n,): name, description and topics of each project of the catalogue.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer  # heavy, and only this baseline needs it

    made = TfidfVectorizer(sublinear_tf=True, min_df=2, stop_words="english", token_pattern=WORD)
    try:
        rows = made.fit_transform(texts)
    except ValueError:  # no word is in two of the texts
        return at_random()

    def rank(case: Case) -> Floats:
        if not len(case.train):
            return np.zeros(len(case.at))
        centre = np.asarray(rows[case.train].mean(axis=0)).ravel()
        return np.asarray(rows[case.at] @ centre).ravel()

    return rank
