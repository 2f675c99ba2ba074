"""The simulated XM430-W210 against robot.yaml and the manual's motor line."""

import math

import mujoco
import numpy as np
import pytest

from sim2real.contract.robot_spec import DCLAW, load_robot_spec

SPEC = load_robot_spec()
SERVO = SPEC.servo
MODEL_PATH = DCLAW.with_name(SPEC.physics_model)
JOINTS = len(SPEC.joint_names)
HOME = SPEC.joint_array("home_rad")

# MuJoCo's `dcmotor`: the element of actuator_gainprm that bounds the drive voltage.
DRIVE_VOLTAGE = 7
PWM_FULL_SCALE = 885  # register 36: counts that put the whole supply on the motor


@pytest.fixture
def bench_model() -> mujoco.MjModel:
    """The claw as a test bench: no contacts, gravity, joint stops or clipped commands."""
    bench = mujoco.MjModel.from_xml_path(str(MODEL_PATH))
    flags = mujoco.mjtDisableBit
    bench.opt.disableflags = int(
        flags.mjDSBL_CONTACT | flags.mjDSBL_GRAVITY | flags.mjDSBL_LIMIT | flags.mjDSBL_CLAMPCTRL
    )
    return bench


def torques(bench: mujoco.MjModel, *, error_rad: float, velocity_rad_s: float = 0.0) -> np.ndarray:
    """Servo torques of all joints, (J,), N·m, this far from the target and at this speed."""
    data = mujoco.MjData(bench)
    data.qpos[:JOINTS] = HOME
    data.qvel[:JOINTS] = velocity_rad_s
    data.ctrl[:] = HOME + error_rad
    mujoco.mj_forward(bench, data)
    return data.actuator_force.copy()


def top_speed(bench: mujoco.MjModel) -> float:
    """Speed that `finger1_top` reaches without friction under a target far away, rad/s."""
    bench.dof_damping[:] = 0.0
    bench.dof_frictionloss[:] = 0.0
    data = mujoco.MjData(bench)
    data.qpos[:JOINTS] = HOME
    data.ctrl[:] = HOME
    data.ctrl[0] = 1000.0
    mujoco.mj_step(bench, data, nstep=400)
    return float(data.qvel[0])


def test_position_gain_is_register_84_through_the_motor_line(bench_model):
    counts_per_rad = SPEC.joint_array("position_p_gain") / 128 / SERVO.position_unit_rad
    volts_per_rad = counts_per_rad * SERVO.nominal_voltage_v / PWM_FULL_SCALE
    torque_per_volt = SERVO.stall_torque_nm / SERVO.nominal_voltage_v
    expected = volts_per_rad * torque_per_volt
    measured = torques(bench_model, error_rad=0.01) / 0.01
    print(f"kp {measured[0]:.4f} N·m/rad")
    np.testing.assert_allclose(measured, expected, rtol=1e-6)


def test_integral_and_derivative_gains_are_zero_as_in_robot_yaml(bench_model):
    assert not SPEC.joint_array("position_i_gain").any()
    assert not SPEC.joint_array("position_d_gain").any()
    assert bench_model.na == 0  # an integrator would be an activation
    slow = torques(bench_model, error_rad=0.01, velocity_rad_s=0.5)
    np.testing.assert_allclose(slow, torques(bench_model, error_rad=0.01))


def test_current_limit_bounds_the_stall_torque(bench_model):
    torque_per_ampere = SERVO.stall_torque_nm / SERVO.stall_current_a
    limit = SPEC.joint_array("current_limit_ma") / 1000 * torque_per_ampere
    np.testing.assert_allclose(torques(bench_model, error_rad=2.0), limit, rtol=1e-5)
    np.testing.assert_allclose(torques(bench_model, error_rad=-2.0), -limit, rtol=1e-5)


def test_without_the_current_limit_the_supply_bounds_the_stall_torque(bench_model):
    bench_model.actuator_forcelimited[:] = False
    stall = torques(bench_model, error_rad=2.0)
    np.testing.assert_allclose(stall, SERVO.stall_torque_nm, rtol=1e-6)


def test_torque_falls_with_speed_along_the_motor_line(bench_model):
    for share in (0.7, 0.9, 1.0):
        speed = share * SERVO.no_load_speed_rad_s
        expected = SERVO.stall_torque_nm * (1 - share)
        measured = torques(bench_model, error_rad=2.0, velocity_rad_s=speed)
        np.testing.assert_allclose(measured, expected, atol=1e-6)


def test_a_free_joint_saturates_at_the_no_load_speed(bench_model):
    speed = top_speed(bench_model)
    print(f"top speed {speed:.3f} rad/s")
    assert speed == pytest.approx(SERVO.no_load_speed_rad_s, rel=1e-3)


def test_a_lower_supply_voltage_lowers_the_top_speed_in_proportion(bench_model):
    assert bench_model.actuator_gainprm[:, DRIVE_VOLTAGE] == pytest.approx(SERVO.nominal_voltage_v)
    bench_model.actuator_gainprm[:, DRIVE_VOLTAGE] = 10.0
    expected = SERVO.no_load_speed_rad_s * 10.0 / SERVO.nominal_voltage_v
    assert top_speed(bench_model) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("step_rad", [0.2, -0.2])
@pytest.mark.parametrize("joint", range(3))
def test_a_step_settles_within_0_3_s_without_ringing(joint, step_rad):
    """Steps as large as max_velocity allows in one control period, with gravity."""
    claw = mujoco.MjModel.from_xml_path(str(MODEL_PATH))
    claw.opt.disableflags = int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    data = mujoco.MjData(claw)
    mujoco.mj_resetDataKeyframe(claw, data, claw.key("home").id)
    mujoco.mj_step(claw, data, nstep=400)
    start = data.qpos[joint]
    data.ctrl[joint] += step_rad
    moved = []
    for _ in range(400):
        mujoco.mj_step(claw, data)
        moved.append((data.qpos[joint] - start) / step_rad)
    deviation = np.array(moved) - moved[-1]
    settled_s = (np.flatnonzero(np.abs(deviation) > 0.05)[-1] + 2) * claw.opt.timestep
    outside = np.sign(deviation[np.abs(deviation) > 0.02])
    print(f"settled {settled_s:.3f} s, overshoot {deviation.max():.3f}, ends at {moved[-1]:.3f}")
    assert settled_s < 0.3
    assert deviation.max() < 0.15
    assert np.count_nonzero(np.diff(outside)) <= 1  # at most one overshoot, no second swing
    assert moved[-1] == pytest.approx(1.0, abs=0.1)  # dry friction leaves a P controller short


def test_no_load_speed_is_the_manuals_77_rpm():
    assert pytest.approx(77 * 2 * math.pi / 60) == SERVO.no_load_speed_rad_s
