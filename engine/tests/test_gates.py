"""The gate: whose turn it is, when nobody's, and what an answer says about that."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from engine.gates import DatabaseGate
from engine.http import Limit, Quiet
from engine.models import Upstream

pytestmark = pytest.mark.django_db
HOST = "api.example"


@pytest.fixture
def gate():
    return DatabaseGate(patience=0.0)


def once(
    gate: DatabaseGate, limit: Limit | None = None, failed: str = "", lane: str = "search", pace: float = 0
) -> None:
    gate.enter(HOST, lane, pace, 30)
    gate.leave(HOST, lane, limit or Limit(), failed)


def left_alone_for(lane: str = "") -> float:
    until = Upstream.objects.get(host=HOST, lane=lane).quiet_until
    return (until - timezone.now()).total_seconds() if until else 0.0


def test_a_second_request_waits_for_the_first_to_be_answered(gate):
    gate.enter(HOST, "search", 0, 30)
    with pytest.raises(Quiet, match="another request"):
        gate.enter(HOST, "core", 0, 30)


def test_the_turn_of_a_killed_process_ends_by_itself(gate):
    gate.enter(HOST, "search", 0, 0.01)
    time.sleep(0.02)
    once(gate)


def test_requests_keep_their_pace(gate):
    once(gate, pace=30)
    with pytest.raises(Quiet, match="pace") as refused:
        once(gate, pace=30)
    assert 1.5 < (refused.value.until - timezone.now()).total_seconds() <= 2


def test_a_lane_has_a_pace_of_its_own(gate):
    once(gate, pace=30)
    once(gate, lane="core", pace=30)


def test_the_admin_sets_another_pace(gate):
    once(gate, pace=6000)
    Upstream.objects.filter(lane="search").update(per_minute=1, next_at=Now())
    once(gate, pace=6000)
    with pytest.raises(Quiet):
        once(gate, pace=6000)


@pytest.mark.parametrize("seconds", [7, 3600])
def test_nobody_goes_through_before_the_time_that_a_server_names(gate, seconds):
    once(gate, Limit(True, seconds, reason="is busy"))
    with pytest.raises(Quiet, match="is busy"):
        once(gate)
    assert seconds - 2 < left_alone_for("search") <= seconds


def test_a_good_answer_may_ask_to_be_left_alone_too(gate):
    once(gate, Limit(wait=10))
    with pytest.raises(Quiet):
        once(gate)


def test_a_limit_of_a_lane_leaves_the_others_open(gate):
    once(gate, Limit(True, 60))
    once(gate, lane="core")


def test_a_limit_of_the_whole_server_closes_all_lanes(gate):
    once(gate, Limit(True, 60, whole_host=True))
    with pytest.raises(Quiet):
        once(gate, lane="core")


def test_limits_that_name_no_time_last_a_minute_and_then_twice_as_long(gate):
    waits = []
    for _ in range(3):
        once(gate, Limit(True))
        waits.append(round(left_alone_for("search")))
        Upstream.objects.update(quiet_until=None)
    assert waits == [60, 120, 240]


def test_a_good_answer_makes_the_next_unnamed_limit_a_minute_again(gate):
    for limit in (Limit(True), Limit(), Limit(True)):
        Upstream.objects.update(quiet_until=None)
        once(gate, limit)
    assert round(left_alone_for("search")) == 60


def test_an_unnamed_limit_never_lasts_longer_than_an_hour(gate):
    for _ in range(9):
        Upstream.objects.update(quiet_until=None)
        once(gate, Limit(True))
    assert round(left_alone_for("search")) == 3600


def test_a_spent_quota_closes_the_lane_until_it_resets(gate):
    once(gate, Limit(remaining=0, limit=30, resets_in=45))
    assert round(left_alone_for("search")) == 45


def test_what_is_left_of_a_quota_is_kept(gate):
    once(gate, Limit(remaining=17, limit=30, resets_in=45))
    row = Upstream.objects.get(lane="search")
    assert (row.remaining, row.quota, left_alone_for("search")) == (17, 30, 0)


def test_a_shorter_window_does_not_end_a_longer_one(gate):
    once(gate, Limit(True, 600, whole_host=True))
    gate.leave(HOST, "search", Limit(True, 5, whole_host=True), "")
    assert left_alone_for() > 590


def test_after_five_faults_in_a_row_a_server_is_left_alone_for_a_minute(gate):
    for _ in range(5):
        once(gate, failed="answers 500")
    with pytest.raises(Quiet, match="5 faults in a row, the last: answers 500"):
        once(gate)
    assert round(left_alone_for()) == 60


def test_one_good_answer_forgets_the_faults(gate):
    for failed in ("a", "b", "c", "d", "", "e"):
        once(gate, failed=failed)
    assert Upstream.objects.get(lane="").failures == 1


def test_a_probe_that_fails_leaves_the_server_alone_for_another_minute(gate):
    for _ in range(5):
        once(gate, failed="answers 500")
    Upstream.objects.update(quiet_until=Now() - timedelta(seconds=1))
    once(gate, failed="answers 500")
    with pytest.raises(Quiet, match="6 faults"):
        once(gate)


def test_a_second_of_the_outside_lasts_as_long_as_the_times_say(gate, settings):
    settings.TIMING = settings.TIMING.faster(60)
    once(gate, Limit(True, 60))
    assert left_alone_for("search") <= 1


def test_a_short_wait_is_waited_for():
    gate = DatabaseGate(patience=5)
    once(gate, Limit(True, 0.1))
    began = time.monotonic()
    once(gate)
    assert time.monotonic() - began >= 0.05


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_at_a_time_is_under_way_and_none_in_a_quiet_window():
    """Four threads stand for four processes: each has its own connection."""
    inside, most = [0], [0]
    windows: list[float] = []
    seen: list[tuple[float, list[float]]] = []

    def ask(number: int) -> None:
        gate = DatabaseGate(patience=30)
        for turn in range(5):
            gate.enter(HOST, "search", 0, 30)
            now = time.monotonic()
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            seen.append((now, list(windows)))
            inside[0] -= 1
            limited = (number + turn) % 4 == 0
            if limited:
                windows.append(time.monotonic() + 0.1)
            gate.leave(HOST, "search", Limit(limited, 0.1 if limited else None), "")
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(seen), most[0]) == (20, 1)
    assert [at for at, closed in seen if any(at < until for until in closed)] == []


def test_a_limit_that_never_names_a_time_is_met_for_years(gate):
    once(gate)
    Upstream.objects.filter(lane="search").update(strikes=32_767)
    once(gate, Limit(True, None))
    assert 3590 < left_alone_for("search") <= 3600
