"""Ranges from a file: drawn from like any family's, and nothing in it is taken on trust."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import yaml

from sim2real.cli import main
from sim2real.contract.errors import BadInput
from training.families.ranges import Range, Ranges, read_ranges, with_ranges, write_ranges
from training.families.valve import VALVE_TURN
from training.tasks.task_set import draw_task_set, load_task_set
from training.worlds.dynamics import VARIATIONS

RANGES = Ranges(
    schema_version=1,
    robot_fingerprint="f" * 64,
    source="emulated bus, task test/0",
    variations={
        "action_delay": Range(low=(4.0,), high=(6.0,), estimate=(4.6,), unit="physics steps"),
        "joint_friction": Range(low=(0.031,), high=(0.037,), estimate=(0.034,), unit="N m"),
        "servo_stiffness": Range(
            low=(0.8, 0.9, 1.0),
            high=(0.85, 0.95, 1.0),
            estimate=(0.82, 0.92, 1.0),
            unit="x nominal",
        ),
    },
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ranges.yaml"
    write_ranges(path, RANGES)
    return path


def test_ranges_come_back_as_they_were_written(file):
    assert read_ranges(file) == RANGES


def test_tasks_lie_within_the_ranges_and_elsewhere_within_the_familys():
    family = with_ranges(VALVE_TURN, RANGES)

    drawn = family.sample(np.random.default_rng(0), 200)

    for name, wanted in RANGES.variations.items():
        values = np.array([task[name] for task in drawn])
        assert (values >= wanted.low).all()
        assert (values <= wanted.high).all()
    assert {task["action_delay"][0] for task in drawn} == {4.0, 5.0, 6.0}
    damping = np.array([task["valve_damping"][0] for task in drawn])
    assert damping.min() < 0.06
    assert damping.max() > 0.4
    assert VARIATIONS["action_delay"].high == (10.0,)


def test_what_a_family_does_not_vary_is_added():
    family = with_ranges(VALVE_TURN, RANGES)

    names = [parameter.name for parameter in family.parameters]

    assert "joint_friction" not in [parameter.name for parameter in VALVE_TURN.parameters]
    assert names == [*(p.name for p in VALVE_TURN.parameters), "joint_friction"]


def test_no_ranges_draw_what_the_family_draws():
    nothing = dataclasses.replace(RANGES, variations={})

    one, other = (
        draw_task_set(family, seed=1, num_train=3, num_test=2)
        for family in (VALVE_TURN, with_ranges(VALVE_TURN, nothing))
    )

    assert one.sha256 == other.sha256


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"mass": {"low": [1.0], "high": [2.0], "estimate": [1.5], "unit": "kg"}}, "mass"),
        ({"joint_friction": {"low": [0.1], "high": [0.2], "estimate": [0.1]}}, "unit"),
        (
            {"joint_friction": {"low": [0.1], "high": [0.2], "estimate": [0.1], "unit": "kg"}},
            "'kg'",
        ),
        (
            {"joint_friction": {"low": [0.3], "high": [0.2], "estimate": [0.1], "unit": "N m"}},
            "joint_friction.low",
        ),
        (
            {"joint_friction": {"low": [0.0], "high": [0.2], "estimate": [0.1], "unit": "N m"}},
            "logarithm",
        ),
        (
            {"joint_friction": {"low": [0.1, 1], "high": [0.2], "estimate": [0.1], "unit": "N m"}},
            "1 numbers",
        ),
        (
            {
                "action_delay": {
                    "low": [0.5],
                    "high": [2.0],
                    "estimate": [1.0],
                    "unit": "physics steps",
                }
            },
            "whole numbers",
        ),
        (
            {"joint_friction": {"low": ["a"], "high": [0.2], "estimate": [0.1], "unit": "N m"}},
            "joint_friction.low",
        ),
    ],
)
def test_what_no_task_can_be_drawn_from_is_refused_by_name(file, changes, named):
    document = yaml.safe_load(file.read_text())
    document["variations"] = changes
    file.write_text(yaml.safe_dump(document))

    with pytest.raises(BadInput, match=named):
        read_ranges(file)


def test_the_verb_draws_from_a_file(file, tmp_path, capsys):
    out = tmp_path / "tasks.json"

    assert main(["tasks", "valve_turn", str(out), "--num-train", "5", "--ranges", str(file)]) == 0

    assert load_task_set(out).sha256 in capsys.readouterr().out
    for task in load_task_set(out).train:
        assert 0.031 <= task.parameters["joint_friction"][0] <= 0.037


def test_the_verb_refuses_what_cannot_be_used(file, tmp_path, capsys):
    out = str(tmp_path / "tasks.json")

    assert main(["tasks", "valve_turn", out, "--ranges", str(tmp_path / "none.yaml")]) == 2
    assert main(["tasks", "half_cheetah_vel", out, "--ranges", str(file)]) == 2

    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert "none.yaml" in errors[0]
    assert "family of a hand" in errors[1]


def test_a_delay_of_more_than_a_control_period_is_refused():
    late = Range(low=(0.0,), high=(41.0,), estimate=(20.0,), unit="physics steps")
    ranges = dataclasses.replace(RANGES, variations={"action_delay": late})

    with pytest.raises(BadInput, match="at most 40"):
        with_ranges(VALVE_TURN, ranges)
