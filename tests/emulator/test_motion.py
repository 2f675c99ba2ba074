"""How a servo moves its shaft: modes, limits, profiles, and the motor of the physics model."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from sim2real.emulator.faults import Fault
from sim2real.emulator.line import Line, LineOptions
from sim2real.emulator.motion import TICK_RAD, VELOCITY_UNIT_TICKS_S
from sim2real.emulator.plant import Plant, TaskDynamics
from sim2real.hardware.physics_model import load_physics_model

GUIDE = 60
"""id of the servo on a free shaft"""
FREE_SPEED_RAD_S = 12.0 / 1.48820207 * 0.37205 / (0.37205 + 0.02)
"""12 V over the motor constant, less what the shaft's bearing takes (k^2 / r against damping)"""
VALVE_SPEED_RAD_S = (12.0 * 0.25 - 0.02) / (0.37205 + 0.1)
"""the valve's: stall torque less dry friction over both dampings, its bearing's and the motor's"""


def set_registers(servo, **values):
    for name, value in values.items():
        servo.poke(name, value)


def start(host, motor_id, mode, **values):
    servo = host.servo(motor_id)
    assert servo.write(11, bytes((mode,))) == 0
    for name, value in values.items():
        servo.poke(name, value)
    assert servo.write(64, b"\x01") == 0
    return servo


def goal(servo, value):
    assert servo.write(116, value.to_bytes(4, "little", signed=True)) == 0


def test_mode_5_moves_like_the_models_own_motor(spec):
    """Same goals, same steps: the servo's registers against MuJoCo's dcmotor.

    The servo sees its encoder's ticks of 0.0015 rad and rounds down, and dry friction leaves either
    of them anywhere within 0.009 rad (0.03 N m over 3.45 N m/rad): tolerance 0.01 rad at any time,
    0.0012 rad on average.
    """
    line = Line(spec, Plant(spec), LineOptions(baud=1_000_000, supply_v=12.0))
    model = load_physics_model(spec)
    data = mujoco.MjData(model)
    home = spec.joint_array("home_rad")
    joints = [model.joint(name) for name in spec.joint_names]
    for joint, angle in zip(joints, home):
        data.qpos[joint.qposadr] = angle
    actuators = [model.actuator(name).id for name in spec.joint_names]
    for row, joint in enumerate(spec.joints):
        servo = line.servos[row]
        set_registers(servo, position_p_gain=joint.position_p_gain, goal_current=334)
    servos = line.servos[:9]
    errors = []
    for moment in range(8):
        offset = 0.25 * np.sin(np.arange(9) + moment)
        target = np.clip(
            home + offset, spec.joint_array("lower_rad"), spec.joint_array("upper_rad")
        )
        for servo, angle in zip(servos, target):
            goal(servo, round(angle / TICK_RAD) + 2048)
            if moment == 0:
                servo.write(64, b"\x01")
        data.ctrl[actuators] = (np.rint(target / TICK_RAD)) * TICK_RAD
        for _ in range(80):
            mujoco.mj_step(model, data)
            line.advance_to(line.now + model.opt.timestep)
            expected = np.array([data.qpos[joint.qposadr[0]] for joint in joints])
            errors.append(np.abs(line.plant.angles_rad[:9] - expected))
    errors = np.array(errors)
    assert errors.max() < 0.01
    assert errors.mean() < 0.0012


@pytest.mark.parametrize(("supply_v", "share"), [(12.0, 1.0), (14.0, 14 / 12), (10.0, 10 / 12)])
def test_full_pwm_turns_a_free_shaft_at_the_no_load_speed_of_the_supply(make_host, supply_v, share):
    host = make_host(supply_v=supply_v)
    servo, valve = (start(host, motor_id, 16, goal_pwm=885) for motor_id in (GUIDE, 50))
    host.wait(1.0)
    unit = VELOCITY_UNIT_TICKS_S * TICK_RAD
    assert servo["present_velocity"] * unit == pytest.approx(FREE_SPEED_RAD_S * share, rel=0.01)
    # limp fingers hang between the lobes and brush them
    assert valve["present_velocity"] * unit == pytest.approx(VALVE_SPEED_RAD_S * share, rel=0.05)
    assert servo["present_pwm"] == 885
    assert servo["moving"] == 1


