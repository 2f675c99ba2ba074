"""Collecting whole episodes from many worlds at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.transition import Transition
from training.parts.actor import Actor
from training.tasks.task import Task
from training.worlds.vector_world import Bool, Float, VectorWorld


class Step(NamedTuple):
    """One control step of the worlds that are still collecting, M of W."""

    worlds: NDArray[np.int64]
    """(M,) which worlds"""
    transition: Transition
    """(M, ...) with the dense reward"""
    sparse_reward: Float
    """(M,)"""


class Collected(NamedTuple):
    """How much was collected, and how well it went."""

    num_steps: int
    num_episodes: int
    mean_return: float
    """dense return per finished episode"""


def collect_episodes(
    world: VectorWorld,
    tasks: Sequence[Task],
    actor: Actor,
    *,
    num_steps: int,
    seed: int,
    store: Callable[[Step], None],
    groups: NDArray[np.int64] | None = None,
) -> Collected:
    """Run whole episodes until every group of worlds made at least `num_steps` steps.

    World w works on `tasks[w]` for group `groups[w]` (default: all in one group); a negative group
    marks a world that pads the batch and stores nothing. Every step of an episode is stored, its
    last one too, with the observation where it ended.
    """
    groups = np.zeros(len(tasks), np.int64) if groups is None else groups
    active = groups >= 0
    stored = np.zeros(groups.max() + 1, np.int64)
    returns, finished_return, num_episodes = np.zeros(len(tasks)), 0.0, 0
    observation = world.reset(tasks, seed)
    actor.begin_trial(seed)
    actor.begin_episode(active)
    while active.any():
        result = world.step(actor.act(observation).action)
        transition = result.transition(observation)
        actor.observe(transition, result.sparse_reward, active)
        store(_step_of(active, transition, result.sparse_reward))
        stored += np.bincount(groups[active], minlength=len(stored))
        returns += result.reward
        ended = active & (result.terminated | result.truncated)
        if ended.any():
            finished_return += float(returns[ended].sum())
            num_episodes += int(ended.sum())
            returns[ended] = 0.0
            starts = ended & (stored[groups] < num_steps)
            active &= ~ended | starts
            actor.begin_episode(starts)
        observation = result.observation
    return Collected(int(stored.sum()), num_episodes, finished_return / num_episodes)


def _step_of(active: Bool, transition: Transition, sparse_reward: Float) -> Step:
    if active.all():  # as nearly always: nothing is copied
        return Step(np.arange(len(active)), transition, sparse_reward)
    of_active = (values[active] for values in transition)
    return Step(np.flatnonzero(active), Transition(*of_active), sparse_reward[active])  # type: ignore[arg-type]
