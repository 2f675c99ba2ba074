"""MuJoCo itself, on a pool of threads.

`mujoco.batch` keeps every simulation's whole integration state in its own row, so neither the
number of threads nor what a thread simulated before can change a result.
"""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from mujoco.batch import Batch

from training.worlds.physics import PhysicsOf, Rows
from training.worlds.scene import Array, Flags

_COUNT = 1
"""where a warning says how often it was raised since the last start"""


class ThreadedPhysics:
    """The `Physics` of the processor, bit for bit the same on any number of threads."""

    def __init__(self, of: PhysicsOf) -> None:
        self._batch = Batch(of.mj_model, of.num_worlds, of.num_threads)
        for name in ("qpos", "qvel", *of.fields):
            self._batch.bind(name)  # a field bound later would be zero until the next step

    def set_models(self, models: Sequence[mujoco.MjModel]) -> None:
        self._batch.set_models(list(models))

    def start(self, rows: Rows, qpos: Array, qvel: Array) -> Flags:
        self._batch.reset(rows, stage=mujoco.mjtStage.mjSTAGE_NONE.value)
        self._batch.bind("qpos")[rows], self._batch.bind("qvel")[rows] = qpos, qvel
        self._batch.forward(rows)
        return np.asarray(self._batch.warning[rows, :, _COUNT].any(axis=1))

    def rollout(self, control: Array) -> Flags:
        self._batch.rollout(control.shape[1], control, record=())
        return np.asarray(self._batch.warning[:, :, _COUNT].any(axis=1))

    def read(self, name: str, rows: Rows) -> Array:
        return np.asarray(self._batch.bind(name)[rows])

    def close(self) -> None:
        del self._batch
