"""The protocol of every skill: what the robot is asked to do, from values that it measures.

A skill owns observation layout, reward and success, so that the same function pays in simulation,
on the robot and over a log: PEARL, RL² and VariBAD read the reward at deployment. Everything is
batched over leading axes `...` and uses numpy only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.joint_io import Reading
from sim2real.contract.observation import ObservationLayout

Array = NDArray[np.floating]
Values = Mapping[str, Array]


@dataclass(frozen=True, kw_only=True, eq=False)
class Moment:
    """All that a skill needs to know at one tick."""

    reading: Reading
    target_position_rad: Array
    """(..., J) joint targets that are being tracked when the reading is taken"""
    elapsed_s: Array
    """(...,) time since the episode began"""
    goal: Array
    """(..., G) what the skill is asked for, in the skill's own unit"""
    object_start_rad: Array
    """(...,) valve angle when the episode began"""
    halfway_s: Array
    """(...,) `elapsed_s` in the middle of the episode; infinite as long as it has not passed"""
    object_halfway_rad: Array
    """(...,) valve angle at that time; before it, any finite one"""
    lower_rad: Array
    """(J,) lower end of each joint's range"""
    upper_rad: Array
    """(J,) upper end"""


class Skill(Protocol):
    """What the robot is asked to do."""

    @property
    def name(self) -> str:
        """As the registry and manifests call it."""

    @property
    def target_visible(self) -> bool:
        """Whether the policy sees the goal, or has to infer it from reward."""

    @property
    def goal_size(self) -> int:
        """G, elements of a goal."""

    @property
    def goal_limit(self) -> float:
        """How large an element can be, in the skill's own unit; beyond it another was meant."""

    @property
    def layout(self) -> ObservationLayout:
        """What the policy sees."""

    def values(self, moment: Moment) -> dict[str, Array]:
        """Named measured quantities, each (..., size): a superset of the layout's terms."""

    def reward_terms(self, values: Values) -> dict[str, Array]:
        """What is paid for arriving at these values, term by term, each (...,)."""

    def is_success(self, values: Values) -> NDArray[np.bool_]:
        """(...,) whether the skill's condition holds at these values."""


def observation(skill: Skill, values: Values) -> NDArray[np.float32]:
    """(..., O) what the policy sees of the values."""
    return skill.layout.pack({name: values[name] for name in skill.layout.names})


def reward(skill: Skill, values: Values) -> NDArray[np.float32]:
    """(...,) sum of the reward terms."""
    total = sum(skill.reward_terms(values).values())
    return np.asarray(total, np.float32)
