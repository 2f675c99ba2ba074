"""The servos of robot.yaml as actuators of a MuJoCo model, whatever the file had for the joints.

A `<dcmotor>` of the file is taken as a statement about the servo and held against robot.yaml; a
position, velocity, motor or general actuator, as public models of hands have them, gives way to a
motor made from robot.yaml: it has a current, a voltage and a speed without load.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import mujoco

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import JointSpec, RobotSpec
from sim2real.contract.servo_facts import POSITION_UNIT_RAD

GAIN_UNIT, PWM_FULL_SCALE = 128, 885
"""register 84's counts per unit; counts of register 36 that put the whole supply on the motor"""
_RESISTANCE, _BACK_EMF, _GAIN, _SUPPLY = 0, 1, 4, 7
"""elements of a dcmotor's gainprm"""
_POSITION_INPUT = 1
"""`input="pos"` of a dcmotor"""
_REPLACEABLE = (
    mujoco.mjtGain.mjGAIN_FIXED,
    mujoco.mjtGain.mjGAIN_AFFINE,
    mujoco.mjtGain.mjGAIN_DCMOTOR,
)
ON_A_JOINT = (mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT)


def give_servos(mj_spec: mujoco.MjSpec, spec: RobotSpec, where: str) -> None:
    """One dcmotor per joint of the robot, called after it; none on its objects.

    Joints have the robot's names already. Key frames and sensors go with actuators that they may
    speak of: nobody here reads them. Raises `BadInput` for an actuator that moves something else.
    """
    moved = {item.name for item in spec.objects}
    of_joint: dict[str, list[mujoco.MjsActuator]] = {name: [] for name in spec.joint_names}
    unwanted = []
    for actuator in mj_spec.actuators:
        _require_replaceable(actuator, where)
        if actuator.target in moved:
            unwanted.append(actuator)
        elif actuator.target in of_joint:
            of_joint[actuator.target].append(actuator)
        else:
            raise BadInput(
                where,
                f"actuator {actuator.name or '(unnamed)'}",
                found=f"on joint {actuator.target}",
                expected=f"on a joint of {spec.source.name}: {', '.join(of_joint)}",
                remedy="name the joint in robot.yaml, in physics_joint_map if it is called "
                "otherwise there, or take its actuator out of the file",
            )
    missing = [name for name, found in of_joint.items() if not _is_dcmotor(found)]
    unwanted += [actuator for name in missing for actuator in of_joint[name]]
    if unwanted or missing:
        for element in [*unwanted, *mj_spec.keys, *mj_spec.sensors]:
            mj_spec.delete(element)
    for suffix in ("'", ""):  # first aside: a file may have one joint's name for another's motor
        for actuator in mj_spec.actuators:
            actuator.name = actuator.target + suffix
    for name in missing:
        _add_servo(mj_spec, spec, spec.joint_names.index(name))
    if missing and mj_spec.option.integrator == mujoco.mjtIntegrator.mjINT_EULER:
        # A motor's back-EMF damps a light link far more than the file's own actuators did.
        mj_spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST


def check_servo(model: mujoco.MjModel, joint: JointSpec, spec: RobotSpec, where: str) -> None:
    """The simulated servo is the one that robot.yaml describes, which the real bus is told."""
    servo, actuator = spec.servo, model.actuator(joint.name)
    back_emf, resistance = _motor_line(spec)
    gain = actuator.gainprm
    for name, found, expected in (
        ("position gain, N m/rad", gain[_GAIN], _position_gain(joint, spec)),
        ("integral gain", gain[_GAIN + 1], joint.position_i_gain),
        ("derivative gain", gain[_GAIN + 2], joint.position_d_gain),
        ("supply, V", gain[_SUPPLY], servo.nominal_voltage_v),
        ("torque constant, N m/A", gain[_BACK_EMF], back_emf),
        ("resistance, ohm", gain[_RESISTANCE], resistance),
        ("torque limit, N m", actuator.forcerange[1], _torque_limit(joint, spec)),
    ):
        if not math.isclose(found, expected, rel_tol=1e-3, abs_tol=1e-9):
            raise BadInput(
                where,
                f"actuator of {joint.name}: {name}",
                found=float(found),
                expected=f"{expected:.6g}, as {spec.source.name} has it for the servos",
                remedy="change both: a policy would meet another motor than it was trained on",
            )


def _add_servo(mj_spec: mujoco.MjSpec, spec: RobotSpec, index: int) -> None:
    joint, servo = spec.joints[index], spec.servo
    for name in ("position_i_gain", "position_d_gain"):
        if getattr(joint, name):
            found, at = getattr(joint, name), f"joints[{index}].{name}"
            expected = "0: a servo made from robot.yaml has a proportional term alone"
            remedy = "or write its <dcmotor> into the MJCF"
            raise BadInput(str(spec.source), at, found=found, expected=expected, remedy=remedy)
    actuator = mj_spec.add_actuator(name=joint.name, target=joint.name)
    actuator.trntype = mujoco.mjtTrn.mjTRN_JOINT
    actuator.gear = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    actuator.set_to_dcmotor(
        motorconst=[0.0, 0.0],
        resistance=0.0,
        nominal=[servo.nominal_voltage_v, servo.stall_torque_nm, servo.no_load_speed_rad_s],
        saturation=[_torque_limit(joint, spec), 0.0, 0.0],
        controller=[_position_gain(joint, spec), 0.0, 0.0, 0.0, 0.0, servo.nominal_voltage_v],
        ctrlspec=_POSITION_INPUT,
    )
    actuator.ctrlrange = list(joint.range_rad)
    actuator.ctrllimited = mujoco.mjtLimited.mjLIMITED_TRUE


def _position_gain(joint: JointSpec, spec: RobotSpec) -> float:
    """Register 84 through the motor line, N m/rad."""
    servo = spec.servo
    volts_per_rad = joint.position_p_gain / GAIN_UNIT / POSITION_UNIT_RAD
    volts_per_rad *= servo.nominal_voltage_v / PWM_FULL_SCALE
    return volts_per_rad * servo.stall_torque_nm / servo.nominal_voltage_v


def _motor_line(spec: RobotSpec) -> tuple[float, float]:
    """Back-EMF constant, V s/rad, and the resistance at which the stall torque comes out, ohm."""
    servo = spec.servo
    back_emf = servo.nominal_voltage_v / servo.no_load_speed_rad_s
    return back_emf, back_emf * servo.nominal_voltage_v / servo.stall_torque_nm


def _torque_limit(joint: JointSpec, spec: RobotSpec) -> float:
    return joint.current_limit_ma * 1e-3 * spec.servo.torque_nm_per_a


def _is_dcmotor(found: Sequence[mujoco.MjsActuator]) -> bool:
    return [actuator.gaintype for actuator in found] == [mujoco.mjtGain.mjGAIN_DCMOTOR]


def _require_replaceable(actuator: mujoco.MjsActuator, where: str) -> None:
    """Raise `BadInput` unless it drives one joint, in a way that a servo can stand for."""
    if actuator.trntype not in ON_A_JOINT:
        found = f"on a {actuator.trntype.name.removeprefix('mjTRN_').lower()}"
    elif actuator.gaintype not in _REPLACEABLE:
        found = f"of type {actuator.gaintype.name.removeprefix('mjGAIN_').lower()}"
    else:
        return
    raise BadInput(
        where,
        f"actuator {actuator.name or '(unnamed)'}",
        found=found,
        expected="a position, velocity, motor, general or dcmotor actuator on one joint",
        remedy="a servo turns one joint: take it out of the file",
    )
