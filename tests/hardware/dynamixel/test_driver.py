"""The driver's order of events and its refusals, on servos that are register tables.

Physics, timing and the servos' own protections are tested in tests/hil, on the emulator.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from sim2real.contract.errors import BadInput
from sim2real.contract.joint_io import Command
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.calibration import load_calibration
from sim2real.hardware.dynamixel import control_table as table
from sim2real.hardware.dynamixel.bus import BusTiming
from sim2real.hardware.dynamixel.control_table import Register
from sim2real.hardware.dynamixel.driver import DriverConfig, DynamixelRobot
from sim2real.hardware.dynamixel.port import PortLost
from sim2real.hardware.dynamixel.servo_tables import TABLES
from sim2real.hardware.robot import Phase, RobotFault

SPEC = load_robot_spec()
JOINTS = SPEC.joint_names
IDS = (*SPEC.motor_ids, *(item.motor_id for item in SPEC.objects))
ID = dict(zip((*JOINTS, *(item.name for item in SPEC.objects)), IDS))
CONFIG = DriverConfig(
    soft_start_s=0.1, soft_start_steps=5, timing=BusTiming(turnaround_s=0.001, retries=1)
)


class Bench:
    """A hand of register tables with a clock that advances only when the driver waits or reads."""

    def __init__(self, wire: Any) -> None:
        self.wire, self.now_ns = wire, 1_000_000_000
        self.closed = 0
        self.robot = DynamixelRobot(
            SPEC,
            load_calibration(SPEC, "emulated"),
            lambda: wire,
            config=CONFIG,
            clock_ns=lambda: self.now_ns,
            sleep=self.advance,
        )
        self.advance(0)

    def advance(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)
        for motor_id in self.wire.memory:
            ticks = self.now_ns // 1_000_000 % 32768
            self.wire.poke(motor_id, table.REALTIME_TICK, ticks)

    def poke(self, name: str, register: Register, count: int) -> None:
        self.wire.poke(ID[name], register, count)

    def peek_joints(self, register: Register) -> list[int]:
        return [self.wire.peek(ID[name], register) for name in JOINTS]

    def place(self, position_rad: Any) -> None:
        counts = self.robot._joints.counts(np.broadcast_to(position_rad, len(JOINTS)))
        for name, count in zip(JOINTS, counts):
            self.poke(name, table.PRESENT_POSITION, int(count))

    def command(self, position_rad: Any) -> Command:
        position = np.broadcast_to(np.asarray(position_rad, float), len(JOINTS))
        return Command(stamp_ns=self.now_ns, position_rad=position)


@pytest.fixture
def bench(wire_of: Any) -> Iterator[Bench]:
    bench = Bench(wire_of(*IDS))
    bench.place(SPEC.joint_array("home_rad"))
    bench.poke("valve", table.PRESENT_POSITION, 2048 + 4096)
    bench.robot.provision()
    yield bench
    bench.robot.close()


def test_provisioning_is_needed_once_and_says_what_it_changed(wire_of: Any) -> None:
    bench = Bench(wire_of(*IDS))
    with pytest.raises(BadInput, match="operating_mode is 3, must be 5") as caught:
        bench.robot.connect()
    assert "finger1_top" in caught.value.field
    assert bench.robot.phase is Phase.CLOSED
    changed = {(item.servo, item.register.name) for item in bench.robot.provision()}
    assert ("finger3_bottom", "current_limit") in changed
    assert bench.robot.provision() == []
    bench.robot.connect()
    bench.robot.close()


def test_connecting_turns_torque_off_before_anything_else_is_written(bench: Bench) -> None:
    for name in JOINTS:
        bench.poke(name, table.TORQUE_ENABLE, 1)
    bench.wire.log.clear()
    bench.robot.connect()
    assert bench.peek_joints(table.TORQUE_ENABLE) == [0] * len(JOINTS)
    first = [address for _, address, _ in bench.wire.log[: len(IDS)]]
    assert first == [table.TORQUE_ENABLE.address] * len(IDS)


def test_connecting_configures_every_joint(bench: Bench) -> None:
    for name in JOINTS:
        bench.poke(name, table.BUS_WATCHDOG, table.WATCHDOG_TRIPPED)
    bench.robot.connect()
    joint = SPEC.joints[0]
    assert set(bench.peek_joints(table.POSITION_P_GAIN)) == {joint.position_p_gain}
    assert set(bench.peek_joints(table.BUS_WATCHDOG)) == {0}
    frame = TABLES["XM430-W210"].frame
    pointers = bench.wire.memory[10][frame.pointer_address :][: len(frame.pointers)]
    assert pointers == frame.pointers


@pytest.mark.parametrize(
    ("register", "count", "message"),
    [
        (table.MODEL, 1020, "model: found 1020, expected 1030"),
        (table.FIRMWARE, 44, "firmware: found 44, expected 45 or later"),
        (table.DRIVE_MODE, 1, "drive_mode is 1, must be 0"),
        (table.CURRENT_LIMIT, 1193, "current_limit is 3209.17 mA"),
        (table.STARTUP, 1, "startup_configuration is 1, must be 0"),
        (table.MAX_POSITION_LIMIT, 4095, "max_position_limit is"),
        (table.SHUTDOWN, 0, "shutdown is 0, must be 52"),
    ],
)
def test_a_servo_that_is_not_as_configured_is_refused_by_register(
    bench: Bench, register: Register, count: int, message: str
) -> None:
    bench.poke("finger2_middle", register, count)
    with pytest.raises(BadInput, match="finger2_middle") as caught:
        bench.robot.connect()
    assert message in str(caught.value)
    assert bench.robot.phase is Phase.CLOSED


def test_a_missing_servo_is_named(bench: Bench) -> None:
    del bench.wire.memory[ID["finger3_top"]]
    with pytest.raises(RobotFault) as caught:
        bench.robot.connect()
    assert (caught.value.cause, caught.value.joints) == ("silent", ("finger3_top",))


def test_a_register_that_does_not_keep_its_value_stops_the_configuration(bench: Bench) -> None:
    bench.wire.ignores.add((ID["finger1_top"], table.POSITION_P_GAIN.address))
    with pytest.raises(RobotFault) as caught:
        bench.robot.connect()
    assert caught.value.cause == "not_kept"


def test_readings_are_in_si_units_and_joint_order(bench: Bench) -> None:
    bench.robot.connect()
    home = SPEC.joint_array("home_rad")
    bench.poke("finger1_middle", table.PRESENT_VELOCITY, -10)
    bench.poke("finger1_middle", table.PRESENT_CURRENT, -100)
    reading = bench.robot.read()
    np.testing.assert_allclose(reading.position_rad, home, atol=table.POSITION_UNIT_RAD)
    assert reading.velocity_rad_s[1] == pytest.approx(-0.23981, abs=1e-5)
    assert reading.current_ma[1] == pytest.approx(-269)
    assert reading.object_position_rad == pytest.approx(2 * np.pi), "whole turns count"
    assert reading.sequence == 1
    health = bench.robot.health()
    assert health.voltage_v[0] == pytest.approx(12.0)
    assert health.temperature_c[0] == 25
    assert not health.torque_enabled.any()


def test_torque_comes_on_where_the_joints_are_without_current_and_with_the_watchdog_armed(
    bench: Bench,
) -> None:
    bench.robot.connect()
    bench.place(0.1 + SPEC.joint_array("home_rad"))
    for name in JOINTS:
        bench.poke(name, table.GOAL_POSITION, 0)
        bench.poke(name, table.GOAL_CURRENT, 334)
    at_torque_on: dict[str, list[int]] = {}

    def note(answer: bytes) -> bytes:
        if not at_torque_on and bench.peek_joints(table.TORQUE_ENABLE) == [1] * len(JOINTS):
            registers = (table.GOAL_CURRENT, table.GOAL_POSITION, table.BUS_WATCHDOG)
            at_torque_on.update({item.name: bench.peek_joints(item) for item in registers})
        return answer

    bench.wire.disturb = note
    bench.robot.activate()
    # The first answer after torque-on comes after the first of five soft steps.
    assert at_torque_on["goal_current"] == [334 // 5] * len(JOINTS)
    assert at_torque_on["goal_position"] == bench.peek_joints(table.PRESENT_POSITION)
    assert at_torque_on["bus_watchdog"] == [10] * len(JOINTS)
    assert bench.peek_joints(table.GOAL_CURRENT) == [334] * len(JOINTS)
    assert bench.robot.phase is Phase.ACTIVE


def test_a_request_for_torque_clears_a_tripped_watchdog(bench: Bench) -> None:
    bench.robot.connect()
    bench.poke("finger1_top", table.BUS_WATCHDOG, table.WATCHDOG_TRIPPED)
    bench.robot.activate()
    assert bench.peek_joints(table.BUS_WATCHDOG) == [10] * len(JOINTS)


def test_soft_start_raises_the_current_step_by_step(bench: Bench) -> None:
    bench.robot.connect()
    bench.wire.log.clear()
    bench.robot.activate()
    written = [
        table.GOAL_CURRENT.decode(data)
        for motor_id, address, data in bench.wire.log
        if motor_id == 10 and address == table.GOAL_CURRENT.address
    ]
    assert written == [0, 66, 133, 200, 267, 334, 334]


@pytest.mark.parametrize(
    ("register", "count", "cause"),
    [
        (table.HARDWARE_ERROR, 0x20, "hardware_error"),
        (table.TORQUE_ENABLE, 1, "torque_on"),
        (table.PRESENT_POSITION, 4000, "far_pose"),
    ],
)
def test_an_unfit_joint_keeps_torque_off(
    bench: Bench, register: Register, count: int, cause: str
) -> None:
    bench.robot.connect()
    bench.poke("finger2_top", register, count)
    with pytest.raises(RobotFault) as caught:
        bench.robot.activate()
    assert (caught.value.cause, caught.value.joints) == (cause, ("finger2_top",))
    assert bench.robot.phase is Phase.READY


@pytest.mark.parametrize(
    ("register", "count", "cause"),
    [
        (table.HARDWARE_ERROR, 0x20, "hardware_error"),
        (table.TORQUE_ENABLE, 0, "torque_lost"),
        (table.BUS_WATCHDOG, table.WATCHDOG_TRIPPED, "watchdog_tripped"),
    ],
)
def test_a_fault_during_soft_start_turns_torque_off(
    bench: Bench, register: Register, count: int, cause: str
) -> None:
    bench.robot.connect()
    advance = bench.robot._sleep

    def fail_then_advance(seconds: float) -> None:
        bench.poke("finger1_bottom", register, count)
        advance(seconds)

    bench.robot._sleep = fail_then_advance
    with pytest.raises(RobotFault) as caught:
        bench.robot.activate()
    assert caught.value.cause == cause
    assert bench.peek_joints(table.TORQUE_ENABLE) == [0] * len(JOINTS)
    assert bench.robot.phase is Phase.READY


def test_goals_are_clipped_to_the_range_and_counted(bench: Bench) -> None:
    bench.robot.connect()
    bench.robot.activate()
    bench.robot.write(bench.command(10.0))
    upper = bench.robot._joints.counts(SPEC.joint_array("upper_rad"))
    assert bench.peek_joints(table.GOAL_POSITION) == upper.tolist()
    assert bench.robot.counts["clipped"] == 1
    bench.advance(0.05)
    bench.robot.read()
    goal = bench.robot.health().goal_position_rad
    np.testing.assert_allclose(goal, SPEC.joint_array("upper_rad"), atol=0.001)


@pytest.mark.parametrize("position", [np.full(9, np.nan), np.zeros(8)])
def test_a_command_that_is_none_is_refused(bench: Bench, position: Any) -> None:
    bench.robot.connect()
    bench.robot.activate()
    before = bench.peek_joints(table.GOAL_POSITION)
    with pytest.raises(RobotFault, match="bad_command"):
        bench.robot.write(Command(stamp_ns=0, position_rad=position))
    assert bench.peek_joints(table.GOAL_POSITION) == before


def test_commands_need_torque_by_request(bench: Bench) -> None:
    bench.robot.connect()
    with pytest.raises(RobotFault, match="wrong_phase"):
        bench.robot.write(bench.command(0.0))
    assert bench.peek_joints(table.TORQUE_ENABLE) == [0] * len(JOINTS)


def test_limp_takes_the_current_away_and_leaves_torque(bench: Bench) -> None:
    bench.robot.connect()
    bench.robot.activate()
    bench.robot.go_limp()
    assert bench.peek_joints(table.GOAL_CURRENT) == [0] * len(JOINTS)
    assert bench.peek_joints(table.TORQUE_ENABLE) == [1] * len(JOINTS)


def test_an_answer_from_the_tick_before_is_stale_and_never_returned(bench: Bench) -> None:
    bench.robot.connect()
    bench.robot.read()
    bench.now_ns += 50_000_000  # the host's clock alone: the servos still show the old tick
    with pytest.raises(RobotFault) as caught:
        bench.robot.read()
    assert caught.value.cause == "stale"
    assert caught.value.joints == (*JOINTS, "valve")
    bench.advance(0)
    assert bench.robot.read().sequence == 2


def test_a_servo_that_falls_silent_is_named_after_the_fallback(bench: Bench) -> None:
    bench.robot.connect()
    bench.robot.read()
    del bench.wire.memory[ID["finger2_bottom"]]
    with pytest.raises(RobotFault) as caught:
        bench.robot.read()
    assert (caught.value.cause, caught.value.joints) == ("silent", ("finger2_bottom",))
    assert bench.robot.servos.counts["fallbacks"] == 1


def test_sync_read_stands_in_where_fast_replies_are_lost(bench: Bench) -> None:
    bench.robot.connect()
    bench.wire.disturb = lambda answer: b"" if answer[4] == 0xFE else answer
    assert bench.robot.read().sequence == 1
    assert bench.robot.servos.counts["fallbacks"] == 1


def test_every_way_out_turns_torque_off_first(bench: Bench) -> None:
    with pytest.raises(ZeroDivisionError), bench.robot:
        bench.robot.activate()
        bench.wire.log.clear()
        raise ZeroDivisionError
    assert bench.wire.log[0][1] == table.TORQUE_ENABLE.address
    assert bench.peek_joints(table.TORQUE_ENABLE) == [0] * len(JOINTS)
    assert bench.robot.phase is Phase.CLOSED


def test_a_servo_that_does_not_confirm_its_stop_silences_the_bus(bench: Bench) -> None:
    bench.robot.connect()
    bench.robot.activate()
    bench.wire.ignores.add((ID["finger1_middle"], table.TORQUE_ENABLE.address))
    with pytest.raises(RobotFault) as caught:
        bench.robot.deactivate()
    assert (caught.value.cause, caught.value.joints) == (
        "torque_not_confirmed_off",
        ("finger1_middle",),
    )
    off = [n for n in JOINTS if bench.wire.peek(ID[n], table.TORQUE_ENABLE) == 0]
    assert len(off) == len(JOINTS) - 1, "all others were stopped before"
    num_sent = len(bench.wire.sent)
    for attempt in (bench.robot.read, bench.robot.activate, bench.robot.deactivate):
        with pytest.raises(RobotFault):
            attempt()
    bench.robot.close()
    assert len(bench.wire.sent) == num_sent, "silence means silence"


def test_a_quarantined_robot_sends_nothing_even_when_closed(bench: Bench) -> None:
    bench.robot.connect()
    bench.robot.activate()
    bench.robot.quarantine()
    num_sent = len(bench.wire.sent)
    bench.robot.close()
    assert len(bench.wire.sent) == num_sent
    assert bench.robot.phase is Phase.CLOSED


def test_a_lost_port_is_a_fault_and_closing_survives_it(bench: Bench) -> None:
    bench.robot.connect()
    bench.robot.activate()

    def unplugged(data: bytes) -> None:
        raise PortLost("unplugged")

    send, bench.wire.send = bench.wire.send, unplugged
    with pytest.raises(RobotFault, match="port_lost"):
        bench.robot.read()
    bench.robot.close()
    assert bench.robot.phase is Phase.CLOSED
    bench.wire.send = send


def test_recovery_reboots_configures_and_leaves_torque_off(bench: Bench) -> None:
    bench.robot.connect()
    bench.poke("finger1_top", table.HARDWARE_ERROR, 0x20)
    bench.robot.recover(("finger1_top",))
    bench.advance(0)
    bench.robot.read()
    assert bench.robot.health().hardware_error[0] == 0
    assert bench.wire.peek(10, table.POSITION_P_GAIN) == SPEC.joints[0].position_p_gain
    assert bench.peek_joints(table.TORQUE_ENABLE) == [0] * len(JOINTS)
    assert bench.robot.phase is Phase.READY


def test_faults_of_every_layer_are_counted_in_one_place(bench: Bench) -> None:
    bench.robot.connect()
    bench.robot.read()
    assert not bench.robot.faults
    answers = iter([lambda answer: answer[:-1], lambda answer: b"\xff" + answer])
    bench.wire.disturb = lambda answer: next(answers, lambda same: same)(answer)
    bench.robot.read()
    bench.now_ns += 50_000_000
    with pytest.raises(RobotFault, match="stale"):
        bench.robot.read()
    assert bench.robot.faults == {"incomplete": 1, "retries": 1, "late_bytes": 1, "stale": 1}
