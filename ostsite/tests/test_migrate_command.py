import threading

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection

from ostsite.management.commands.migrate import LOCK

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def other():
    """Another session of the same database, which holds the lock of `migrate`."""
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as session:
        session.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        yield session


def test_migrate_waits_while_another_is_at_it(other):
    ended = threading.Timer(0.7, other.execute, ["SELECT pg_advisory_unlock_all()"])
    ended.start()
    call_command("migrate", verbosity=0)
    assert ended.finished.is_set()
    ended.join()


def test_whether_migrations_are_missing_is_told_at_once(other):
    call_command("migrate", check_unapplied=True, verbosity=0)


def test_migrate_leaves_no_lock_behind(other):
    other.execute("SELECT pg_advisory_unlock_all()")
    call_command("migrate", verbosity=0)
    assert other.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone() == (True,)
