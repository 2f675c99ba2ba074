"""Verbs that open a bus: whatever it does, one line says what, and the exit code is 1."""

from __future__ import annotations

import pytest

from sim2real import cli
from sim2real.contract.errors import WorkFailed
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.emulator.bus_server import EmulatedBus
from sim2real.emulator.faults import Fault
from sim2real.hardware.dynamixel.bus import BusFault
from sim2real.hardware.dynamixel.port import PortLost
from sim2real.hardware.robot import RobotFault
from sim2real.runtime.control_loop import LoopStopped

SPEC = load_robot_spec()
FAILURES = (
    RobotFault("silent", "no answer in time", ("finger1_bottom",)),
    PortLost("the other end is closed"),
    BusFault("not_kept", 12, "reads back otherwise"),
    LoopStopped("the loop does not run any more"),
)


@pytest.mark.parametrize("name", cli.VERBS)
@pytest.mark.parametrize("failure", FAILURES, ids=lambda error: type(error).__name__)
def test_every_verb_says_in_one_line_what_failed(name, failure, monkeypatch, capsys):
    def fails(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr("tyro.cli", fails)

    assert cli.main(name.split()) == 1
    out, err = capsys.readouterr()
    assert err == f"taskbelief {name}: {failure}\n"
    assert not out


def test_what_fails_on_a_bus_is_work_that_failed():
    assert all(isinstance(failure, WorkFailed) for failure in FAILURES)


@pytest.mark.realtime
@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="mute_servo", servo=12),
        Fault(kind="silent_bus"),
        Fault(kind="dead_servo", servo=50),
        Fault(kind="refused", servo=30),
    ],
    ids=lambda fault: fault.kind,
)
def test_provisioning_a_hand_that_does_not_answer_is_one_line(fault, capsys):
    with EmulatedBus(SPEC) as bus:
        bus.inject(fault)
        assert cli.main(["provision", "--port", bus.port, "--unit", "emulated"]) == 1
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert err.startswith("taskbelief provision: ")
    assert not out


@pytest.mark.realtime
def test_exciting_a_hand_that_does_not_answer_is_one_line(tmp_path, capsys):
    options = ["--robot", "serial", "--unit", "emulated", "--yes"]
    with EmulatedBus(SPEC) as bus:
        bus.inject(Fault(kind="mute_servo", servo=12))
        out = str(tmp_path / "out.mcap")
        assert cli.main(["excite", out, *options, "--port", bus.port]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "silent" in err


@pytest.mark.realtime
def test_the_doctor_of_a_hand_that_does_not_answer_is_its_report(capsys):
    with EmulatedBus(SPEC) as bus:
        bus.inject(Fault(kind="mute_servo", servo=12))
        assert cli.main(["doctor", "--port", bus.port, "--unit", "emulated"]) == 1
    out, err = capsys.readouterr()
    assert "finger1_bottom" in out
    assert not err
