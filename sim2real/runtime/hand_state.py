"""What the loop that owns the hand tells whoever answers it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.camera import Frame
from sim2real.contract.joint_io import Reading


@dataclass(frozen=True, kw_only=True, eq=False)
class HandState:
    """A reading, and what was applied since the one before: all that a policy is told in one tick.

    `HandReading.msg` carries the same over a wire, but for the frame, which a camera publishes.
    """

    reading: Reading
    """what was measured just now"""
    applied_rad: NDArray[np.float64] | None
    """(J,) goals that the servos held as this was measured; None: unknown, or torque is off"""
    applied_answers_ns: int
    """stamp of the reading whose answer they are; 0: nobody's (held, placed, lost on the way)"""
    is_following: bool
    """torque is on and commands are followed"""
    frame: Frame | None = None
    """the newest one of the camera that the policy sees through; None: none yet, or it is blind"""
