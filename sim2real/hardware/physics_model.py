"""From a robot's MJCF to the compiled model that simulation and emulator step.

Any MJCF will do that has the robot's joints under dcmotor actuators, whatever it calls them:
`physics_joint_map` in robot.yaml gives its names. In the compiled model every joint and its
actuator bear the robot's name for them, so that nothing downstream depends on the file's order.
"""

from __future__ import annotations

import math
from pathlib import Path

import mujoco

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import JointSpec, RobotSpec
from sim2real.contract.servo_facts import POSITION_UNIT_RAD
from sim2real.hardware.base_angles import require_base_angles
from sim2real.hardware.physics_log import leave_no_log
from sim2real.hardware.task_numerics import CUSTOM_NUMERICS

GAIN_UNIT, PWM_FULL_SCALE = 128, 885
"""register 84's counts per unit; counts of register 36 that put the whole supply on the motor"""
_RESISTANCE, _BACK_EMF, _GAIN, _SUPPLY = 0, 1, 4, 7
"""elements of a dcmotor's gainprm"""


def default_mjcf(spec: RobotSpec) -> Path:
    """The MJCF that a robot's own robot.yaml names, relative to it."""
    return spec.source.parent / spec.physics_model


def load_physics_model(spec: RobotSpec, mjcf: Path | None = None) -> mujoco.MjModel:
    """Compile the robot's MJCF with the robot's names in it.

    Beside its physics it carries the numbers of `task_numerics`, zero unless the file states them.
    Raises `BadInput` for a file that does not compile, a joint or actuator that is not there, a
    joint whose range does not hold the command limits, or a finger that stands elsewhere.
    """
    leave_no_log()
    path = default_mjcf(spec) if mjcf is None else mjcf
    where = str(path)
    if not path.is_file():
        raise BadInput(
            where,
            "file",
            found="a folder" if path.is_dir() else "nothing",
            expected="an MJCF file",
            remedy="physics_model is relative to its robot.yaml; a whole path may be given too",
        )
    try:
        mj_spec = mujoco.MjSpec.from_file(where)
        moved_objects = tuple(item.name for item in spec.objects if item.has_joint)
        for name in (*spec.joint_names, *moved_objects):
            _rename_joint(mj_spec, spec.physics_joint_map.get(name, name), name, where)
        for name in spec.joint_names:
            _check_actuator(mj_spec, name, where)
        for name, size in CUSTOM_NUMERICS.items():
            if mj_spec.numeric(name) is None:
                mj_spec.add_numeric(name=name, size=size, data=[0.0] * size)
        model = mj_spec.compile()
    except BadInput:
        raise
    except (ValueError, FileNotFoundError) as error:
        problem = " ".join(str(error).split())
        raise BadInput(where, "file", found=problem, expected="a MuJoCo model") from None
    for joint in spec.joints:
        _check_range(model, joint, where)
        _check_motor(model, joint, spec, where)
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    named = (*spec.joint_names, *moved_objects)
    require_base_angles(spec, {name: data.joint(name).xanchor for name in named}, where)
    return model


def _rename_joint(mj_spec: mujoco.MjSpec, found: str, name: str, where: str) -> None:
    joint = mj_spec.joint(found)
    if joint is None:
        known = ", ".join(sorted(joint.name for joint in mj_spec.joints))
        raise BadInput(where, "joint", found=f"no {found}", expected=f"it among {known}")
    joint.name = name
    for actuator in mj_spec.actuators:
        if actuator.target == found:
            actuator.target = actuator.name = name


def _check_actuator(mj_spec: mujoco.MjSpec, joint: str, where: str) -> None:
    kinds = [actuator.gaintype for actuator in mj_spec.actuators if actuator.target == joint]
    if kinds != [mujoco.mjtGain.mjGAIN_DCMOTOR]:
        found = ", ".join(_kind_named(kind) for kind in kinds) or "none"
        raise BadInput(
            where, f"actuator of {joint}", found=found, expected="one dcmotor", remedy=_DCMOTOR
        )


_DCMOTOR = (
    "write a <dcmotor> for each joint in its place, as hardware_configs/dclaw/model.xml does: "
    "the servo's current and voltage are simulated, which other actuators do not have"
)


def _kind_named(gain: int) -> str:
    """Elements of MJCF by what they compile to."""
    names = {
        mujoco.mjtGain.mjGAIN_FIXED: "a motor, position, velocity or general actuator",
        mujoco.mjtGain.mjGAIN_AFFINE: "a damper or general actuator",
        mujoco.mjtGain.mjGAIN_MUSCLE: "a muscle",
    }
    return names.get(gain, getattr(gain, "name", str(gain)))


def _check_motor(model: mujoco.MjModel, joint: JointSpec, spec: RobotSpec, where: str) -> None:
    """The simulated servo is the one that robot.yaml describes, which the real bus is told."""
    servo, actuator = spec.servo, model.actuator(joint.name)
    volts_per_rad = joint.position_p_gain / GAIN_UNIT / POSITION_UNIT_RAD
    volts_per_rad *= servo.nominal_voltage_v / PWM_FULL_SCALE
    torque_per_volt = servo.stall_torque_nm / servo.nominal_voltage_v
    back_emf = servo.nominal_voltage_v / servo.no_load_speed_rad_s
    gain = actuator.gainprm
    for name, found, expected in (
        ("position gain, N m/rad", gain[_GAIN], volts_per_rad * torque_per_volt),
        ("integral gain", gain[_GAIN + 1], joint.position_i_gain),
        ("derivative gain", gain[_GAIN + 2], joint.position_d_gain),
        ("supply, V", gain[_SUPPLY], servo.nominal_voltage_v),
        ("torque constant, N m/A", gain[_BACK_EMF], back_emf),
        ("resistance, ohm", gain[_RESISTANCE], back_emf / torque_per_volt),
        (
            "torque limit, N m",
            actuator.forcerange[1],
            joint.current_limit_ma * 1e-3 * servo.stall_torque_nm / servo.stall_current_a,
        ),
    ):
        if not math.isclose(found, expected, rel_tol=1e-3, abs_tol=1e-9):
            raise BadInput(
                where,
                f"actuator of {joint.name}: {name}",
                found=float(found),
                expected=f"{expected:.6g}, as {spec.source.name} has it for the servos",
                remedy="change both: a policy would meet another motor than it was trained on",
            )


def _check_range(model: mujoco.MjModel, joint: JointSpec, where: str) -> None:
    lower, upper = model.joint(joint.name).range
    is_free = not model.joint(joint.name).limited[0]
    if not is_free and not lower <= joint.lower_rad < joint.upper_rad <= upper:
        raise BadInput(
            where,
            f"range of {joint.name}",
            found=(float(lower), float(upper)),
            expected=f"to contain the command limits {joint.range_rad} of robot.yaml",
        )
