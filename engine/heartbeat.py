"""Signs of life from a thread while something else computes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from django.db import Error as DatabaseError
from django.db import connection

logger = structlog.get_logger(__name__)


@contextmanager
def heartbeat(beat: Callable[[], object], every: float, longest: float) -> Iterator[Callable[[], None]]:
    """Call `beat` every so many seconds until the block ends; gives a function that says "I go on".

    longest: seconds without that word after which it falls silent: what hangs shall be taken for dead. A process
    that is stopped has its thread stopped too. A beat that the database does not take is left out. The thread has
    a connection of its own, and only once it beats.
    """
    over, since = threading.Event(), [time.monotonic()]

    def keep_beating() -> None:
        while not over.wait(every):
            if time.monotonic() - since[0] < longest:
                try:
                    beat()
                except DatabaseError as error:
                    logger.debug("heartbeat_failed", error=type(error).__name__)
                    connection.close()
        connection.close()

    thread = threading.Thread(target=keep_beating, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield lambda: since.__setitem__(0, time.monotonic())
    finally:
        over.set()
        thread.join(every)
