"""Pipelines for tests with real workers: each block takes a moment and leaves a row that can be counted."""

import os
import signal
import time
from collections import Counter

from django.db import connection

from engine.pipeline import Pipeline, Scope, Stage, Work

MEAL = 24  # plates
MOMENT = 0.1  # seconds a plate takes

# As every row stage does: nothing is written for a claim that is over.
SERVE = """
    INSERT INTO plates SELECT %(number)s, %(claim)s
    WHERE EXISTS (SELECT FROM engine_run WHERE (id << 20) + fence = %(claim)s AND state = 'running')
"""
TABLE = "CREATE TABLE IF NOT EXISTS plates (number int NOT NULL, claim bigint NOT NULL)"


def serve(scope: Scope) -> Work:
    """A row stage: one plate a block, each once."""
    for number in range(served(), MEAL):
        time.sleep(MOMENT)
        with connection.cursor() as cursor:
            cursor.execute(SERVE, {"number": number, "claim": scope.fence})
        yield Counter(plates=1)
    return None


def served() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM plates")
        return int(cursor.fetchone()[0])


def plates() -> list[int]:
    """The numbers of all plates that were served, in order: each once, if all is well."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT number FROM plates ORDER BY number")
        return [number for (number,) in cursor.fetchall()]


def poison(scope: Scope) -> Work:
    """Ends its own process, as running out of memory does."""
    os.kill(os.getpid(), signal.SIGKILL)
    yield Counter(never=1)
    return None


MEAL_PIPELINE = Pipeline("meal", (Stage("serve", serve, lambda scope: MEAL - served()),))
POISON_PIPELINE = Pipeline("poison", (Stage("drink", poison, lambda scope: 1),))
