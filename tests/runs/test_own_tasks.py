"""`train --tasks` and the number of tasks: what a run is trained on, and what it resumes with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sim2real.cli import main
from tests.runs.conftest import recipe_of
from training.algorithms.registry import ALGORITHMS
from training.export.export_run import as_trained
from training.families.registry import FAMILIES
from training.recipes.registry import RECIPES
from training.runs.start import read_run
from training.tasks.task_set import draw_task_set, load_task_set


@pytest.fixture(autouse=True)
def smallest_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    for algorithm in ALGORITHMS:
        monkeypatch.setitem(
            RECIPES, algorithm, lambda algorithm=algorithm: recipe_of(algorithm, num_iterations=1)
        )


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.json"
    draw_task_set(FAMILIES["point_robot"], seed=77, num_train=4, num_test=2).save(path)
    return path


def train(algorithm: str, out: Path, *more: object) -> int:
    return main(["train", algorithm, "--out", str(out), "--quiet", *map(str, more)])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_trains_on_own_tasks_and_resumes_with_them(
    algorithm: str, own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, task_set = tmp_path / "run", load_task_set(own)

    assert train(algorithm, run, "--tasks", own) == 0
    recipe, _, _, trained_on = read_run(run)
    assert trained_on == task_set
    config = json.loads((run / "config.json").read_text())
    assert config["task_set_sha256"] == config["recipe"]["tasks_sha256"] == task_set.sha256
    assert (recipe.num_train_tasks, recipe.num_test_tasks, recipe.task_seed) == (4, 2, 77)
    assert as_trained(algorithm, recipe) == f"{algorithm} --tasks tasks.json"
    assert json.loads((run / "eval.json").read_text())["tasks"] == 2

    assert train(algorithm, run, "--resume", "--tasks", own) == 0
    capsys.readouterr()
    other = tmp_path / "other.json"
    draw_task_set(FAMILIES["point_robot"], seed=78, num_train=4, num_test=2).save(other)
    for more in ((), ("--tasks", other)):
        assert train(algorithm, run, "--resume", *more) == 2
        assert "repeat its --tasks" in capsys.readouterr().err


def test_a_run_on_drawn_tasks_does_not_go_on_with_others(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("sac", tmp_path / "run") == 0
    assert train("sac", tmp_path / "run", "--resume", "--tasks", own) == 2
    assert "expected drawn tasks" in capsys.readouterr().err


def test_the_number_of_tasks_is_an_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("sac", tmp_path / "run", "--num-train-tasks", 3) == 0
    assert len(load_task_set(tmp_path / "run/tasks.json").train) == 3
    assert train("sac", tmp_path / "run", "--resume", "--num-train-tasks", 3) == 0
    capsys.readouterr()

    for bad in ("0", "-1"):
        assert train("sac", tmp_path / "bad", "--num-train-tasks", bad) == 2
        assert f"--num-train-tasks: found {bad}, expected" in capsys.readouterr().err
    assert train(
        "sac", tmp_path / "bad", "--num-train-tasks", 3, "--settings", "num_train_tasks=4"
    ) == 2  # fmt: skip
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize("setting", ["num_train_tasks=3", "num_test_tasks=3", "task_seed=1"])
def test_nothing_of_a_draw_goes_with_own_tasks(
    setting: str, own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("sac", tmp_path / "run", "--tasks", own, "--settings", setting) == 2
    assert f"found '{setting}', expected none with --tasks" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_task_to_learn_from_and_one_held_out_are_enough(
    algorithm: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.json").write_text(
        json.dumps({"train": [{"goal": [0.5, 0.5]}], "test": [{"goal": [-0.5, 0.5]}]})
    )
    own, run = tmp_path / "own.json", tmp_path / "run"
    assert main(["tasks", "point_robot", str(own), "--from", str(tmp_path / "mine.json")]) == 0

    assert main(["train", algorithm, "--out", str(run), "--tasks", str(own)]) == 0
    assert "wrong task" not in capsys.readouterr().out
    assert main(["meta-test", str(run), "--num-trials", "1"]) == 0


def test_held_out_tasks_that_are_learnt_from_are_refused(own: Path, tmp_path: Path) -> None:
    document: dict[str, Any] = json.loads(own.read_text())
    written = tmp_path / "same.json"
    document["test"][1] = document["train"][2]
    written.write_text(json.dumps(document))
    assert main(["tasks", "point_robot", str(tmp_path / "x.json"), "--from", str(written)]) == 2
    assert not (tmp_path / "x.json").exists()
