"""What a robot returns and accepts: SI units, `RobotSpec` joint order, with stamps.

`...` are optional leading batch axes: a robot has none, a batch of W simulated claws has (W,).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """One measurement of all servos, taken together."""

    stamp_ns: int
    """when it was measured, on the host's monotonic clock (simulated time in simulation)"""
    sequence: int
    """counts measurements: two readings with the same number are the same measurement"""
    position_rad: Array
    """(..., J)"""
    velocity_rad_s: Array
    """(..., J)"""
    current_ma: Array
    """(..., J)"""
    object_position_rad: Array
    """(...,) angle of the valve, not wrapped"""
    object_velocity_rad_s: Array
    """(...,)"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Command:
    """Joint position targets for one control period."""

    stamp_ns: int
    """the stamp of the reading that it answers: the age of a command is counted from there"""
    position_rad: Array
    """(..., J)"""
    lifespan_s: float | None = None
    """older than this it is not executed; None: as long as the robot may go without a new one"""

    def __post_init__(self) -> None:
        if self.lifespan_s is not None and not self.lifespan_s > 0.0:
            raise ValueError(f"lifespan_s {self.lifespan_s}: expected above 0")
