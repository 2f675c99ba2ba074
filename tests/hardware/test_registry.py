"""Robots by name."""

from __future__ import annotations

import pytest

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.emulator.bus_server import EmulatedBus
from sim2real.hardware.registry import ROBOTS, RobotPlace, open_robot
from sim2real.hardware.robot import Phase

SPEC = load_robot_spec()


@pytest.mark.parametrize(
    "kind", ["simulated", pytest.param("emulated", marks=pytest.mark.realtime)]
)
def test_each_kind_connects_and_reads(kind):
    with EmulatedBus(SPEC) as bus:
        port, unit = ("", "") if kind == "simulated" else (bus.port, "emulated")
        with open_robot(SPEC, RobotPlace(kind=kind, port=port, unit=unit)) as robot:
            assert robot.phase is Phase.READY
            assert robot.read().position_rad.shape == (9,)


@pytest.mark.parametrize(
    ("place", "field"),
    [
        (RobotPlace(kind="fake"), "robot"),
        (RobotPlace(kind="serial", unit="42"), "port"),
        (RobotPlace(kind="emulated", unit="emulated"), "port"),
        (RobotPlace(kind="emulated", port="/dev/null"), "unit"),
        (RobotPlace(kind="serial", port="/dev/null", unit="emulated"), "unit"),
        (RobotPlace(kind="simulated", port="/dev/null"), "port"),
    ],
)
def test_what_a_kind_cannot_do_with_is_refused(place, field):
    with pytest.raises(BadInput) as caught:
        open_robot(SPEC, place)
    assert caught.value.field == field


def test_nothing_is_opened_before_connecting():
    for kind in ("serial", "emulated"):
        unit = "emulated" if kind == "emulated" else "42"
        if kind == "serial":
            with pytest.raises(BadInput, match="calibration"):
                open_robot(SPEC, RobotPlace(kind=kind, port="/nowhere", unit=unit))
        else:
            assert open_robot(SPEC, RobotPlace(kind=kind, port="/nowhere", unit=unit)).phase is (
                Phase.CLOSED
            )
    assert set(ROBOTS) == {"serial", "emulated", "simulated"}