def test_velocity_mode_holds_the_speed(host):
    servo = start(host, GUIDE, 1)
    assert servo.write(104, (100).to_bytes(4, "little")) == 0
    host.wait(2.0)
    assert abs(servo["present_velocity"] - 100) <= 1
    assert servo.write(104, (-50).to_bytes(4, "little", signed=True)) == 0
    host.wait(2.0)
    assert abs(servo["present_velocity"] + 50) <= 1


def test_current_mode_gives_the_current_whatever_the_shaft_does(host):
    host.line.inject(Fault(kind="stuck_joint", servo=20))
    servo = start(host, 20, 0)
    for current in (50, -120):
        assert servo.write(102, current.to_bytes(2, "little", signed=True)) == 0
        host.wait(0.1)
        assert servo["present_current"] == current


def test_goal_current_bounds_the_torque_of_mode_5(host):
    host.line.inject(Fault(kind="stuck_joint", servo=20))
    servo = start(host, 20, 5, goal_current=60, goal_position=2048)
    goal(servo, 4000)
    host.wait(0.2)
    assert servo["present_current"] == 60
    assert host.line.plant.data.actuator_force[3] == pytest.approx(60 * 0.00269 * 3.0 / 2.3)


@pytest.mark.parametrize("mode", [3, 4, 5])
def test_position_modes_arrive(host, mode):
    servo = start(host, 20, mode, goal_position=2048)
    goal(servo, 2248)
    host.wait(1.5)
    assert abs(servo["present_position"] - 2248) <= 12, "dry friction and gravity remain"
    assert servo["moving"] == 0
    assert servo["moving_status"] & 0x01, "in position"


def test_torque_off_leaves_the_shaft_alone(host):
    servo = start(host, GUIDE, 16, goal_pwm=885)
    host.wait(0.5)
    servo.write(64, b"\x00")
    host.wait(1.0)
    assert servo["present_current"] == servo["present_pwm"] == 0
    assert servo["present_velocity"] == 0, "its bearing stops it"


def test_extended_mode_counts_turns_and_position_mode_forgets_them(host):
    servo = start(host, GUIDE, 4, goal_position=2048, position_p_gain=300)
    goal(servo, 2048 + 3 * 4096)
    host.wait(5.0)
    assert servo["present_position"] == pytest.approx(2048 + 3 * 4096, abs=5)
    servo.write(64, b"\x00")
    servo.write(11, b"\x03")
    host.wait(0.1)
    assert servo["present_position"] == pytest.approx(2048, abs=5)


def test_clear_forgets_turns_at_rest(host):
    servo = start(host, GUIDE, 4, goal_position=2048, position_p_gain=300)
    goal(servo, 2048 + 4096)
    host.wait(3.0)
    servo.write(64, b"\x00")
    assert servo.clear(b"\x01DXL\x22") == 0
    host.wait(0.01)
    assert servo["present_position"] == pytest.approx(2048, abs=5)


def test_reverse_mode_counts_the_other_way(host):
    forward, backward = host.servo(50), host.servo(GUIDE)
    assert backward.write(10, b"\x01") == 0
    for servo in (forward, backward):
        servo.write(11, b"\x10")
        servo.poke("goal_pwm", 200)
        servo.write(64, b"\x01")
    host.wait(0.5)
    assert forward["present_velocity"] > 0 and backward["present_velocity"] > 0
    assert host.line.plant.angles_rad[9] > 0 > host.line.plant.angles_rad[10]


def test_homing_offset_shifts_what_is_shown(host):
    servo = host.servo(20)
    before = servo["present_position"]
    assert servo.write(20, (-100).to_bytes(4, "little", signed=True)) == 0
    host.wait(0.01)
    assert servo["present_position"] == before - 100


