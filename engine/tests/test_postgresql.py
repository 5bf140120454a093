"""The way to the database."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from engine.postgresql import prepared

pytestmark = pytest.mark.django_db


@pytest.fixture
def own_connection(transactional_db):
    """A connection that a test may break."""
    connection.ensure_connection()
    yield connection
    connection.close()


def ask(number: int) -> int:
    with prepared() as cursor:
        cursor.execute("SELECT %s + 1", [number])
        return cursor.fetchone()[0]


def test_a_statement_asked_often_is_planned_once():
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
        connection.connection._prepared.clear()
        for number in range(5):
            assert ask(number) == number + 1
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%+ 1'")
        assert cursor.fetchone() == (1,)


def test_a_prepared_statement_is_counted_like_any_other():
    with CaptureQueriesContext(connection) as seen:
        ask(1)
    assert len(seen) == 1


def test_a_connection_that_stands_is_usable_without_asking(own_connection):
    with CaptureQueriesContext(own_connection) as seen:
        assert own_connection.is_usable()
    assert len(seen) == 0


def test_a_connection_that_the_server_ended_is_not_usable(own_connection):
    pid = own_connection.connection.info.backend_pid
    with connection.copy().cursor() as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    assert not own_connection.is_usable()


def test_a_closed_connection_is_not_usable(own_connection):
    own_connection.connection.close()
    assert not own_connection.is_usable()
