"""A point on a line with a small reward near by and a large one far away, on the other side.

The smallest problem in which dithering is rewarded for the wrong thing: whoever has met the near
reward is better off staying there than walking a few steps back. After the problem with which
learned exploration is explained (Xu et al. 2018, https://arxiv.org/abs/1803.05044).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.tasks.task import Task
from training.worlds.vector_world import Float, FrameShape, StepResult, clip_action


@dataclass(frozen=True, kw_only=True)
class LineScene:
    """Where what is paid, on [-1, 1]."""

    step_m: float = 0.15
    """how far a full action moves"""
    near_m: float = 0.25
    """the near place, where nothing is shifted"""
    near_reward: float = 0.1
    """of a step that ends within reach of it"""
    far_m: float = -0.95
    """the far place, where nothing is shifted"""
    far_reward: float = 1.0
    """of a step that ends within reach of it"""
    reach_m: float = 0.1
    """of either place"""
    episode_length: int = 20
    """steps until the time limit"""


class LineWorld:
    """W points on a line; a `VectorWorld`. Tasks have one parameter, `shift` (1,) in m,
    that both places are off by.

    Every episode starts at zero, with nothing left to chance. Success is a step that ends within
    reach of the far place. None ends early, so the worlds restart together.
    """

    observation_size = 1
    frame_shape: FrameShape | None = None
    action_size = 1
    has_choices = False
    control_period_s: float | None = None

    def __init__(self, scene: LineScene, num_worlds: int) -> None:
        self.num_worlds = num_worlds
        self.episode_length = scene.episode_length
        self._scene = scene
        self._places: Float | None = None  # (W, 2), near and far
        self._position = np.zeros((num_worlds, 1), np.float32)
        self._step = 0

    def reset(self, tasks: Sequence[Task], seed: int) -> Float:
        """Place every point at zero. See `VectorWorld.reset`."""
        if len(tasks) != self.num_worlds:
            raise ValueError(f"{len(tasks)} tasks for {self.num_worlds} worlds")
        shift = np.array([task.parameters["shift"] for task in tasks], np.float32)
        self._places = shift + np.array([self._scene.near_m, self._scene.far_m], np.float32)
        self._position[:], self._step = 0.0, 0
        return self._position.copy()

    def step(self, action: Float) -> StepResult:
        """Move every point by at most a step, and not beyond ±1. See `VectorWorld.step`."""
        if self._places is None:
            raise RuntimeError("step before reset, or after close")
        applied = clip_action(action, (self.num_worlds, self.action_size))
        moved = self._position + np.float32(self._scene.step_m) * applied
        self._position = np.clip(moved, -1.0, 1.0)
        self._step += 1
        is_near, is_far = (np.abs(self._position - self._places) <= self._scene.reach_m).T
        paid = self._scene.near_reward * is_near + self._scene.far_reward * is_far
        reward = paid.astype(np.float32)
        final_observation = self._position.copy()
        is_last = self._step == self.episode_length
        if is_last:
            self._position[:], self._step = 0.0, 0
        return StepResult(
            observation=self._position.copy(),
            final_observation=final_observation,
            reward=reward,
            sparse_reward=reward.copy(),
            success=is_far,
            terminated=np.zeros(self.num_worlds, bool),
            truncated=np.full(self.num_worlds, is_last),
            applied_action=applied,
        )

    def close(self) -> None:
        self._places = None
