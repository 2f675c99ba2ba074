"""The doctor on an emulated hand, healthy and with faults; and without any hand."""

from __future__ import annotations

import dataclasses
import functools
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from sim2real.contract.camera import Frame, load_cameras
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.emulator.bus_server import EmulatedBus
from sim2real.emulator.direct_port import DirectPort
from sim2real.emulator.faults import Fault
from sim2real.emulator.line import Line, LineOptions
from sim2real.emulator.plant import Plant
from sim2real.hardware import camera_checks as camera_checks_module
from sim2real.hardware import doctor as doctor_module
from sim2real.hardware.camera_checks import camera_checks
from sim2real.hardware.check import Check, Verdict
from sim2real.hardware.doctor import (
    TIMING,
    doctor,
    format_checks,
    is_healthy,
    print_doctor,
)
from sim2real.hardware.dynamixel.bus import Bus
from sim2real.hardware.dynamixel.driver import DriverConfig, DynamixelRobot
from sim2real.hardware.dynamixel.port import (
    SerialPort,
    latency_timer_ms,
    require_low_latency,
)
from sim2real.hardware.file_camera import FRAMES, FrameOutbox
from sim2real.hardware.provision import provision

SPEC = load_robot_spec()
ALL_NAMES = (*SPEC.joint_names, "valve", "guide")
OPTIONS = LineOptions(baud=SPEC.bus.baud, supply_v=SPEC.servo.nominal_voltage_v)


@pytest.fixture
def line() -> Line:
    return Line(SPEC, Plant(SPEC), OPTIONS)


def examine(line: Line, unit: str = "emulated") -> list[Check]:
    """The doctor's report on a line, in the line's own time; the port is a terminal, unused."""

    def open_bus(path: str, baud: int) -> Bus:
        return Bus(DirectPort(line, baud), TIMING, clock=lambda: line.now)

    ends = os.openpty()
    try:
        return doctor(os.ttyname(ends[1]), SPEC, unit, open_bus=open_bus)
    finally:
        for end in ends:
            os.close(end)


def by_place(checks: list[Check]) -> dict[tuple[str, str], Check]:
    return {(row.subject, row.name): row for row in checks}


def test_a_healthy_hand_passes_every_check(line: Line) -> None:
    checks = examine(line)
    assert {row.verdict for row in checks} == {Verdict.OK}
    assert is_healthy(checks)
    answering = [row.subject for row in checks if row.name == "answers"]
    assert answering == list(ALL_NAMES)
    assert "finger3_bottom" in format_checks(checks)


def test_a_port_of_odd_characters_is_shown_as_lines_that_print() -> None:
    checks = doctor("/dev/\x1b[31m\udcff", SPEC, "emulated")
    assert all(line.isprintable() for line in format_checks(checks).splitlines())


def test_three_faults_are_found_and_each_has_advice(line: Line) -> None:
    line.inject(Fault(kind="mute_servo", servo=11))
    line.inject(Fault(kind="overload", servo=20))
    line.inject(Fault(kind="set_registers", servo=30, registers={"current_limit": 1193}))
    checks = by_place(examine(line))
    failed = {place for place, row in checks.items() if row.verdict is Verdict.FAILED}
    assert failed == {
        ("finger1_middle", "answers"),
        ("finger2_top", "errors"),
        ("finger3_top", "EEPROM"),
    }
    assert checks["finger2_top", "errors"].found == "overload"
    assert "current_limit is 3209.17 mA (1193)" in checks["finger3_top", "EEPROM"].found
    assert all(checks[place].advice for place in failed)
    assert not is_healthy(checks.values())


