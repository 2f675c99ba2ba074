"""Turn the valve to a target angle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.observation import ObservationLayout, Term
from sim2real.skills.hand import (
    VALVE_TERMS,
    excess_velocity,
    joint_terms,
    joint_values,
    range_terms,
    valve_values,
    wrapped,
)
from sim2real.skills.skill import Array, Moment, Values


@dataclass(frozen=True, kw_only=True)
class ValveTurn:
    """Goal: (1,) valve angle in rad."""

    name: str = "valve_turn"
    num_joints: int = 9
    target_visible: bool = False
    valve_visible: bool = True
    """whether the policy is told the valve's angle and velocity, or has to see them; reward and
    success go by the valve's own encoder either way"""
    goal_size: int = 1
    success_error_rad: float = 0.1
    """as ROBEL counts success"""
    velocity_threshold_rad_s: float = 4.0
    """joint speeds below this cost nothing"""
    distance_cost: float = 1.0
    """per radian off the target; 0: only nearness pays, and the target has to be found"""
    range_cost: float = 0.0
    """per radian that a joint is pushed out of its range; at the full range of goals fingers jam"""

    @property
    def goal_limit(self) -> float:
        return 2.0 * np.pi  # a turn either way, rad

    @cached_property
    def layout(self) -> ObservationLayout:
        terms = joint_terms(self.num_joints) + (VALVE_TERMS if self.valve_visible else ())
        if self.target_visible:
            terms += (Term(name="valve_error", size=1, unit="rad"),)
        return ObservationLayout(terms=terms)

    def values(self, moment: Moment) -> dict[str, Array]:
        error = wrapped(moment.goal[..., 0] - moment.reading.object_position_rad)
        return {**joint_values(moment), **valve_values(moment), "valve_error": error[..., None]}

    def reward_terms(self, values: Values) -> dict[str, Array]:
        """Distance to the target angle, a bonus that sharpens near it, and excess speed."""
        error = np.abs(values["valve_error"][..., 0])
        speed = excess_velocity(values["joint_velocity"], self.velocity_threshold_rad_s)
        return {
            "valve_error": -self.distance_cost * error,
            "near": 0.5 * np.exp(-0.5 * (error / self.success_error_rad) ** 2),
            "excess_velocity": -0.05 * speed,
            **range_terms(values, self.range_cost),
        }

    def is_success(self, values: Values) -> NDArray[np.bool_]:
        return np.asarray(np.abs(values["valve_error"][..., 0]) < self.success_error_rad)
