"""Intervals with known values."""

from __future__ import annotations

import numpy as np
import pytest

from sim2real.evaluation.metrics import (
    bootstrap_interval,
    difference_interval,
    effective_trials,
    interval_of,
    newcombe_interval,
    wilson_interval,
)


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


NUM_TASKS, NUM_EVALUATIONS = 20, 1500


def drawn_rates(probability: float, correlation: float, num_trials: int) -> np.ndarray:
    """(evaluations, tasks) success rates; `correlation` is that of two trials on one task."""
    rng = np.random.default_rng([int(100 * probability), int(100 * correlation), num_trials])
    shape = NUM_EVALUATIONS, NUM_TASKS
    if correlation == 0.0:
        of_task = np.full(shape, probability)
    elif correlation == 1.0:
        of_task = (rng.random(shape) < probability).astype(float)
    else:
        weight = 1.0 / correlation - 1.0
        of_task = rng.beta(probability * weight, (1.0 - probability) * weight, shape)
    return rng.binomial(num_trials, of_task) / num_trials


def coverage(intervals, probability: float) -> float:
    return float(np.mean([low <= probability <= high for _, low, high in intervals]))


@pytest.mark.parametrize("probability", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("correlation", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("num_trials", [1, 2, 3, 4])
def test_success_keeps_its_coverage(probability, correlation, num_trials):
    rates = drawn_rates(probability, correlation, num_trials)

    found = [wilson_interval(each, num_trials=num_trials) for each in rates]

    # Three deviations of 1,500 evaluations below the 0.938 that Wilson's has for 20 tasks.
    assert coverage(found, probability) >= 0.92


@pytest.mark.parametrize("probability", [0.02, 0.98])
def test_a_bootstrap_does_not(probability):
    """Why success has an interval of its own."""
    rates = drawn_rates(probability, 0.0, 4)[:200]

    found = [bootstrap_interval(each, num_resamples=300) for each in rates]

    assert coverage(found, probability) < 0.9


def test_independent_trials_narrow_the_interval_and_related_ones_do_not():
    independent, related = (drawn_rates(0.5, correlation, 4) for correlation in (0.0, 1.0))

    def width(rates: np.ndarray, num_trials: int) -> float:
        found = [wilson_interval(each, num_trials=num_trials) for each in rates]
        return float(np.mean([high - low for _, low, high in found]))

    assert width(independent, 4) < 0.65 * width(independent, 1)
    assert width(related, 4) == width(related, 1)


def test_trials_are_worth_the_tasks_at_least_and_all_of_them_at_most():
    assert effective_trials(np.array([1.0, 0.0] * 10), 4) == 20.0
    assert effective_trials(np.full(20, 0.5), 4) == 80.0
    assert effective_trials(np.ones(20), 4) == 20.0
    # Half the tasks at 1/4, half at 3/4: variance 0.0658 / 20 of the mean, (1.96 / 2.093)² of it.
    found = effective_trials(np.array([0.25, 0.75] * 10), 4)
    assert found == pytest.approx(0.25 * 20 / (0.0625 * 20 / 19) * (1.959964 / 2.093024) ** 2, 1e-4)


def test_nothing_that_never_failed_is_certain():
    always = np.ones((20, 4))

    for metric in ("success", "success_fraction"):
        assert interval_of(metric, always).low < 0.9
        assert interval_of(metric, 1.0 - always).high > 0.1
        assert difference_interval(metric, always, 1.0 - always).low < 0.9
        assert difference_interval(metric, always, always).low < -0.1
    assert interval_of("return", always) == (1.0, 1.0, 1.0)


def test_a_paired_difference_keeps_its_coverage():
    rng = np.random.default_rng(0)
    # Nine of ten tasks that one side masters the other masters too.
    ones = rng.random((NUM_EVALUATIONS, NUM_TASKS)) < 0.9
    others = np.where(rng.random(ones.shape) < 0.8, ones, rng.random(ones.shape) < 0.5)
    truth = 0.9 - (0.8 * 0.9 + 0.2 * 0.5)

    found = [newcombe_interval(a * 1.0, b * 1.0) for a, b in zip(ones, others)]

    assert coverage(found, truth) >= 0.92
