"""Which items speak for a cluster, and which words tell it from the other clusters of a day."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

from engine.text import clip, normal_title, squeeze, text_hash
from engine.vectors import unit

ALIKE = 0.8  # word-Jaccard from which two titles say the same
SNIPPET = 200  # characters
FEWEST_TITLES = 3  # one or two titles are too common to stand for a cluster
READ_TEXTS, READ = 200, 300  # texts of a cluster and characters of a text: enough to know what it is about
PAIRED = 0.6  # share of a word's texts from which the pair says it better: "visual studio" for "studio"
WORD = r"(?u)\b[^\W\d_][\w+#]+"
FILLER = """
    able anybody anyone ask asked asking best better bit bug com come currently actually day days did didn does
    doesn doing don dont edit error feel get gets getting going good got guys haven having hello help hey hi hn
    http https im isn issue ive just keep know let like ll look looking lot make makes making maybe need needs
    new ok okay org people pls please possible probably problem problems question questions quite really right
    said say says see show start sure tell thank thanks thing things think time tried try trying use used using
    ve version want wanted wants wasn way won work working works would wouldn couldn shouldn cant www
"""
EMPTY_WORDS = sorted(ENGLISH_STOP_WORDS | set(FILLER.split()))  # they tell no cluster of posts from another


def central(
    vectors: npt.NDArray[np.floating], titles: Sequence[str], count: int = 5, authors: Sequence[str] | None = None
) -> list[int]:
    """Positions of the items nearest to the cluster's middle whose titles differ, nearest first.

    vectors: (m, d), of any length. authors: one per item, "" unknown; each speaks once while others have something to
    say. Fewer than count are returned where there are not so many different titles.
    """
    order = _by_distance(vectors)
    picked = _different(_first_of_each(order, authors), titles, count) if authors else []
    return sorted(_different(order, titles, count, picked), key=order.index)


def _by_distance(vectors: npt.NDArray[np.floating]) -> list[int]:
    """Positions by their cosine with the mean of the unit vectors; the earlier one of equals first."""
    rows = unit(np.asarray(vectors, dtype=np.float64))
    nearness = rows @ unit(rows.mean(axis=0, keepdims=True))[0] if len(rows) else np.empty(0)
    return [int(i) for i in np.argsort(-nearness.round(6), kind="stable")]


def _first_of_each(order: Iterable[int], authors: Sequence[str]) -> list[int]:
    heard: dict[str, int] = {}
    return [i for i in order if not authors[i] or heard.setdefault(authors[i], i) == i]


def _different(order: Iterable[int], titles: Sequence[str], count: int, picked: Sequence[int] = ()) -> list[int]:
    """picked, and those of the order whose title is unlike all before it, until there are count."""
    found = list(picked)
    words = [title_words(titles[i]) for i in found]
    for i in order:
        if len(found) >= count:
            break
        mine = title_words(titles[i])
        if all(jaccard(mine, other) < ALIKE for other in words):
            found.append(i)
            words.append(mine)
    return found


def title_words(title: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", normal_title(title)))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Share of the words that both have, in [0, 1]; two without any word are the same."""
    return len(one & other) / len(one | other) if one or other else 1.0


def snippet(clean: str) -> str:
    """The first 200 characters of a cleaned text on one line, cut at a word."""
    return clip(squeeze(clean), SNIPPET).strip()


def fingerprint(titles: Sequence[str]) -> str:
    """SHA-256 (hex) of the titles (NFKC, lower case, single spaces, sorted, one a line); "" under three titles."""
    lines = sorted(filter(None, map(normal_title, titles)))
    return text_hash("\n".join(lines)) if len(lines) >= FEWEST_TITLES else ""


def key_phrases(clusters: Sequence[Sequence[str]], count: int = 8) -> list[list[str]]:
    """The words and pairs of words that tell each cluster from the others, best first, lower case; [] where none do.

    Class-based TF-IDF (BERTopic): share of a cluster's texts with the phrase × log(1 + mean / its sum over clusters).
    A text counts a phrase once, so a long one does not speak for all; what only one text holds does not count.
    """
    texts = [[clip(text, READ) for text in _spread(cluster)] for cluster in clusters]
    counter = CountVectorizer(ngram_range=(1, 2), stop_words=EMPTY_WORDS, binary=True, token_pattern=WORD)
    try:
        found = counter.fit_transform(text for cluster in texts for text in cluster)
    except ValueError:  # scikit-learn's word for "no text holds a word"
        return [[] for _ in clusters]
    phrases = counter.get_feature_names_out()
    member = _membership([len(cluster) for cluster in texts])
    shares = (member @ found).tocsr()  # (clusters, phrases), in [0, 1]
    totals = np.asarray(shares.sum(axis=0))[0]
    rarity = np.log1p(totals.sum() / len(clusters) / totals)
    return [_best(shares[i], rarity, phrases, len(cluster), count) for i, cluster in enumerate(texts)]


def _spread(texts: Sequence[str]) -> Sequence[str]:
    """At most READ_TEXTS of them, evenly from beginning to end."""
    return texts[:: -(-len(texts) // READ_TEXTS) or 1]


def _membership(sizes: Sequence[int]) -> csr_matrix:
    """(clusters, texts): 1 / size where a text is of the cluster; the texts lie in the clusters' order."""
    rows = np.repeat(np.arange(len(sizes)), sizes)
    values = np.repeat([1 / max(size, 1) for size in sizes], sizes)
    return csr_matrix((values, (rows, np.arange(len(rows)))), shape=(len(sizes), len(rows)))


def _best(shares: csr_matrix, rarity: npt.NDArray, phrases: npt.NDArray, size: int, count: int) -> list[str]:
    """The phrases of one cluster's row that two of its texts hold; a word that lives in a pair gives way to it."""
    several = shares.data > 1.5 / size if size > 1 else shares.data > 0
    places, held = shares.indices[several], shares.data[several]
    share = dict(zip(phrases[places], held, strict=True))
    order = [phrases[place] for place in places[np.argsort(-(held * rarity[places]).round(9), kind="stable")]]
    in_pair = {word for pair in order if " " in pair for word in pair.split() if share[pair] > PAIRED * share[word]}
    chosen: list[str] = []
    taken: set[str] = set()
    for phrase in order:
        words = set(phrase.split())
        if len(chosen) < count and not words & taken and phrase not in in_pair:
            chosen.append(phrase)
            taken |= words
    return chosen
