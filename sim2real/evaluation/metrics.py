"""Means with intervals: over the tasks, which are what was drawn at random."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating]
_Z_95 = 1.959963984540054


class Interval(NamedTuple):
    """A mean, and where 95 % of such means would lie for other draws of as many tasks."""

    mean: float
    low: float
    high: float


def bootstrap_interval(values: Float, *, num_resamples: int = 10_000, seed: int = 0) -> Interval:
    """Percentile bootstrap of the mean of (K,) per-task values."""
    rng = np.random.default_rng(seed)
    means = rng.choice(values, (num_resamples, len(values))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))


def wilson_interval(rates: Float) -> Interval:
    """Wilson's score interval (1927) of a proportion, from (K,) per-task success rates.

    Tasks count as the trials, also where each was tried several times: repetitions on one task are
    not independent. Unlike the bootstrap it stays honest where every task succeeds or none does.
    """
    count, mean = len(rates), float(np.mean(rates))
    spread = _Z_95**2 / count
    centre = (mean + spread / 2.0) / (1.0 + spread)
    half = _Z_95 / (1.0 + spread) * math.sqrt(mean * (1.0 - mean) / count + spread / (4.0 * count))
    return Interval(mean, max(0.0, centre - half), min(1.0, centre + half))
