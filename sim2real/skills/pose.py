"""Joint-pose tracking: bring all joints to a pose, which may move."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.observation import ObservationLayout, Term
from sim2real.skills.hand import excess_velocity, joint_terms, joint_values
from sim2real.skills.skill import Array, Moment, Values


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Goal: (J,) joint positions in rad."""

    name: str = "pose"
    num_joints: int = 9
    target_visible: bool = True
    success_error_rad: float = 0.175
    """mean absolute joint error that still counts as success (ROBEL: 10 degrees)"""
    velocity_threshold_rad_s: float = float(np.pi)
    """joint speeds below this cost nothing (ROBEL)"""

    @property
    def goal_size(self) -> int:
        return self.num_joints

    @property
    def goal_limit(self) -> float:
        return np.pi  # what a servo's turn allows either way, rad

    @cached_property
    def layout(self) -> ObservationLayout:
        # Not how far each servo is behind its target: from that a policy could read the load of
        # a joint within a tick, and feedback alone would do what a belief is for.
        terms = tuple(term for term in joint_terms(self.num_joints) if term.name != "target_lag")
        if self.target_visible:
            terms += (Term(name="pose_error", size=self.num_joints, unit="rad"),)
        return ObservationLayout(terms=terms)

    def values(self, moment: Moment) -> dict[str, Array]:
        error = moment.goal - moment.reading.position_rad
        return {**joint_values(moment), "pose_error": error}

    def reward_terms(self, values: Values) -> dict[str, Array]:
        """Distance to the pose and excess speed (weights of ROBEL's pose task), and a bonus.

        The bonus sharpens near the pose, joint by joint, where the distance is nearly flat.
        """
        speed = excess_velocity(values["joint_velocity"], self.velocity_threshold_rad_s)
        near = np.exp(-0.5 * (values["pose_error"] / self.success_error_rad) ** 2)
        return {
            "pose_error": -np.linalg.norm(values["pose_error"], axis=-1),
            "near": 0.5 * near.mean(axis=-1),
            "excess_velocity": -0.1 * speed,
        }

    def is_success(self, values: Values) -> NDArray[np.bool_]:
        error = np.abs(values["pose_error"]).mean(axis=-1)
        return np.asarray(error < self.success_error_rad)
