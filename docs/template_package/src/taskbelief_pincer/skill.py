"""Go to a pose, and be slow where it matters: numpy only, as on the robot."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.observation import ObservationLayout, Term
from sim2real.skills.hand import joint_terms, joint_values
from sim2real.skills.skill import Array, Moment, Values


@dataclass(frozen=True, kw_only=True)
class GentlePose:
    """Goal: (J,) joint positions in rad, to be reached without haste. See `skills.skill.Skill`."""

    name: str = "gentle_pose"
    num_joints: int = 4
    target_visible: bool = True
    success_error_rad: float = 0.1
    """mean absolute joint error that still counts as success"""
    gentle_rad_s: float = 1.0
    """the fastest joint may be this fast then"""

    @property
    def goal_size(self) -> int:
        return self.num_joints

    @property
    def goal_limit(self) -> float:
        return np.pi  # rad

    @cached_property
    def layout(self) -> ObservationLayout:
        terms = joint_terms(self.num_joints)
        if self.target_visible:
            terms += (Term(name="pose_error", size=self.num_joints, unit="rad"),)
        return ObservationLayout(terms=terms)

    def values(self, moment: Moment) -> dict[str, Array]:
        error = moment.goal - moment.reading.position_rad
        return {**joint_values(moment), "pose_error": error}

    def reward_terms(self, values: Values) -> dict[str, Array]:
        """Distance to the pose, and what a joint is faster than gentle."""
        haste = np.maximum(np.abs(values["joint_velocity"]) - self.gentle_rad_s, 0.0)
        return {
            "pose_error": -np.linalg.norm(values["pose_error"], axis=-1),
            "haste": -0.2 * haste.sum(axis=-1),
        }

    def is_success(self, values: Values) -> NDArray[np.bool_]:
        near = np.abs(values["pose_error"]).mean(axis=-1) < self.success_error_rad
        slow = np.abs(values["joint_velocity"]).max(axis=-1) < self.gentle_rad_s
        return np.asarray(near & slow)
