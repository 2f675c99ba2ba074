"""The benchmark of the loop around ROS 2: its files, its graph, its lines."""

from __future__ import annotations

import json

import pytest

from sim2real.cli import main
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.physics_model import load_physics_model
from sim2real.runtime.verify import load_bundle
from training.benchmarks.rehearsal import write_rehearsal
from training.benchmarks.ros import FAST_BAUD, SLOW_BAUD, baud_for, records_of

FOUND = {
    "times_s": {"age": {"p50": 0.004, "p99": 0.008, "p99.9": 0.009, "max": 0.01, "count": 7}},
    "counts": {"ticks": 100, "missed": 2},
    "fault": "",
}


def test_a_rehearsed_policy_acts_on_every_reading_of_its_bus(tmp_path):
    files = write_rehearsal(tmp_path, rate_hz=250.0, baud=FAST_BAUD, episode_s=2.0)

    spec = load_robot_spec(files.robot_config)
    manifest = load_bundle(files.bundle, spec, control_period_s=0.004).manifest
    assert spec.bus.baud == FAST_BAUD
    assert manifest.episode_length == 500
    assert load_physics_model(spec).opt.timestep == 0.002


def test_a_rate_that_physics_cannot_step_is_one_line(tmp_path, capsys):
    with pytest.raises(ValueError, match="whole number of physics steps"):
        write_rehearsal(tmp_path, rate_hz=300.0, baud=SLOW_BAUD, episode_s=1.0)

    assert main(["bench", "ros", "--rates", "300"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(("rate", "baud"), [(20.0, 1e6), (100.0, 1e6), (250.0, 4e6), (500.0, 4e6)])
def test_the_slower_bus_is_measured_where_it_carries_the_rate(rate, baud):
    assert baud_for(rate) == baud


def test_lines_are_what_scripts_rely_on():
    lines = list(records_of("two_processes/100Hz", FOUND, FOUND["times_s"]))

    by_metric = {line["metric"]: line for line in lines}
    assert by_metric["age_p99"]["value"] == 0.008
    assert by_metric["age_p99"]["ratio"] == 1.0
    assert by_metric["missed"]["value"] == 2
    assert by_metric["past_lifespan"]["value"] == 0
    assert {"faults", "load_average_1min"} <= by_metric.keys()
    for line in lines:
        assert json.loads(json.dumps(line)) == line
        assert list(line)[:5] == ["bench", "case", "metric", "value", "unit"]
