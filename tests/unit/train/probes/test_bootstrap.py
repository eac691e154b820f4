"""Intervals against the bootstrap of scipy and against the theory of means."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from train.probes import Result, average
from train.probes.bootstrap import interval


def test_units_alone_agree_with_scipy() -> None:
    scores = np.random.default_rng(0).random(60)
    found = interval(scores, np.zeros(60, int), macro=False)
    theirs = stats.bootstrap((scores,), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    assert found == pytest.approx(tuple(theirs), abs=0.01)


def test_groups_of_one_agree_with_scipy() -> None:
    scores = np.random.default_rng(0).random(60)
    single = interval(scores, np.arange(60), macro=False)
    theirs = stats.bootstrap((scores,), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    assert single == pytest.approx(tuple(theirs), abs=0.01)


@pytest.mark.parametrize("macro", [False, True])
def test_frames_of_one_recording_are_not_independent(macro: bool) -> None:
    recordings = np.random.default_rng(1).random(8)
    scores, groups = np.repeat(recordings, 50), np.repeat(np.arange(8), 50)  # 400 frames, but 8 things seen
    low, high = interval(scores, groups, macro)
    naive_low, naive_high = interval(scores, np.arange(400), macro)
    assert high - low > 4 * (naive_high - naive_low)
    assert low < scores.mean() < high


def test_ninety_five_of_a_hundred_intervals_contain_the_mean() -> None:
    random = np.random.default_rng(2)
    held = 0
    for trial in range(100):
        low, high = interval(random.normal(0.3, 1, 40), np.arange(40), False, seed=trial)
        held += low <= 0.3 <= high
    assert 0.88 <= held / 100 <= 0.99


@pytest.mark.parametrize("recordings", [2, 4])
def test_few_recordings_seldom_show_a_difference_that_does_not_exist(recordings: int) -> None:
    """Nominal are 2.5 of 100 on each side; plain percentiles have 20 and 9."""
    random = np.random.default_rng(3)
    groups = np.repeat(np.arange(recordings), 10)
    claims = 0
    for trial in range(200):
        scores = random.normal(0, 0.05, recordings)[groups] + random.normal(0, 0.03, len(groups))
        claims += interval(scores, groups, True, seed=trial)[0] > 0
    assert claims / 200 <= 0.06


def test_equal_networks_have_an_interval_of_zero() -> None:
    assert interval(np.zeros(9), np.repeat(np.arange(3), 3), True) == (0.0, 0.0)


def test_macro_means_weight_groups_equally() -> None:
    scores, groups = np.array([1.0, 1.0, 1.0, 0.0]), np.array([0, 0, 0, 1])
    assert average(scores, groups, macro=True) == 0.5
    assert average(scores, groups, macro=False) == 0.75
    result = Result({"a": scores}, groups, ("long", "short"), macro=True)
    assert result.figures() == {"a": 0.5}
    assert result.by_group() == {"long": {"a": 1.0}, "short": {"a": 0.0}}
