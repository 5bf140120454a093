"""Which texts say the same: word for word, or but for a few words."""

import re
import unicodedata
import zlib
from collections.abc import Sequence

from datasketch import MinHash

WORD = re.compile(r"\w+")
IN_A_ROW = 3  # words; what two texts are compared by
ALIKE = 0.8  # of all rows of words in two texts, the share that both have
SHORTEST = 10  # words; in a shorter text one other word is another matter
BANDS, ROWS = 16, 4  # two texts that are alike by 0.8 share a band with 99.98 %, by 0.5 with 64 %
BLANK = MinHash(num_perm=BANDS * ROWS, hashfunc=int)  # its permutations are made once


def _words(text: str) -> list[str]:
    return WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _rows(words: Sequence[str]) -> set[int]:
    """The checksums of each three words in a row."""
    return {zlib.crc32(" ".join(words[at : at + IN_A_ROW]).encode()) for at in range(len(words) - IN_A_ROW + 1)}


def _bands(rows: set[int]) -> list[bytes]:
    sketch = BLANK.copy()
    sketch.update_batch(list(rows))
    return [band.tobytes() for band in sketch.hashvalues.reshape(BANDS, ROWS)]


def _are_alike(one: set[int], other: set[int]) -> bool:
    both = len(one & other)
    return both >= ALIKE * (len(one) + len(other) - both)


class _Seen:
    """The texts so far. A band remembers the first text that had it, so a text is compared with at most 16."""

    def __init__(self) -> None:
        self.exact: dict[bytes, int] = {}
        self.bands: list[dict[bytes, int]] = [{} for _ in range(BANDS)]

    def first_alike(self, at: int, texts: Sequence[str]) -> int:
        """The earliest text that says the same as this one, itself where none does."""
        words = _words(texts[at])
        if not words:
            return at
        first = self.exact.setdefault(" ".join(words).encode(), at)
        return first if first < at or len(words) < SHORTEST else self._near(at, words, texts)

    def _near(self, at: int, words: Sequence[str], texts: Sequence[str]) -> int:
        rows = _rows(words)
        keys = _bands(rows)
        maybe = sorted({known[key] for known, key in zip(self.bands, keys, strict=True) if key in known})
        for other in maybe:
            if _are_alike(rows, _rows(_words(texts[other]))):
                return other
        for known, key in zip(self.bands, keys, strict=True):
            known.setdefault(key, at)
        return at


def twins(ids: Sequence[int], texts: Sequence[str]) -> dict[int, int]:
    """The later posts that say what an earlier one says: later id -> id of the first.

    ids and texts are in order, the earliest first. A text without a word has no twin.
    """
    seen = _Seen()
    firsts: list[int] = []
    for at in range(len(texts)):
        first = seen.first_alike(at, texts)
        firsts.append(first if first == at else firsts[first])
    return {ids[at]: ids[first] for at, first in enumerate(firsts) if first != at}
