"""Where fingers and valve are in space, from recorded angles: the robot's own model, at rest.

Needs MuJoCo, for its kinematics only; nothing is simulated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from sim2real.contract.robot_spec import RobotSpec
from sim2real.hardware.physics_model import load_physics_model

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Capsule:
    """A rounded bar of the valve, in its own frame."""

    start_m: tuple[float, float, float]
    end_m: tuple[float, float, float]
    radius_m: float


class HandKinematics:
    """The chain of every finger, and the valve."""

    def __init__(self, spec: RobotSpec) -> None:
        self._model = load_physics_model(spec)
        self._data = mujoco.MjData(self._model)
        self._addresses = [int(self._model.joint(name).qposadr[0]) for name in spec.joint_names]
        self._chains = _chains(self._model, spec.joint_names)
        self._tips = [_tip(self._model, int(chain[-1])) for chain in self._chains]
        self._valve = next(item.name for item in spec.objects if item.has_joint)

    @property
    def points_per_finger(self) -> int:
        """P: its joints, and its tip."""
        return max(map(len, self._chains)) + 1

    @property
    def valve_centre_m(self) -> tuple[float, float, float]:
        """Where the axis of the valve is."""
        mujoco.mj_kinematics(self._model, self._data)
        joint = self._model.joint(self._valve)
        return _triple(self._data.xanchor[joint.id])

    def valve_bars(self) -> list[Capsule]:
        """The capsules that the valve consists of, about its axis."""
        body = int(self._model.joint(self._valve).bodyid[0])
        bars = []
        for geom in range(self._model.ngeom):
            is_capsule = self._model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CAPSULE
            if self._model.geom_bodyid[geom] == body and is_capsule:
                radius, half = self._model.geom_size[geom][:2]
                rotation = np.zeros(9)
                mujoco.mju_quat2Mat(rotation, self._model.geom_quat[geom])
                axis, centre = rotation.reshape(3, 3)[:, 2] * half, self._model.geom_pos[geom]
                bars.append(
                    Capsule(
                        start_m=_triple(centre - axis),
                        end_m=_triple(centre + axis),
                        radius_m=float(radius),
                    )
                )
        return bars

    def fingers_m(self, position_rad: Floats) -> Floats:
        """(T, F, P, 3) joints of each finger and its tip, for joint angles (T, J)."""
        return np.array([self._pose(row) for row in position_rad])

    def _pose(self, position_rad: Floats) -> list[Floats]:
        self._data.qpos[self._addresses] = position_rad
        mujoco.mj_kinematics(self._model, self._data)
        return [
            np.array([*self._data.xanchor[chain], self._point(body, tip)])
            for chain, (body, tip) in zip(self._chains, self._tips, strict=True)
        ]

    def _point(self, body: int, offset_m: Floats) -> Floats:
        rotation = self._data.xmat[body].reshape(3, 3)
        return np.asarray(self._data.xpos[body] + rotation @ offset_m)


def _chains(model: Any, joint_names: Sequence[str]) -> list[list[int]]:
    """Joints that carry one another, base first, one list per finger."""
    joints = {int(model.joint(name).id) for name in joint_names}
    chains = []
    for joint in joints:
        children = [other for other in joints if joint in _ancestors(model, other)]
        if not children:
            chains.append([*reversed([a for a in _ancestors(model, joint) if a in joints]), joint])
    return sorted(chains)


def _ancestors(model: Any, joint: int) -> list[int]:
    """Joints between one joint and the world, nearest first."""
    found: list[int] = []
    body = int(model.body_parentid[model.jnt_bodyid[joint]])
    while body:
        start, count = int(model.body_jntadr[body]), int(model.body_jntnum[body])
        found += range(start + count - 1, start - 1, -1) if count else []
        body = int(model.body_parentid[body])
    return found


def _tip(model: Any, joint: int) -> tuple[int, Floats]:
    """The link that a finger ends with, and the centre of its end in that link's frame."""
    body = int(model.jnt_bodyid[joint])
    ends = []
    for geom in range(model.ngeom):
        if model.geom_bodyid[geom] == body:
            rotation = np.zeros(9)
            mujoco.mju_quat2Mat(rotation, model.geom_quat[geom])
            axis = rotation.reshape(3, 3)[:, 2] * model.geom_size[geom][1]
            ends += [model.geom_pos[geom] + axis, model.geom_pos[geom] - axis]
    return body, np.asarray(max(ends, key=lambda end: float(np.linalg.norm(end))))


def _triple(values: Any) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
