"""The URDF that lies beside robot.yaml, for computers without MuJoCo, which makes it (`urdf`)."""

from __future__ import annotations

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import HARDWARE_CONFIGS, RobotSpec


def shipped_description(spec: RobotSpec) -> str:
    """What `robot_description` carries. Raises `BadInput` where there is none for this robot."""
    path = HARDWARE_CONFIGS / spec.name / "robot.urdf"
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(
            str(path),
            "file",
            found=error.strerror,
            expected="a URDF",
            remedy="python -m sim2real.hardware.urdf prints it",
        ) from None
