"""A dot that goes round, in a picture: the smallest world that has to be seen to be paid in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from training.tasks.task import Parameter, Task
from training.worlds.vector_world import StepResult, clip_action

SIDE, RADIUS, TURN_RAD = 16, 5.0, 0.5


class DotWorld:
    """The dot begins anywhere on its circle and goes on by `TURN_RAD` a step, whatever is done.

    An action (2,) is paid by how far it points to where the dot is: what is right is in the picture
    alone, and who does not look gets nothing on average. What is measured is the share of the
    episode that has passed, and the action before.
    """

    frame_shape: tuple[int, int, int] | None = (SIDE, SIDE, 3)
    observation_size, action_size, episode_length = 2 + 3 * SIDE**2, 2, 10
    has_choices = False
    control_period_s = None

    def __init__(self, num_worlds: int) -> None:
        self.num_worlds = num_worlds

    def reset(self, tasks: Sequence[Task], seed: int) -> np.ndarray:
        self._rng = np.random.default_rng(seed)
        self._start()
        return self._observed()

    def _start(self) -> None:
        self.angle = self._rng.uniform(-np.pi, np.pi, self.num_worlds)
        self._elapsed, self._done = 0, np.zeros(self.num_worlds)

    def step(self, action: np.ndarray) -> StepResult:
        applied = clip_action(action, (self.num_worlds, 2))
        direction = np.stack([np.cos(self.angle), np.sin(self.angle)], -1)
        reward = (applied * direction).sum(-1).astype(np.float32)
        self.angle = self.angle + TURN_RAD
        self._elapsed, self._done = self._elapsed + 1, applied[:, 0]
        final = self._observed()
        is_last = self._elapsed == self.episode_length
        if is_last:
            self._start()
        return StepResult(
            observation=self._observed(),
            final_observation=final,
            reward=reward,
            sparse_reward=reward.copy(),
            success=reward > 0,
            terminated=np.zeros(self.num_worlds, bool),
            truncated=np.full(self.num_worlds, is_last),
            applied_action=applied,
        )

    def seen_angle(self) -> np.ndarray:
        return self.angle.astype(np.float32)

    def close(self) -> None:
        pass

    def _observed(self) -> np.ndarray:
        elapsed = np.full(self.num_worlds, self._elapsed / self.episode_length)
        measured = np.stack([elapsed, self._done], -1)
        frames = picture(self.angle).reshape(self.num_worlds, -1)
        return np.concatenate([measured, frames], -1, dtype=np.float32)


def picture(angle: np.ndarray) -> np.ndarray:
    """(W, SIDE, SIDE, 3) uint8 of a white dot on dark blue."""
    row, column = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    x, y = RADIUS * np.cos(angle), RADIUS * np.sin(angle)
    distance = np.hypot(column - x[:, None, None], -row - y[:, None, None])
    strength = np.exp(-0.5 * (distance / 1.5) ** 2)[..., None]
    dark, white = np.array([10.0, 20.0, 60.0]), np.full(3, 255.0)
    return np.round(dark + strength * (white - dark)).astype(np.uint8)


class DotFamily:
    """Tasks that do not differ in anything but their names."""

    name = "dot"
    num_distinct_tasks = None
    further_parameters = ()
    parameters = (
        Parameter(name="nothing", unit="1", low=(0.0,), high=(1.0,), changes_dynamics=False),
    )

    def sample(self, rng: np.random.Generator, num_tasks: int) -> list[dict[str, Any]]:
        return [{"nothing": (float(value),)} for value in rng.uniform(0, 1, num_tasks)]

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> DotWorld:
        return DotWorld(num_worlds)
