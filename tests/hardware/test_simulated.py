"""The simulated robot keeps the protocol, in lock-step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim2real.contract.joint_io import Command
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.physics_model import load_physics_model
from sim2real.hardware.robot import Phase, RobotFault
from sim2real.hardware.simulated import SimulatedRobot
from training.worlds.dynamics import CUSTOM_NUMERICS

SPEC = load_robot_spec()
HOME = SPEC.joint_array("home_rad")


@pytest.fixture
def robot():
    with SimulatedRobot(SPEC, control_period_s=0.1) as robot:
        yield robot


def command(position_rad) -> Command:
    return Command(stamp_ns=0, position_rad=np.asarray(position_rad, float))


def test_it_goes_where_it_is_told(robot):
    robot.activate()
    target = HOME + 0.1

    for _ in range(20):
        robot.write(command(target))

    np.testing.assert_allclose(robot.read().position_rad, target, atol=0.05)
    np.testing.assert_array_equal(robot.health().goal_position_rad, target)


def test_time_passes_with_commands_only(robot):
    robot.activate()
    first, again = robot.read(), robot.read()
    robot.write(command(HOME))
    second = robot.read()

    assert first is again
    assert second.sequence == first.sequence + 1
    assert second.stamp_ns - first.stamp_ns == 100_000_000


def test_placing_starts_at_rest_with_time_going_on(robot):
    robot.activate()
    for _ in range(5):
        robot.write(command(HOME + 0.2))
    before = robot.read()

    robot.place(HOME, 0.5, np.random.default_rng(0))

    after = robot.read()
    assert after.stamp_ns > before.stamp_ns
    assert after.sequence > before.sequence
    np.testing.assert_allclose(after.position_rad, HOME, atol=SPEC.servo.position_unit_rad)
    np.testing.assert_array_equal(after.velocity_rad_s, np.zeros(9))
    assert float(after.object_position_rad) == pytest.approx(0.5, abs=0.001)


def test_readings_are_whole_servo_units(robot):
    robot.activate()
    robot.write(command(HOME + 0.05))
    reading, servo = robot.read(), SPEC.servo

    for value, unit in (
        (reading.position_rad, servo.position_unit_rad),
        (reading.velocity_rad_s, servo.velocity_unit_rad_s),
        (reading.current_ma, servo.current_unit_ma),
    ):
        counts = value / unit
        np.testing.assert_allclose(counts, np.round(counts), atol=1e-6)
    assert np.abs(reading.current_ma).max() > 0


def test_a_limp_hand_does_not_follow(robot):
    robot.activate()
    robot.go_limp()
    for _ in range(10):
        robot.write(command(HOME + 0.3))

    lagging = np.abs(robot.read().position_rad - (HOME + 0.3))
    assert lagging.max() > 0.1


def test_phases_are_kept():
    robot = SimulatedRobot(SPEC, control_period_s=0.1)
    with pytest.raises(RobotFault, match="closed"):
        robot.read()
    robot.connect()
    assert robot.phase is Phase.READY
    with pytest.raises(RobotFault, match="ready"):
        robot.write(command(HOME))
    robot.activate()
    assert robot.health().torque_enabled.all()
    robot.quarantine()
    with pytest.raises(RobotFault, match="silent"):
        robot.write(command(HOME))
    robot.close()
    assert robot.phase is Phase.CLOSED


def test_bad_commands_and_periods_are_refused(robot):
    robot.activate()
    for wrong in (HOME[:-1], np.full(9, np.nan)):
        with pytest.raises(RobotFault, match="bad_command"):
            robot.write(command(wrong))
    with pytest.raises(ValueError, match="control period"):
        SimulatedRobot(SPEC, control_period_s=0.0011)


def test_activation_holds_the_hand_where_it_is():
    joints = tuple(replace(joint, home_rad=joint.home_rad + 0.1) for joint in SPEC.joints)
    elsewhere = replace(SPEC, joints=joints)
    with SimulatedRobot(elsewhere, control_period_s=0.1) as robot:
        robot.activate()

        np.testing.assert_array_equal(robot.target_rad, robot.read().position_rad)


def test_a_goal_takes_its_time_however_often_it_is_repeated():
    """25 ms late, told every 10 ms: the hand moves as if it had been told once."""
    model = load_physics_model(SPEC, custom_numerics=CUSTOM_NUMERICS)
    model.numeric("action_delay_steps").data[0] = 10
    positions = []
    for period_s in (0.1, 0.01):
        with SimulatedRobot(SPEC, control_period_s=period_s, mj_model=model) as robot:
            robot.activate()
            robot.place(HOME, 0.0, np.random.default_rng(0))
            for goal in (HOME + 0.1, HOME - 0.05, HOME):
                for _ in range(round(0.1 / period_s)):
                    robot.write(command(goal))
                positions.append(robot.read().position_rad)

    np.testing.assert_array_equal(positions[:3], positions[3:])
