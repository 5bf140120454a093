"""The indexes by which nearest vectors are found: one a table and model, of halved precision, made beside all work."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from psycopg import sql

MARK = "_near_"  # in the name of such an index and of no other
BUILDING = 0x05E  # one process at a time makes or drops them
WIDELY = "SELECT set_config('hnsw.ef_search', '100', true), set_config('hnsw.iterative_scan', 'relaxed_order', true)"


def name_of(table: str, model: int) -> str:
    return f"{table}{MARK}{model}"


def ready(table: str, model: int) -> bool:
    """Whether the index of that table and model is there, whole."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name_of(table, model)])
        row = cursor.fetchone()
    return bool(row and row[0])


def search_widely() -> None:
    """To the end of the transaction an index is searched until enough is found, 100 neighbours at a time."""
    with connection.cursor() as cursor:
        cursor.execute(WIDELY)


def found() -> dict[str, bool]:
    """The names of all such indexes, and whether each is whole."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " WHERE c.relnamespace = current_schema()::regnamespace AND c.relname LIKE %s",
            [f"%{MARK.replace('_', chr(92) + '_')}%"],
        )
        return dict(cursor.fetchall())


@contextmanager
def alone() -> Iterator[bool]:
    """Whether this process is the one that makes indexes now. It takes as long as it takes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [BUILDING])
        (mine,) = cursor.fetchone()
        if not mine:
            yield False
            return
        try:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("SET lock_timeout = 0")
            yield True
        finally:
            cursor.execute("RESET statement_timeout")
            cursor.execute("RESET lock_timeout")
            cursor.execute("SELECT pg_advisory_unlock(%s)", [BUILDING])


def make(table: str, model: int, dimensions: int) -> None:
    """Not in a transaction: readers and writers go on meanwhile."""
    statement = sql.SQL(
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {table}"
        " USING hnsw ((vector::halfvec({dimensions})) halfvec_cosine_ops) WHERE model_id = {model}"
    ).format(
        name=sql.Identifier(name_of(table, model)),
        table=sql.Identifier(table),
        dimensions=sql.Literal(dimensions),
        model=sql.Literal(model),
    )
    execute(statement)


def drop(name: str) -> None:
    """Not in a transaction."""
    execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(name)))


def execute(statement: sql.Composed) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement.as_string())
