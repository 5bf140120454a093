"""Django's PostgreSQL with two round trips less for a busy web process: no question for life, no plan made twice."""

import select
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from django.db.backends.utils import CursorWrapper


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        """Whether the connection seems alive, without asking the server, unless something just failed on it.

        A server that goes away says so or hangs up: there is something to read where there should be silence.
        """
        if self.connection is None or self.errors_occurred:
            return super().is_usable()
        if self.connection.closed:
            return False
        silent = select.poll()
        silent.register(self.connection.fileno(), select.POLLIN)
        return not silent.poll(0)

    def prepared(self) -> CursorWrapper:
        """The cursor of `engine.postgresql.prepared`."""
        self.ensure_connection()
        cursor: Any = psycopg.Cursor(self.connection)
        return self.make_debug_cursor(cursor) if self.queries_logged else self.make_cursor(cursor)
