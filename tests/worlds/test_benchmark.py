import itertools
import json

import pytest

from sim2real.contract.robot_spec import load_robot_spec
from training.benchmarks.sim import at_control_period, bench_cameras, bench_sim
from training.families.registry import FAMILIES

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
        ("sparse_point_robot/threads=1", "control_steps_per_core_s"),
        ("sparse_point_robot/threads=2", "control_steps_per_s"),
        ("sparse_point_robot/threads=2", "control_steps_per_core_s"),
        ("half_cheetah_dir/threads=1", "control_steps_per_s"),
        ("half_cheetah_dir/threads=1", "control_steps_per_core_s"),
        ("half_cheetah_dir/threads=1", "real_time_factor"),
        ("half_cheetah_dir/threads=2", "control_steps_per_s"),
        ("half_cheetah_dir/threads=2", "control_steps_per_core_s"),
        ("half_cheetah_dir/threads=2", "real_time_factor"),
    ]


def test_the_real_time_factor_is_simulated_seconds_per_second():
    steps, _, factor = bench_sim(
        [FAMILIES["half_cheetah_dir"]], threads=(1,), worlds=2, seconds=0.05
    )
    assert factor["value"] == pytest.approx(steps["value"] * 0.05)


def test_steps_are_counted_in_every_world(monkeypatch):
    """With a clock that ticks once per reading, W worlds make W steps per tick."""
    clock = itertools.count()
    monkeypatch.setattr("training.benchmarks.sim.time.perf_counter", lambda: float(next(clock)))

    record, _ = bench_sim([FAMILIES["sparse_point_robot"]], threads=(1,), worlds=7, seconds=50.0)

    assert record["value"] == pytest.approx(7.0)


def test_every_further_thread_count_is_compared_with_the_first():
    records = list(bench_sim([FAMILIES["point_robot"]], threads=(1, 2), worlds=4, seconds=0.05))

    assert records[0]["baseline"] is None
    assert records[0]["ratio"] is None
    assert records[2]["baseline"] == "point_robot/threads=1"
    assert records[2]["ratio"] > 0.0


def test_on_one_thread_a_core_steps_no_slower_than_the_clock_says():
    steps, of_core = bench_sim([FAMILIES["point_robot"]], threads=(1,), worlds=4, seconds=0.5)

    assert (steps["metric"], of_core["metric"]) == (
        "control_steps_per_s",
        "control_steps_per_core_s",
    )
    assert of_core["max"] > 0.98 * steps["max"]


def test_a_cores_time_is_what_its_steps_are_divided_by(monkeypatch):
    """With a core whose clock moves by two per reading, a run of n steps is n / 2 a second."""
    clock, core = itertools.count(), itertools.count(step=2)
    monkeypatch.setattr("training.benchmarks.sim.time.perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr("training.benchmarks.sim.time.process_time", lambda: float(next(core)))

    _, record = bench_sim([FAMILIES["sparse_point_robot"]], threads=(1,), worlds=7, seconds=50.0)

    assert record["value"] == pytest.approx(7.0 * 10 / 2)  # ten ticks of the clock a run


def test_where_there_is_a_camera_its_frames_are_counted_too():
    family = FAMILIES["valve_turn_pixels"]
    records = list(bench_sim([family], threads=(1,), worlds=2, seconds=0.1))

    assert [record["metric"] for record in records] == [
        "control_steps_per_s",
        "control_steps_per_core_s",
        "real_time_factor",
        "frames_per_s",
    ]
    assert records[3]["case"] == "valve_turn_pixels/camera" and records[3]["value"] > 0.0


def test_the_claw_can_be_stepped_at_another_rate():
    family = at_control_period(FAMILIES["valve_turn"], 0.05)

    assert family.name == "valve_turn@20hz"
    assert family.scene.physics_steps == 20
    assert FAMILIES["valve_turn"].name == "valve_turn"


def test_a_hands_cameras_are_measured_one_by_one():
    frames, factor = bench_cameras(load_robot_spec(), seconds=0.25)

    assert frames["case"] == factor["case"] == "camera/dclaw/palm/32x32"
    assert (frames["bench"], frames["metric"], frames["unit"]) == ("sim", "frames_per_s", "1/s")
    assert 0.0 < frames["min"] <= frames["value"] <= frames["max"]
    assert factor["value"] == pytest.approx(0.05 * frames["value"])
