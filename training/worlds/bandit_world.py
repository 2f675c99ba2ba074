"""Bernoulli bandits to be played step by step; the rules are those of the exact values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.tasks.task import Task
from training.worlds.bernoulli_bandit import BernoulliBandit, pull
from training.worlds.vector_world import Float, FrameShape, StepResult, choice_made


class BanditWorld:
    """W bandits with arms of their own; a `VectorWorld` whose actions are choices.

    Tasks have one parameter, `arms` (K,): the probability that each arm pays 1. What is observed
    is the share of the pulls made so far: with it and the belief, nothing about the game is
    hidden. Success is a pull of the best arm.
    """

    observation_size = 1
    frame_shape: FrameShape | None = None
    has_choices = True
    control_period_s: float | None = None

    def __init__(self, bandit: BernoulliBandit, num_worlds: int) -> None:
        self.num_worlds = num_worlds
        self.action_size = bandit.num_arms
        self.episode_length = bandit.num_pulls
        self._num_pulls = bandit.num_pulls
        self._arms: np.ndarray | None = None  # (W, K)
        self._seed = self._pulls = self._step = 0

    def reset(self, tasks: Sequence[Task], seed: int) -> Float:
        """Begin a game on every task's arms. See `VectorWorld.reset`."""
        if len(tasks) != self.num_worlds:
            raise ValueError(f"{len(tasks)} tasks for {self.num_worlds} worlds")
        self._arms = np.array([task.parameters["arms"] for task in tasks], np.float64)
        self._seed, self._pulls, self._step = seed, 0, 0
        return self._observed()

    def step(self, action: Float) -> StepResult:
        """Pull one arm in every world. See `VectorWorld.step`."""
        if self._arms is None:
            raise RuntimeError("step before reset, or after close")
        choice, applied = choice_made(action, (self.num_worlds, self.action_size))
        # Drawn row by row: what an arm pays in world w does not depend on the other worlds.
        rng = np.random.default_rng([self._seed, self._pulls])
        reward = pull(self._arms, choice, rng).astype(np.float32)
        self._pulls += 1
        self._step += 1
        final_observation = self._observed()
        is_last = self._step == self.episode_length
        self._step = 0 if is_last else self._step
        return StepResult(
            observation=self._observed(),
            final_observation=final_observation,
            reward=reward,
            sparse_reward=reward.copy(),
            success=choice == self._arms.argmax(-1),
            terminated=np.zeros(self.num_worlds, bool),
            truncated=np.full(self.num_worlds, is_last),
            applied_action=applied,
        )

    def close(self) -> None:
        self._arms = None

    def _observed(self) -> Float:
        return np.full((self.num_worlds, 1), self._step / self._num_pulls, np.float32)
