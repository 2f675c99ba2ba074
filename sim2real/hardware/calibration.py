"""How one unit's servos are mounted: sign and zero of each, read from `units/<unit>.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim2real.contract import strict
from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import RobotSpec
from sim2real.contract.text_file import read_yaml
from sim2real.hardware.dynamixel.control_table import POSITION_UNIT_RAD

SCHEMA_VERSION = 1
COUNTS_PER_TURN = 4096


@dataclass(frozen=True, kw_only=True)
class ServoCalibration:
    """One servo's mounting."""

    sign: int
    """1 if the servo counts up when the joint's angle grows, else -1"""
    zero_count: int
    """Present Position at joint angle zero"""

    def __post_init__(self) -> None:
        if self.sign not in (1, -1):
            raise ValueError(f"sign is {self.sign}, not 1 or -1")
        if not 0 <= self.zero_count < COUNTS_PER_TURN:
            raise ValueError(f"zero_count {self.zero_count} is outside [0, {COUNTS_PER_TURN - 1}]")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """One unit, as its file has it."""

    schema_version: int
    unit: str
    """serial number or nickname, and the name of the file"""
    robot: str
    """name in robot.yaml of the kind of robot"""
    servos: Mapping[str, ServoCalibration]
    """by joint or object name"""

    def frame(self, names: tuple[str, ...]) -> JointFrame:
        """The conversion for these servos, in this order."""
        mounted = [self.servos[name] for name in names]
        return JointFrame(
            sign=np.array([servo.sign for servo in mounted], np.float64),
            zero_count=np.array([servo.zero_count for servo in mounted], np.float64),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class JointFrame:
    """Between servo counts and joint angles for n servos; arrays are (n,)."""

    sign: NDArray[np.float64]
    zero_count: NDArray[np.float64]

    def position_rad(self, counts: NDArray[np.integer]) -> NDArray[np.float64]:
        return self.sign * (counts - self.zero_count) * POSITION_UNIT_RAD

    def counts(self, position_rad: NDArray[np.floating]) -> NDArray[np.int32]:
        """The nearest counts."""
        counts = self.sign * np.asarray(position_rad, np.float64) / POSITION_UNIT_RAD
        return np.rint(counts + self.zero_count).astype(np.int32)


def unit_path(spec: RobotSpec, unit: str) -> Path:
    """units/UNIT.yaml beside the robot.yaml, or else the shipped one of this kind of robot."""
    return spec.file_of("units", f"{unit}.yaml")


def load_calibration(spec: RobotSpec, unit: str, path: Path | None = None) -> Calibration:
    """Read and check the unit's file; `path` is for one that lies elsewhere.

    Raises `BadInput` naming file and field for anything missing, unknown, ill-typed, of another
    robot, or that would put a joint's range outside one turn of its servo.
    """
    path = path or unit_path(spec, unit)
    where = str(path)
    known = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml"))) or "none"
    document = read_yaml(path, "a unit's calibration", remedy=f"have {known}")
    calibration = strict.build(Calibration, document, where)
    _validate(calibration, spec, unit, where)
    return calibration


def _validate(calibration: Calibration, spec: RobotSpec, unit: str, where: str) -> None:
    names = {*spec.joint_names, *(item.name for item in spec.objects)}
    for field, found, expected in (
        ("schema_version", calibration.schema_version, SCHEMA_VERSION),
        ("unit", calibration.unit, unit),
        ("robot", calibration.robot, spec.name),
    ):
        if found != expected:
            raise BadInput(where, field, found=found, expected=str(expected))
    if set(calibration.servos) != names:
        odd = ", ".join(sorted(set(calibration.servos) ^ names))
        raise BadInput(where, "servos", found=odd, expected="each joint and object once, no other")
    for joint in spec.joints:
        lowest, highest = position_limit_counts(joint.range_rad, calibration.servos[joint.name])
        if not 0 <= lowest < highest < COUNTS_PER_TURN:
            raise BadInput(
                where,
                f"servos.{joint.name}",
                found=f"counts {lowest} to {highest}",
                expected=f"the joint's range within 0 to {COUNTS_PER_TURN - 1}",
                remedy="turn the horn",
            )


def position_limit_counts(
    range_rad: tuple[float, float], servo: ServoCalibration
) -> tuple[int, int]:
    """Smallest and largest count of a joint range, for registers 52 and 48."""
    ends = [round(servo.sign * angle / POSITION_UNIT_RAD) + servo.zero_count for angle in range_rad]
    return min(ends), max(ends)
