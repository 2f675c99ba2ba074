"""`taskbelief calibration`: a finished run's belief held against the truth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim2real.cli import main
from training.families.draw import draw
from training.tasks.task_set import TaskSet, load_task_set


def said(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_every_parameter_has_a_line_with_everything_that_was_found(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "calibration.png"
    arguments = ["calibration", str(runs["task_inference"]), "--num-tasks", "30", "--json"]

    assert main([*arguments, "--picture", str(picture)]) == 0

    lines = said(capsys)
    assert [line["quantity"] for line in lines] == ["goal[0]", "goal[1]"]
    for line in lines:
        assert (line["num_tasks"], line["after"], line["unit"]) == (30, 20, "m")
        assert len(line["quantiles"]) == 30
        assert 0.0 < line["distance"] <= 1.0 and line["critical"] == pytest.approx(0.2417, abs=1e-4)
        assert line["width"] == pytest.approx(line["sd"] / line["prior_sd"])
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(arguments) == 0
    assert said(capsys) == lines  # the same tasks and the same beliefs
    assert main([*arguments, "--seed", "1"]) == 0
    assert said(capsys) != lines


def test_the_tasks_of_a_set_are_met_in_place_of_fresh_ones(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw("point_robot", tmp_path / "fresh.json", seed=12345, num_train=1, num_test=5)
    capsys.readouterr()
    arguments = ["calibration", str(runs["task_inference"]), "--json", "--after", "0"]
    assert main([*arguments, "--tasks", str(tmp_path / "fresh.json")]) == 0

    lines = said(capsys)
    assert {line["num_tasks"] for line in lines} == {5}
    assert {line["width"] for line in lines} == {1.0}  # nothing seen, nothing learnt
    own = load_task_set(runs["task_inference"] / "tasks.json")
    TaskSet(family=own.family, seed=0, train=own.test, test=own.train).save(tmp_path / "known.json")
    assert main([*arguments, "--tasks", str(tmp_path / "known.json")]) == 2
    assert "no task that the run was trained on" in capsys.readouterr().err


@pytest.mark.parametrize("algorithm", ["pearl", "rl2", "varibad", "sac"])
def test_a_belief_that_says_no_parameters_is_refused(
    algorithm: str, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibration", str(runs[algorithm])]) == 2

    error = capsys.readouterr().err
    assert error.count("\n") == 1 and algorithm in error and "task_inference" in error


def test_more_ticks_than_a_trial_has_are_refused(
    runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibration", str(runs["task_inference"]), "--after", "41"]) == 2
    assert "--after: found 41, expected at most 40" in capsys.readouterr().err
