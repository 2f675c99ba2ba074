"""Trials that are played, remembered whole, and learnt from whole: for off-policy learners."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from training.parts.actor import Actor
from training.parts.learner_state import LearnerState
from training.parts.recurrent_actor import Evidence
from training.parts.sequence_replay import Column, SequenceReplay
from training.parts.trial_collector import TrialCollector
from training.tasks.task import Task
from training.worlds.vector_world import VectorWorld


class Batch(NamedTuple):
    """B whole trials of up to T steps, as networks take them."""

    observation: Tensor
    """(T, B, O)"""
    context: Tensor
    """(T, B, C) rows, row t known from step t + 1 on"""
    action: Tensor
    """(T, B, A) as the world executed it"""
    reward: Tensor
    """(T, B)"""
    is_valid: Tensor
    """(T, B) 1 for a step"""

    def bellman_target(self, value: Tensor, *, reward_scale: float, discount: float) -> Tensor:
        """(T, B) reward plus discounted value of what follows in the trial, whose end cuts.

        `value` (T, B) is that of each step.
        """
        following = torch.where(self.is_valid > 0, value, 0.0)[1:]
        following = torch.cat([following, torch.zeros_like(value[:1])])
        return reward_scale * self.reward + discount * following


class TrialMemory:
    """Worlds to play trials in, and the replay that keeps them."""

    def __init__(
        self,
        worlds: VectorWorld,
        tasks: Sequence[Task],
        evidence: Evidence,
        state: LearnerState,
        *,
        num_episodes: int,
        capacity: int,
    ) -> None:
        """`num_episodes` of a trial; `capacity` in trials, at least those of one collection."""
        self._evidence, self._state = evidence, state
        self._collector = TrialCollector(
            worlds=worlds, tasks=tasks, num_episodes=num_episodes, evidence=evidence, state=state
        )
        self.replay = SequenceReplay(
            {
                "observation": Column(shape=(evidence.layout.observation_size,)),
                "context": Column(shape=(evidence.layout.size,)),
                "reward": Column(shape=()),
            },
            num_tasks=1,
            max_length=num_episodes * worlds.episode_length,
            capacity=max(capacity, worlds.num_worlds),
            device=state.device,
        )

    def collect(self, make_actor: Callable[[Sequence[Task]], Actor]) -> float:
        """One trial in every world, remembered; the mean return of their last episodes."""
        measured = self._collector.collect(make_actor).measured
        lengths = measured.is_valid.sum(0).long().cpu().numpy()
        columns = {name: getattr(measured, name).cpu().numpy() for name in self.replay.layout}
        self.replay.add(np.zeros(len(lengths), np.int64), columns, lengths)
        return measured.last_return(self._collector.num_episodes)

    def sample(self, batch_size: int) -> Batch:
        """Whole trials, normalised by what is known by now."""
        drawn = self.replay.sample(batch_size, self._state.generator)
        columns, statistics, layout = drawn.columns, self._state.statistics, self._evidence.layout
        first = layout.observation_size
        return Batch(
            observation=statistics.normalize(columns["observation"]),
            context=statistics.normalize_context(columns["context"], layout),
            action=columns["context"][..., first : first + layout.action_size],
            reward=columns["reward"],
            is_valid=drawn.is_valid,
        )
