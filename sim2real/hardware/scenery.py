"""How the place looks in which a hand works: light, colours, and where exactly its camera hangs.

A compiled model states all of it in custom numeric elements, zero unless a task says otherwise
(`load_physics_model` gives every model the elements), so that whoever renders a model needs nothing
beside it. Zero everywhere is the nominal look.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import mujoco
from numpy.typing import ArrayLike

Pair = tuple[float, float]
Triple = tuple[float, float, float]

_PREFIX = "scenery_"


@dataclass(frozen=True, kw_only=True)
class Scenery:
    """One look; every field is what differs from the nominal one."""

    light_shift: Pair = (0.0, 0.0)
    """added to the horizontal parts of the direction to the light, whose vertical part is 1"""
    light_level: tuple[float] = (0.0,)
    """natural logarithm of how much brighter everything is"""
    light_colour: Triple = (0.0, 0.0, 0.0)
    """red, green and blue of the light less those of white, which are 1"""
    object_colour: Triple = (0.0, 0.0, 0.0)
    """added to red, green and blue of the turned object, its mark included"""
    hand_colour: Triple = (0.0, 0.0, 0.0)
    """added to those of the fingers"""
    surroundings_colour: Triple = (0.0, 0.0, 0.0)
    """added to those of everything else"""
    camera_shift: Triple = (0.0, 0.0, 0.0)
    """m, in the camera's own axes: right, up, backwards"""
    camera_turn: Triple = (0.0, 0.0, 0.0)
    """rad, rotation vector in the camera's own axes"""

    @classmethod
    def of(cls, model: mujoco.MjModel) -> Self:
        """What a model states; nominal where it lacks an element."""
        return cls(**{name: _stated(model, name, size) for name, size in SIZES.items()})  # type: ignore[arg-type]


SIZES = {each.name: len(each.default) for each in fields(Scenery)}  # type: ignore[arg-type]
"""elements of every field"""
SCENERY_NUMERICS = {_PREFIX + name: size for name, size in SIZES.items()}
"""the custom numeric elements, by size"""


def write_scenery(model: mujoco.MjModel, name: str, value: ArrayLike) -> None:
    """State a field of the scenery in a model, in place."""
    model.numeric(_PREFIX + name).data[:] = value


def _stated(model: mujoco.MjModel, name: str, size: int) -> tuple[float, ...]:
    index = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_NUMERIC, _PREFIX + name)
    if index < 0:
        return (0.0,) * size
    return tuple(model.numeric(_PREFIX + name).data[:size].tolist())
