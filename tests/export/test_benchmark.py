"""Every line of the benchmark is one JSON object of the agreed form."""

from __future__ import annotations

import json

import pytest

from sim2real.contract.errors import BadInput
from training.benchmarks import adapt
from training.benchmarks import controller as benchmark


def test_lines_of_the_controller_benchmark(exported_bundles, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "NUM_RUNS", 3)
    monkeypatch.setattr(benchmark, "TICKS_PER_RUN", 20)

    benchmark.print_bench_controller(exported_bundles(), late=50)

    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    keys = {"bench", "case", "metric", "value", "unit", "runs", "min", "max", "baseline", "ratio"}
    assert all(record.keys() == keys for record in records)
    assert all(record["min"] <= record["value"] <= record["max"] for record in records)
    early = [record for record in records if record["case"].endswith("after=10")]
    late = [record for record in records if record["case"].endswith("after=50")]
    assert [record["metric"] for record in early] == [record["metric"] for record in late]
    assert {"tick_p50", "tick_p99", "tick_cpu_p50"} <= {record["metric"] for record in late}
    assert all(record["baseline"] is None for record in early)
    assert {record["baseline"] for record in late} == {early[0]["case"]}
    assert all(record["ratio"] > 0 and record["runs"] == 3 for record in late)


def test_a_priority_that_nobody_can_have_is_bad_input(exported_bundles):
    with pytest.raises(BadInput, match="--priority"):
        benchmark.print_bench_controller(exported_bundles("none"), priority=1000)


def test_lines_of_the_adaptation_benchmark(exported_bundles, monkeypatch, capsys):
    monkeypatch.setattr(adapt, "NUM_RUNS", 3)
    monkeypatch.setattr(adapt, "NUM_STEPS", 2)
    monkeypatch.setattr(adapt.bench_adapt, "__defaults__", ((2,),))

    adapt.print_bench_adapt(exported_bundles("gradient"))

    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    by_place = {(record["case"], record["metric"]): record for record in records}
    torch, onnx = ("valve_turn/episodes=2/torch", "valve_turn/episodes=2")
    assert set(by_place) == {
        (case, metric) for case in (torch, onnx) for metric in ("step_p50", "step_cpu_p50")
    }
    for record in records:
        assert record["bench"] == "adapt" and record["unit"] == "ms" and record["runs"] == 3
        assert 0.0 < record["min"] <= record["value"] <= record["max"]
    assert by_place[onnx, "step_p50"]["baseline"] == torch
    assert by_place[onnx, "step_p50"]["ratio"] > 0.0


def test_only_a_bundle_whose_parameters_adapt_has_a_step_to_measure(exported_bundles):
    with pytest.raises(BadInput, match="a bundle whose parameters adapt"):
        adapt.print_bench_adapt(exported_bundles("none"))
