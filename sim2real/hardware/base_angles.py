"""Where the fingers stand around the object, held to robot.yaml: swapped, they are another hand."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import RobotSpec

TOLERANCE_RAD = 0.05
"""more than rounded drawings are off by, far less than lies between two fingers"""

Places = Mapping[str, NDArray[np.float64]]
"""(3,) metres by the robot's name of a joint: z up, x where the object's mark points at angle 0"""


def require_base_angles(spec: RobotSpec, places: Places, where: str) -> None:
    """Raise `BadInput` for a finger that a description has elsewhere than robot.yaml.

    Angles are taken around the first object that has a joint, or around z where there is none.
    """
    axes = [item.name for item in spec.objects if item.has_joint]
    centre = _place(axes[0], places, where) if axes else np.zeros(3)
    for joint, expected in spec.base_angle_rad.items():
        across, along, _ = _place(joint, places, where) - centre
        found = math.atan2(along, across)
        if abs(math.remainder(found - expected, math.tau)) > TOLERANCE_RAD:
            raise BadInput(
                where,
                f"base angle of {joint}",
                found=round(found, 4),
                expected=f"{expected:.4f} rad, as {spec.source.name} has it",
                remedy="it is that of the finger with these motor ids, seen from above",
            )


def _place(joint: str, places: Places, where: str) -> NDArray[np.float64]:
    if joint not in places:
        raise BadInput(where, "joint", found=f"no {joint}", expected=f"it among {sorted(places)}")
    return places[joint]
