"""`taskbelief meta-test`: runs side by side, on tasks that none of them has met."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from sim2real.contract.errors import BadInput
from training.algorithms.registry import ALGORITHMS
from training.evaluation.tables import comparison_table
from training.families.draw import draw
from training.runs.compare_runs import meta_test_runs
from training.runs.start import start_run
from training.tasks.task_set import TaskSet, load_task_set


def summary_of(num_episodes: int, *conditions: str) -> dict[str, Any]:
    interval = {"mean": 0.5, "low": 0.0, "high": 1.0}
    return {
        "conditions": {name: {"return": interval} for name in ("adapted", *conditions)},
        "adapted_by_episode": [{"return": interval}] * num_episodes,
    }


def test_runs_with_trials_of_different_length_share_the_columns_that_all_have() -> None:
    others = ("frozen_prior", "wrong_task")
    summaries = {"long": summary_of(5, *others), "short": summary_of(3, *others)}
    table = comparison_table("", summaries | {"robust": summary_of(1)}, "return")

    headers = [str(column.header) for column in table.columns]
    assert headers == ["run", "episode 0", "episode 1", "adapted", "frozen prior", "wrong task"]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_runs_are_met_on_equal_tasks_and_shown_together(
    runs: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "300")  # of a terminal that is wide enough for a path in a row
    meta_test_runs(tuple(runs.values()), num_trials=2, out=tmp_path / "all.csv")
    shown, lines = capsys.readouterr().out, read(tmp_path / "all.csv")

    for word in ("episode 0", "adapted", "frozen prior", "wrong task", *map(str, runs.values())):
        assert word in shown
    conditions = {
        name: {line["condition"] for line in lines if line["run"] == str(run)}
        for name, run in runs.items()
    }
    everything = {"adapted", "frozen_prior", "wrong_task"}
    assert conditions == {
        name: everything if ALGORITHMS[name].adapts else {"adapted"} for name in runs
    }
    assert conditions["pearl"] == everything and conditions["sac"] == {"adapted"}
    assert {line["task"] for line in lines} == {"test/0", "test/1", "test/2"}


def test_a_run_meets_the_tasks_of_its_own_evaluation_with_the_same_outcome(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    meta_test_runs((runs["pearl"],), num_trials=2, out=tmp_path / "again.csv")

    again = [{k: v for k, v in line.items() if k != "run"} for line in read(tmp_path / "again.csv")]
    assert again == read(runs["pearl"] / "eval.csv")


def test_another_task_set_takes_the_place_of_the_runs_own(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    draw("point_robot", tmp_path / "fresh.json", seed=12345, num_train=1, num_test=5)
    meta_test_runs(
        (runs["sac"],), tasks=tmp_path / "fresh.json", num_episodes=1, out=tmp_path / "out.csv"
    )

    lines = read(tmp_path / "out.csv")
    assert {line["task"] for line in lines} == {f"test/{index}" for index in range(5)}
    assert {line["episode"] for line in lines} == {"0"}


def test_tasks_of_training_are_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    own = load_task_set(runs["pearl"] / "tasks.json")
    TaskSet(family=own.family, seed=0, train=own.test, test=own.train).save(tmp_path / "known.json")

    with pytest.raises(BadInput, match="no task that the run was trained on"):
        meta_test_runs((runs["pearl"],), tasks=tmp_path / "known.json")


def test_runs_that_have_no_tasks_in_common_are_refused(
    runs: dict[str, Path], tmp_path: Path, make_recipe: Any
) -> None:
    other = dataclasses.replace(make_recipe(num_iterations=1), task_seed=9)
    start_run(other, name="other", seed=0, directory=tmp_path / "other", is_quiet=True)
    with pytest.raises(BadInput, match="name one set for all with --tasks"):
        meta_test_runs((runs["pearl"], tmp_path / "other"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runs": ()}, "a run directory or more"),
        ({"runs": (Path("nowhere"),)}, "expected a run"),
        ({"num_trials": 0}, "num-trials"),
        ({"num_episodes": 0}, "num-episodes"),
    ],
)
def test_bad_input_is_refused_by_name(
    runs: dict[str, Path], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        meta_test_runs(**{"runs": (runs["pearl"],), **changes})


def test_a_task_set_of_another_family_is_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    draw("valve_turn", tmp_path / "valves.json", num_train=1, num_test=2)
    with pytest.raises(BadInput, match="family"):
        meta_test_runs((runs["pearl"],), tasks=tmp_path / "valves.json")
