"""The limits of the outside, each counted on the clock of the upstream that sets it."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType


class FixedWindow:
    """At most `calls` in each `seconds`; a window opens with the first call after the one before it ended.

    aligned: it opens at a multiple of `seconds` since 1970, as one of a day does at midnight.
    """

    def __init__(self, calls: int, seconds: float, aligned: bool = False) -> None:
        self.calls, self.seconds, self.aligned = calls, seconds, aligned
        self.opened = float("-inf")
        self.used = 0

    def take(self, now: float, cost: int = 1) -> bool:
        """Count a call; whether it was allowed. A call over the limit costs nothing."""
        if now >= self.opened + self.seconds:
            self.opened, self.used = now - (now % self.seconds if self.aligned else 0), 0
        if self.used + cost > self.calls:
            return False
        self.used += cost
        return True

    def give_back(self, cost: int = 1) -> None:
        """That call was free after all."""
        self.used = max(0, self.used - cost)

    @property
    def remaining(self) -> int:
        return self.calls - self.used

    @property
    def resets_at(self) -> float:
        """When the window that the last call fell in ends."""
        return self.opened + self.seconds


class RollingWindow:
    """At most `calls` in any `seconds`."""

    def __init__(self, calls: int, seconds: float) -> None:
        self.calls, self.seconds = calls, seconds
        self.taken: deque[float] = deque()

    def take(self, now: float) -> bool:
        """Count a call; whether it was allowed. A call over the limit is not counted."""
        while self.taken and self.taken[0] <= now - self.seconds:
            self.taken.popleft()
        if len(self.taken) >= self.calls:
            return False
        self.taken.append(now)
        return True

    @property
    def remaining(self) -> int:
        return self.calls - len(self.taken)

    @property
    def resets_at(self) -> float:
        """When the oldest call that is counted no longer is."""
        return self.taken[0] + self.seconds if self.taken else 0.0


class Quiet:
    """Windows in which nobody may call: of one lane, or with lane="" of the whole host."""

    def __init__(self) -> None:
        self.windows: dict[str, float] = {}

    def close(self, lane: str, until: float) -> None:
        self.windows[lane] = max(until, self.windows.get(lane, 0.0))

    def open(self) -> None:
        """Forget every window."""
        self.windows.clear()

    def until(self, lane: str, now: float) -> float | None:
        """The end of the window that a call falls in, None when it falls in none."""
        latest = max(self.windows.get(lane, 0.0), self.windows.get("", 0.0))
        return latest if now < latest else None


class InFlight:
    """How many calls are being answered, and whether these are too many. Entered for the time of each call."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.now = 0
        self.peak = 0
        self.lock = threading.Lock()

    @property
    def over(self) -> bool:
        return self.now > self.most

    def __enter__(self) -> None:
        with self.lock:
            self.now += 1
            self.peak = max(self.peak, self.now)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.lock:
            self.now -= 1
