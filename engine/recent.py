"""What was asked for lately, kept in the process: a bounded table that forgets what was used longest ago."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """At most `size` values, shared by the threads of a process. Values are shared too: nobody may change one.

    lasts: for how many seconds each is good, asked anew each time; for ever where it is not given.
    """

    def __init__(self, size: int, lasts: Callable[[], float] = lambda: math.inf) -> None:
        self.size, self.lasts = size, lasts
        self._held: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Value | None:
        with self._lock:
            since, value = self._held.get(key, (0.0, None))
            if value is None:
                return None
            if time.monotonic() - since >= self.lasts():
                del self._held[key]
                return None
            self._held.move_to_end(key)
            return value

    def put(self, key: Key, value: Value) -> None:
        with self._lock:
            self._held[key] = time.monotonic(), value
            self._held.move_to_end(key)
            while len(self._held) > self.size:
                self._held.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._held.clear()
