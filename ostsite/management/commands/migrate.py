import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.commands.migrate import Command as Migrate
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

LOCK = 5_714_903  # any number that nobody else takes
PAUSE = 0.5  # seconds; asked for again, not waited for: the session's own limit would end that


class Command(Migrate):
    """Django's, one at a time: of two that start at once the second waits, and finds nothing left to do."""

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check_unapplied"] or options["plan"]:
            super().handle(*args, **options)  # it changes nothing, and waits for nobody
        else:
            with alone(connections[options["database"]]):
                super().handle(*args, **options)


@contextmanager
def alone(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Hold the lock. It ends with the session, so whoever is killed leaves none behind."""
    while not answer(connection, "SELECT pg_try_advisory_lock(%s)"):
        time.sleep(PAUSE)
    try:
        yield
    except BaseException:  # however it ends, no lock stays, though the session may take no statement now
        connection.close()
        raise
    answer(connection, "SELECT pg_advisory_unlock(%s)")


def answer(connection: BaseDatabaseWrapper, question: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(question, [LOCK])
        return bool(cursor.fetchone()[0])
