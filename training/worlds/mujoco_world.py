"""The batched MuJoCo world: W simulations of one scene on a pool of threads.

`mujoco.batch` keeps every simulation's whole integration state in its own row, so neither the
number of threads nor what a thread simulated before can change a result.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Hashable, Sequence

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from sim2real.hardware.physics_log import leave_no_log
from training.tasks.task import Task
from training.worlds.scene import Array, Flags, Moment, Scene
from training.worlds.vector_world import Float, FrameShape, StepResult, clip_action
from training.worlds.view import View

Rows = NDArray[np.intp]


class MujocoWorld:
    """W simulations of `scene`, one task each; a `VectorWorld`.

    A simulation that MuJoCo reports as unstable stays at its last finite state and its episode is
    truncated: numerical failure is neither the task's end nor anything to learn from.
    """

    has_choices = False

    def __init__(self, scene: Scene, num_worlds: int, *, num_threads: int = 1) -> None:
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
        self._batch: Batch | None = Batch(scene.mj_model, num_worlds, num_threads)
        for name in ("qpos", "qvel", *scene.fields):
            self._batch.bind(name)  # a field bound later would be zero until the next step
        self._models: dict[Hashable, mujoco.MjModel] = {}
        self._views: dict[int, View] = {}
        self._tasks: tuple[Task, ...] = ()
        self._carried: dict[str, Array] = {}

    def reset(self, tasks: Sequence[Task], seed: int) -> Float:
        """Start an episode in every world; (W, O). See `VectorWorld.reset`."""
        batch = self._open_batch()
        if len(tasks) != self.num_worlds:
            raise ValueError(f"{len(tasks)} tasks for {self.num_worlds} worlds")
        if self._scene.changes_model and tuple(tasks) != self._tasks:
            batch.set_models([self.model_of(task) for task in tasks])
        self._tasks, self._seed, self.num_diverged = tuple(tasks), seed, 0
        self._elapsed = np.zeros(self.num_worlds, int)
        self._episode = np.zeros(self.num_worlds, int)
        self._generators = [np.random.default_rng() for _ in tasks]
        self._carried = {}
        return self._start_episodes(np.arange(self.num_worlds))

    def step(self, action: Float) -> StepResult:
        """Advance every world by one control step. See `VectorWorld.step`."""
        batch = self._open_batch()
        if not self._tasks:
            raise RuntimeError("step before reset")
        everywhere = np.arange(self.num_worlds)
        before = self._moment(everywhere)
        clipped = clip_action(action, (self.num_worlds, self.action_size))
        command = self._scene.command(clipped.astype(np.float64), before)
        self._carried = {name: np.array(value) for name, value in command.carried.items()}
        batch.rollout(self._scene.physics_steps, command.control, record=())
        after = self._moment(everywhere)
        diverged = self._hold_diverged(before, after)
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
        angle = self._scene.seen_angle(self._open_batch().bind("qpos").copy())
        return angle.astype(np.float32)

    def close(self) -> None:
        self._batch = None
        self._models.clear()
        self._views.clear()

    def model_of(self, task: Task) -> mujoco.MjModel:
        """The compiled model that `task` is met in; built once and shared, so not to be edited."""
        if not self._scene.changes_model:
            return self._scene.mj_model
        key = tuple(sorted(task.parameters.items()))
        if key not in self._models:
            mj_model = copy.copy(self._scene.mj_model)
            self._scene.apply(mj_model, task)
            mujoco.mj_setConst(mj_model, mujoco.MjData(mj_model))
            self._models[key] = mj_model
        return self._models[key]

    def _open_batch(self) -> Batch:
        if self._batch is None:
            raise RuntimeError("this world is closed")
        return self._batch

    def _with_frames(self, measured: Array, qpos: Array, rows: Rows) -> Float:
        """(n, O) observations of the given worlds: what was measured, then what is seen."""
        if self._scene.camera is None:
            return measured.astype(np.float32)
        frames = [
            self._view_of(self._tasks[row]).frame(q).ravel()
            for row, q in zip(rows, qpos, strict=True)
        ]
        return np.concatenate([measured, np.stack(frames)], axis=-1, dtype=np.float32)

    def _view_of(self, task: Task) -> View:
        model, camera = self.model_of(task), self._scene.camera
        assert camera is not None
        if id(model) not in self._views:
            self._views[id(model)] = View(model, camera)
        return self._views[id(model)]

    def _start_episodes(self, rows: Rows) -> Float:
        """Begin an episode in the given worlds; their first observations (n, O)."""
        batch = self._open_batch()
        batch.reset(rows, stage=mujoco.mjtStage.mjSTAGE_NONE.value)
        qpos, qvel = batch.bind("qpos"), batch.bind("qvel")
        carried: dict[str, list[Array]] = {}
        for row in rows:
            # Seeded by place, not by order: no episode depends on when another one ended.
            rng = np.random.default_rng([self._seed, int(row), int(self._episode[row])])
            start = self._scene.start(rng, self._tasks[row])
            qpos[row], qvel[row] = start.qpos, start.qvel
            self._generators[row] = rng
            for name, value in start.carried.items():
                carried.setdefault(name, []).append(np.asarray(value, np.float64))
        batch.forward(rows)
        if batch.warning[rows, :, 1].any():
            raise RuntimeError("the scene starts an episode in a state that MuJoCo finds unstable")
        for name, values in carried.items():
            shape = (self.num_worlds, *values[0].shape)
            whole = self._carried.setdefault(name, np.zeros(shape))
            whole[rows] = values
        self._elapsed[rows] = 0
        now = self._moment(rows)
        return self._with_frames(self._scene.observe(now), now.qpos, rows)

    def _moment(self, rows: Rows) -> Moment:
        batch = self._open_batch()
        return Moment(
            qpos=batch.bind("qpos")[rows],
            qvel=batch.bind("qvel")[rows],
            fields={name: batch.bind(name)[rows] for name in self._scene.fields},
            carried={name: value[rows] for name, value in self._carried.items()},
            generators=[self._generators[row] for row in rows],
        )

    def _hold_diverged(self, before: Moment, after: Moment) -> Flags:
        """Put unstable simulations of `after` back to `before`; (W,) which ones they are."""
        warnings_raised = self._open_batch().warning[:, :, 1].any(axis=1)
        is_finite = np.isfinite(after.qpos).all(axis=1) & np.isfinite(after.qvel).all(axis=1)
        diverged: Flags = warnings_raised | ~is_finite
        if diverged.any():
            self.num_diverged += int(diverged.sum())
            after.qpos[diverged] = before.qpos[diverged]
            after.qvel[diverged] = before.qvel[diverged]
            for name, value in after.fields.items():
                value[diverged] = before.fields[name][diverged]
        return diverged
