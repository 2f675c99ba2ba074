"""Compiled models that differ between worlds, as MuJoCo Warp takes them: arrays of one row each.

MuJoCo Warp has one model for all worlds, some of whose arrays may have a row for every world. What
a task changes is found by comparing its compiled model with the nominal one, field by field, so
that no variation needs to be known here, and none that has no such array can pass unnoticed.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import mujoco
import mujoco_warp as mjw
import numpy as np
import warp as wp
from numpy.typing import NDArray

Values = NDArray[Any]

NOT_PHYSICS = ("numeric_data", "dof_M0")
"""MjModel fields that no step reads: what the scene simulates itself and how things look; inertias
that MuJoCo derives for its compiler"""
OF_STATIC_BODIES = ("xpos", "xquat", "xmat", "xipos", "ximat", "geom_xpos", "geom_xmat")
"""MjData fields that MuJoCo Warp works out once, of the nominal model, for what never moves"""


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """One compiled model."""

    by_world: Mapping[str, Values]
    """MuJoCo Warp's arrays that may have a row for every world, without that axis"""
    shared: Mapping[str, Any]
    """all else of MuJoCo Warp's model"""
    placed: Mapping[str, Values]
    """where bodies are in the model's first posture"""


class WorldModels:
    """What differs between models, each looked at once; all are variants of one nominal model."""

    def __init__(self, nominal: mujoco.MjModel) -> None:
        self._model, self._nominal = nominal, _parts(nominal)
        self._known = {id(nominal): self._nominal}
        """by the id of a model, for as long as that is there"""

    def rows(
        self, models: Sequence[mujoco.MjModel], also: Collection[str] = ()
    ) -> dict[str, Values]:
        """(W, ...) by name, arrays of MuJoCo Warp that differ from the nominal ones, and others.

        Raises `ValueError`, naming it, for a difference that MuJoCo Warp cannot have.
        """
        found = [self._look(model) for model in models]
        distinct = {id(each): each for each in found}.values()
        return {
            name: np.stack([each.by_world[name] for each in found])
            for name, plain in self._nominal.by_world.items()
            if name in also or any(not _same(plain, each.by_world[name]) for each in distinct)
        }

    def placed(self, models: Sequence[mujoco.MjModel]) -> dict[str, Values]:
        """(W, ...) by name, `OF_STATIC_BODIES` of every model's first posture."""
        found = [self._look(model).placed for model in models]
        return {name: np.stack([each[name] for each in found]) for name in OF_STATIC_BODIES}

    def _look(self, model: mujoco.MjModel) -> _Parts:
        if id(model) not in self._known:
            parts = _parts(model)
            self._require_same_but(model, parts)
            self._known[id(model)] = parts
            weakref.finalize(model, self._known.pop, id(model), None)
        return self._known[id(model)]

    def _require_same_but(self, model: mujoco.MjModel, parts: _Parts) -> None:
        """Raise `ValueError` for what differs from the nominal model beside `by_world`."""
        allowed = {*parts.by_world, *NOT_PHYSICS}
        changed = _differing(self._model, model)
        others = [name for name in changed if name not in allowed]
        # What MuJoCo Warp derives once has to hold for all worlds.
        shared = self._nominal.shared
        others += [name for name, value in parts.shared.items() if not _same(value, shared[name])]
        if others:
            raise ValueError(
                f"tasks differ in {', '.join(dict.fromkeys(others))}, of which MuJoCo Warp has one "
                "for all worlds"
            )


def for_warp(model: mujoco.MjModel) -> mujoco.MjModel:
    """A copy that MuJoCo Warp takes: it refuses models that say how near pairs are not to be sorted
    out, which is MuJoCo's business and moves nothing."""
    taken = copy.copy(model)
    taken.opt.disableflags &= ~mujoco.mjtDisableBit.mjDSBL_MIDPHASE.value
    return taken


def _parts(model: mujoco.MjModel) -> _Parts:
    with wp.ScopedDevice("cpu"):  # to be compared, not stepped
        put = mjw.put_model(for_warp(model))
    by_world, shared = dict[str, Values](), dict[str, Any]()
    for field in fields(put):
        value = getattr(put, field.name)
        if getattr(value, "_is_batched", False):
            by_world[field.name] = value.numpy()[0]
        elif field.name not in ("opt", "callback"):
            shared[field.name] = value
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    placed = {name: np.array(getattr(data, name)) for name in OF_STATIC_BODIES}
    return _Parts(by_world=by_world, shared=shared, placed=placed)


def _differing(one: mujoco.MjModel, other: mujoco.MjModel) -> Iterator[str]:
    """MjModel's arrays and sizes, and its options, in which two models differ."""
    for prefix, left, right in (("", one, other), ("opt.", one.opt, other.opt)):
        for name in dir(left):
            value = getattr(left, name)
            is_number = name[0] != "_" and isinstance(value, np.ndarray | int | float)
            if is_number and not _same(value, getattr(right, name)):
                yield prefix + name


def _same(one: Any, other: Any) -> bool:
    """Equal numbers, also in arrays of MuJoCo Warp and in collections of such."""
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, wp.array):
        one, other = one.numpy(), other.numpy()
    return np.array_equal(one, other)
