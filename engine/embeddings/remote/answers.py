"""What a provider answers: vectors in any order and form, limits in any words."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.http import LONGEST_WAIT, retry_after
from engine.vectors import checked


class BadAnswer(ValueError):
    """What came is not one vector for each text. whole: no text alone can be the reason."""

    def __init__(self, reason: str, whole: bool = True) -> None:
        super().__init__(reason)
        self.whole = whole


def in_order(data: Any, count: int) -> list[Any]:
    """The vectors by their `index`, as lists or arrays of numbers. Raises BadAnswer."""
    try:
        placed = {item["index"]: item["embedding"] for item in data}
        found = len(data)
    except (TypeError, KeyError, IndexError):
        raise BadAnswer("no list of vectors") from None
    if found != count:
        raise BadAnswer(f"{found} vectors for {count} texts")
    if set(placed) != set(range(count)):
        raise BadAnswer("the vectors' places are not those of the texts")
    return [decoded(placed[place]) for place in range(count)]


def decoded(given: Any) -> Any:
    """A list of numbers, or little-endian float32 in base64."""
    if isinstance(given, list):
        return given
    try:
        return np.frombuffer(base64.b64decode(given, validate=True), dtype="<f4")
    except (TypeError, ValueError, binascii.Error):
        raise BadAnswer("a vector is neither a list nor base64 of float32") from None


def usable(row: Any, width: int) -> bool:
    try:
        checked([row], 1, width)
    except ValueError:
        return False
    return True


CONTEXT = re.compile(
    r"context[ _]length|maximum (?:context|input|sequence|token)|too many tokens|(?:input|prompt) (?:is )?too long"
    r"|exceeds? the (?:context|maximum|max)",
    re.IGNORECASE,
)
NAMED = re.compile(r"(?:maximum|max|limit)[a-z_ ]{0,40}?(?: is| of|:)? ?(\d{2,6})\b", re.IGNORECASE)


def named_limit(message: str) -> int | None:
    found = NAMED.search(message[:500])
    return int(found[1]) if found else None


GO_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def wait_named(headers: Mapping[str, str]) -> float | None:
    """Seconds until it may be asked again: Retry-After, else the window that is spent (12ms, 6m0s)."""
    named = retry_after(headers)
    if named is None and headers.get("retry-after-ms", "").isdecimal():
        named = int(headers["retry-after-ms"][:9]) / 1000
    if named is None:
        spent = [kind for kind in ("requests", "tokens") if headers.get(f"x-ratelimit-remaining-{kind}") == "0"]
        waits = [duration(headers.get(f"x-ratelimit-reset-{kind}", "")) for kind in spent]
        named = max(filter(None, waits), default=None)
    return None if named is None else min(named, LONGEST_WAIT)


def duration(text: str) -> float:
    """Seconds of one as Go writes it; 0 where it is none."""
    return sum(float(figure) * UNITS[kind] for figure, kind in GO_DURATION.findall(text[:40]))
