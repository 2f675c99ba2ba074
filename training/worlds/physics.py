"""The protocol of whatever steps a scene's compiled model: W simulations, advanced together.

`MujocoWorld` owns episodes, tasks and rewards and asks this for the motion alone, so that a skill
is the same on every engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import mujoco
import numpy as np
from numpy.typing import NDArray

from training.worlds.scene import Array, Flags

Rows = NDArray[np.intp]


class NoRoomError(RuntimeError):
    """A contact or a constraint for which an engine had set no memory aside: it was lost."""


class Physics(Protocol):
    """W simulations of one compiled model, which may differ in its numbers. Rows are worlds.

    What one row does depends neither on the other rows nor on what was simulated before its start.
    """

    def set_models(self, models: Sequence[mujoco.MjModel]) -> None:
        """Give row w the model `models[w]`; equal models may be one object.

        Raises `ValueError`, naming the model's field, where the engine cannot tell them apart.
        """

    def start(self, rows: Rows, qpos: Array, qvel: Array) -> Flags:
        """Put n rows at (n, nq) positions and (n, nv) velocities, at rest otherwise.

        Returns (n,) which of them are unstable there.
        """

    def rollout(self, control: Array) -> Flags:
        """Advance every row under (W, T, nu) actuator inputs; (W,) which became unstable.

        Raises `NoRoomError` rather than go on without a contact.
        """

    def read(self, name: str, rows: Rows) -> Array:
        """(n, ...) a copy of `qpos`, `qvel` or a field that was asked for, of the given rows."""

    def close(self) -> None:
        """Free threads and memory."""


class PhysicsOf(NamedTuple):
    """What an engine simulates."""

    mj_model: mujoco.MjModel
    """the nominal model"""
    num_worlds: int
    fields: tuple[str, ...]
    """MjData fields that are read beside qpos and qvel"""
    num_threads: int
    """that it may use; results do not depend on it"""


MakePhysics = Callable[[PhysicsOf], Physics]
"""an engine, ready to be given models and starts"""
