"""The worker's addresses, asked over a socket: they say how it is, whatever the database and other clients do."""

import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace

import httpx
import pytest
from django.db import connection, connections
from prometheus_client.parser import text_string_to_metric_families

from engine import metrics, probe

LIMIT = 120.0
GROUP = SimpleNamespace(silent=0.0)  # what the server asks for the seconds since the last sign of life

pytestmark = pytest.mark.django_db


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def port() -> int:
    """Of one server for all tests here: it lives as long as its process."""
    chosen = free_port()
    probe.serve("127.0.0.1", chosen, lambda: GROUP.silent, LIMIT)
    return chosen


@pytest.fixture
def ask(port):
    return lambda path: httpx.get(f"http://127.0.0.1:{port}{path}", timeout=10)


@pytest.fixture
def group() -> Iterator[SimpleNamespace]:
    yield GROUP
    GROUP.silent = 0.0


@pytest.fixture
def away(monkeypatch, tmp_path) -> None:
    """New connections, which are those of the server's threads, look for the database where there is none."""
    monkeypatch.setitem(connections.settings["default"], "HOST", str(tmp_path))


def sessions() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def test_a_group_that_gives_signs_of_life_is_healthy(ask, group):
    group.silent = LIMIT
    assert (ask("/health").status_code, ask("/health").json()) == (200, {"status": "ok", "silent_seconds": 120.0})


def test_a_silent_group_is_stalled(ask, group):
    group.silent = LIMIT + 0.1
    assert (ask("/health").status_code, ask("/health").json()["status"]) == (503, "stalled")


def test_without_a_database_the_group_is_not_healthy(ask, away):
    assert (ask("/health").status_code, ask("/health").json()) == (503, {"status": "database away"})


def test_without_a_database_the_process_lives(ask, away):
    assert (ask("/livez").status_code, ask("/livez").json()) == (200, {"status": "alive"})


def test_metrics_can_be_read_by_anyone_who_reaches_it(ask):
    answer = ask("/metrics")
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    assert "ost_queue_due_runs" in names


def test_without_a_database_there_are_no_metrics(ask, away):
    assert ask("/metrics").status_code == 503


@pytest.mark.parametrize("path", ["/", "/metrics/", "/admin", "/health/x"])
def test_another_address_is_told_which_there_are(ask, path):
    answer = ask(path)
    assert (answer.status_code, answer.json()["addresses"]) == (404, ["/livez", "/health", "/metrics"])


def test_a_fault_is_500_and_is_logged(ask, monkeypatch, caplog):
    monkeypatch.setattr(metrics, "exposition", lambda: 1 / 0)
    answer = ask("/metrics")
    assert (answer.status_code, answer.json()) == (500, {"status": "failed"})
    assert [record.msg["event"] for record in caplog.records if record.name == "engine.probe"] == ["probe_failed"]
    assert "ZeroDivisionError" in caplog.text


def test_a_client_that_says_nothing_keeps_nobody_waiting(ask, port):
    with socket.create_connection(("127.0.0.1", port)):
        began = time.monotonic()
        assert ask("/health").status_code == 200
    assert time.monotonic() - began < 1


def test_a_client_that_says_nothing_is_sent_away_without_a_trace_in_the_log(port, monkeypatch, capfd):
    monkeypatch.setattr(probe.Quiet, "timeout", 0.1)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as silent:
        assert silent.recv(100) == b""
    assert "Traceback" not in capfd.readouterr().err


def test_no_session_of_the_database_is_left_after_an_answer(ask):
    before = sessions()
    for path in ("/health", "/metrics", "/nowhere"):
        ask(path)
    deadline = time.monotonic() + 5
    while sessions() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert sessions() == before


def test_a_taken_port_is_an_error(port):
    with pytest.raises(OSError, match="in use"):
        probe.serve("127.0.0.1", port, lambda: 0.0, LIMIT)
