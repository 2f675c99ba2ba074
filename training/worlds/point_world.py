"""Points in the plane that step towards a hidden goal: the smallest world with tasks.

The motion is one addition, so thousands of worlds advance in a few numpy calls. Rewards and resets
are those of the point robots of the PEARL paper (Rakelly et al. 2019, section 6.3 and its code).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.tasks.task import Task
from training.worlds.vector_world import Float, FrameShape, StepResult, clip_action

STEP_M = 0.1
"""how far a full action moves a point along each axis in one step"""


@dataclass(frozen=True, kw_only=True)
class PointScene:
    """What distinguishes one point robot from another."""

    success_radius_m: float
    """the skill's condition holds at this distance from the goal or nearer"""
    starts_at_origin: bool
    """true: every episode starts at the origin; false: uniformly in the square [-1, 1]^2"""
    episode_length: int = 20
    """steps until the time limit"""


class PointWorld:
    """W points with a goal each; a `VectorWorld`. Tasks have one parameter, `goal` (2,) in m.

    All episodes have the same length and none ends early, so the worlds restart together.
    """

    observation_size = 2
    frame_shape: FrameShape | None = None
    action_size = 2
    has_choices = False
    control_period_s: float | None = None

    def __init__(self, scene: PointScene, num_worlds: int) -> None:
        self.num_worlds = num_worlds
        self.episode_length = scene.episode_length
        self._scene = scene
        self._goal: Float | None = None  # (W, 2)
        self._position = np.zeros((num_worlds, 2), np.float32)
        self._seed = self._episode = self._step = 0

    def reset(self, tasks: Sequence[Task], seed: int) -> Float:
        """Place every point at a start; (W, 2) positions in m. See `VectorWorld.reset`."""
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
        self._position += np.float32(STEP_M) * applied
        self._step += 1
        distance = np.hypot(*(self._position - self._goal).T)
        final_observation = self._position.copy()
        is_last = self._step == self.episode_length
        if is_last:
            self._episode += 1
            self._start_episode()
        return StepResult(
            observation=self._position.copy(),
            final_observation=final_observation,
            reward=-distance,
            sparse_reward=self._sparse_reward(distance),
            success=distance <= self._scene.success_radius_m,
            terminated=np.zeros(self.num_worlds, bool),
            truncated=np.full(self.num_worlds, is_last),
            applied_action=applied,
        )

    def close(self) -> None:
        self._goal = None

    def _sparse_reward(self, distance: Float) -> Float:
        return -distance

    def _start_episode(self) -> None:
        self._step = 0
        if self._scene.starts_at_origin:
            self._position[:] = 0.0
            return
        # Drawn row by row: world w starts at the same place however many worlds there are.
        rng = np.random.default_rng([self._seed, self._episode])
        self._position[:] = rng.uniform(-1.0, 1.0, (self.num_worlds, 2))


class SparsePointWorld(PointWorld):
    """An evaluator pays 1 - distance inside the success radius and nothing outside.

    Eased, it pays so from farther away, up to 1 m; what counts as success stays.
    """

    EASIEST_RADIUS_M = 1.0

    def __init__(self, scene: PointScene, num_worlds: int) -> None:
        super().__init__(scene, num_worlds)
        self.ease(0.0)

    def ease(self, share: float) -> None:
        """See `training.parts.curriculum.Easeable`."""
        hard = self._scene.success_radius_m
        self._paid_radius_m = hard + share * (self.EASIEST_RADIUS_M - hard)

    def _sparse_reward(self, distance: Float) -> Float:
        inside = distance <= self._paid_radius_m
        return np.where(inside, np.float32(1.0) - distance, np.float32(0.0))
