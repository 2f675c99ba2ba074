"""`taskbelief gap` from the outside: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sim2real.cli import main
from sim2real.gap.side import read_side
from tests.gap.recorded import TASKS
from training.families.ranges import read_ranges
from training.gap.identification import hull, names_for
from training.gap.identify import Fit, Identified
from training.tasks.task_set import TaskSet


def fit(**parameters) -> Fit:
    found = {
        name: Identified(estimate=(value,), low=(value - half,), high=(value + half,))
        for name, (value, half) in parameters.items()
    }
    return Fit(parameters=found, num_windows=20, rmse_before_rad=0.01, rmse_after_rad=0.001)


def test_it_writes_the_document_and_its_tables(simulated_folder, emulated_folder, tmp_path, capsys):
    out = tmp_path / "gap"

    assert main(["gap", str(simulated_folder), str(emulated_folder), "--out", str(out)]) == 0

    printed = capsys.readouterr().out
    document = json.loads((out / "gap.json").read_text())
    assert printed.startswith("simulation → emulated bus over 3 tasks")
    assert document["replay"]["policy"]["dynamics"] == "recorded"
    assert document["identification"] is None
    assert (out / "gap" / "closed_loop.csv").exists()
    assert not (out / "ranges.yaml").exists()
    assert not list(out.rglob("*.part"))


def test_in_nominal_dynamics_replays_are_further_off(simulated_folder, tmp_path, capsys):
    errors = {}
    folder = str(simulated_folder)
    save = tmp_path / "tasks.json"
    TaskSet(family="valve_turn", seed=0, train=TASKS, test=TASKS).save(save)
    options = {
        "recorded": [],
        "nominal": ["--dynamics", "nominal"],
        "task": ["--task", f"{save}:0"],
    }
    for name, more in options.items():
        out = tmp_path / name
        assert main(["gap", folder, folder, "--out", str(out), *more]) == 0
        document = json.loads((out / "gap.json").read_text())
        errors[name] = document["replay"]["policy"]["b"]["joints"]["mean"]

    assert errors["recorded"] < 0.002
    assert errors["recorded"] < errors["task"]
    assert errors["recorded"] < errors["nominal"]


def test_what_cannot_be_compared_is_bad_input(simulated_folder, tmp_path, capsys):
    folder = str(simulated_folder)

    assert main(["gap", folder, str(tmp_path)]) == 2
    assert main(["gap", folder, folder, "--identify", "-1"]) == 2
    assert main(["gap", folder, folder, "--task", "nowhere"]) == 2

    assert capsys.readouterr().err.count("\n") == 3


@pytest.mark.slow
def test_an_emulated_servo_is_identified_through_its_bytes(
    simulated_folder, emulated_folder, tmp_path, capsys
):
    """Everything that the task's dynamics changed about the hand, from a script on the bus."""
    a, b = (
        str(folder / "recordings" / "script.mcap") for folder in (simulated_folder, emulated_folder)
    )

    assert main(["gap", a, b, "--identify", "1", "--out", str(tmp_path)]) == 0

    printed = capsys.readouterr().out
    assert "identified on B, test/0" in printed
    document = json.loads((tmp_path / "gap.json").read_text())
    rows = {
        row["parameter"]: row for row in document["identification"]["tasks"]["test/0"]["parameters"]
    }
    truth = TASKS[0].parameters
    for finger, stiffness in enumerate(truth["servo_stiffness"]):
        assert rows[f"servo_stiffness[{finger}]"]["estimate"] == pytest.approx(stiffness, rel=0.03)
    assert rows["joint_friction"]["estimate"] == pytest.approx(0.04, rel=0.06)
    assert rows["joint_damping"]["estimate"] == pytest.approx(1.0, rel=0.06)
    # The bus adds what lies between the end of a write and the servo's own loop.
    delay = rows["action_delay"]["estimate"] - truth["action_delay"][0]
    assert 0.0 <= delay < 1.0
    ranges = read_ranges(tmp_path / "ranges.yaml")
    assert "emulated bus" in ranges.source
    assert ranges.variations["joint_friction"].low[0] < ranges.variations["joint_friction"].high[0]
    shares = {row["parameter"]: row["share"] for row in document["identification"]["contributors"]}
    assert shares["all"] > 0.0


def test_a_range_holds_the_intervals_of_all_tasks():
    fits = [
        fit(joint_friction=(0.03, 0.002), action_delay=(4.2, 0.3)),
        fit(joint_friction=(0.05, 0.001), action_delay=(6.1, 0.1)),
    ]

    ranges = hull(fits)

    assert ranges["joint_friction"].low == pytest.approx((0.028,))
    assert ranges["joint_friction"].high == pytest.approx((0.051,))
    assert ranges["joint_friction"].estimate == pytest.approx((0.04,))
    assert (ranges["action_delay"].low, ranges["action_delay"].high) == ((3.0,), (7.0,))
    assert ranges["joint_friction"].unit == "N m"


def test_what_was_not_identified_gets_no_range():
    assert hull([fit(joint_friction=(0.3, 0.2))]) == {}


def test_a_valve_that_was_not_turned_has_no_unknowns(emulated_folder, simulated_side):
    script = read_side(emulated_folder / "recordings" / "script.mcap")

    assert "valve_friction" not in names_for(script.excited)
    turned = [m for m in simulated_side.acted if np.ptp(m.object_position_rad) > 0.2]
    assert not turned or "valve_friction" in names_for(turned)
