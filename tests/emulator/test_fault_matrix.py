"""Every kind of fault against driver and safety ladder: the reaction is the defined one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.fault_cases import CASES, Case
from benchmarks.fault_matrix import Bench, run_case
from benchmarks.fault_page import Record, markdown
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.emulator.faults import KINDS, Fault
from sim2real.hardware.dynamixel import freshness
from sim2real.runtime import safety

SPEC = load_robot_spec()


def case(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def test_every_kind_of_fault_has_its_case():
    assert {fault.kind for case in CASES for fault in case.faults} == set(KINDS)
    assert len({case.name for case in CASES}) == len(CASES) >= 30


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_reaction_is_the_defined_one(case):
    """It comes to its end; nothing stale is returned as fresh; no torque is unwatched."""
    record = run_case(case, SPEC)
    assert record.violations == []
    assert record.reaction == case.reaction, (record.cause, record.detail)
    if case.causes:
        assert record.cause in case.causes
    if case.stage == "run" and not case.host_dies:
        assert (record.stopped_s is None) == (case.reaction in ("absorbed", "held"))
        assert record.num_readings > 0


def test_a_case_repeats_itself_exactly():
    noisy = case("flip_reply_bit: one in a hundred")
    assert run_case(noisy, SPEC) == run_case(noisy, SPEC)


def test_the_page_has_a_row_for_every_case():
    records = [Record(case) for case in CASES]
    page = markdown(records, 0.02)
    assert "emulated bus" in page
    assert all(f"| {case.name} |" in page for case in CASES)


def test_the_page_in_the_repository_is_of_these_cases_and_kinds():
    page = (Path(__file__).parents[2] / "docs" / "faults.md").read_text(encoding="utf-8")
    matrix = page.split("## Writing a plan")[0].splitlines()
    rows = [line.split(" | ")[0].removeprefix("| ") for line in matrix if " | " in line]
    assert rows[-len(CASES) :] == [case.name for case in CASES]
    assert all(f"| {kind} | {KINDS[kind].summary} |" in page for kind in KINDS)


# The watch itself must be able to fail.


def test_a_driver_without_clocks_returns_old_values_and_is_caught(monkeypatch):
    judge = freshness.TickCheck.fresh

    def believe(self, *measured):
        return np.ones_like(judge(self, *measured))

    monkeypatch.setattr(freshness.TickCheck, "fresh", believe)
    record = run_case(case("frozen_data: all"), SPEC)
    assert any("stale value" in text for text in record.violations)


def test_torque_without_a_watchdog_is_caught(monkeypatch):
    bench = Bench(SPEC)
    bench.robot.connect()
    bench.start()
    bench.line.inject(Fault(kind="set_registers", servo=21, registers={"bus_watchdog": 0}))
    bench.tick()
    assert any("unwatched" in text for text in bench.violations)


def test_a_ladder_that_never_stops_is_caught(monkeypatch):
    monkeypatch.setattr(safety, "health_problem", lambda *_: None)
    record = run_case(case("overload"), SPEC)
    assert record.reaction != "stopped"
