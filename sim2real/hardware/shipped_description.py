"""The URDF that lies beside robot.yaml, for computers without MuJoCo, which makes it (`urdf`)."""

from __future__ import annotations

from sim2real.contract.robot_spec import RobotSpec
from sim2real.contract.text_file import read_text


def shipped_description(spec: RobotSpec) -> str:
    """What `robot_description` carries. Raises `BadInput` where there is none for this robot."""
    return read_text(
        spec.file_of("robot.urdf"),
        "a URDF",
        remedy=f"python -m sim2real.hardware.urdf {spec.source} prints it",
    )
