import json

import pytest

from training.families.registry import FAMILIES
from training.worlds.benchmark import bench_sim

FIELDS = ["bench", "case", "metric", "value", "unit", "runs", "min", "max", "baseline", "ratio"]


def test_every_line_is_a_json_object_of_the_agreed_fields():
    families = [FAMILIES["sparse_point_robot"], FAMILIES["half_cheetah_dir"]]
    records = list(bench_sim(families, threads=(1, 2), worlds=4, seconds=0.05))
    for record in records:
        assert list(json.loads(json.dumps(record))) == FIELDS
        assert record["bench"] == "sim"
        assert record["runs"] == 5
        assert 0.0 < record["min"] <= record["value"] <= record["max"]
    assert [(r["case"], r["metric"]) for r in records] == [
        ("sparse_point_robot/threads=1", "control_steps_per_s"),
        ("sparse_point_robot/threads=2", "control_steps_per_s"),
        ("half_cheetah_dir/threads=1", "control_steps_per_s"),
        ("half_cheetah_dir/threads=1", "real_time_factor"),
        ("half_cheetah_dir/threads=2", "control_steps_per_s"),
        ("half_cheetah_dir/threads=2", "real_time_factor"),
    ]


def test_the_real_time_factor_is_simulated_seconds_per_second():
    steps, factor = bench_sim([FAMILIES["half_cheetah_dir"]], threads=(1,), worlds=2, seconds=0.05)
    assert factor["value"] == pytest.approx(steps["value"] * 0.05)


def test_steps_are_counted_in_every_world():
    """Many small worlds step together in little more time than one."""
    family = FAMILIES["sparse_point_robot"]
    (one,) = bench_sim([family], threads=(1,), worlds=1, seconds=0.1)
    (many,) = bench_sim([family], threads=(1,), worlds=256, seconds=0.1)
    assert many["value"] > 20.0 * one["value"]
