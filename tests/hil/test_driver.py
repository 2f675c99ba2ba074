"""The driver with a hand on the other end of the cable: it measures, moves, stops."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

from sim2real.contract.joint_io import Command
from sim2real.emulator.bus_server import EmulatedBus
from sim2real.emulator.faults import Fault
from sim2real.emulator.line import LineOptions
from sim2real.hardware.calibration import Calibration, ServoCalibration
from sim2real.hardware.dynamixel import control_table as table
from sim2real.hardware.dynamixel.driver import DynamixelRobot
from sim2real.hardware.dynamixel.object_servo import TurnConfig
from sim2real.hardware.dynamixel.port import SerialPort
from sim2real.hardware.robot import Phase, RobotFault

PERIOD_S = 0.02


def hold(robot: Any, position: Any, seconds: float) -> Any:
    """Command one position for a while; the last reading."""
    reading = robot.read()
    for _ in range(round(seconds / PERIOD_S)):
        robot.write(Command(stamp_ns=reading.stamp_ns, position_rad=position))
        time.sleep(PERIOD_S)
        reading = robot.read()
    return reading


def test_a_connected_hand_measures_and_is_limp(bench: Any) -> None:
    with bench.robot() as robot:
        first, second = robot.read(), robot.read()
        assert second.sequence == first.sequence + 1
        assert second.stamp_ns > first.stamp_ns
        assert abs(time.monotonic_ns() - second.stamp_ns) < 0.2e9
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
        rest = hold(robot, home, 0.6).position_rad
        for joint, name in enumerate(bench.spec.joint_names):
            goal = home.copy()
            goal[joint] += 0.1
            moved = hold(robot, goal, 0.3).position_rad - rest
            assert moved[joint] > 0.04, name
            assert np.argmax(np.abs(moved)) == joint, name
            rest = hold(robot, home, 0.3).position_rad


def test_applied_goals_are_seen_in_the_servos(bench: Any) -> None:
    with bench.robot() as robot:
        robot.activate()
        goal = robot.read().position_rad + 0.05
        goal = np.clip(
            goal, bench.spec.joint_array("lower_rad"), bench.spec.joint_array("upper_rad")
        )
        hold(robot, goal, 2 * PERIOD_S)
        shown = robot.health().goal_position_rad
        assert np.abs(shown - goal).max() <= table.POSITION_UNIT_RAD


def test_a_host_that_stops_talking_is_noticed_by_every_servo(bench: Any) -> None:
    with bench.robot() as robot:
        robot.activate()
        time.sleep(bench.spec.safety.bus_watchdog_s + 0.15)
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


HOST = """
import sys, time
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.contract.joint_io import Command
from sim2real.hardware.dynamixel.bus import BusTiming
from sim2real.hardware.dynamixel.driver import DriverConfig, DynamixelRobot

config = DriverConfig(timing=BusTiming(turnaround_s=0.03), tick_tolerance_s=0.02)
robot = DynamixelRobot.on_serial(sys.argv[1], load_robot_spec(), sys.argv[2], config)
robot.connect()
robot.activate()
print("active", flush=True)
while True:
    reading = robot.read()
    robot.write(Command(stamp_ns=reading.stamp_ns, position_rad=reading.position_rad))
    time.sleep(0.02)
"""


def test_a_killed_host_leaves_no_servo_running(bench: Any, tmp_path: Any) -> None:
    servos = [bench.bus.servo(motor_id) for motor_id in bench.spec.motor_ids]
    script = tmp_path / "host.py"
    script.write_text(HOST)
    host = subprocess.Popen(
        [sys.executable, str(script), bench.port, bench.unit],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with host:
        try:
            assert host.stdout is not None
            assert host.stdout.readline() == "active\n"
            assert all(servo.torque_is_on and not servo.watchdog_tripped for servo in servos)
        finally:
            host.kill()
        killed = time.monotonic()
        while not all(servo.watchdog_tripped for servo in servos):
            assert time.monotonic() - killed < bench.spec.safety.bus_watchdog_s + 0.1
            time.sleep(0.005)
        assert time.monotonic() - killed > 0.1, "it was the watchdog, not the kill"
    with bench.robot() as robot:
        robot.read()
        assert not robot.health().torque_enabled.any()


def test_a_missing_servo_is_named_and_torque_stays_off(bench: Any) -> None:
    bench.bus.inject(Fault(kind="mute_servo", servo=21))
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
    bench.bus.inject(Fault(kind="stuck_joint", servo=50))
    with bench.robot() as robot:
        with pytest.raises(RobotFault, match="object_not_turned"):
            robot.turn_object(1.0, TurnConfig(timeout_s=0.3))
        assert robot.servos.read("valve", table.TORQUE_ENABLE) == 0


def test_a_unit_that_is_mounted_otherwise_moves_the_same(
    spec: Any, real_hand: Any, patient: Any
) -> None:
    if real_hand is not None:
        pytest.skip("a real hand is mounted as it is")
    names = (*spec.joint_names, *(item.name for item in spec.objects))
    mounted = {
        name: ServoCalibration(sign=1 - 2 * (row % 2), zero_count=1500 + 100 * row)
        for row, name in enumerate(names)
    }
    calibration = Calibration(schema_version=1, unit="odd", robot=spec.name, servos=mounted)
    options = LineOptions(
        baud=spec.bus.baud,
        supply_v=spec.servo.nominal_voltage_v,
        signs=tuple(servo.sign for servo in mounted.values()),
        zero_ticks=tuple(float(servo.zero_count) for servo in mounted.values()),
    )
    with EmulatedBus(spec, options=options) as bus:

        def open_port() -> SerialPort:
            return SerialPort.open(bus.port, spec.bus.baud)

        with DynamixelRobot(spec, calibration, open_port, config=patient) as robot:
            home = spec.joint_array("home_rad")
            np.testing.assert_allclose(robot.read().position_rad, home, atol=0.01)
            robot.activate()
            moved = hold(robot, home + 0.1, 0.4)
            assert (moved.position_rad - home > 0.04).all()
            counts = np.array([bus.servo(i)["present_position"] for i in spec.motor_ids])
            assert (np.diff(counts) != 0).all(), "the servos themselves count differently"
