"""MuJoCo Warp: all worlds as one batch, on a GPU or, slowly, on the processor.

Positions, velocities and dynamics stay on the device for a whole control step; its actuator inputs
go there before it, and what the scene reads comes back after it. Numbers are float32 there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import mujoco_warp as mjw
import numpy as np
import warp as wp

from training.worlds.physics import NoRoomError, PhysicsOf, Rows
from training.worlds.scene import Array, Flags
from training.worlds.warp_models import WorldModels, for_warp

AT_REST = ("act", "ctrl", "qacc_warmstart", "time")
"""what is zero where an episode starts; positions and velocities are given"""
LOSES_NOTHING = mjw.OverflowType.ITERATIONS | mjw.OverflowType.LS_ITERATIONS
"""overflows that are a solver's last iteration, not a contact without room"""


@dataclass(frozen=True, kw_only=True)
class Room:
    """How much memory is set aside. What has none would be lost, so it ends the rollout."""

    contacts: int = 48
    """of a world on average, pairs that are near included; all worlds share them"""
    rows: int = 192
    """of constraints, of any one world: dry friction, limits, up to ten of a contact"""


class WarpPhysics:
    """The `Physics` of a device; memory and kernels are made when they are first needed."""

    def __init__(self, of: PhysicsOf, *, device: str = "cpu", room: Room | None = None) -> None:
        self._of, self._room = of, room or Room()
        self._nominal = for_warp(of.mj_model)
        self._device = wp.get_device(device)
        self._models = WorldModels(of.mj_model)
        self._by_world: tuple[str, ...] = ()
        self._read: dict[str, Array] = {}
        with wp.ScopedDevice(self._device):
            self._data = mjw.make_data(
                self._nominal, of.num_worlds, nconmax=self._room.contacts, njmax=self._room.rows
            )
            counts = (self._data.nefc, self._data.nacon, self._data.ncollision)
            self._counts = [(now, wp.zeros_like(now)) for now in counts]
            self._keep_most = wp.map(wp.max, *self._counts[0], return_kernel=True)
        self._graph: Any = None
        self._control: Any = None
        self._put_model(())

    def set_models(self, models: Sequence[mujoco.MjModel]) -> None:
        """Raises `ValueError` for models that differ in what MuJoCo Warp has once."""
        rows = self._models.rows(models, self._by_world)
        if set(rows) != set(self._by_world):
            self._put_model(tuple(rows))
        for name, value in rows.items():
            getattr(self._model, name).assign(value)
        for name, value in self._models.placed(models).items():
            getattr(self._data, name).assign(value)

    def start(self, rows: Rows, qpos: Array, qvel: Array) -> Flags:
        self._write("qpos", rows, qpos)
        self._write("qvel", rows, qvel)
        for name in AT_REST:
            self._write(name, rows, 0.0)
        with wp.ScopedDevice(self._device):
            mjw.forward(self._model, self._data)
        for name in ("qpos", "qvel", *self._of.fields):
            # Of these rows alone: others keep what their last step left behind.
            now = self._fetched(name)
            self._read.setdefault(name, now.copy())[rows] = now[rows]
        moved = (self._read[name][rows] for name in ("qpos", "qvel"))
        return _is_unstable(*moved, self._fetched("qacc")[rows])

    def rollout(self, control: Array) -> Flags:
        """Raises `NoRoomError` with the number that had no room."""
        inputs = np.ascontiguousarray(control.swapaxes(0, 1), np.float32)
        with wp.ScopedDevice(self._device):
            self._advance(inputs)
        self._require_room()
        for name in ("qpos", "qvel", *self._of.fields):
            self._read[name] = self._fetched(name)
        return _is_unstable(self._read["qpos"], self._read["qvel"])

    def read(self, name: str, rows: Rows) -> Array:
        return self._read[name][rows]

    def close(self) -> None:
        self._graph = self._control = None
        del self._data, self._model

    @property
    def most_needed(self) -> Room:
        """What the fullest step so far had a use for."""
        rows, contacts, near = self._most()
        return Room(contacts=-(-max(contacts, near) // self._of.num_worlds), rows=rows)

    def _most(self) -> tuple[int, ...]:
        """Most rows of a world, contacts and near pairs of all, of any step so far."""
        return tuple(int(most.numpy().max()) for _, most in self._counts)

    def _put_model(self, by_world: tuple[str, ...]) -> None:
        """Make the model again with a row for every world of these arrays."""
        self._by_world = by_world
        with wp.ScopedDevice(self._device):
            sizes = dict.fromkeys(by_world, self._of.num_worlds)
            self._model = mjw.put_model(self._nominal, batch_sizes=sizes)
        self._model.opt.warn_overflow = 0  # it is an error instead
        self._model.opt.deterministic = int(mjw.DeterminismType.ALL)
        self._model.opt.run_rne_postconstraint = "cfrc_ext" in self._of.fields
        self._graph = self._control = None

    def _advance(self, inputs: Array) -> None:
        """Step through (T, W, nu) inputs, as one recorded graph where the device has such."""
        if self._control is None or self._control.shape != inputs.shape:
            self._graph, self._control = None, wp.array(inputs, dtype=float)
            self._step_through()  # loads the kernels, which no recording may
            return
        self._control.assign(inputs)
        if not self._device.is_cuda:
            self._step_through()
            return
        if self._graph is None:
            with wp.ScopedCapture() as capture:
                self._step_through()
            self._graph = capture.graph
        wp.capture_launch(self._graph)

    def _step_through(self) -> None:
        data = self._data
        for now in range(self._control.shape[0]):
            wp.copy(data.ctrl, self._control[now])
            mjw.step(self._model, data)
            for count, most in self._counts:
                wp.launch(self._keep_most, dim=most.shape, inputs=[most, count], outputs=[most])

    def _require_room(self) -> None:
        rows, contacts, near = self._most()
        worlds, room = self._of.num_worlds, self._room
        if rows > room.rows:
            raise NoRoomError(f"a world has {rows} constraint rows, room for {room.rows}")
        if max(contacts, near) > room.contacts * worlds:
            raise NoRoomError(
                f"{worlds} worlds have {contacts} contacts and {near} pairs that are near, "
                f"room for {room.contacts * worlds}"
            )
        lost = np.bitwise_or.reduce(self._data.overflow.numpy()) & ~int(LOSES_NOTHING)
        if lost:
            raise NoRoomError(f"MuJoCo Warp had no room: {mjw.OverflowType(int(lost))!r}")

    def _fetched(self, name: str) -> Array:
        """(W, ...) a copy on the host."""
        return np.array(getattr(self._data, name).numpy(), np.float64)

    def _write(self, name: str, rows: Rows, value: Array | float) -> None:
        array = getattr(self._data, name)
        changed = array.numpy().copy()
        changed[rows] = value
        array.assign(changed)


def _is_unstable(*values: Array) -> Flags:
    """(n,) where a number is no number, or larger than MuJoCo lets one grow."""
    with np.errstate(invalid="ignore"):
        bounded = [(np.abs(value) <= mujoco.mjMAXVAL).all(axis=1) for value in values]
    return np.asarray(~np.logical_and.reduce(bounded))