def test_voltage_and_temperature_are_judged_by_the_spec(line: Line) -> None:
    line.inject(Fault(kind="supply_voltage", value=9.0))
    line.inject(Fault(kind="hot", servo=12, value=75.0))
    line.advance_to(0.5)  # servos measure themselves now and then
    checks = by_place(examine(line))
    assert checks["finger1_bottom", "temperature"].verdict is Verdict.FAILED
    assert checks["finger1_top", "temperature"].verdict is Verdict.OK
    assert all(checks[name, "voltage"].verdict is Verdict.FAILED for name in ALL_NAMES)


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time enough for answers on a machine that has other things to do."""
    timing = dataclasses.replace(TIMING, turnaround_s=0.5)
    monkeypatch.setattr(doctor_module, "TIMING", timing)
    patient = functools.partial(DynamixelRobot.on_serial, config=DriverConfig(timing=timing))
    monkeypatch.setattr(DynamixelRobot, "on_serial", patient)


@pytest.mark.realtime
def test_a_new_hand_is_provisioned_and_then_healthy(
    patience: None, capsys: pytest.CaptureFixture[str]
) -> None:
    options = dataclasses.replace(OPTIONS, is_provisioned=False)
    with EmulatedBus(SPEC, options=options) as bus:
        assert print_doctor(bus.port, "emulated") == 1
        assert "-> taskbelief provision" in capsys.readouterr().out
        assert provision(bus.port, "emulated") == 0
        assert "finger1_top: current_limit is" in capsys.readouterr().out
        assert print_doctor(bus.port, "emulated") == 0
        assert provision(bus.port, "emulated") == 0
        assert capsys.readouterr().out.endswith("0 registers written and read back\n")


def test_servos_at_another_baud_rate_are_found() -> None:
    line = Line(SPEC, Plant(SPEC), dataclasses.replace(OPTIONS, baud=57_600))
    checks = examine(line)
    assert checks[-1].name == "baud rate"
    assert "answer at 57600 baud" in checks[-1].found
    assert "register 8" in checks[-1].advice


def at_baud_rate(line: Line, motor_id: int, index: int) -> None:
    """One servo keeps to another baud rate: by register 8."""
    registers = {"baud_rate": index}
    line.inject(Fault(kind="set_registers", servo=motor_id, registers=registers))


def test_one_servo_at_another_baud_rate_is_found(line: Line) -> None:
    at_baud_rate(line, 11, 1)
    checks = by_place(examine(line))
    assert checks["finger1_middle", "answers"].advice == "it answers at 57600 baud"
    assert checks["bus", "baud rate"].found == "ids 11 answer at 57600 baud"
    assert checks["bus", "baud rate"].advice == "set register 8 of each to 3"
    failed = {place for place, row in checks.items() if row.verdict is Verdict.FAILED}
    assert failed == {("finger1_middle", "answers"), ("bus", "baud rate")}


def test_servos_at_several_baud_rates_are_found_each_at_its_own(line: Line) -> None:
    at_baud_rate(line, 11, 1)
    at_baud_rate(line, 22, 4)
    rows = [row for row in examine(line) if row.name == "baud rate"]
    assert [row.found for row in rows] == [
        "ids 11 answer at 57600 baud",
        "ids 22 answer at 2000000 baud",
    ]


def test_a_new_servo_is_told_from_a_broken_one(line: Line) -> None:
    registers = {"id": 1, "baud_rate": 1}
    line.inject(Fault(kind="set_registers", servo=31, registers=registers))
    checks = by_place(examine(line))
    assert "check its power" in checks["finger3_middle", "answers"].advice
    assert checks["bus", "baud rate"].found == "ids 1 answer at 57600 baud"
    assert "give each its id" in checks["bus", "baud rate"].advice


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (Fault(kind="mute_servo", servo=11), "check its power, its cable and its id"),
        (Fault(kind="truncate_reply", servo=11), "has another servo its id?"),
        (Fault(kind="refused", servo=11), "reboot it"),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_advice_about_a_servo_follows_from_the_cause(line: Line, fault: Fault, advice: str) -> None:
    line.inject(fault)
    rows = [row for row in examine(line) if row.subject == "finger1_middle"]
    assert any(row.verdict is Verdict.FAILED and advice in row.advice for row in rows)


def test_what_is_no_serial_port_is_said_at_once(tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.write_text("")
    for port in ("/dev/null", str(file), "/dev/zero"):
        began = time.monotonic()
        first = doctor(port, SPEC, "emulated")[0]
        assert time.monotonic() - began < 10.0, "who listens to it hears nothing, for ever"
        assert first.verdict is Verdict.FAILED
        assert first.found == "it is not a serial port"
        assert "close the other program" not in first.advice
        assert "/dev/tty" in first.advice or "plug it in" in first.advice
    assert doctor(str(tmp_path), SPEC, "emulated")[0].found == "Is a directory"


@pytest.mark.realtime
def test_a_port_that_somebody_has_says_so() -> None:
    with EmulatedBus(SPEC) as bus:
        holder = SerialPort.open(bus.port, SPEC.bus.baud)
        row = doctor(bus.port, SPEC, "emulated")[-1]
        holder.close()
    assert row.name == "open"
    assert row.advice == "close the other program that has it open"


def test_a_port_that_is_not_there_ends_the_examination(tmp_path: Path) -> None:
    checks = doctor(str(tmp_path / "ttyUSB7"), SPEC, "emulated")
    assert [row.name for row in checks] == ["port", "calibration"]
    assert checks[0].verdict is Verdict.FAILED


def test_a_unit_without_calibration_is_told(line: Line) -> None:
    checks = examine(line, "nobody")
    row = next(row for row in checks if row.name == "calibration")
    assert row.verdict is Verdict.FAILED
    assert any(row.name == "answers" for row in checks), "servos are examined all the same"


def test_a_slow_adapter_is_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    port = tmp_path / "ttyUSB0"
    (tmp_path / "sys" / "ttyUSB0").mkdir(parents=True)
    timer = tmp_path / "sys" / "ttyUSB0" / "latency_timer"
    timer.write_text("16\n")
    with pytest.raises(ValueError, match=r"echo 1 \| sudo tee .*latency_timer"):
        require_low_latency(str(port), tmp_path / "sys")
    timer.write_text("1\n")
    require_low_latency(str(port), tmp_path / "sys")
    assert latency_timer_ms(str(tmp_path / "pts9"), tmp_path / "sys") is None


# ---- cameras -----------------------------------------------------------------------------------


def camera_row(port: str, device: str = "") -> Check:
    (row,) = camera_checks(SPEC, port, device)
    return row


def test_without_a_source_of_frames_it_says_what_is_missing(tmp_path):
    row = camera_row(str(tmp_path / "port"))

    assert (row.subject, row.verdict) == ("palm", Verdict.OK)
    assert "no source of frames is known" in row.found
    assert "--camera DEVICE" in row.found


def test_a_video_device_that_is_not_there_is_a_failure(tmp_path):
    row = camera_row(str(tmp_path / "port"), "/dev/video77")

    assert row.verdict is Verdict.FAILED
    assert "/dev/video77" in row.found


@pytest.mark.parametrize(("num_frames", "verdict"), [(1, Verdict.FAILED), (8, Verdict.OK)])
def test_frames_beside_an_emulated_port_are_waited_for(tmp_path, monkeypatch, num_frames, verdict):
    monkeypatch.setattr(camera_checks_module, "PATIENCE_S", 0.3)
    palm = load_cameras(SPEC)["palm"]
    outbox = FrameOutbox(tmp_path / f"palm{FRAMES}", palm)

    def deliver() -> None:
        for number in range(num_frames):
            pixels = np.zeros(palm.shape, np.uint8)
            stamp_ns = time.monotonic_ns()
            outbox.put(Frame(stamp_ns=stamp_ns, sequence=number, pixels=pixels))
            time.sleep(palm.period_s)

    thread = threading.Thread(target=deliver)
    thread.start()
    row = camera_row(str(tmp_path / "port"))
    thread.join()

    assert row.verdict is verdict, row
    assert str(tmp_path) in row.found
