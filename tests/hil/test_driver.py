"""The driver with a hand on the other end of the cable: it measures, moves, stops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sim2real.contract.joint_io import Command
from sim2real.contract.robot_spec import RobotSpec
from sim2real.emulator.faults import Fault
from sim2real.hardware.calibration import Calibration, ServoCalibration
from sim2real.hardware.dynamixel import control_table as table
from sim2real.hardware.dynamixel.object_servo import TurnConfig
from sim2real.hardware.robot import Phase, RobotFault

PERIOD_S = 0.02


def hold(bench: Any, robot: Any, position: Any, seconds: float) -> Any:
    """Command one position for a while; the last reading."""
    reading = robot.read()
    for _ in range(round(seconds / PERIOD_S)):
        robot.write(Command(stamp_ns=reading.stamp_ns, position_rad=position))
        bench.sleep(PERIOD_S)
        reading = robot.read()
    return reading


def test_a_connected_hand_measures_and_is_limp(bench: Any) -> None:
    with bench.robot() as robot:
        first, second = robot.read(), robot.read()
        assert second.sequence == first.sequence + 1
        assert second.stamp_ns > first.stamp_ns
        assert abs(bench.now_ns() - second.stamp_ns) < 0.2e9
        health = robot.health()
        assert not health.torque_enabled.any()
        assert not health.hardware_error.any()
        assert (np.abs(health.voltage_v - bench.spec.servo.nominal_voltage_v) < 3).all()
        assert ((health.temperature_c > 0) & (health.temperature_c < 70)).all()


def test_torque_comes_on_without_a_jerk_and_goes_off(bench: Any) -> None:
    with bench.robot() as robot:
        before = robot.read()
        robot.activate()
        after = robot.read()
        assert robot.health().torque_enabled.all()
        assert np.abs(after.position_rad - before.position_rad).max() < 0.1
        watchdog = [robot.servos.read(n, table.BUS_WATCHDOG) for n in bench.spec.joint_names]
        assert watchdog == [10] * len(watchdog)
        robot.deactivate()
        robot.read()
        assert not robot.health().torque_enabled.any()


def test_joints_go_where_they_are_told_in_name_and_sign(bench: Any) -> None:
    with bench.robot() as robot:
        robot.activate()
        home = bench.spec.joint_array("home_rad")
        rest = hold(bench, robot, home, 0.6).position_rad
        for joint, name in enumerate(bench.spec.joint_names):
            goal = home.copy()
            goal[joint] += 0.1
            moved = hold(bench, robot, goal, 0.3).position_rad - rest
            assert moved[joint] > 0.04, name
            assert np.argmax(np.abs(moved)) == joint, name
            rest = hold(bench, robot, home, 0.3).position_rad


def test_applied_goals_are_seen_in_the_servos(bench: Any) -> None:
    with bench.robot() as robot:
        robot.activate()
        goal = robot.read().position_rad + 0.05
        goal = np.clip(
            goal, bench.spec.joint_array("lower_rad"), bench.spec.joint_array("upper_rad")
        )
        hold(bench, robot, goal, 2 * PERIOD_S)
        shown = robot.health().goal_position_rad
        assert np.abs(shown - goal).max() <= table.POSITION_UNIT_RAD


def test_a_host_that_stops_talking_is_noticed_by_every_servo(bench: Any) -> None:
    with bench.robot() as robot:
        robot.activate()
        bench.sleep(bench.spec.safety.bus_watchdog_s + 0.15)
        robot.read()
        assert robot.health().watchdog_tripped.all()
        goal = robot.health().goal_position_rad
        robot.write(Command(stamp_ns=0, position_rad=bench.spec.joint_array("home_rad") + 0.05))
        robot.read()
        np.testing.assert_array_equal(robot.health().goal_position_rad, goal)
        robot.deactivate()
        robot.activate()
        robot.read()
        assert not robot.health().watchdog_tripped.any(), "asking for torque again clears it"


def test_torque_is_not_on_after_an_error_in_the_program(bench: Any) -> None:
    robot = bench.robot()
    with pytest.raises(ZeroDivisionError), robot:
        robot.activate()
        raise ZeroDivisionError
    assert robot.phase is Phase.CLOSED
    with robot:
        robot.read()
        assert not robot.health().torque_enabled.any()


def test_a_missing_servo_is_named_and_torque_stays_off(bench: Any) -> None:
    bench.line.inject(Fault(kind="mute_servo", servo=21))
    with pytest.raises(RobotFault) as caught:
        bench.robot().connect()
    assert (caught.value.cause, caught.value.joints) == ("silent", ("finger2_middle",))


def test_the_object_is_turned_by_its_own_servo_the_short_way(bench: Any) -> None:
    with bench.robot() as robot:
        robot.activate()
        before = robot.read()
        reached = robot.turn_object(float(before.object_position_rad) + 2 * np.pi - 0.5)
        assert reached == pytest.approx(float(before.object_position_rad) - 0.5, abs=0.06)
        after = robot.read()
        assert not robot.health().watchdog_tripped.any(), "the hand was not forgotten meanwhile"
        assert np.abs(after.position_rad - before.position_rad).max() < 0.1
        assert robot.servos.read("valve", table.TORQUE_ENABLE) == 0


def test_an_object_that_does_not_turn_is_let_go(bench: Any) -> None:
    bench.line.inject(Fault(kind="stuck_joint", servo=50))
    with bench.robot() as robot:
        with pytest.raises(RobotFault, match="object_not_turned"):
            robot.turn_object(1.0, TurnConfig(timeout_s=0.3))
        assert robot.servos.read("valve", table.TORQUE_ENABLE) == 0


def mounted_otherwise(spec: RobotSpec) -> Calibration:
    names = (*spec.joint_names, *(item.name for item in spec.objects))
    servos = {
        name: ServoCalibration(sign=1 - 2 * (row % 2), zero_count=1500 + 100 * row)
        for row, name in enumerate(names)
    }
    return Calibration(schema_version=1, unit="odd", robot=spec.name, servos=servos)


@pytest.mark.parametrize("bench", [mounted_otherwise], indirect=True)
def test_a_unit_that_is_mounted_otherwise_moves_the_same(bench: Any) -> None:
    home = bench.spec.joint_array("home_rad")
    with bench.robot() as robot:
        np.testing.assert_allclose(robot.read().position_rad, home, atol=0.01)
        robot.activate()
        moved = hold(bench, robot, home + 0.1, 0.4)
        assert (moved.position_rad - home > 0.04).all()
        counts = bench.line.memory["present_position"][: len(home)]
        assert (np.diff(counts) != 0).all(), "the servos themselves count differently"
