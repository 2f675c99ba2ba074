"""Hands that are not the claw, and what the doctor says of any hand."""

from __future__ import annotations

import os
from pathlib import Path

from sim2real.contract.robot_spec import RobotSpec
from sim2real.emulator.direct_port import DirectPort
from sim2real.emulator.line import Line, LineOptions
from sim2real.emulator.plant import Plant
from sim2real.hardware.check import Check
from sim2real.hardware.doctor import TIMING, doctor
from sim2real.hardware.dynamixel.bus import Bus

TEMPLATE = Path(__file__).parents[2] / "docs" / "template_package"
PINCER = TEMPLATE / "src" / "taskbelief_pincer" / "pincer"
"""a foreign MJCF with a robot.yaml of ours"""
DCLAW4 = Path("dclaw4")
"""by its name"""


def examined(spec: RobotSpec) -> list[Check]:
    """The doctor's report on an emulated hand, in its own time; the port is a terminal, unused."""
    options = LineOptions(baud=spec.bus.baud, supply_v=spec.servo.nominal_voltage_v)
    line = Line(spec, Plant(spec), options)

    def open_bus(path: str, baud: int) -> Bus:
        return Bus(DirectPort(line, baud), TIMING, clock=lambda: line.now)

    ends = os.openpty()
    try:
        return doctor(os.ttyname(ends[1]), spec, "emulated", open_bus=open_bus)
    finally:
        for end in ends:
            os.close(end)
