"""What a client leaves behind that is killed at one of its messages."""

import signal

import pytest
from django.db import connection, transaction

from engine.models import Run
from engine.tests.postgres_proxy import Point, PostgresProxy, real_server, run_in_child

pytestmark = pytest.mark.django_db(transaction=True)
KILLED = -signal.SIGKILL


@pytest.fixture
def proxy():
    with PostgresProxy(*real_server()) as proxy:
        yield proxy


@pytest.fixture
def first(proxy):
    """The number of the first message after those with which Django opens a connection."""
    run_in_child(connection.ensure_connection, proxy.folder)
    return proxy.seen + 1


def write():
    Run.objects.create(pipeline="meal")


def test_a_client_that_is_not_killed_is_served(proxy):
    assert run_in_child(write, proxy.folder) == 0
    assert Run.objects.count() == 1


def test_a_client_that_is_killed_before_its_statement_has_written_nothing(proxy, first):
    proxy.watch(Point(first, "before"))
    assert run_in_child(write, proxy.folder) == KILLED
    assert not Run.objects.exists()


def test_a_client_that_is_killed_after_its_statement_has_written(proxy, first):
    proxy.watch(Point(first, "after"))
    assert run_in_child(write, proxy.folder) == KILLED
    assert Run.objects.count() == 1


@pytest.mark.parametrize(("number", "phase", "written"), [(1, "after", 0), (2, "before", 0), (2, "after", 1)])
def test_what_a_killed_client_did_in_a_transaction_counts_from_its_commit(proxy, first, number, phase, written):
    proxy.watch(Point(first + number, phase))  # BEGIN, INSERT, COMMIT
    assert run_in_child(transaction.atomic(write), proxy.folder) == KILLED
    assert Run.objects.count() == written


def test_a_killed_clients_locks_are_gone_when_its_end_is_known(proxy, first):
    Run.objects.create(pipeline="meal")
    proxy.watch(Point(first + 1, "after"))
    lock = transaction.atomic(lambda: Run.objects.select_for_update().get())
    assert run_in_child(lock, proxy.folder) == KILLED
    with transaction.atomic():
        assert Run.objects.select_for_update(nowait=True).get()


def test_a_long_statement_is_one_message(proxy, first):
    proxy.watch()
    assert run_in_child(lambda: Run.objects.filter(error="x" * 300_000).exists(), proxy.folder) == 0
    assert proxy.seen == first
