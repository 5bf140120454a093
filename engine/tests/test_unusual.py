"""What is unusual in a row of figures: found soon, told in words, and never of a quiet day."""

from datetime import date, timedelta

import pytest

from benchmarks import anomalies
from engine import unusual
from engine.unusual import Day

TUESDAY = date(2026, 3, 3)
WEEK = (300, 310, 305, 295, 300, 120, 100)


def days(values, until=TUESDAY):
    """A day each, the last one the day before."""
    return [Day(until - timedelta(days=len(values) - at), value) for at, value in enumerate(values)]


def weeks(count, noise=(0, 9, -7, 4, -12, 6, -3, 11)):
    """Weekdays with about 300, weekends with about 110."""
    past = days([0] * 7 * count)
    return [Day(day, WEEK[day.weekday()] + noise[at % len(noise)]) for at, (day, *_) in enumerate(past)]


def shares(failed, of=40, count=20):
    return [Day(day, failed, of) for day, *_ in days([0] * count)]


def test_a_third_of_the_posts_is_told_in_one_sentence():
    found = unusual.volume(weeks(8), Day(TUESDAY, 23), "posts from reddit")
    assert found.said == "23 posts from reddit on Tuesday 3 March 2026; usually 279 to 349 on Tuesdays"


def test_a_weekend_is_compared_with_weekends():
    assert unusual.volume(weeks(8, noise=(0,)), Day(date(2026, 3, 7), 110), "posts") is None


@pytest.mark.parametrize("value", [180, 300, 500])
def test_a_day_within_what_is_usual_is_none(value):
    assert unusual.volume(weeks(8), Day(TUESDAY, value), "posts") is None


def test_ten_times_as_many_are_unusual_too():
    assert unusual.volume(weeks(8), Day(TUESDAY, 3000), "posts")


def test_less_than_two_weeks_say_nothing():
    assert unusual.volume(days([300] * 13), Day(TUESDAY, 1), "posts") is None


def test_a_few_posts_more_or_less_say_nothing():
    assert unusual.volume(days([9] * 30), Day(TUESDAY, 1), "posts") is None


def test_what_grows_is_compared_with_what_it_grew_to():
    past = days([100 * 1.02**at for at in range(60)])
    assert unusual.volume(past, Day(TUESDAY, 330), "posts") is None
    assert unusual.volume(past, Day(TUESDAY, 100), "posts")


def test_half_is_unusual_on_the_second_day_in_a_row():
    past = weeks(8)
    assert unusual.volume(past, Day(TUESDAY, 150), "posts") is None
    monday = [*past[:-1], past[-1]._replace(value=150)]
    assert unusual.volume(monday, Day(TUESDAY, 150), "posts")


def test_one_wild_day_in_the_past_changes_nothing():
    past = [*weeks(8)[:-3], *days([90_000, 300, 300])]
    assert unusual.volume(past, Day(TUESDAY, 23), "posts")
    assert unusual.volume(past, Day(TUESDAY, 300), "posts") is None


def test_five_times_as_long_is_unusual_and_as_short_is_not():
    past = days([60, 66, 58, 61, 70] * 6)
    assert "took 5 min" in unusual.duration(past, Day(TUESDAY, 300), "the stage embed").said
    assert unusual.duration(past, Day(TUESDAY, 5), "the stage embed") is None


def test_seconds_more_are_not_worth_a_look():
    assert unusual.duration(days([1.0] * 30), Day(TUESDAY, 9), "the stage embed") is None


def test_a_large_source_is_silent_at_once():
    found = unusual.silent(weeks(4), Day(TUESDAY, 0), "posts from reddit")
    assert found.said.startswith("no posts from reddit on Tuesday 3 March 2026; usually ")


def test_a_small_source_is_silent_on_the_second_day():
    past = days([3, 2, 5, 1, 4] * 8)
    assert unusual.silent(past, Day(TUESDAY, 0), "posts") is None
    found = unusual.silent([*past[:-1], past[-1]._replace(value=0)], Day(TUESDAY, 0), "posts")
    assert (found.since, found.times) == (date(2026, 3, 2), 2)


@pytest.mark.parametrize("lasts", range(2, 45))
def test_a_silence_of_weeks_goes_on_from_its_first_day(lasts):
    known, gone = weeks(9)[:-lasts], weeks(9)[-lasts:]
    found = unusual.silent([*known[-60 + lasts :], *(Day(day, 0) for day, *_ in gone)], Day(TUESDAY, 0), "posts")
    assert (found.since, found.times) == (gone[0].day, lasts + 1)


def test_a_source_that_is_often_empty_may_be_empty():
    assert unusual.silent(days([0, 2, 0, 1] * 10), Day(TUESDAY, 0), "posts") is None


@pytest.mark.parametrize(("day", "told"), [(2, True), (3, True), (6, True), (7, False), (8, False), (9, True)])
def test_a_source_without_weekends_may_have_none(day, told):
    past = [day._replace(value=day.value * (day.day.weekday() < 5)) for day in weeks(8)]
    assert bool(unusual.silent(past, Day(date(2026, 3, day), 0), "posts")) is told


def test_a_source_that_missed_two_runs_has_stopped():
    assert unusual.stopped([24] * 30, 47, TUESDAY, "reddit") is None
    assert unusual.stopped([24] * 30, 53, TUESDAY, "reddit").said == (
        "reddit was last collected from on Tuesday 3 March 2026, 53 hours ago; usually 24 hours pass"
    )


def test_a_third_of_the_labels_is_a_failure_and_three_of_forty_are_chance():
    assert unusual.share(shares(1), Day(TUESDAY, 12, 40), "failures", "labels failed")
    assert unusual.share(shares(1), Day(TUESDAY, 3, 40), "failures", "labels failed") is None


def test_one_of_two_is_no_share():
    assert unusual.share(shares(1), Day(TUESDAY, 1, 2), "failures", "labels failed") is None


def test_wilson_is_as_published():
    """Newcombe, Statistics in Medicine 17 (1998), 857: 81 of 263 give 0.2553 to 0.3662 at 95 %."""
    normal, unusual.WILSON = unusual.WILSON, 1.959964
    try:
        assert unusual.wilson(81, 263) == pytest.approx(0.2553, abs=5e-5)
    finally:
        unusual.WILSON = normal


def test_a_mean_that_turned_has_drifted():
    past = days([0.01, 0.012, 0.009, 0.011] * 5)
    assert unusual.drift(past, Day(TUESDAY, 0.2), "the texts")
    assert unusual.drift(past, Day(TUESDAY, 0.02), "the texts") is None


@pytest.fixture(scope="module")
def tried():
    return anomalies.try_out(anomalies.ours, worlds=15, seed=3)


def test_faults_in_made_up_days_are_found_within_two_runs(tried):
    assert tried.share >= anomalies.WORST


def test_thirty_quiet_days_give_at_most_one_alarm(tried):
    assert tried.false <= anomalies.MOST


def test_three_deviations_do_worse_on_the_same_days(tried):
    other = anomalies.try_out(anomalies.three_deviations, worlds=15, seed=3)
    assert other.share < tried.share
    assert other.false > tried.false
