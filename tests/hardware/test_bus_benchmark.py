"""The bus benchmark, briefly: every figure it promises, in the form that scripts rely on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.bus_benchmark import bench_bus, memory_cycles

KEYS = {
    "bench",
    "case",
    "metric",
    "value",
    "unit",
    "runs",
    "min",
    "max",
    "baseline",
    "ratio",
}


@pytest.mark.realtime
def test_a_short_run_reports_every_figure() -> None:
    records = list(bench_bus(load_robot_spec(), bauds=(4_000_000,), cycles=20, soak_s=0.5))
    assert all(set(json.loads(json.dumps(record))) == KEYS for record in records)
    found = {(str(record["case"]), str(record["metric"])): record for record in records}
    case = "10_servos/4Mbaud"
    for client in ("driver", "vendor_sdk"):
        for metric in ("cycle_s", "host_s", "emulator_and_scheduler_s"):
            assert (f"{client}/{case}", metric) in found
        assert found[f"{client}/memory", "host_s"]["value"] > 0  # type: ignore[operator]
    wire_s = found[f"driver/{case}", "wire_s"]["value"]
    # 24 bytes of question, 148 of answer and 64 of goals, ten bits each.
    assert wire_s == pytest.approx(236 * 10 / 4e6)
    assert found[f"driver/{case}", "cycle_s"]["min"] > wire_s  # type: ignore[operator]
    assert found["driver/soak_100Hz_0.5s/1Mbaud", "ticks"]["value"] == 50


def test_our_cycle_costs_no_more_work_than_the_vendors() -> None:
    """By what the interpreter runs, which is the same on a busy machine; seconds are not."""
    work = {name: instructions_of(cycle) for name, cycle in memory_cycles(range(11, 21)).items()}
    assert work["driver"] < work["vendor_sdk"]


def instructions_of(cycle: Callable[[], None]) -> int:
    """How many of Python's instructions one cycle runs, once everything is in place."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any]:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    cycle()
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        cycle()
    finally:
        sys.settrace(before)
    return count
