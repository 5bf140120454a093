"""How often somebody may ask, whichever process they meet."""

import pytest

from engine.api.throttling import Purse
from engine.models import Allowance

pytestmark = pytest.mark.django_db


def spent(purse: Purse, times: int, limit: int) -> int:
    """How many of so many requests are allowed."""
    return sum(purse.spend("somebody", limit)[0] for _ in range(times))


@pytest.mark.parametrize("limit", [1, 3, 39, 40, 41, 80, 600])
def test_one_process_allows_the_limit_and_no_more(limit):
    assert spent(Purse(), limit + 20, limit) == limit


def test_the_end_of_a_window_takes_no_more_from_the_allowance_than_its_beginning(monkeypatch):
    monkeypatch.setattr("engine.api.throttling.WINDOW", 1)
    assert spent(Purse(), 100, 600) == 100


def test_two_processes_together_allow_no_more_than_the_limit():
    one, other = Purse(), Purse()
    allowed = sum(spent(purse, 1, 600) for _ in range(700) for purse in (one, other))
    assert 600 - 600 // 40 <= allowed <= 600


def test_most_requests_cost_no_statement(django_assert_num_queries):
    purse = Purse()
    with django_assert_num_queries(2):
        spent(purse, 30, 600)


def test_what_is_left_goes_down_one_by_one():
    purse = Purse()
    assert [purse.spend("somebody", 600)[1].remaining for _ in range(20)] == list(range(599, 579, -1))


def test_at_the_limit_nothing_is_left():
    purse = Purse()
    spent(purse, 3, 3)
    allowed, left = purse.spend("somebody", 3)
    assert (allowed, left.remaining) == (False, 0)
    assert Allowance.objects.get().taken == 4
