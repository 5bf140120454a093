"""What pages show and need not count anew each time; a cache that cannot be reached costs time and no page."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from django.core.cache import cache
from django.db import DatabaseError
from redis.exceptions import RedisError

TEN_MINUTES = 600
AWAY = (DatabaseError, OSError, RedisError)
T = TypeVar("T")


def kept(key: str, make: Callable[[], T], telling: Callable[[T], object] = bool) -> T:
    """What `make` returned within ten minutes.

    telling: whether that says anything; what says nothing is made anew, so nobody waits for it after the first import.
    """
    try:
        known: T | None = cache.get(key)
    except AWAY:
        return make()
    if known is None or not telling(known):
        known = make()
        with suppress(*AWAY):
            cache.set(key, known, TEN_MINUTES)
    return known
