"""Turn the valve at a target velocity: follow an angle that advances steadily."""

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
)
from sim2real.skills.skill import Array, Moment, Values


@dataclass(frozen=True, kw_only=True)
class ValveScrew:
    """Goal: (1,) valve velocity in rad/s. The wanted angle is start + velocity x time."""

    name: str = "valve_screw"
    num_joints: int = 9
    target_visible: bool = False
    goal_size: int = 1
    success_error_rad: float = 0.1
    """as for turning to an angle; ROBEL's 0.2 would pass half of our directions for each other"""
    success_velocity_error_rad_s: float = 0.0
    """where above 0, success is the mean velocity since the middle of the episode, off by less"""
    velocity_threshold_rad_s: float = 4.0
    """joint speeds below this cost nothing"""
    range_cost: float = 0.0
    """per radian that a joint is pushed out of its range; at the full range of goals fingers jam"""

    @property
    def goal_limit(self) -> float:
        return 2.0 * np.pi  # a turn a second either way, rad/s: faster than fingers are

    @cached_property
    def layout(self) -> ObservationLayout:
        terms = joint_terms(self.num_joints) + VALVE_TERMS
        # Both are measured, and without them a policy that knows the velocity could not tell
        # whether it is ahead or behind.
        terms += (
            Term(name="valve_progress", size=1, unit="rad"),
            Term(name="elapsed", size=1, unit="s"),
        )
        if self.target_visible:
            terms += (
                Term(name="valve_error", size=1, unit="rad"),
                Term(name="valve_goal_velocity", size=1, unit="rad/s"),
            )
        return ObservationLayout(terms=terms)

    def values(self, moment: Moment) -> dict[str, Array]:
        progress = moment.reading.object_position_rad - moment.object_start_rad
        wanted = moment.goal[..., 0] * moment.elapsed_s
        return {
            **joint_values(moment),
            **valve_values(moment),
            "valve_progress": progress[..., None],
            "elapsed": np.asarray(moment.elapsed_s)[..., None],
            "valve_error": (wanted - progress)[..., None],
            "valve_goal_velocity": moment.goal,
            "valve_velocity_error": _velocity_error(moment)[..., None],
        }

    def reward_terms(self, values: Values) -> dict[str, Array]:
        """Distance to the advancing angle, a bonus that sharpens near it, and excess speed."""
        error = np.abs(values["valve_error"][..., 0])
        speed = excess_velocity(values["joint_velocity"], self.velocity_threshold_rad_s)
        return {
            "valve_error": -np.minimum(error, np.pi),
            "near": 0.5 * np.exp(-0.5 * (error / self.success_error_rad) ** 2),
            "excess_velocity": -0.05 * speed,
            **range_terms(values, self.range_cost),
        }

    def is_success(self, values: Values) -> NDArray[np.bool_]:
        if self.success_velocity_error_rad_s == 0.0:
            return np.asarray(np.abs(values["valve_error"][..., 0]) < self.success_error_rad)
        error = np.abs(values["valve_velocity_error"][..., 0])
        return np.asarray(error < self.success_velocity_error_rad_s)


def _velocity_error(moment: Moment) -> Array:
    """(...,) mean velocity since the middle of the episode, less the goal; infinite before it."""
    seconds = np.asarray(moment.elapsed_s - moment.halfway_s)
    turned = moment.reading.object_position_rad - moment.object_halfway_rad
    is_late = seconds > 0.0
    mean = turned / np.where(is_late, seconds, 1.0)
    return np.where(is_late, mean - moment.goal[..., 0], np.inf)
