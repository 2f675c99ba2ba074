"""`taskbelief provision`: write the configuration into the servos' EEPROM, once per unit."""

from __future__ import annotations

from pathlib import Path

from sim2real.contract.robot_spec import DCLAW, load_robot_spec
from sim2real.hardware.dynamixel.driver import DynamixelRobot


def provision(port: str, unit: str, robot: Path = DCLAW) -> int:
    """Write every EEPROM register that differs from robot.yaml and the unit's calibration.

    Torque goes off first. Ids and baud rate must be right already. Prints what it changed.

    Args:
        port: serial port of the hand.
        unit: whose calibration to use.
        robot: the robot's robot.yaml, its folder, or a robot's name.
    """
    changed = DynamixelRobot.on_serial(port, load_robot_spec(robot), unit).provision()
    for difference in changed:
        print(f"written: {difference}")
    print(f"{len(changed)} registers written and read back")
    return 0
