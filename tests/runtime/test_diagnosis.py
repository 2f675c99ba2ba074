"""What a person is told about a running hand once a second."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sim2real.contract.joint_io import Command
from sim2real.hardware.robot import RobotFault
from sim2real.runtime.control_loop import ControlLoop, ControlTick
from sim2real.runtime.diagnosis import HandDiagnosis, Level, Status
from tests.runtime.scripted_robot import HOME, SPEC, ScriptedRobot


class Bench:
    """A scripted hand in lock-step and whoever looks at it."""

    def __init__(self) -> None:
        self.robot = ScriptedRobot()
        self.command_rad: np.ndarray | None = None
        self.loop = ControlLoop(
            self.robot, rate_hz=100.0, answer=self._answer, clock_ns=self.robot.clock_ns
        )
        self.diagnosis = HandDiagnosis(SPEC)
        self.tick: ControlTick | None = None

    def _answer(self, state, _cutoff_ns):
        if self.command_rad is None:
            return None
        return Command(stamp_ns=state.reading.stamp_ns, position_rad=self.command_rad)

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.tick = self.loop.run_tick()
            self.robot.pass_ms(7)

    def look(self, refused: dict[str, int] | None = None) -> dict[str, Status]:
        rows = self.diagnosis.look(self.loop, self.tick, refused or {})
        return {row.name: row for row in rows}


@pytest.fixture
def bench():
    bench = Bench()
    bench.loop.activate()
    bench.ticks(3)
    return bench


def test_a_hand_that_holds_because_nobody_commands_it_is_well(bench):
    rows = bench.look()
    assert rows["safety ladder"].level is Level.OK
    assert rows["servo bus"].level is Level.OK
    assert [name for name in rows if name.startswith("servo finger")] == [
        f"servo {name}" for name in SPEC.joint_names
    ]
    assert {row.level for name, row in rows.items() if "finger" in name} == {Level.OK}


def test_a_loop_that_does_not_run_is_an_error(bench):
    assert bench.look()["control loop"].level is Level.ERROR


def test_refusals_warn_once_and_stay_counted(bench):
    assert "commands" not in bench.look(), "nobody commands over topics"
    counts = {"accepted": 5, "expired": 2}
    row = bench.look(counts)["commands"]
    assert (row.level, row.values) == (Level.WARN, {"accepted": "5", "expired": "2"})
    assert bench.look(counts)["commands"].level is Level.OK
    assert bench.look({**counts, "expired": 3})["commands"].level is Level.WARN


def test_failed_readings_are_an_error_while_they_last_and_a_warning_afterwards(bench):
    bench.robot.breaks["read"] = RobotFault("silent", "no answer", ("finger1_top",))
    bench.ticks(2)
    row = bench.look()["servo bus"]
    assert row.level is Level.ERROR
    assert "finger1_top" in row.message
    assert row.values["read_silent"] == "2"

    bench.ticks(1)
    del bench.robot.breaks["read"]
    bench.ticks(1)
    assert bench.look()["servo bus"].level is Level.WARN
    bench.ticks(1)
    assert bench.look()["servo bus"].level is Level.OK


def test_a_loop_that_hangs_is_stale(bench):
    bench.look()
    assert bench.look()["servo bus"].level is Level.STALE


def test_a_stopped_hand_is_an_error_with_its_reason(bench):
    bench.command_rad = HOME
    bench.ticks(2)
    bench.command_rad = None
    bench.robot.pass_ms(150)
    bench.ticks(1)
    row = bench.look()["safety ladder"]
    assert (row.level, row.message) == (Level.WARN, "hold: late_command")
    bench.robot.pass_ms(1000)
    bench.ticks(1)
    row = bench.look()["safety ladder"]
    assert (row.level, row.message) == (Level.ERROR, "limp: late_command")
    assert row.values["late_command"] != "0"
    assert "allowed" in row.values["detail"]


@pytest.mark.parametrize(
    ("field", "value", "level", "word"),
    [
        ("temperature_c", 64.0, Level.WARN, "°C"),
        ("hardware_error", 0x20, Level.ERROR, "overload"),
        ("watchdog_tripped", True, Level.ERROR, "watchdog"),
    ],
)
def test_a_servo_says_what_ails_it(bench, field, value, level, word):
    values = getattr(bench.tick.health, field).copy()
    values[4] = value
    health = dataclasses.replace(bench.tick.health, **{field: values})
    bench.tick = dataclasses.replace(bench.tick, health=health)
    rows = bench.look()
    assert rows[f"servo {SPEC.joint_names[4]}"].level is level
    assert word in rows[f"servo {SPEC.joint_names[4]}"].message
    assert rows[f"servo {SPEC.joint_names[3]}"].level is Level.OK
