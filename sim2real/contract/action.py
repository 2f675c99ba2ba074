"""The action map: from a policy's action in [-1, 1] to joint targets in rad, and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.robot_spec import RobotSpec

Float = NDArray[np.floating]


class _Limits(NamedTuple):
    """An action map's numbers as arrays, (J,) each: made once, used at every tick."""

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    step: NDArray[np.float64]
    middle: NDArray[np.float64]
    half_range: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ActionMap:
    """How an action moves the joint targets within one control period. J joints."""

    kind: Literal["absolute", "increment"]
    """absolute: an action is a place within the limits; increment: a step from the last target"""
    lower_rad: tuple[float, ...]
    """(J,) smallest target"""
    upper_rad: tuple[float, ...]
    """(J,) largest target"""
    max_step_rad: tuple[float, ...]
    """(J,) how far a target may move in one control period; the full step of an increment"""

    def __post_init__(self) -> None:
        if not len(self.lower_rad) == len(self.upper_rad) == len(self.max_step_rad) > 0:
            raise ValueError("lower_rad, upper_rad and max_step_rad need one value per joint")
        if not (np.array(self.lower_rad) < np.array(self.upper_rad)).all():
            raise ValueError("lower_rad must lie below upper_rad")
        if not (np.array(self.max_step_rad) > 0).all():
            raise ValueError("max_step_rad must be above zero")

    @classmethod
    def for_robot(
        cls,
        spec: RobotSpec,
        *,
        kind: Literal["absolute", "increment"],
        control_period_s: float,
        max_step_rad: float | None = None,
    ) -> ActionMap:
        """The map within a robot's limits; a step never exceeds the joints' velocity limit."""
        allowed = spec.joint_array("max_velocity_rad_s") * control_period_s
        step = allowed if max_step_rad is None else np.minimum(allowed, max_step_rad)
        return cls(
            kind=kind,
            lower_rad=tuple(spec.joint_array("lower_rad").tolist()),
            upper_rad=tuple(spec.joint_array("upper_rad").tolist()),
            max_step_rad=tuple(step.tolist()),
        )

    @property
    def size(self) -> int:
        """J"""
        return len(self.lower_rad)

    @cached_property
    def _limits(self) -> _Limits:
        lower, upper, step = map(np.asarray, (self.lower_rad, self.upper_rad, self.max_step_rad))
        return _Limits(lower, upper, step, (lower + upper) / 2.0, (upper - lower) / 2.0)

    def target(self, action: Float, previous_target_rad: Float) -> NDArray[np.float64]:
        """(..., J) joint targets for (..., J) actions, limited in rate and range.

        Actions beyond ±1 are clipped. Raises `ValueError` for another number of joints.
        """
        if action.shape[-1] != self.size or previous_target_rad.shape[-1] != self.size:
            raise ValueError(f"action {action.shape}: expected (..., {self.size})")
        lower, upper, step, middle, half_range = self._limits
        clipped = _clip(action, -1.0, 1.0).astype(np.float64)
        if self.kind == "absolute":
            wanted = middle + clipped * half_range
        else:
            wanted = previous_target_rad + clipped * step
        limited = _clip(wanted, previous_target_rad - step, previous_target_rad + step)
        return np.asarray(_clip(limited, lower, upper))

    def action_of(self, target_rad: Float, previous_target_rad: Float) -> NDArray[np.float32]:
        """(..., J) the action that leads to a target: what was *applied* after every limit.

        The inverse of `target` wherever no limit was active; context holds this value.
        """
        limits = self._limits
        if self.kind == "absolute":
            action = (target_rad - limits.middle) / limits.half_range
        else:
            action = (target_rad - previous_target_rad) / limits.step
        return np.asarray(_clip(action, -1.0, 1.0), np.float32)


def _clip(value: Float, low: Float | float, high: Float | float) -> Float:
    """`np.clip`, at a quarter of its cost for the few numbers of a tick."""
    return np.asarray(np.minimum(np.maximum(value, low), high))
