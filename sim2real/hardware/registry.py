"""The kinds of robot by name, and how to get hold of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import RobotSpec
from sim2real.hardware.robot import Robot

WHERE = "robot"


@dataclass(frozen=True, kw_only=True)
class RobotPlace:
    """Which robot is meant."""

    kind: str
    """a name in `ROBOTS`"""
    port: str = ""
    """path of the serial port; none for one that is simulated"""
    unit: str = ""
    """whose calibration to use"""
    patience_s: float = 0.0
    """how much later than usual servos may answer, where the machine is busy with other things"""


def open_robot(spec: RobotSpec, place: RobotPlace) -> Robot:
    """The robot at that place, in real time; nothing is sent to it before `connect`.

    Raises `BadInput` for an unknown kind, for a port or unit that the kind needs and is not there,
    and for a calibration that does not fit.
    """
    make = ROBOTS.get(place.kind)
    if make is None:
        raise BadInput(WHERE, "robot", found=place.kind, expected=f"one of {', '.join(ROBOTS)}")
    return make(spec, place)


def _on_a_bus(spec: RobotSpec, place: RobotPlace) -> Robot:
    from sim2real.hardware.dynamixel.driver import DynamixelRobot, patient

    if not place.port:
        raise BadInput(WHERE, "port", found="", expected=f"a serial port: {place.kind} needs one")
    if not place.unit:
        raise BadInput(WHERE, "unit", found="", expected="the name of a calibration")
    config = patient(place.patience_s) if place.patience_s else None
    return DynamixelRobot.on_serial(place.port, spec, place.unit, config)


def _on_a_real_bus(spec: RobotSpec, place: RobotPlace) -> Robot:
    """Rehearsed on an emulated hand's port it has the emulated calibration."""
    from sim2real.hardware.dynamixel.port import is_emulated

    if place.unit == "emulated" and not is_emulated(place.port):
        expected = "the unit's own calibration: the emulated one's zeros are not a real hand's"
        raise BadInput(WHERE, "unit", found=place.unit, expected=expected)
    return _on_a_bus(spec, place)


def _simulated(spec: RobotSpec, place: RobotPlace) -> Robot:
    from sim2real.hardware.realtime_simulation import RealtimeSimulation
    from sim2real.hardware.simulated import SimulatedRobot

    if place.port:
        raise BadInput(WHERE, "port", found=place.port, expected="none: the robot is simulated")
    # The period of a command in lock-step; in real time the clock decides instead.
    return RealtimeSimulation(SimulatedRobot(spec, control_period_s=spec.control_period_s))


ROBOTS: Mapping[str, Callable[[RobotSpec, RobotPlace], Robot]] = {
    "serial": _on_a_real_bus,
    "emulated": _on_a_bus,
    "simulated": _simulated,
}
"""by the names that command lines and parameters use"""
