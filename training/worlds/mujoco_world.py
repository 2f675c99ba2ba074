"""The batched MuJoCo world: W simulations of one scene, on a pool of threads or another engine.

Tasks, episodes, noise and rewards are here and in the scene, alike for every engine; only motion
is the engine's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import mujoco
import numpy as np

from sim2real.hardware.physics_log import leave_no_log
from training.tasks.task import Task
from training.worlds.physics import MakePhysics, Physics, PhysicsOf, Rows
from training.worlds.scene import Array, Flags, Moment, Scene
from training.worlds.task_models import TaskModels
from training.worlds.threaded_physics import ThreadedPhysics
from training.worlds.vector_world import Float, FrameShape, StepResult, clip_action

NUM_KEPT_MODELS = 256
"""of tasks that were met last: held-out tasks come back all the time, training's by chance"""


class MujocoWorld:
    """W simulations of `scene`, one task each; a `VectorWorld`.

    A simulation that the engine finds unstable stays at its last finite state and its episode is
    truncated: numerical failure is neither the task's end nor anything to learn from.
    """

    has_choices = False

    def __init__(
        self,
        scene: Scene,
        num_worlds: int,
        *,
        num_threads: int = 1,
        engine: MakePhysics = ThreadedPhysics,
    ) -> None:
        if num_worlds < 1 or num_threads < 1:
            raise ValueError(f"{num_worlds} worlds on {num_threads} threads: at least 1 of each")
        leave_no_log()
        self.num_worlds = num_worlds
        camera = scene.camera
        self.frame_shape: FrameShape | None = None if camera is None else camera.shape
        self.observation_size = scene.observation_size + math.prod(self.frame_shape or (0,))
        self.action_size = scene.action_size
        self.episode_length = scene.episode_length
        self.control_period_s: float | None = scene.physics_steps * float(
            scene.mj_model.opt.timestep
        )
        self.num_diverged = 0
        """episodes cut short by an unstable simulation since the last `reset`"""
        self._scene = scene
        self._physics: Physics | None = engine(
            PhysicsOf(scene.mj_model, num_worlds, scene.fields, num_threads)
        )
        self._models = TaskModels(scene, num_kept=max(NUM_KEPT_MODELS, num_worlds))
        self._tasks: tuple[Task, ...] = ()
        self._carried: dict[str, Array] = {}

    def reset(self, tasks: Sequence[Task], seed: int) -> Float:
        """Start an episode in every world; (W, O). See `VectorWorld.reset`."""
        physics = self._open_physics()
        if len(tasks) != self.num_worlds:
            raise ValueError(f"{len(tasks)} tasks for {self.num_worlds} worlds")
        if self._scene.changes_model and tuple(tasks) != self._tasks:
            physics.set_models([self.model_of(task) for task in tasks])
        self._tasks, self._seed, self.num_diverged = tuple(tasks), seed, 0
        self._elapsed = np.zeros(self.num_worlds, int)
        self._episode = np.zeros(self.num_worlds, int)
        self._generators = [np.random.default_rng() for _ in tasks]
        self._carried = {}
        return self._start_episodes(np.arange(self.num_worlds))

    def step(self, action: Float) -> StepResult:
        """Advance every world by one control step. See `VectorWorld.step`."""
        physics = self._open_physics()
        if not self._tasks:
            raise RuntimeError("step before reset")
        everywhere = np.arange(self.num_worlds)
        before = self._moment(everywhere)
        clipped = clip_action(action, (self.num_worlds, self.action_size))
        command = self._scene.command(clipped.astype(np.float64), before)
        self._carried = {name: np.array(value) for name, value in command.carried.items()}
        is_unstable = physics.rollout(command.control)
        after = self._moment(everywhere)
        diverged = self._hold_diverged(before, after, is_unstable)
        outcome = self._scene.outcome(before, command, after)
        self._elapsed += 1
        terminated = outcome.terminated & ~diverged
        truncated = ~terminated & (diverged | (self._elapsed >= self.episode_length))
        final_observation = self._with_frames(outcome.observation, after.qpos, everywhere)
        observation = final_observation.copy()
        ended = np.flatnonzero(terminated | truncated)
        if ended.size:
            self._episode[ended] += 1
            observation[ended] = self._start_episodes(ended)
        return StepResult(
            observation=observation,
            final_observation=final_observation,
            reward=outcome.reward.astype(np.float32),
            sparse_reward=outcome.sparse_reward.astype(np.float32),
            success=outcome.success,
            terminated=terminated,
            truncated=truncated,
            applied_action=command.applied_action.astype(np.float32),
        )

    def seen_angle(self) -> Float:
        """(W,) rad, of what has to be seen, at this moment. No observation holds it."""
        angle = self._scene.seen_angle(self._moment(np.arange(self.num_worlds)).qpos)
        return angle.astype(np.float32)

    def close(self) -> None:
        if self._physics is not None:
            self._physics.close()
        self._physics = None
        self._models.clear()

    def model_of(self, task: Task) -> mujoco.MjModel:
        """The compiled model that `task` is met in; shared, so not to be edited."""
        return self._models.model_of(task)

    def _open_physics(self) -> Physics:
        if self._physics is None:
            raise RuntimeError("this world is closed")
        return self._physics

    def _with_frames(self, measured: Array, qpos: Array, rows: Rows) -> Float:
        """(n, O) observations of the given worlds: what was measured, then what is seen."""
        if self._scene.camera is None:
            return measured.astype(np.float32)
        frames = [
            self._models.view_of(self._tasks[row]).frame(q).ravel()
            for row, q in zip(rows, qpos, strict=True)
        ]
        return np.concatenate([measured, np.stack(frames)], axis=-1, dtype=np.float32)

    def _start_episodes(self, rows: Rows) -> Float:
        """Begin an episode in the given worlds; their first observations (n, O)."""
        starts, carried = [], dict[str, list[Array]]()
        for row in rows:
            # Seeded by place, not by order: no episode depends on when another one ended.
            rng = np.random.default_rng([self._seed, int(row), int(self._episode[row])])
            start = self._scene.start(rng, self._tasks[row])
            starts.append(start)
            self._generators[row] = rng
            for name, value in start.carried.items():
                carried.setdefault(name, []).append(np.asarray(value, np.float64))
        qpos, qvel = (np.stack(parts) for parts in zip(*((s.qpos, s.qvel) for s in starts)))
        if self._open_physics().start(rows, qpos, qvel).any():
            raise RuntimeError("the scene starts an episode in a state that MuJoCo finds unstable")
        for name, values in carried.items():
            shape = (self.num_worlds, *values[0].shape)
            whole = self._carried.setdefault(name, np.zeros(shape))
            whole[rows] = values
        self._elapsed[rows] = 0
        now = self._moment(rows)
        return self._with_frames(self._scene.observe(now), now.qpos, rows)

    def _moment(self, rows: Rows) -> Moment:
        read = self._open_physics().read
        return Moment(
            qpos=read("qpos", rows),
            qvel=read("qvel", rows),
            fields={name: read(name, rows) for name in self._scene.fields},
            carried={name: value[rows] for name, value in self._carried.items()},
            generators=[self._generators[row] for row in rows],
        )

    def _hold_diverged(self, before: Moment, after: Moment, is_unstable: Flags) -> Flags:
        """Put unstable simulations of `after` back to `before`; (W,) which ones they are."""
        is_finite = np.isfinite(after.qpos).all(axis=1) & np.isfinite(after.qvel).all(axis=1)
        diverged: Flags = is_unstable | ~is_finite
        if diverged.any():
            self.num_diverged += int(diverged.sum())
            after.qpos[diverged] = before.qpos[diverged]
            after.qvel[diverged] = before.qvel[diverged]
            for name, value in after.fields.items():
                value[diverged] = before.fields[name][diverged]
        return diverged
