"""The doctor on an emulated hand, healthy and with faults; and without any hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.emulator.bus_server import EmulatedBus
from sim2real.emulator.faults import Fault
from sim2real.emulator.line import LineOptions
from sim2real.hardware.doctor import (
    Check,
    Verdict,
    doctor,
    format_checks,
    is_healthy,
    print_doctor,
)
from sim2real.hardware.dynamixel.port import latency_timer_ms, require_low_latency
from sim2real.hardware.provision import provision

SPEC = load_robot_spec()


@pytest.fixture
def bus() -> Iterator[EmulatedBus]:
    with EmulatedBus(SPEC) as bus:
        yield bus


def examine(bus: EmulatedBus) -> dict[tuple[str, str], Check]:
    return {(row.subject, row.name): row for row in doctor(bus.port, SPEC, "emulated")}


def test_a_healthy_hand_passes_every_check(bus: EmulatedBus) -> None:
    checks = doctor(bus.port, SPEC, "emulated")
    assert {row.verdict for row in checks} == {Verdict.OK}
    assert is_healthy(checks)
    answering = [row.subject for row in checks if row.name == "answers"]
    assert answering == [*SPEC.joint_names, "valve", "guide"]
    assert "finger3_bottom" in format_checks(checks)


def test_three_faults_are_found_and_each_has_advice(bus: EmulatedBus) -> None:
    bus.inject(Fault(kind="mute_servo", servo=11))
    bus.inject(Fault(kind="overload", servo=20))
    bus.inject(Fault(kind="set_registers", servo=30, registers={"current_limit": 1193}))
    checks = examine(bus)
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


def test_voltage_and_temperature_are_judged_by_the_spec(bus: EmulatedBus) -> None:
    bus.inject(Fault(kind="supply_voltage", value=9.0))
    bus.inject(Fault(kind="hot", servo=12, value=75.0))
    checks = examine(bus)
    assert checks["finger1_bottom", "temperature"].verdict is Verdict.FAILED
    assert checks["finger1_top", "temperature"].verdict is Verdict.OK
    assert checks["guide", "voltage"].verdict is Verdict.FAILED, "looked at last"


def test_a_new_hand_is_provisioned_and_then_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    options = LineOptions(baud=SPEC.bus.baud, supply_v=12.0, is_provisioned=False)
    with EmulatedBus(SPEC, options=options) as bus:
        assert print_doctor(bus.port, "emulated") == 1
        assert "-> taskbelief provision" in capsys.readouterr().out
        assert provision(bus.port, "emulated") == 0
        assert "finger1_top: current_limit is" in capsys.readouterr().out
        assert print_doctor(bus.port, "emulated") == 0
        assert provision(bus.port, "emulated") == 0
        assert capsys.readouterr().out.endswith("0 registers written and read back\n")


def test_servos_at_another_baud_rate_are_found() -> None:
    with EmulatedBus(SPEC, baud=57_600) as bus:
        checks = doctor(bus.port, SPEC, "emulated")
    assert checks[-1].name == "baud rate"
    assert "answer at 57600 baud" in checks[-1].found
    assert "register 8" in checks[-1].advice


def test_a_port_that_is_not_there_ends_the_examination(tmp_path: Path) -> None:
    checks = doctor(str(tmp_path / "ttyUSB7"), SPEC, "emulated")
    assert [row.name for row in checks] == ["port", "calibration"]
    assert checks[0].verdict is Verdict.FAILED


def test_a_unit_without_calibration_is_told(bus: EmulatedBus) -> None:
    checks = doctor(bus.port, SPEC, "nobody")
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
