"""django-q's brokers, with two differences: an outage ends no process, and each group has a key of its own beside
the common one, for its canary: on a common key the others would take that too.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections
from django_q.brokers.orm import ORM
from django_q.brokers.redis_broker import Redis
from django_q.conf import Conf
from redis.exceptions import RedisError

from engine.owner import group

PAUSE = 1.0  # seconds between two tries while a server is away


def canary_key(name: str) -> str:
    return f"canary-{name}"


class DatabaseBroker(ORM):
    """Reads the common key and the group's own in turn."""

    def __init__(self, list_key: str | None = None) -> None:
        common = list_key or Conf.CLUSTER_NAME
        super().__init__(common)
        self.keys = cycle([common, canary_key(group())] if group() else [common])

    def dequeue(self) -> Any:
        self.list_key: str = next(self.keys)
        try:
            return super().dequeue()
        except DatabaseError:
            connections["default"].close()
            time.sleep(PAUSE)
            return None

    def acknowledge(self, task_id: int) -> Any:
        """What cannot be acknowledged comes again after `retry`, and is not due then."""
        try:
            return super().acknowledge(task_id)
        except DatabaseError:
            connections["default"].close()


class RedisBroker(Redis):
    """Away, it raises ConnectionError to whoever rings or counts, and keeps whoever listens waiting."""

    def ping(self) -> bool:
        """A cluster may start while Redis is away."""
        return True

    def enqueue(self, task: str) -> Any:
        with one_error():
            return super().enqueue(task)

    def queue_size(self) -> int:
        with one_error():
            return int(super().queue_size())

    def delete_queue(self) -> Any:
        with one_error():
            return super().delete_queue()

    def dequeue(self) -> Any:
        keys = [self.list_key, f"django_q:{canary_key(group())}:q"] if group() else [self.list_key]
        try:
            task = self.connection.blpop(keys, 1)
        except RedisError:
            time.sleep(PAUSE)
            return None
        return [(None, task[1])] if task else None

    def set_stat(self, key: str, value: str, timeout: int) -> None:
        """Twice a second, and read by nobody."""


@contextmanager
def one_error() -> Iterator[None]:
    """Redis has a dozen, and none that can be caught without importing it."""
    try:
        yield
    except RedisError as error:
        raise ConnectionError(f"Redis: {error}") from error
