"""Intervals with known values."""

from __future__ import annotations

import numpy as np
import pytest

from sim2real.evaluation.metrics import bootstrap_interval, wilson_interval


def test_wilson_matches_the_published_example():
    # Wilson's interval for 8 of 10: Brown, Cai & DasGupta (2001) formula, worked out by hand.
    interval = wilson_interval(np.array([1.0] * 8 + [0.0] * 2))

    assert interval.mean == pytest.approx(0.8)
    assert interval.low == pytest.approx(0.4901625, abs=1e-6)
    assert interval.high == pytest.approx(0.9433178, abs=1e-6)


@pytest.mark.parametrize(("value", "low", "high"), [(0.0, 0.0, 0.2775), (1.0, 0.7225, 1.0)])
def test_wilson_stays_honest_at_the_ends(value, low, high):
    interval = wilson_interval(np.full(10, value))

    assert interval.low == pytest.approx(low, abs=1e-4)
    assert interval.high == pytest.approx(high, abs=1e-4)


def test_repeating_trials_on_a_task_is_no_new_task():
    assert wilson_interval(np.array([0.5] * 10)) == wilson_interval(np.array([1.0, 0.0] * 5))


def test_bootstrap_covers_the_mean_and_shrinks_with_tasks():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        interval = bootstrap_interval(rng.normal(3.0, 1.0, 30), num_resamples=500)
        covered += interval.low <= 3.0 <= interval.high
    assert 85 <= covered <= 100

    few = bootstrap_interval(rng.normal(0.0, 1.0, 10))
    many = bootstrap_interval(rng.normal(0.0, 1.0, 1000))
    assert many.high - many.low < 0.5 * (few.high - few.low)
    assert bootstrap_interval(np.full(5, 2.0)) == (2.0, 2.0, 2.0)
