"""What many runs come to: interquartile means, intervals, and who is better how often.

As the field's tools do it (Agarwal et al., 2021, "Deep reinforcement learning at the edge of the
statistical precipice"). Written here since theirs, rliable, asks for pandas, seaborn, statsmodels
and arch, 300 MB, for what is a few lines on numpy; `docs/benchmark.md` says how the two were
compared. Scores are (S, N): seeds and held-out tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import trim_mean

from sim2real.evaluation.metrics import Interval

Scores = NDArray[np.float64]
Aggregate = Callable[[Scores], NDArray[np.float64]]
"""of (..., S, N): (...)"""
NUM_RESAMPLES = 2000
_SEED = 0


class Estimate(NamedTuple):
    """A figure of S seeds on N tasks, with two intervals of 95 %."""

    value: float
    within_tasks: Interval | None
    """stratified: seeds drawn anew for each task, the tasks as they are; as rliable has it. None
    with one seed"""
    whole: Interval
    """seeds drawn whole, with all their tasks, and tasks drawn too: other seeds on other tasks"""


def mean(scores: Scores) -> NDArray[np.float64]:
    return np.asarray(scores.mean((-2, -1)))


def interquartile_mean(scores: Scores) -> NDArray[np.float64]:
    """Of all seeds and tasks together, without the lowest and the highest quarter."""
    flat = scores.reshape(*scores.shape[:-2], -1)
    return np.asarray(trim_mean(flat, 0.25, axis=-1))


def estimate(scores: Scores, aggregate: Aggregate) -> Estimate:
    """With percentile intervals; the same numbers give the same ones."""
    value = float(aggregate(scores))
    rng = np.random.default_rng(_SEED)
    num_seeds, num_tasks = scores.shape
    within = None
    if num_seeds > 1:
        seeds = rng.integers(num_seeds, size=(NUM_RESAMPLES, num_seeds, num_tasks))
        within = _interval(value, aggregate(scores[seeds, np.arange(num_tasks)]))
    seeds = rng.integers(num_seeds, size=(NUM_RESAMPLES, num_seeds, 1))
    tasks = rng.integers(num_tasks, size=(NUM_RESAMPLES, 1, num_tasks))
    return Estimate(value, within, _interval(value, aggregate(scores[seeds, tasks])))


def _interval(value: float, resampled: NDArray[np.float64]) -> Interval:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Interval(value, float(low), float(high))


def improvement(first: Scores, second: Scores) -> Interval:
    """How probable it is that a seed of the first is better on a task than one of the second.

    (S, N) and (S', N); ties count half. The interval draws the seeds of both whole, and the tasks.
    """
    wins = (first[:, None] > second) + 0.5 * (first[:, None] == second)  # (S, S', N)
    rng = np.random.default_rng(_SEED)
    draws = (rng.integers(count, size=(NUM_RESAMPLES, count)) for count in wins.shape)
    weights = [_counts(drawn, count) for drawn, count in zip(draws, wins.shape)]
    resampled = np.einsum("ijk,bi,bj,bk->b", wins, *weights, optimize=True)
    return _interval(float(wins.mean()), resampled)


def _counts(drawn: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """(B, count) which share of each resample is which of `count` things."""
    return np.asarray((drawn[:, :, None] == np.arange(count)).mean(1))
