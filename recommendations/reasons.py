"""Why something is recommended, in words; and figures that add up when they are rounded."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from engine.text import joined

TELLING = 0.15  # a component that brings less than this share of the score is not mentioned without a name


def sentences(
    parts: Mapping[str, float],
    stacks: Sequence[str],
    categories: Sequence[str],
    nearest: str | None,
    stars: int | None,
    wrote: Mapping[str, str] | None = None,
) -> list[str]:
    """One sentence a reason, the named ones first; never empty.

    parts: contributions by component; empty for a person nothing is known of. wrote: by the name of what they say,
    the words of that person that led here; by "" those near in meaning.
    """
    if not parts:
        return ["Popular or new: nothing that is known of you leads to a project yet."]
    total = sum(parts.values()) or 1.0
    said, quotes = [], Quotes(wrote or {})
    for names, verb, why in ((stacks, "Made with", "which you know"), (categories, "Serves", "which you care for")):
        own = [name for name in names if name not in quotes.words]
        if own:
            said.append(f"{verb} {joined(own)}, {why}.")
        said += quotes.of([name for name in names if name in quotes.words], verb)
    if parts["semantic"] / total >= TELLING:
        said.append(quotes.meaning(nearest) or liked(nearest))
    if stars and parts["popularity"] / total >= TELLING:
        said.append(f"Known to many: {stars:,} stars.")
    return said or ["Close in meaning to what you say of yourself."]


def liked(nearest: str | None) -> str:
    if nearest:
        return f"Close in meaning to {nearest}, from your stars, likes and saves."
    return "Close in meaning to what you say of yourself."


class Quotes:
    """The words that led somewhere, by the name of what they say; the same words are quoted once."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self.words = words
        self._given: set[str] = set()

    def told(self, claim: str, words: str) -> str:
        """What follows from those words of theirs."""
        if words in self._given:
            return f"{claim}, by the same words."
        self._given.add(words)
        return f"{claim}: you wrote “{words}”" + ("" if words.endswith((".", "!", "?", "…")) else ".")

    def of(self, names: Sequence[str], verb: str) -> list[str]:
        """A sentence for all the names that the same words say."""
        together: dict[str, list[str]] = {}
        for name in names:
            together.setdefault(self.words[name], []).append(name)
        return [self.told(f"{verb} {joined(said)}", words) for words, said in together.items()]

    def meaning(self, nearest: str | None) -> str:
        """Of what they wrote, or of a project that they wrote of; empty where something else is nearer."""
        if "" in self.words:
            return self.told("Close in meaning", self.words[""])
        words = self.words.get(nearest or "")
        return self.told(f"Close in meaning to {nearest}", words) if words else ""


def percents(parts: Sequence[float], digits: int = 1, total: float | None = None) -> list[float]:
    """Parts as percents that sum to the rounded total: the largest remainders are rounded up.

    total: their sum as it is shown elsewhere, where its last bit may differ from that of the sum made here.
    """
    scale = 100 * 10**digits
    exact = [part * scale for part in parts]
    floors = [int(value) for value in exact]
    short = round(sum(exact) if total is None else total * scale) - sum(floors)
    for index in sorted(range(len(exact)), key=lambda i: (floors[i] - exact[i], i))[: max(short, 0)]:
        floors[index] += 1
    return [value / 10**digits for value in floors]


def shares(weights: Sequence[float]) -> list[float]:
    """Weights as whole percents of their sum; they add up to 100."""
    total = sum(weights)
    return percents([weight / total for weight in weights], digits=0) if total else [0.0 for _ in weights]


def segments(parts: Sequence[float]) -> list[tuple[float, float]]:
    """Where the part of each begins on a bar of 100, and how wide it is; together they are as long as the sum."""
    edges = [round(100 * min(sum(parts[:count]), 1.0), 2) for count in range(len(parts) + 1)]
    return [(left, round(right - left, 2)) for left, right in pairwise(edges)]


def line(values: Sequence[float], width: float, height: float, margin: float = 2.0) -> list[tuple[float, float]]:
    """The points of a curve through those values from left to right, the highest at the top."""
    low, span = min(values, default=0.0), max(values, default=0.0) - min(values, default=0.0)
    step = width / max(len(values) - 1, 1)
    heights = [(value - low) / span if span else 0.5 for value in values]
    return [
        (round(index * step, 2), round(height - margin - share * (height - 2 * margin), 2))
        for index, share in enumerate(heights)
    ]


def pieces(sentence: str, names: Sequence[str]) -> list[tuple[str, bool]]:
    """The sentence cut where a whole name stands: (text, whether it is a name)."""
    longest_first = sorted(filter(None, names), key=len, reverse=True)
    if not longest_first:
        return [(sentence, False)]
    found = re.split(rf"(?<!\w)({'|'.join(map(re.escape, longest_first))})(?!\w)", sentence)
    return [(text, bool(index % 2)) for index, text in enumerate(found) if text]
