"""The host dies with torque on: a process that is killed, an emulated bus that keeps real time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import pytest

from sim2real.emulator.bus_server import EmulatedBus
from sim2real.hardware.dynamixel.bus import BusTiming
from sim2real.hardware.dynamixel.driver import DriverConfig, DynamixelRobot

WATCHDOG_S = 1.0
"""longer than the robot's own, so that a host that waits for its processor is not taken for dead"""
SLACK_S = 0.5
PATIENT = DriverConfig(timing=BusTiming(turnaround_s=SLACK_S), tick_tolerance_s=SLACK_S)

HOST = """
import dataclasses, sys, time
from sim2real.contract.joint_io import Command
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.dynamixel.bus import BusTiming
from sim2real.hardware.dynamixel.driver import DriverConfig, DynamixelRobot

port, watchdog_s, slack_s = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
spec = load_robot_spec()
safety = dataclasses.replace(spec.safety, bus_watchdog_s=watchdog_s)
spec = dataclasses.replace(spec, safety=safety)
config = DriverConfig(timing=BusTiming(turnaround_s=slack_s), tick_tolerance_s=slack_s)
robot = DynamixelRobot.on_serial(port, spec, "emulated", config)
robot.connect()
robot.activate()
print("active", flush=True)
while True:
    reading = robot.read()
    robot.write(Command(stamp_ns=reading.stamp_ns, position_rad=reading.position_rad))
    time.sleep(0.02)
"""


@pytest.mark.realtime
def test_a_killed_host_leaves_no_servo_running(spec: Any, real_hand: Any, tmp_path: Any) -> None:
    if real_hand is not None:
        pytest.skip("kills its host with torque on: for the emulator only")
    script = tmp_path / "host.py"
    script.write_text(HOST)
    with EmulatedBus(spec) as bus:
        command = [sys.executable, str(script), bus.port, str(WATCHDOG_S), str(SLACK_S)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        servos = [bus.servo(motor_id) for motor_id in spec.motor_ids]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as host:
            try:
                assert host.stdout is not None
                assert host.stdout.readline() == "active\n"
                time.sleep(WATCHDOG_S + SLACK_S)
                assert all(s.torque_is_on and not s.watchdog_tripped for s in servos)
            finally:
                host.kill()
        killed_at = bus.line.now
        while not all(servo.watchdog_tripped for servo in servos):
            assert bus.line.now - killed_at < WATCHDOG_S + SLACK_S
            time.sleep(0.005)
        assert bus.line.now - killed_at > WATCHDOG_S - SLACK_S, "it was the watchdog, not the kill"
        with DynamixelRobot.on_serial(bus.port, spec, "emulated", PATIENT) as robot:
            robot.read()
            assert not robot.health().torque_enabled.any()
