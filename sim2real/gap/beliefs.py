"""Do both sides come to believe the same about a task?

The distance between the two beliefs about one task is divided by the mean distance between beliefs
about different tasks: 0 is the same belief, 1 is no more alike than beliefs about other tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim2real.evaluation.metrics import Interval
from sim2real.gap.motion import Float
from sim2real.recording.columns import Columns

NUM_POINTS = 60
"""of a trajectory of distances"""


@dataclass(frozen=True, kw_only=True, eq=False)
class BeliefPath:
    """How the belief of one trial went, (N,) moments in order."""

    num_transitions: Float
    """(N,) evidence so far, not decreasing"""
    mean: Float
    """(N, L)"""
    variance: Float
    """(N, L); (N, 0) where the belief has none"""

    @classmethod
    def of_columns(cls, columns: Columns) -> BeliefPath | None:
        """Of `belief`; None where nothing was told or nothing is believed."""
        if not columns or not columns["mean"].shape[1]:
            return None
        count = len(columns["mean"])
        return cls(
            num_transitions=columns["num_transitions"].astype(np.float64),
            mean=columns["mean"],
            variance=columns["variance"].reshape(count, -1),
        )

    @classmethod
    def joined(cls, parts: Sequence[BeliefPath]) -> BeliefPath:
        """Episodes of one trial, in order."""
        return cls(
            num_transitions=np.concatenate([part.num_transitions for part in parts]),
            mean=np.concatenate([part.mean for part in parts]),
            variance=np.concatenate([part.variance for part in parts]),
        )

    def after(self, num_transitions: float) -> tuple[Float, Float]:
        """Mean and variance, (L,) each, with so much evidence or the next less that was seen."""
        row = int(np.searchsorted(self.num_transitions, num_transitions, side="right")) - 1
        return self.mean[max(row, 0)], self.variance[max(row, 0)]


Paths = Mapping[tuple[str, int], BeliefPath]
"""by task and trial"""
Distance = Callable[[tuple[Float, Float], tuple[Float, Float]], float]


def wasserstein(a: tuple[Float, Float], b: tuple[Float, Float]) -> float:
    """Wasserstein-2 between independent Gaussians; without variances, between their means."""
    mean = float(np.sum((a[0] - b[0]) ** 2))
    spread = float(np.sum((np.sqrt(a[1]) - np.sqrt(b[1])) ** 2))
    return float(np.sqrt(mean + spread))


def symmetric_kl(a: tuple[Float, Float], b: tuple[Float, Float]) -> float:
    """The mean of both Kullback-Leibler divergences between independent Gaussians, nats."""
    (mean_a, var_a), (mean_b, var_b) = a, b
    shift = (mean_a - mean_b) ** 2
    both = (var_a + shift) / var_b + (var_b + shift) / var_a - 2.0
    return float(0.25 * np.sum(both))


def belief_agreement(
    a: Paths, b: Paths, *, num_resamples: int = 1000, seed: int = 0
) -> dict[str, Any] | None:
    """How alike final beliefs are, and how that came about; None unless two tasks are shared."""
    shared = sorted(a.keys() & b.keys())
    tasks = sorted({task for task, _ in shared})
    if len(tasks) < 2 or not a[shared[0]].mean.shape[1]:
        return None
    has_variance = bool(a[shared[0]].variance.shape[1])
    distances: dict[str, Distance] = {"wasserstein_2": wasserstein}
    if has_variance:
        distances["symmetric_kl"] = symmetric_kl
    document: dict[str, Any] = {"num_tasks": len(tasks), "num_trials": len(shared)}
    for name, distance in distances.items():
        matrix = _matrix(a, b, shared, tasks, distance)
        document[name] = _agreement(matrix, tasks, num_resamples, seed)
        document[name]["between_trials"] = {
            side: _between_trials(paths, tasks, distance) for side, paths in (("a", a), ("b", b))
        }
    document["trajectory"] = _trajectory(a, b, shared, tasks)
    return document


def normalised(matrix: Float, weights: Float | None = None) -> float | None:
    """Mean distance on the diagonal of (K, K) over that beside it; None where all are alike."""
    count = len(matrix)
    weights = np.ones(count) if weights is None else weights
    pairs = np.outer(weights, weights) * (1.0 - np.eye(count))
    different = float((pairs * matrix).sum() / max(pairs.sum(), 1e-300))
    return (
        None if different <= 0.0 else float(weights @ np.diag(matrix) / weights.sum()) / different
    )


def _agreement(matrix: Float, tasks: Sequence[str], num: int, seed: int) -> dict[str, Any]:
    """Of a (K, K) matrix of distances from A's beliefs (rows) to B's (columns)."""
    count = len(tasks)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(count, np.full(count, 1.0 / count), size=num)
    redrawn = [normalised(matrix, draw.astype(float)) for draw in draws]
    found = [value for value in redrawn if value is not None]
    value = normalised(matrix)
    interval = None
    if value is not None and found:
        low, high = np.percentile(found, [2.5, 97.5])
        interval = Interval(value, float(low), float(high))._asdict()
    own = np.arange(count)
    nearest = (matrix.argmin(axis=1) == own).mean() + (matrix.argmin(axis=0) == own).mean()
    off_diagonal = matrix[~np.eye(count, dtype=bool)]
    return {
        "same_task": float(np.diag(matrix).mean()),
        "different_tasks": float(off_diagonal.mean()),
        "normalised": interval,
        "nearest_is_same_task": float(nearest / 2.0),
        "per_task": [
            {"task": task, "distance": float(matrix[k, k])} for k, task in enumerate(tasks)
        ],
    }


def _matrix(
    a: Paths, b: Paths, shared: Sequence[tuple[str, int]], tasks: Sequence[str], measure: Distance,
    num_transitions: float = np.inf,
) -> Float:  # fmt: skip
    """(K, K) distances from A's belief about a task to B's about each, averaged over trials."""
    trials: dict[str, set[int]] = {task: set() for task in tasks}
    for task, trial in shared:
        trials[task].add(trial)
    matrix = np.zeros((len(tasks), len(tasks)))
    for row, own in enumerate(tasks):
        for column, other in enumerate(tasks):
            both = trials[own] & trials[other] or trials[own]
            pairs = [
                (a[own, trial], b[other, trial if (other, trial) in b else min(trials[other])])
                for trial in sorted(both)
            ]
            found = [measure(x.after(num_transitions), y.after(num_transitions)) for x, y in pairs]
            matrix[row, column] = np.mean(found)
    return matrix


def _between_trials(paths: Paths, tasks: Sequence[str], measure: Distance) -> float | None:
    """Mean distance between two trials of one task on one side: what chance alone does."""
    found = []
    for task in tasks:
        ends = [path.after(np.inf) for (name, _), path in sorted(paths.items()) if name == task]
        found += [measure(x, y) for k, x in enumerate(ends) for y in ends[k + 1 :]]
    return float(np.mean(found)) if found else None


def _trajectory(
    a: Paths, b: Paths, shared: Sequence[tuple[str, int]], tasks: Sequence[str]
) -> list[dict[str, float | None]]:
    """Wasserstein-2 as evidence comes in, up to what every trial has."""
    end = min(side[key].num_transitions[-1] for key in shared for side in (a, b))
    points = np.unique(np.round(np.linspace(0.0, float(end), NUM_POINTS)))
    rows: list[dict[str, float | None]] = []
    for point in points:
        matrix = _matrix(a, b, shared, tasks, wasserstein, float(point))
        row = _agreement(matrix, tasks, 0, 0)
        rows.append(
            {
                "num_transitions": float(point),
                "same_task": row["same_task"],
                "different_tasks": row["different_tasks"],
                "normalised": normalised(matrix),
            }
        )
    return rows
