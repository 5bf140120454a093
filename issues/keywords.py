"""Which posts speak of a keyword: whole words in any case, found in one pass over a bounded text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from engine.text import clip, squeeze

LONGEST = 20_000  # characters of a post that are looked at
ENOUGH = 1.0  # the weight from which on a post is kept
QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"'})


class Keywords:
    """weights: phrase -> what it adds. Of two that overlap the one that begins first counts, then the longer."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.weights = {plain(phrase): weight for phrase, weight in weights.items() if plain(phrase)}
        longest_first = sorted(self.weights, key=len, reverse=True)
        self.pattern = re.compile("|".join(map(bounded, longest_first)) or r"(?!)")

    def score(self, text: str) -> float:
        """The weights of the phrases in it, each once."""
        found = {match[0] for match in self.pattern.finditer(plain(text))}
        return sum(self.weights[phrase] for phrase in found)

    def speak_for(self, text: str) -> bool:
        return self.score(text) >= ENOUGH


def plain(text: str) -> str:
    """In one case, one kind of quotes and of blanks: how phrases are compared with texts."""
    folded = unicodedata.normalize("NFKC", clip(text, LONGEST)).casefold().translate(QUOTES)
    return squeeze(unicodedata.normalize("NFKC", folded))


def bounded(phrase: str) -> str:
    """A pattern for it as whole words; scripts without upper and lower case do not part words by blanks."""
    before = r"(?<!\w)" if is_parted(phrase[0]) else ""
    after = r"(?!\w)" if is_parted(phrase[-1]) else ""
    return f"{before}{re.escape(phrase)}{after}"


def is_parted(sign: str) -> bool:
    return sign.isdecimal() or sign.upper() != sign.lower()
