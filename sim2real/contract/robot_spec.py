"""What a robot is, read from `robot.yaml`: joints in order, motor ids, limits, gains, period.

Every number that bounds a motion lives here and nowhere else; the simulated claw and the servos'
registers are both checked against it. What no register holds, and what the driver would not heed,
is refused when it is read.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim2real.contract import servo_facts
from sim2real.contract.errors import BadInput
from sim2real.contract.registry import Registry
from sim2real.contract.strict import NOT_IN_FILE, build
from sim2real.contract.text_file import read_yaml

SCHEMA_VERSION = 1
HARDWARE_CONFIGS = Path(__file__).resolve().parents[2] / "hardware_configs"
ROBOT_YAML = "robot.yaml"
DCLAW = HARDWARE_CONFIGS / "dclaw" / ROBOT_YAML
ROBOTS: Registry[Path] = Registry(
    "robots",
    {path.parent.name: path.parent for path in sorted(HARDWARE_CONFIGS.glob("*/robot.yaml"))},
)
"""folders with a robot.yaml by name: the shipped ones, and those of other packages"""


@dataclass(frozen=True, kw_only=True)
class JointSpec:
    """One actuated joint and the servo that moves it."""

    name: str
    motor_id: int
    lower_rad: float
    """smallest commanded position"""
    upper_rad: float
    """largest commanded position"""
    home_rad: float
    """where an episode starts"""
    max_velocity_rad_s: float
    """how fast a commanded position may move"""
    current_limit_ma: float
    """Goal Current of current-based position mode: bounds the torque"""
    position_p_gain: int
    """register 84"""
    position_i_gain: int
    """register 82"""
    position_d_gain: int
    """register 80"""

    @property
    def range_rad(self) -> tuple[float, float]:
        return self.lower_rad, self.upper_rad


@dataclass(frozen=True, kw_only=True)
class Finger:
    """Joints that carry one another."""

    joints: tuple[str, ...]
    """names, base first"""

    @property
    def name(self) -> str:
        """What its joints' names begin with: `finger1` of finger1_top, finger1_middle.

        The first joint's where they have nothing in common, or there is only one.
        """
        if len(self.joints) == 1:
            return self.joints[0]
        letters = itertools.takewhile(lambda same: len(set(same)) == 1, zip(*self.joints))
        return "".join(letter for letter, *_ in letters).rstrip("_-.") or self.joints[0]

    @property
    def tip(self) -> str:
        """The robot's name of the geom that it ends with."""
        return f"{self.name}_tip"


@dataclass(frozen=True, kw_only=True)
class ObjectSpec:
    """A servo that is not part of the hand: the valve that is turned, the guide below it."""

    name: str
    motor_id: int
    has_joint: bool
    """whether the physics model has a joint of this name for it to move"""


@dataclass(frozen=True, kw_only=True)
class ServoSpec:
    """The kind of servo that every joint uses, with the facts of its page in the e-manual."""

    model: str
    """a key of `servo_facts.MODELS`"""
    model_number: int
    min_firmware: int
    operating_mode: int
    """5: current-based position"""
    position_unit_rad: float
    velocity_unit_rad_s: float
    current_unit_ma: float
    nominal_voltage_v: float
    stall_torque_nm: float
    stall_current_a: float
    no_load_speed_rad_s: float

    @property
    def torque_nm_per_a(self) -> float:
        """Torque at the horn per ampere, gear losses included."""
        return self.stall_torque_nm / self.stall_current_a


@dataclass(frozen=True, kw_only=True)
class BusSpec:
    """The serial bus."""

    baud: int
    return_delay_us: float


@dataclass(frozen=True, kw_only=True)
class SafetySpec:
    """Limits that stop the robot, whatever the policy wants."""

    max_temperature_c: float
    min_voltage_v: float
    max_voltage_v: float
    max_measured_velocity_rad_s: float
    max_measured_current_ma: float
    stale_after_s: float
    """a reading older than this is no longer acted on: hold"""
    limp_after_s: float
    """after this long without a fresh reading or command: current to zero, then torque off"""
    bus_watchdog_s: float
    """the servo's own Bus Watchdog, in steps of 0.02 s"""


