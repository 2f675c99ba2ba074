"""The gap that counts: what became of the same episodes on both sides.

Episodes are paired by task, condition, trial, episode and seed. Tasks are what was drawn at random,
so an interval is over tasks: episodes of one task are averaged first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim2real.evaluation.metrics import RATES, bootstrap_interval, newcombe_interval, pearson
from sim2real.gap.motion import Float, PairKey

MIN_TASKS_TO_CORRELATE = 5


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one episode that was completed."""

    total_reward: float
    is_success: bool
    success_fraction: float


Outcomes = Mapping[PairKey, Outcome]
METRICS = {
    "success": "is_success",
    "return": "total_reward",
    "success_fraction": "success_fraction",
}
"""by the names of results.json: the fields of an outcome"""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """B minus A over the tasks that both met, with a 95 % interval."""

    a: float
    b: float
    difference: float
    low: float | None
    """None where one task is all there is: nothing says how another one would do"""
    high: float | None


def closed_loop(a: Outcomes, b: Outcomes) -> dict[str, Any]:
    """Differences by condition, by episode of the adapted trials, and how returns go together."""
    shared = sorted(a.keys() & b.keys())
    last = max((key.episode for key in shared if key.condition == "adapted"), default=0)
    groups: dict[str, list[PairKey]] = {}
    for key in shared:
        if key.condition != "adapted" or key.episode == last:
            groups.setdefault(key.condition, []).append(key)
    adapted = [key for key in shared if key.condition == "adapted"]
    by_episode = [[key for key in adapted if key.episode == number] for number in range(last + 1)]
    return {
        "num_pairs": len(shared),
        "num_only_in_a": len(a.keys() - b.keys()),
        "num_only_in_b": len(b.keys() - a.keys()),
        "conditions": {name: differences(a, b, keys) for name, keys in groups.items()},
        "adapted_by_episode": [
            {"episode": number, **differences(a, b, keys)}
            for number, keys in enumerate(by_episode)
            if keys
        ],
        "correlation": correlation(a, b, groups.get("adapted", [])),
    }


def differences(a: Outcomes, b: Outcomes, keys: Sequence[PairKey]) -> dict[str, Any]:
    """One `Difference` per metric, and how much was compared."""
    tasks = sorted({key.task for key in keys})
    num_trials = min(Counter(key.task for key in keys).values(), default=1)
    document: dict[str, Any] = {"num_tasks": len(tasks), "num_pairs": len(keys)}
    for name, field in METRICS.items():
        values = _per_task(a, keys, tasks, field), _per_task(b, keys, tasks, field)
        if name in RATES:
            document[name] = vars(paired_proportions(*values, num_trials=num_trials))
        else:
            document[name] = vars(paired_means(*values))
    return document


def paired_means(a: Float, b: Float) -> Difference:
    """Paired bootstrap over (K,) tasks of the mean difference; symmetric in A and B."""
    if len(a) == 1:
        gap = float(b[0] - a[0])
        return Difference(a=float(a[0]), b=float(b[0]), difference=gap, low=None, high=None)
    forward, backward = bootstrap_interval(b - a), bootstrap_interval(a - b)
    low, high = (forward.low - backward.high) / 2.0, (forward.high - backward.low) / 2.0
    mean_a, mean_b = float(a.mean()), float(b.mean())
    return Difference(a=mean_a, b=mean_b, difference=float((b - a).mean()), low=low, high=high)


def paired_proportions(a: Float, b: Float, *, num_trials: int = 1) -> Difference:
    """Newcombe's interval of a paired difference, from (K,) means of N trials per task."""
    found = newcombe_interval(b, a, num_trials=num_trials)
    return Difference(
        a=float(a.mean()), b=float(b.mean()), difference=found.mean, low=found.low, high=found.high
    )


def correlation(a: Outcomes, b: Outcomes, keys: Sequence[PairKey]) -> dict[str, Any] | None:
    """Whether tasks that go well on A go well on B; None with fewer than five tasks.

    In the spirit of SRCC (Kadian et al. 2019), which correlates policies; here one policy is
    correlated over tasks.
    """
    tasks = sorted({key.task for key in keys})
    if len(tasks) < MIN_TASKS_TO_CORRELATE:
        return None
    returns = [_per_task(side, keys, tasks, "total_reward") for side in (a, b)]
    return {
        "num_tasks": len(tasks),
        "spearman": pearson(*map(ranks, returns)),
        "pearson": pearson(*returns),
        "mean_rank_violation": mean_rank_violation(*returns),
        "per_task": [
            {"task": task, "a": float(x), "b": float(y)} for task, x, y in zip(tasks, *returns)
        ],
    }


def mean_rank_violation(a: Float, b: Float) -> float:
    """MMRV (Li et al. 2024, SIMPLER): how much B differs where A puts two tasks the other way.

    The mean over tasks of the largest |difference on B| to a task that A and B rank differently;
    in the units of the values, 0 where the orders agree.
    """
    gap_a, gap_b = (values[:, None] - values[None, :] for values in (a, b))
    violation = np.where(np.sign(gap_a) * np.sign(gap_b) < 0.0, np.abs(gap_b), 0.0)
    return float(violation.max(axis=1).mean())


def ranks(values: Float) -> Float:
    """(K,) ranks from 0; equal values share their mean rank."""
    below = (values[None, :] < values[:, None]).sum(axis=1)
    equal = (values[None, :] == values[:, None]).sum(axis=1)
    return np.asarray(below + (equal - 1) / 2.0)


def _per_task(side: Outcomes, keys: Sequence[PairKey], tasks: Sequence[str], field: str) -> Float:
    """(K,) means over the episodes of each task."""
    return np.array(
        [np.mean([getattr(side[key], field) for key in keys if key.task == task]) for task in tasks]
    )
