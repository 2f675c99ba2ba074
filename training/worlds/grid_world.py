"""The gridworld with a hidden goal, to be walked step by step; rules and motion are the exact's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.tasks.task import Task
from training.worlds.gridworld import MOVES, Gridworld, Index, moved, reward
from training.worlds.vector_world import Float, FrameShape, StepResult, choice_made


class GridWorld:
    """W walkers on a grid with a goal each; a `VectorWorld` whose actions are choices.

    Tasks have one parameter, `goal` (2,): column and row of its cell. What is observed is the
    walker's column and row, each scaled to [-1, 1]. Success is a step that ends on the goal.
    Episodes have the same length and none ends early, so the worlds restart together.
    """

    observation_size = 2
    frame_shape: FrameShape | None = None
    action_size = len(MOVES)
    has_choices = True
    control_period_s: float | None = None

    def __init__(self, grid: Gridworld, num_worlds: int) -> None:
        self.num_worlds = num_worlds
        self.episode_length = grid.episode_length
        self._grid = grid
        self._goal: Index | None = None  # (W,)
        self._cell: Index = np.zeros(num_worlds, np.int64)
        self._step = 0

    def reset(self, tasks: Sequence[Task], seed: int) -> Float:
        """Put every walker on the start; chance has no part in it. See `VectorWorld.reset`."""
        if len(tasks) != self.num_worlds:
            raise ValueError(f"{len(tasks)} tasks for {self.num_worlds} worlds")
        column, row = np.array([task.parameters["goal"] for task in tasks]).round().astype(int).T
        self._goal = row * self._grid.size + column
        self._begin()
        return self._observed()

    def step(self, action: Float) -> StepResult:
        """Move every walker by a cell or not at all. See `VectorWorld.step`."""
        if self._goal is None:
            raise RuntimeError("step before reset, or after close")
        choice, applied = choice_made(action, (self.num_worlds, self.action_size))
        self._cell = moved(self._grid, self._cell, choice)
        self._step += 1
        paid = reward(self._grid, self._cell, self._goal).astype(np.float32)
        is_on_goal = self._cell == self._goal
        final_observation = self._observed()
        is_last = self._step == self.episode_length
        if is_last:
            self._begin()
        return StepResult(
            observation=self._observed(),
            final_observation=final_observation,
            reward=paid,
            sparse_reward=paid.copy(),
            success=is_on_goal,
            terminated=np.zeros(self.num_worlds, bool),
            truncated=np.full(self.num_worlds, is_last),
            applied_action=applied,
        )

    def close(self) -> None:
        self._goal = None

    def _begin(self) -> None:
        self._step = 0
        self._cell = np.zeros(self.num_worlds, np.int64)

    def _observed(self) -> Float:
        size = self._grid.size
        place = np.stack([self._cell % size, self._cell // size], -1)
        return (2.0 * place / (size - 1) - 1.0).astype(np.float32)
