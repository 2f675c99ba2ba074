"""Bootstrap intervals over tasks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Interval(NamedTuple):
    """A mean and where it would lie for other draws of the same number of tasks."""

    mean: float
    low: float
    high: float


def bootstrap_over_tasks(
    values: NDArray[np.floating],
    *,
    confidence: float = 0.95,
    num_resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Percentile interval of the mean of (K,) per-task values.

    Tasks are the units that were drawn at random; trials on one task are averaged before.
    """
    rng = np.random.default_rng(seed)
    resampled = rng.choice(values, (num_resamples, len(values))).mean(axis=1)
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(resampled, [tail, 100.0 - tail])
    return Interval(float(values.mean()), float(low), float(high))