@dataclass(frozen=True, kw_only=True)
class RobotSpec:
    """A robot as training and the robot side both see it. Joint arrays are in `joints` order."""

    schema_version: int
    name: str
    control_period_s: float
    """the period at which a policy for this robot is trained unless its recipe says otherwise"""
    physics_model: str
    """MJCF file, relative to robot.yaml"""
    physics_joint_map: Mapping[str, str]
    """joints, objects and fingertips (`FINGER_tip`) as that file calls them, where it calls them
    otherwise"""
    joints: tuple[JointSpec, ...]
    base_angle_rad: Mapping[str, float]
    """where the first joint of each finger stands around the object's axis: seen from above,
    counterclockwise from the object's mark at angle 0. No other number here tells two fingers
    apart, and a policy that takes one for the other would push the wrong way"""
    objects: tuple[ObjectSpec, ...]
    servo: ServoSpec
    bus: BusSpec
    safety: SafetySpec
    source: Path = field(default=DCLAW, compare=False, metadata=NOT_IN_FILE)
    """the robot.yaml itself, beside which its other files lie; no part of what the robot is"""

    def file_of(self, *names: str) -> Path:
        """A file of this robot: the one beside its robot.yaml, or else the shipped one."""
        own = self.source.parent.joinpath(*names)
        shipped = HARDWARE_CONFIGS.joinpath(self.name, *names)
        return own if own.exists() or not shipped.exists() else shipped

    @property
    def joint_names(self) -> tuple[str, ...]:
        return tuple(joint.name for joint in self.joints)

    @property
    def motor_ids(self) -> tuple[int, ...]:
        return tuple(joint.motor_id for joint in self.joints)

    def joint_array(self, field: str) -> NDArray[np.float64]:
        """One numeric field of every joint, (J,), in joint order."""
        return np.array([getattr(joint, field) for joint in self.joints], np.float64)

    @property
    def fingers(self) -> tuple[Finger, ...]:
        """In joint order: one begins at every joint that `base_angle_rad` names."""
        starts = [i for i, name in enumerate(self.joint_names) if name in self.base_angle_rad]
        ends = [*starts[1:], len(self.joints)]
        return tuple(Finger(joints=self.joint_names[a:b]) for a, b in zip(starts, ends))

    @property
    def turned_object(self) -> str:
        """What the hand turns: the first object. Raises `BadInput` where no model moves it."""
        if not self.objects or not self.objects[0].has_joint:
            raise BadInput(
                str(self.source),
                "objects",
                found="none" if not self.objects else f"{self.objects[0].name} without a joint",
                expected="what the hand turns, first and with `has_joint: true`",
            )
        return self.objects[0].name

    def object_named(self, name: str) -> ObjectSpec:
        for spec in self.objects:
            if spec.name == name:
                return spec
        raise KeyError(f"robot {self.name} has no object {name!r}")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that robot.yaml says: a bundle names it and refuses another robot."""
        fields = dataclasses.asdict(self)
        del fields["source"]
        content = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()


def robot_yaml(path: Path) -> Path:
    """The file that a path, a folder with a robot.yaml or the name of a known robot means."""
    if not path.exists() and str(path) in ROBOTS:
        path = Path(ROBOTS[str(path)])
    return path / ROBOT_YAML if path.is_dir() else path


def robot_reference(robot: str) -> str:
    """How a file elsewhere names it: a known robot by its name, any other by its whole path."""
    is_name = robot in ROBOTS and not Path(robot).exists()
    return robot if is_name or not robot else str(Path(robot).resolve())


def load_robot_spec(path: Path = DCLAW) -> RobotSpec:
    """Read and validate a `robot.yaml`, the one in a folder, or that of a robot by its name.

    Raises `BadInput` naming file and field for anything missing, unknown, of the wrong type or
    inconsistent.
    """
    path = robot_yaml(path)
    where = str(path)
    document = read_yaml(path, "a robot.yaml", remedy=f"robots by name: {', '.join(ROBOTS)}")
    document.pop("anchors", None)  # YAML anchors, repeated where they are used
    spec = dataclasses.replace(build(RobotSpec, document, where), source=path)
    _validate(spec, where)
    return spec


def _validate(spec: RobotSpec, where: str) -> None:
    if spec.schema_version != SCHEMA_VERSION:
        raise BadInput(
            where, "schema_version", found=spec.schema_version, expected=str(SCHEMA_VERSION)
        )
    if not spec.joints:
        raise BadInput(where, "joints", found="none", expected="at least one joint")
    _require_positive(where, "control_period_s", spec.control_period_s)
    for index, joint in enumerate(spec.joints):
        _validate_joint(joint, where, f"joints[{index}]")
    _validate_base_angles(spec, where)
    ids: list[int] = [*spec.motor_ids, *(item.motor_id for item in spec.objects)]
    names = [*spec.joint_names, *(item.name for item in spec.objects)]
    for kind, values in (("motor_id", ids), ("name", names)):
        texts = [str(value) for value in values]
        repeated = sorted({text for text in texts if texts.count(text) > 1})
        if repeated:
            raise BadInput(where, kind, found=", ".join(repeated), expected="each one once")
    _validate_map(spec, where)
    for motor_id in ids:
        if not 0 <= motor_id <= 252:
            raise BadInput(where, "motor_id", found=motor_id, expected="0 to 252")
    for section in ("servo", "bus", "safety"):
        for name, value in dataclasses.asdict(getattr(spec, section)).items():
            if isinstance(value, float) and name != "return_delay_us":
                _require_positive(where, f"{section}.{name}", value)
    safety = spec.safety
    for low, high in (("min_voltage_v", "max_voltage_v"), ("stale_after_s", "limp_after_s")):
        if getattr(safety, low) >= getattr(safety, high):
            raise BadInput(
                where,
                f"safety.{low}",
                found=getattr(safety, low),
                expected=f"below {high} {getattr(safety, high)}",
            )
    for at, found, problem in servo_facts.problems(spec):
        raise BadInput(where, at, found=found, expected=problem)


def _validate_base_angles(spec: RobotSpec, where: str) -> None:
    if not spec.base_angle_rad:
        expected = "the first joint of each finger"
        raise BadInput(where, "base_angle_rad", found="none", expected=expected)
    for name, angle in spec.base_angle_rad.items():
        if name not in spec.joint_names:
            expected = f"one of {', '.join(spec.joint_names)}"
            raise BadInput(where, f"base_angle_rad.{name}", found=name, expected=expected)
        _require_within_a_turn(where, f"base_angle_rad.{name}", angle)
    if spec.joint_names[0] not in spec.base_angle_rad:
        expected = f"{spec.joint_names[0]} too: the first joint begins the first finger"
        found = ", ".join(spec.base_angle_rad)
        raise BadInput(where, "base_angle_rad", found=found, expected=expected)


def _validate_map(spec: RobotSpec, where: str) -> None:
    moved = [item.name for item in spec.objects if item.has_joint]
    known = [*spec.joint_names, *moved, *(finger.tip for finger in spec.fingers)]
    owners: dict[str, str] = {}
    for name, own in spec.physics_joint_map.items():
        if name not in known:
            expected = f"one of {', '.join(known)}"
            raise BadInput(where, f"physics_joint_map.{name}", found=name, expected=expected)
        if own in owners:
            expected = f"another name: {owners[own]} is called so"
            raise BadInput(where, f"physics_joint_map.{name}", found=own, expected=expected)
        owners[own] = name


def _validate_joint(joint: JointSpec, where: str, at: str) -> None:
    for name in ("lower_rad", "upper_rad", "home_rad"):
        _require_within_a_turn(where, f"{at}.{name}", getattr(joint, name))
    if joint.lower_rad >= joint.upper_rad:
        raise BadInput(
            where,
            f"{at}.lower_rad",
            found=joint.lower_rad,
            expected=f"below upper_rad {joint.upper_rad}",
        )
    if not joint.lower_rad <= joint.home_rad <= joint.upper_rad:
        raise BadInput(
            where,
            f"{at}.home_rad",
            found=joint.home_rad,
            expected=f"within [{joint.lower_rad}, {joint.upper_rad}]",
        )
    _require_positive(where, f"{at}.max_velocity_rad_s", joint.max_velocity_rad_s)


def _require_within_a_turn(where: str, field: str, value: float) -> None:
    if abs(value) > 2 * math.pi:
        raise BadInput(
            where,
            field,
            found=value,
            expected="radians within one turn",
            remedy="were these degrees?",
        )


def _require_positive(where: str, field: str, value: float) -> None:
    if not value > 0:
        raise BadInput(where, field, found=value, expected="a number above 0")
