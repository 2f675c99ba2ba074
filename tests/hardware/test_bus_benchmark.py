"""The bus benchmark, briefly: every figure it promises, in the form that scripts rely on."""

from __future__ import annotations

import json

import pytest

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.bus_benchmark import bench_bus

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


@pytest.mark.realtime
def test_our_cycle_costs_no_more_work_than_the_vendors() -> None:
    records = list(bench_bus(load_robot_spec(), bauds=(), cycles=300, soak_s=0))
    ours = next(record for record in records if record["case"] == "driver/memory")
    assert ours["ratio"] < 1.5, "measured 0.8; the margin is for a busy machine"  # type: ignore[operator]
