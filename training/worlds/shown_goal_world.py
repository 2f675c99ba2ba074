"""Guess a place, and be shown afterwards where it was: what one has to remember, and nothing else.

The smallest problem in which what an episode paid says next to nothing, and what it showed says
all. Whoever knows an episode by its actions and its pay alone, as a step of policy gradient does,
cannot solve it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.tasks.task import Task
from training.worlds.vector_world import Float, FrameShape, StepResult, clip_action

RADIUS_M = 0.1
"""guesses at this distance from the goal or nearer are right"""


class ShownGoalWorld:
    """W guesses; a `VectorWorld`. Tasks have one parameter, `goal` (2,) in m.

    An episode's first action is the guess, and its outcome is the goal, whatever was guessed; later
    actions do nothing, so that seeing the goal is of no use to the episode itself. The dense reward
    is minus the guess's distance; an evaluator pays 1 for a guess that is right, and nothing else.
    """

    observation_size = 2
    frame_shape: FrameShape | None = None
    action_size = 2
    has_choices = False
    control_period_s: float | None = None

    def __init__(self, num_worlds: int) -> None:
        self.num_worlds = num_worlds
        self.episode_length = 5
        self._goal: Float | None = None  # (W, 2)
        self._is_right = np.zeros(num_worlds, bool)  # of this episode's guess
        self._step = 0

    def reset(self, tasks: Sequence[Task], seed: int) -> Float:
        """(W, 2) zeros: nothing is left to chance. See `VectorWorld.reset`."""
        if len(tasks) != self.num_worlds:
            raise ValueError(f"{len(tasks)} tasks for {self.num_worlds} worlds")
        self._goal = np.array([task.parameters["goal"] for task in tasks], np.float32)
        self._step = 0
        return np.zeros_like(self._goal)

    def step(self, action: Float) -> StepResult:
        """Guess and be shown, or wait. See `VectorWorld.step`."""
        if self._goal is None:
            raise RuntimeError("step before reset, or after close")
        applied = clip_action(action, (self.num_worlds, self.action_size))
        distance = np.zeros(self.num_worlds, np.float32)
        pays, is_last = self._step == 0, self._step + 1 == self.episode_length
        self._step = 0 if is_last else self._step + 1
        if pays:
            distance = np.hypot(*(applied - self._goal).T)
            self._is_right = distance <= RADIUS_M
        return StepResult(
            observation=np.zeros_like(self._goal) if is_last else self._goal.copy(),
            final_observation=self._goal.copy(),
            reward=-distance,
            sparse_reward=(self._is_right & pays).astype(np.float32),
            success=self._is_right.copy(),
            terminated=np.zeros(self.num_worlds, bool),
            truncated=np.full(self.num_worlds, is_last),
            applied_action=applied,
        )

    def close(self) -> None:
        self._goal = None
