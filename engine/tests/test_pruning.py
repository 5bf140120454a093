"""What is swept away behind the pages."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from engine import pruning
from engine.models import Allowance

pytestmark = pytest.mark.django_db


def test_counts_of_long_ago_go_and_those_of_now_stay():
    Allowance.objects.create(subject="old", since=datetime(2020, 1, 1, tzinfo=UTC), taken=3)
    Allowance.objects.take("new", 60)
    assert pruning.allowances(3) == 1
    assert Allowance.objects.get().subject == "new"


def test_ended_sessions_go_and_open_ones_stay():
    for name, days in (("ended", -1), ("open", 1)):
        Session.objects.create(session_key=name, session_data="", expire_date=timezone.now() + timedelta(days=days))
    assert pruning.sessions(3) == 1
    assert Session.objects.get().session_key == "open"


def test_asks_within_a_window_are_counted_together():
    assert [Allowance.objects.take("somebody", 3600)[0] for _ in range(3)] == [1, 2, 3]


def test_another_subject_is_counted_by_itself():
    Allowance.objects.take("somebody", 3600)
    assert Allowance.objects.take("another", 3600)[0] == 1


def test_a_window_that_ended_counts_anew():
    Allowance.objects.create(subject="somebody", since=datetime(2020, 1, 1, tzinfo=UTC), taken=50)
    assert Allowance.objects.take("somebody", 60)[0] == 1


def test_the_seconds_left_lie_within_the_window():
    assert 0 < Allowance.objects.take("somebody", 60)[1] <= 60
