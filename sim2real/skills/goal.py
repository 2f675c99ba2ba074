"""What an episode asks for, as data: it fits a message, a record and a replay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from sim2real.skills.skill import Array


def _nothing() -> Array:
    return np.zeros(0)


@dataclass(frozen=True, kw_only=True, eq=False)
class GoalSignal:
    """goal(t) = centre + amplitude * sin(frequency * t), in the skill's own unit, G elements.

    Raises `ValueError` for fields of different sizes and for numbers that are not finite.
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
            if value.shape != (size,) or size == 0:
                raise ValueError(f"goal: {name}: shape {given.shape}, expected ({size},) above 0")
            if not np.isfinite(value).all():
                raise ValueError(f"goal: {name}: {value.tolist()}, expected finite numbers")
            value.flags.writeable = False
            object.__setattr__(self, name, value)

    @property
    def size(self) -> int:
        """G"""
        return len(self.centre)

    def __call__(self, elapsed_s: float) -> Array:
        """(G,) the goal so many seconds into the episode."""
        return np.asarray(self.centre + self.amplitude * np.sin(self.frequency_rad_s * elapsed_s))
