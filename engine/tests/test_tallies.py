"""Sums that all processes keep together: nothing is lost, nothing counted twice, and nobody waits for it."""

import json
import multiprocessing
import os
import threading
import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from engine import tallies
from engine.models import Tally
from engine.tallies import HELD, Figure

pytestmark = pytest.mark.django_db

COUNTER = Figure("ost_tried_total", "Tried", ("provider", "model"), most=3)
HISTOGRAM = Figure("ost_tried_seconds", "Tried", ("kind",), (0.1, 1.0))
BARE = Figure("ost_bare_total", "Bare")
TALLIES = (COUNTER, HISTOGRAM, BARE)


@pytest.fixture(autouse=True)
def only_these(settings):
    settings.TALLIES = ("engine.tests.test_tallies.TALLIES",)


def told() -> dict[str, dict[tuple[str, ...], float]]:
    """name -> values of the labels -> figure, as /metrics would have it."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in tallies.families():
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_what_was_added_is_told_after_it_was_sent():
    COUNTER.add("openai", "small", by=2)
    COUNTER.add("openai", "small")
    assert "ost_tried_total" not in told()
    tallies.flush()
    assert told()["ost_tried_total"] == {("openai", "small"): 3}


def test_two_sendings_add_up():
    for _ in range(2):
        COUNTER.add("openai", "small")
        tallies.flush()
    assert told()["ost_tried_total"] == {("openai", "small"): 2}


def test_a_histogram_is_cumulative_and_knows_its_sum():
    for seconds in (0.05, 0.1, 0.5, 7):
        HISTOGRAM.observe(seconds, "live")
    tallies.flush()
    assert told()["ost_tried_seconds_bucket"] == {("live", "0.1"): 2, ("live", "1.0"): 3, ("live", "+Inf"): 4}
    assert told()["ost_tried_seconds_count"] == {("live",): 4}
    assert told()["ost_tried_seconds_sum"] == {("live",): pytest.approx(7.65)}


def test_many_things_of_one_batch_are_observed_at_once():
    HISTOGRAM.observe(0.05, "live", times=256)
    tallies.flush()
    assert told()["ost_tried_seconds_count"] == {("live",): 256}
    assert told()["ost_tried_seconds_sum"] == {("live",): pytest.approx(12.8)}


def test_a_figure_without_labels_begins_at_0():
    assert told()["ost_bare_total"] == {(): 0}


def test_nothing_is_sent_where_there_is_nothing():
    with CaptureQueriesContext(connection) as asked:
        tallies.flush()
        COUNTER.add("openai", "small", by=0)
        tallies.flush()
    assert len(asked) == 0


def test_sending_is_one_statement_once_the_labels_are_known():
    COUNTER.add("openai", "small")
    tallies.flush()
    COUNTER.add("openai", "small")
    HISTOGRAM.observe(1, "live")
    tallies.flush()
    COUNTER.add("openai", "small")
    HISTOGRAM.observe(1, "live")
    with CaptureQueriesContext(connection) as asked:
        tallies.flush()
    assert [query["sql"].split()[0] for query in asked if "SAVEPOINT" not in query["sql"]] == ["INSERT"]


# Bounds


def test_label_sets_above_the_most_are_other_in_their_last_label():
    for number in range(5):
        COUNTER.add("openai", f"model {number}")
    tallies.flush()
    models = {model for _, model in told()["ost_tried_total"]}
    assert models == {"model 0", "model 1", "model 2", "other"}
    assert sum(told()["ost_tried_total"].values()) == 5


def test_the_most_holds_over_all_processes():
    for number in range(8):
        COUNTER.add("openai", f"model {number}")
        tallies.flush()
        HELD.begin()  # as another process
    assert told()["ost_tried_total"] == {
        **{("openai", f"model {number}"): 1 for number in range(3)}, ("openai", "other"): 5,
    }  # fmt: skip


def test_memory_is_bounded_whatever_is_added_while_the_database_is_away():
    for number in range(10_000):
        COUNTER.add(f"provider {number}", f"model {number}")
    assert len(HELD._sums) <= COUNTER.most + tallies.SPARE + 1


@pytest.mark.parametrize("value", ["x" * 101, "", "a\nb", 'a"b', "a\\b", "\u202e"])
def test_a_value_that_is_no_label_is_other(value):
    COUNTER.add("openai", value)
    tallies.flush()
    assert told()["ost_tried_total"] == {("openai", "other"): 1}


def test_the_longest_labels_fit_into_the_column():
    figure = Figure("ost_tried_seconds", "Tried", ("provider", "model"), (0.1,))
    figure.observe(1, "é" * 100, "漢" * 100)
    tallies.flush()
    assert max(len(labels) for labels in Tally.objects.values_list("labels", flat=True)) <= 300


def test_equal_labels_are_one_row_in_whatever_order():
    COUNTER.add("openai", "small")
    tallies.flush()
    assert json.loads(Tally.objects.get().labels) == {"model": "small", "provider": "openai"}
    assert Tally.objects.get().labels.startswith('{"model"')


# Faults


def test_what_the_database_does_not_take_is_sent_with_the_next(monkeypatch):
    COUNTER.add("openai", "small")
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "PORT", "1")
        cursor = connection.cursor
        patch.setattr(connection, "cursor", lambda: broken(cursor))
        tallies.flush()
        COUNTER.add("openai", "small")
    tallies.flush()
    assert told()["ost_tried_total"] == {("openai", "small"): 2}


def broken(cursor):
    """A cursor whose statement is cut off by the server."""
    found = cursor()
    execute = found.execute
    found.execute = lambda sql, params=None: execute("SELECT pg_no_such_function()" if "engine_tally" in sql else sql)
    return found


def test_threads_add_up():
    def many() -> None:
        for _ in range(2_000):
            COUNTER.add("openai", "small")

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tallies.flush()
    assert told()["ost_tried_total"] == {("openai", "small"): 8_000}


def test_a_fork_begins_with_nothing_so_that_nothing_is_counted_twice():
    COUNTER.add("openai", "small")
    child = os.fork()
    if not child:
        os._exit(len(HELD._sums))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(HELD._sums) == 1


def worked() -> None:
    """In a process of its own, as those of the queue are: what it adds it sends when it ends."""
    COUNTER.add("openai", "small", by=5)


@pytest.mark.django_db(transaction=True)
def test_a_process_sends_what_it_has_when_it_ends():
    connection.close()
    process = multiprocessing.get_context("fork").Process(target=worked)
    process.start()
    process.join(20)
    assert told()["ost_tried_total"] == {("openai", "small"): 5}


@pytest.mark.django_db(transaction=True)
def test_processes_that_send_the_same_rows_at_once_lose_nothing_and_do_not_stop_each_other():
    def send(order: int) -> None:
        held = tallies.Held()
        for _ in range(20):
            for model in ["a", "b"][::order]:
                held.add(COUNTER, ("openai", model), {"": 1})
            held.flush()
        assert not held._sums
        connection.close()

    threads = [threading.Thread(target=send, args=[order]) for order in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told()["ost_tried_total"] == {("openai", "a"): 80, ("openai", "b"): 80}


# When a web process sends


def test_of_many_requests_one_sends(monkeypatch):
    monkeypatch.setattr(HELD, "_due", time.monotonic() - 1)
    assert [HELD.is_due() for _ in range(3)] == [True, False, False]


def test_a_request_that_finds_nothing_due_asks_nothing():
    COUNTER.add("openai", "small")
    with CaptureQueriesContext(connection) as asked:
        tallies.flush_when_due()
    assert len(asked) == 0


@pytest.mark.true_times
def test_adding_costs_a_request_next_to_nothing():
    began = time.perf_counter()
    for _ in range(10_000):
        HISTOGRAM.observe(0.05, "live")
        tallies.flush_when_due()
    assert (time.perf_counter() - began) / 10_000 < 50e-6
