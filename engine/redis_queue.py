"""django-q's Redis broker, made patient: an outage ends no process. Only loaded with Q_BROKER=redis."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django_q.brokers.redis_broker import Redis
from redis.exceptions import RedisError

PAUSE = 1.0  # seconds between two tries


class PatientRedis(Redis):
    """Away, it raises ConnectionError to whoever rings or counts, and keeps whoever listens waiting.

    django-q's own would end the process that listens, and with it the worker group, again and again.
    """

    def enqueue(self, task: str) -> Any:
        with one_error():
            return super().enqueue(task)

    def queue_size(self) -> int:
        with one_error():
            return int(super().queue_size())

    def dequeue(self) -> Any:
        try:
            return super().dequeue()
        except RedisError:
            time.sleep(PAUSE)
            return None

    def set_stat(self, key: str, value: str, timeout: int) -> None:
        """Twice a second, and read by nobody."""


@contextmanager
def one_error() -> Iterator[None]:
    """Redis has a dozen, and none that can be caught without importing it."""
    try:
        yield
    except RedisError as error:
        raise ConnectionError(f"Redis: {error}") from error
