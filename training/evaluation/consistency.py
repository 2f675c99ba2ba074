"""Consistency: does more and more data on a task from outside of training lead to the best?

Counted is what is missing to the best, in an episode that starts at the same places however many
episodes came before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sim2real.evaluation.metrics import Interval, interval_of
from sim2real.evaluation.protocol import Condition, TrialProtocol
from training.evaluation.meta_test import MakeActor, MetaTestResult, meta_test
from training.families.outside import is_claw
from training.parts.actor import Drawn, Memoryless
from training.tasks.task import Task, TaskFamily
from training.worlds.point_world import STEP_M
from training.worlds.ties import Array
from training.worlds.vector_world import Float

NUM_RESAMPLES = 10_000
_NOTHING = 1e-6
"""less than this is missing to nobody"""


@dataclass(frozen=True, kw_only=True)
class SameEnd(TrialProtocol):
    """Trials of any length whose last episode starts at the same places, with the same latents."""

    def _seeds(self) -> list[int]:
        latent, last, *others = super()._seeds()
        return [*others, last, latent]


class Walker(Memoryless):
    """Knows the goals (W, 2) of points in the plane, and takes the fastest way to them.

    As each axis is limited by itself, it is at every moment as near as any way could be.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._goal = np.array([task.parameters["goal"] for task in tasks], np.float32)

    def act(self, observation: Float) -> Drawn:
        return Drawn(np.clip((self._goal - observation) / np.float32(STEP_M), -1.0, 1.0))


class Consistency(NamedTuple):
    """What more data brought."""

    num_before: tuple[int, ...]
    """episodes before the one that is judged: more and more"""
    missing: tuple[Interval, ...]
    """for each, what was missing in it: return, or on a hand the share of steps off target"""
    removed: Interval
    """the share of what was missing first that was no longer missing last"""


def consistency(num_before: Sequence[int], missing: Sequence[Array]) -> Consistency:
    """From what was `missing` (K, N) after more and more episodes."""
    return Consistency(
        num_before=tuple(num_before),
        missing=tuple(interval_of("missing", each) for each in missing),
        removed=share_removed(missing[0].mean(1), missing[-1].mean(1)),
    )


def played_after(
    make_actor: MakeActor,
    family: TaskFamily,
    tasks: Sequence[Task],
    num_before: int,
    *,
    num_trials: int,
    seed: int,
) -> Array:
    """(K, N) what is missing to the best in the episode after `num_before` others."""

    def last(chosen: MakeActor, num_episodes: int, metric: str) -> Array:
        protocol = SameEnd(num_episodes=num_episodes, num_trials=num_trials, seed=seed)
        result = meta_test(chosen, family, tasks, protocol, conditions=(Condition.ADAPTED,))
        return _last(result, metric)

    if is_claw(family):
        return np.asarray(1.0 - last(make_actor, num_before + 1, "success_fraction"))
    # Of one episode only: a walker who is told has nothing to learn from those before.
    return np.asarray(last(Walker, 1, "return") - last(make_actor, num_before + 1, "return"))


def _last(result: MetaTestResult, metric: str) -> Array:
    return np.asarray(result.episodes[Condition.ADAPTED][metric][:, :, -1])


def share_removed(first: Array, last: Array, *, seed: int = 0) -> Interval:
    """Of (K,) what was missing on each task; a bootstrap over tasks. Where nothing was, 1."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(first), size=(NUM_RESAMPLES, len(first)))
    shares = _share(first[chosen].sum(1), last[chosen].sum(1))
    low, high = np.percentile(shares, [2.5, 97.5])
    return Interval(float(_share(first.sum(), last.sum())), float(low), float(high))


def _share(first: Array | float, last: Array | float) -> Array:
    is_best = np.asarray(first) < _NOTHING
    return np.asarray(np.where(is_best, 1.0, 1.0 - last / np.maximum(first, _NOTHING)))
