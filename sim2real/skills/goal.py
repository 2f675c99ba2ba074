"""What an episode asks for, as data: it fits a message, a record and a replay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from sim2real.contract.errors import BadInput
from sim2real.skills.skill import Array, Skill


def _nothing() -> Array:
    return np.zeros(0)


@dataclass(frozen=True, kw_only=True, eq=False)
class GoalSignal:
    """goal(t) = centre + amplitude * sin(frequency * t), in the skill's own unit, G elements.

    Raises `BadInput` for fields of different sizes and for numbers that are not finite.
    """

    centre: Array
    """(G,)"""
    amplitude: Array = field(default_factory=_nothing)
    """(G,); given empty: zeros"""
    frequency_rad_s: Array = field(default_factory=_nothing)
    """(G,) rad/s; given empty: zeros"""

    @classmethod
    def fixed(cls, centre: ArrayLike) -> Self:
        """A goal that stays where it is."""
        return cls(centre=np.asarray(centre))

    def __post_init__(self) -> None:
        size = np.size(self.centre)
        for name in ("centre", "amplitude", "frequency_rad_s"):
            # Copies: a goal that somebody writes to is another goal.
            given = np.array(getattr(self, name), np.float64)
            value = np.zeros(size) if given.size == 0 else given
            if value.ndim != 1 or size == 0:
                found = "nothing" if value.size == 0 else f"shape {given.shape}"
                raise BadInput("goal", name, found=found, expected="a list of numbers")
            if value.shape != (size,):
                expected = f"{size} numbers, as centre has, or none"
                raise BadInput("goal", name, found=f"{given.size} numbers", expected=expected)
            if not np.isfinite(value).all():
                raise BadInput("goal", name, found=value.tolist(), expected="finite numbers")
            value.flags.writeable = False
            object.__setattr__(self, name, value)

    @property
    def size(self) -> int:
        """G"""
        return len(self.centre)

    def __call__(self, elapsed_s: float) -> Array:
        """(G,) the goal so many seconds into the episode."""
        return np.asarray(self.centre + self.amplitude * np.sin(self.frequency_rad_s * elapsed_s))


def require_goal(goal: GoalSignal, skill: Skill, control_period_s: float) -> None:
    """Raise `BadInput` for a goal that this skill cannot be asked for at this rhythm."""
    where = f"goal of {skill.name}"
    if goal.size != skill.goal_size:
        expected = f"{skill.goal_size}"
        raise BadInput(where, "centre", found=f"{goal.size} numbers", expected=expected)
    farthest = float(np.max(np.abs(goal.centre) + np.abs(goal.amplitude)))
    if farthest > skill.goal_limit:
        expected = f"{-skill.goal_limit:.4g} to {skill.goal_limit:.4g}, the swing included"
        remedy = "were these degrees?"
        raise BadInput(where, "centre", found=farthest, expected=expected, remedy=remedy)
    fastest, most = float(np.max(np.abs(goal.frequency_rad_s))), np.pi / control_period_s
    if fastest > most:
        expected = f"at most {most:.4g} rad/s: half a swing in a control period"
        raise BadInput(where, "frequency_rad_s", found=fastest, expected=expected)
