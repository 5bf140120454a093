"""How ready an issue is: parts in [0, 1] that sum to the score, and sentences that say what was found."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from recommendations.taking import SHARES, Known, readiness

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
BEST = Known(
    open=True, locked=False, assignees=0, pulls=0, claimed_at=None, updated_at=NOW, body=2_000, pushed_at=NOW,
    response_hours=3.0,
)  # fmt: skip
WORST = replace(
    BEST, claimed_at=NOW, updated_at=NOW - timedelta(days=3000), body=0, pushed_at=NOW - timedelta(days=900),
    response_hours=1e9,
)  # fmt: skip


def days(count):
    return NOW - timedelta(days=count)


def part(name, **known):
    return next(each for each in readiness(replace(BEST, **known), NOW).parts if each.name == name)


def test_the_shares_make_a_whole():
    assert sum(share for _, _, share, _ in SHARES) == pytest.approx(1)


def test_what_is_best_in_everything_is_wholly_ready():
    assert readiness(BEST, NOW).score == pytest.approx(1)


@pytest.mark.parametrize("known", [BEST, WORST, replace(BEST, claimed_at=days(2)), replace(BEST, body=100)])
def test_the_parts_sum_to_the_score(known):
    ready = readiness(known, NOW)
    assert sum(each.adds for each in ready.parts) == pytest.approx(ready.score, abs=1e-9)
    assert all(0 <= each.value <= 1 for each in ready.parts)


def test_the_percents_that_are_shown_add_up():
    ready = readiness(replace(BEST, body=37, pushed_at=days(101), updated_at=days(203)), NOW)
    assert sum(figure for _, figure in ready.shown) == ready.percent


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"open": False}, "closed"),
        ({"locked": True}, "locked"),
        ({"assignees": 1}, "assigned"),
        ({"pulls": 2}, "pull request"),
        ({"kept": False}, "archived"),
    ],
)
def test_what_is_taken_is_not_ready_at_all_and_says_why(known, said):
    ready = readiness(replace(BEST, **known), NOW)
    assert (ready.score, ready.verdict) == (0, "Not to be taken")
    assert said in " ".join(ready.stops)
    assert said in ready.parts[0].says


def test_an_old_claim_counts_half_of_a_fresh_one():
    assert [part("unclaimed", claimed_at=at).value for at in (None, days(31), days(29))] == [1, 0.5, 0]


def test_an_old_claim_is_said_as_one():
    assert part("unclaimed", claimed_at=days(40)).says.startswith("Somebody said 40 days ago")


@pytest.mark.parametrize("name", ["alive", "moving"])
def test_what_lies_longer_is_less_ready(name):
    field = {"alive": "pushed_at", "moving": "updated_at"}[name]
    values = [part(name, **{field: days(age)}).value for age in (0, 40, 200, 360, 4000)]
    assert values == sorted(values, reverse=True)
    assert (values[0], values[-1]) == (1, 0)


def test_quick_answers_count_more():
    assert [part("answered", response_hours=hours).value for hours in (2, 24 * 30, 1e9)] == [1, 0, 0]


@pytest.mark.parametrize(("hours", "said"), [(0.2, "1 hour."), (5, "5 hours."), (49, "2 days."), (24 * 90, "90 days.")])
def test_how_fast_is_said_in_its_unit(hours, said):
    assert part("answered", response_hours=hours).says.endswith(said)


@pytest.mark.parametrize(
    ("name", "field"), [("answered", "response_hours"), ("alive", "pushed_at"), ("moving", "updated_at")]
)
def test_what_nobody_knows_counts_half_and_says_so(name, field):
    unknown = part(name, **{field: None})
    assert (unknown.value, "not known" in unknown.says) == (0.5, True)


def test_more_words_of_what_is_to_be_done_count_more_up_to_a_bound():
    assert [part("told", body=length).value for length in (0, 300, 600, 60_000)] == [0, 0.5, 1, 1]


def test_a_date_to_come_is_today():
    assert part("alive", pushed_at=NOW + timedelta(days=3)).says == "The project last changed today."


@pytest.mark.parametrize(
    ("known", "verdict"),
    [
        (BEST, "Ready to take"),
        (replace(BEST, claimed_at=days(2)), "Probably free"),
        (WORST, "Hardly ready"),
    ],
)
def test_the_score_is_put_in_words(known, verdict):
    assert readiness(known, NOW).verdict == verdict


def test_every_part_says_one_sentence():
    for known in (BEST, WORST):
        assert all(each.says.endswith(".") and "  " not in each.says for each in readiness(known, NOW).parts)