def test_a_velocity_profile_is_a_trapezoid(host):
    servo = start(host, GUIDE, 4, goal_position=2048, profile_velocity=50, profile_acceleration=20)
    goal(servo, 2048 + 2000)
    speeds = []
    for _ in range(2400):
        host.wait(0.0025)
        speeds.append(servo["velocity_trajectory"])
        if servo["position_trajectory"] == 4048:
            break
    assert max(speeds) == 50
    ramp = 50 * VELOCITY_UNIT_TICKS_S / (20 * 214.577 / 3600 * 4096)
    expected = 2000 / (50 * VELOCITY_UNIT_TICKS_S) + ramp
    assert len(speeds) * 0.0025 == pytest.approx(expected, abs=0.05)
    steps = np.abs(np.diff(speeds))
    assert steps.max() <= np.ceil(0.0025 * 50 / ramp) + 1, "it never jumps"
    assert servo["moving_status"] & 0x30 == 0x30


def test_a_time_based_profile_takes_its_time(host):
    servo = start(
        host,
        GUIDE,
        4,
        drive_mode=4,
        goal_position=2048,
        profile_velocity=800,
        profile_acceleration=200,
    )
    goal(servo, 2548)
    host.wait(0.4)
    assert servo["position_trajectory"] == pytest.approx(2298, abs=15), "half way at half time"
    host.wait(0.42)
    assert servo["position_trajectory"] == 2548


def test_torque_on_without_a_goal_drives_to_the_old_one(host):
    """Why a driver writes the goal first: RAM keeps it."""
    servo = host.servo(20)
    servo.write(11, b"\x05")
    goal(servo, 2300)
    servo.write(64, b"\x01")
    host.wait(1.0)
    assert servo["present_position"] > 2250


def test_a_tasks_dynamics_reach_the_shafts(spec):
    def stiff_valve(model):
        model.joint("valve").damping[0] = 7.0
        model.actuator("finger1_top").gainprm[4] *= 0.5
        model.actuator("finger1_top").forcerange[:] *= 0.25
        model.numeric("action_delay_steps").data[0] = 4

    plant = Plant(spec, dynamics=TaskDynamics(apply=stiff_valve))
    assert plant.model.joint("valve").damping[0] == 7.0
    assert plant.motors.stiffness[:2] == pytest.approx([0.5, 1.0])
    assert plant.motors.limit[:2] == pytest.approx([0.25, 1.0])
    assert plant.numerics.delay_steps == 4
    line = Line(spec, plant, LineOptions(baud=1_000_000, supply_v=12.0))
    for servo in line.servos[:4:3]:
        servo.poke("goal_current", 100)
        servo.poke("goal_position", 3900)
        servo.poke("torque_enable", 1)
    line.inject(Fault(kind="stuck_joint"))
    line.advance_to(0.1)
    assert [servo["present_current"] for servo in line.servos[:4:3]] == [25, 100]


def delayed_line(spec):
    def delayed(model):
        model.numeric("action_delay_steps").data[0] = 10

    plant = Plant(spec, dynamics=TaskDynamics(apply=delayed))
    return Line(spec, plant, LineOptions(baud=1_000_000, supply_v=12.0))


def test_an_action_delay_delays_the_goal(spec):
    line = delayed_line(spec)
    servo = line.servos[10]
    servo.poke("goal_position", 2048)
    servo.write(64, b"\x01")
    line.advance_to(0.1)
    goal(servo, 2548)
    line.advance_to(0.1 + 10 * 0.0025)
    assert servo["position_trajectory"] == 2048
    line.advance_to(0.1 + 11 * 0.0025)
    assert servo["position_trajectory"] == 2548


def test_torque_on_holds_the_goal_that_was_written_before_it(spec):
    """A delay is no reason to drive to the goal of long ago first."""
    line = delayed_line(spec)
    servo = line.servos[10]
    servo.poke("goal_position", 1000)
    line.advance_to(0.1)
    servo.write(116, (2048).to_bytes(4, "little"))
    servo.write(64, b"\x01")
    line.advance_to(0.1 + 0.0025)
    assert servo["position_trajectory"] == 2048
