"""Means with intervals: over the tasks, which are what was drawn at random.

The one place that says which interval a quantity gets, in training and on a robot. How they were
checked: docs/statistics.md.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating]
RATES = ("success", "success_fraction")
"""metrics between 0 and 1; a bootstrap has no width where all tasks fare alike"""
_Z_95 = 1.959963984540054


class Interval(NamedTuple):
    """A mean, and where 95 % of such means would lie for other draws of as many tasks."""

    mean: float
    low: float
    high: float


def interval_of(metric: str, values: Float) -> Interval:
    """Of a metric's mean, from (K, N) values of N trials on each of K tasks."""
    if metric in RATES:
        return wilson_interval(values.mean(axis=1), num_trials=values.shape[1])
    return bootstrap_interval(values.mean(axis=1))


def difference_interval(metric: str, values: Float, others: Float) -> Interval:
    """Of the mean of `values - others`, both (K, N) on the same tasks."""
    first, second = values.mean(axis=1), others.mean(axis=1)
    if metric in RATES:
        return newcombe_interval(first, second, num_trials=values.shape[1])
    return bootstrap_interval(first - second)


def bootstrap_interval(values: Float, *, num_resamples: int = 10_000, seed: int = 0) -> Interval:
    """Percentile bootstrap of the mean of (K,) per-task values."""
    rng = np.random.default_rng(seed)
    means = rng.choice(values, (num_resamples, len(values))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))


def wilson_interval(rates: Float, *, num_trials: int = 1) -> Interval:
    """Wilson's score interval (1927) of a proportion, from (K,) per-task means of N trials.

    It stays honest where every task succeeds or none does. Trials on one task are not independent,
    so they count as `effective_trials`: as the tasks alone where `num_trials` is 1.
    """
    count, mean = effective_trials(rates, num_trials), float(np.mean(rates))
    spread = _Z_95**2 / count
    centre = (mean + spread / 2.0) / (1.0 + spread)
    half = _Z_95 / (1.0 + spread) * math.sqrt(mean * (1.0 - mean) / count + spread / (4.0 * count))
    # At the ends the formula reaches 0 or 1 but for rounding.
    low = 0.0 if mean <= 0.0 else max(0.0, centre - half)
    high = 1.0 if mean >= 1.0 else min(1.0, centre + half)
    return Interval(mean, low, high)


def effective_trials(rates: Float, num_trials: int) -> float:
    """How many independent trials K tasks with N trials each are worth: K to K·N.

    As many as would make the mean vary as the tasks' rates show it does (Kish 1965), less for
    knowing that variance from K tasks only, (z / t)² (Korn & Graubard 1998). Where all trials
    succeed or all fail nothing shows how tasks differ: then they count as K.
    """
    count, mean = len(rates), float(np.mean(rates))
    binomial = mean * (1.0 - mean)
    if count < 2 or num_trials < 2 or binomial <= 0.0:
        return float(count)
    of_mean = float(np.var(rates, ddof=1)) / count
    most = float(count * num_trials)
    known = (_Z_95 / _t_95(count - 1)) ** 2
    size = most if of_mean <= 0.0 else known * binomial / of_mean
    return min(max(size, float(count)), most)


def newcombe_interval(rates: Float, others: Float, *, num_trials: int = 1) -> Interval:
    """Newcombe's score interval (1998, method 10) of a paired difference of two proportions.

    From (K,) per-task means of N trials, `rates - others`. Where every task succeeds on both sides
    a bootstrap has no width; this one says how little a few tasks show.
    """
    first, second = (wilson_interval(each, num_trials=num_trials) for each in (others, rates))
    down_a, up_a = first.mean - first.low, first.high - first.mean
    down_b, up_b = second.mean - second.low, second.high - second.mean
    phi = pearson(others, rates)
    phi = 0.0 if phi is None else phi
    low = math.sqrt(max(0.0, down_b**2 - 2.0 * phi * down_b * up_a + up_a**2))
    high = math.sqrt(max(0.0, up_b**2 - 2.0 * phi * up_b * down_a + down_a**2))
    difference = second.mean - first.mean
    return Interval(difference, difference - low, difference + high)


def pearson(a: Float, b: Float) -> float | None:
    """None where either does not vary."""
    first, second = a - a.mean(), b - b.mean()
    spread = math.sqrt(float(first @ first) * float(second @ second))
    return None if spread <= 1e-12 else float(np.clip(first @ second / spread, -1.0, 1.0))


def _t_95(freedom: int) -> float:
    """97.5 % quantile of Student's t, by its expansion about the normal's (Cornish & Fisher)."""
    z = _Z_95
    terms = (
        z,
        (z**3 + z) / 4.0,
        (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0,
        (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / 384.0,
    )
    return math.fsum(term / freedom**power for power, term in enumerate(terms))
