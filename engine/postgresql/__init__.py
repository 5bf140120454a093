"""The way to the database; base.py is what Django's setting ENGINE names."""

from typing import TYPE_CHECKING, cast

from django.db import connection
from django.db.backends.utils import CursorWrapper

if TYPE_CHECKING:
    from engine.postgresql.base import DatabaseWrapper


def prepared() -> CursorWrapper:
    """A cursor whose statements the server plans once for each connection; for those that are asked all the time.

    It binds on the server: a parameter takes the type of its place in the statement, not that of its value.
    """
    return cast("DatabaseWrapper", connection).prepared()
