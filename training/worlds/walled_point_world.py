"""Points before a wall: a small reward lies in front of it, a large one behind it.

A wall from below ends above the start. Rewards are paid where they are and nowhere else, so that
whoever has met the small one has no reason to leave, and small noise about it does not lead round.
After the point robots of Xu et al. 2018, https://arxiv.org/abs/1803.05044.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.tasks.task import Task
from training.worlds.point_world import STEP_M
from training.worlds.vector_world import Bool, Float, FrameShape, StepResult, clip_action


@dataclass(frozen=True, kw_only=True)
class WallScene:
    """A wall across the way, in a square that points do not leave."""

    half_width_m: float = 0.6
    """of the square about the origin"""

    wall_x_m: float = 0.1
    """where it stands; thin"""
    wall_top_m: float = 0.15
    """up to where it reaches, from below"""
    start_x_m: float = -0.1
    """where episodes start, at y = 0"""
    start_spread_m: float = 0.05
    """each coordinate of the start is off by up to this"""
    near_m: tuple[float, float] = (0.0, -0.25)
    """the middle of the place before the wall"""
    near_reward: float = 0.1
    """of a step that ends within its radius"""
    near_radius_m: float = 0.15
    """of the place before the wall"""
    goal_radius_m: float = 0.25
    """a step that ends this near the goal, or nearer, pays 1 and is a success"""
    episode_length: int = 20
    """steps until the time limit"""


class WalledPointWorld:
    """W points with a goal each; a `VectorWorld`. Tasks have one parameter, `goal` (2,) in m.

    A step that would cross the wall ends where it began. None ends an episode early, so the worlds
    restart together.
    """

    observation_size = 2
    frame_shape: FrameShape | None = None
    action_size = 2
    has_choices = False
    control_period_s: float | None = None

    def __init__(self, scene: WallScene, num_worlds: int) -> None:
        self.num_worlds = num_worlds
        self.episode_length = scene.episode_length
        self._scene = scene
        self._goal: Float | None = None  # (W, 2)
        self._position = np.zeros((num_worlds, 2), np.float32)
        self._seed = self._episode = self._step = 0

    def reset(self, tasks: Sequence[Task], seed: int) -> Float:
        """Place every point before the wall; (W, 2) positions in m. See `VectorWorld.reset`."""
        if len(tasks) != self.num_worlds:
            raise ValueError(f"{len(tasks)} tasks for {self.num_worlds} worlds")
        self._goal = np.array([task.parameters["goal"] for task in tasks], np.float32)
        self._seed, self._episode = seed, 0
        self._start_episode()
        return self._position.copy()

    def step(self, action: Float) -> StepResult:
        """Move every point by at most `STEP_M` along each axis. See `VectorWorld.step`."""
        if self._goal is None:
            raise RuntimeError("step before reset, or after close")
        applied = clip_action(action, (self.num_worlds, self.action_size))
        moved = np.clip(
            self._position + np.float32(STEP_M) * applied,
            -self._scene.half_width_m,
            self._scene.half_width_m,
        )
        is_blocked = self.crosses_wall(self._position, moved)
        self._position = np.where(is_blocked[:, None], self._position, moved)
        self._step += 1
        is_at_goal = self._is_within(self._goal, self._scene.goal_radius_m)
        is_near = self._is_within(self._scene.near_m, self._scene.near_radius_m)
        reward = (is_at_goal + self._scene.near_reward * is_near).astype(np.float32)
        final_observation = self._position.copy()
        is_last = self._step == self.episode_length
        if is_last:
            self._episode += 1
            self._start_episode()
        return StepResult(
            observation=self._position.copy(),
            final_observation=final_observation,
            reward=reward,
            sparse_reward=reward.copy(),
            success=is_at_goal,
            terminated=np.zeros(self.num_worlds, bool),
            truncated=np.full(self.num_worlds, is_last),
            applied_action=applied,
        )

    def crosses_wall(self, before: Float, after: Float) -> Bool:
        """(W,) whether the straight step meets the wall."""
        scene = self._scene
        from_wall = before[:, 0] - np.float32(scene.wall_x_m)
        to_wall = after[:, 0] - np.float32(scene.wall_x_m)
        changes_side = (from_wall < 0.0) != (to_wall < 0.0)
        share = from_wall / np.where(changes_side, from_wall - to_wall, np.float32(1.0))
        height = before[:, 1] + share * (after[:, 1] - before[:, 1])
        return np.asarray(changes_side & (height <= scene.wall_top_m))

    def _is_within(self, place: Float | tuple[float, float], radius_m: float) -> Bool:
        distance = np.hypot(*(self._position - np.asarray(place, np.float32)).T)
        return np.asarray(distance <= radius_m)

    def close(self) -> None:
        self._goal = None

    def _start_episode(self) -> None:
        self._step = 0
        # Drawn row by row: world w starts at the same place however many worlds there are.
        rng = np.random.default_rng([self._seed, self._episode])
        spread = self._scene.start_spread_m
        offset = rng.uniform(-spread, spread, (self.num_worlds, 2))
        self._position = (offset + np.array([self._scene.start_x_m, 0.0])).astype(np.float32)
