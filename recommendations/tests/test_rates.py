"""Rates and what the place adds to them, on data that knows its own answer."""

import numpy as np
import pytest

from recommendations import rates

LOOKED = np.array([1, 0.8, 0.6, 0.5, 0.35, 0.2, 0.1])


def clicks(seed: int, pairs: int = 6_000, moved: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Made-up pairs, the ones that suit better higher up, at places that differ by chance; answers by LOOKED."""
    random = np.random.default_rng(seed)
    suits = random.beta(1, 8, pairs)
    usual = np.clip(6 - (30 * suits).astype(int), 0, 6)
    shown, answers = np.zeros((pairs, 7), int), np.zeros((pairs, 7), int)
    for _ in range(6):
        place = np.clip(usual + random.integers(-2, 3, pairs), 0, 6) if moved else usual
        shown[np.arange(pairs), place] += 1
        answers[np.arange(pairs), place] += random.random(pairs) < LOOKED[place] * suits
    return shown, answers


def test_a_group_holds_the_places_that_it_names():
    ranks = np.array([1, 2, 3, 4, 5, 6, 10, 11, 20, 21, 50])
    said = [rates.named(group) for group in rates.group_of(ranks)]
    assert said == ["1", "2", "3", "4–5", "4–5", "6–10", "6–10", "11–20", "11–20", "21 and on", "21 and on"]


def test_the_interval_is_that_of_wilson():
    low, high = rates.interval(np.array([10.0]), np.array([100.0]))
    assert (low[0], high[0]) == pytest.approx((0.0552, 0.1744), abs=1e-4)


def test_no_answer_at_all_still_has_an_upper_bound():
    low, high = rates.interval(np.array([0.0]), np.array([10.0]))
    assert low[0] == 0
    assert high[0] == pytest.approx(0.2775, abs=1e-4)


def test_of_nothing_shown_nothing_is_known():
    low, high = rates.interval(np.array([0.0]), np.array([0.0]))
    assert (low[0], high[0]) == (0, 1)


def test_the_bias_is_found_though_what_suits_stands_first():
    shown, answers = clicks(1, pairs=40_000)
    found = rates.position_bias(shown, answers)
    assert found.looked == pytest.approx(LOOKED, abs=0.06)


def test_plain_rates_would_blame_the_place_for_what_suits_less():
    shown, answers = clicks(1, pairs=40_000)
    plain = answers.sum(axis=0) / shown.sum(axis=0)
    assert (plain / plain[0])[3:].max() < LOOKED[3:].max() * 0.6


def test_the_intervals_hold_the_truth_nineteen_times_in_twenty():
    found = [rates.position_bias(*clicks(seed)) for seed in range(40)]
    inside = [(each.low <= LOOKED) & (each.high >= LOOKED) for each in found]
    assert 0.9 < np.mean([each[1:] for each in inside]) < 0.995


def test_what_always_stood_in_its_place_tells_nothing():
    found = rates.position_bias(*clicks(1, moved=False))
    assert found.pairs == 0
    assert np.isnan(found.looked).all()


def test_nothing_shown_is_no_bias():
    none = np.zeros((0, 7), int)
    assert np.isnan(rates.position_bias(none, none).looked).all()


def test_a_group_that_nothing_compares_with_the_first_stays_unknown():
    shown = np.array([[1, 1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1, 1]])
    answers = np.array([[1, 0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1, 1]])
    found = rates.position_bias(shown, answers)
    assert found.looked[:2] == pytest.approx([1, 1])
    assert np.isnan(found.looked[2:]).all()


def test_versions_that_showed_at_other_places_compare_in_the_first():
    shown = np.array([[1_000, 0], [0, 1_000]])
    answers = np.array([[100, 0], [0, 50]])
    assert rates.at_first_place(answers, shown, np.array([1, 0.5])) == pytest.approx([0.1, 0.1])
