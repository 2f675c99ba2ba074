"""`taskbelief meta-test`: runs side by side, on tasks that none of them has met."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from sim2real.contract.errors import BadInput
from tests.runs.conftest import recipe_of
from training.algorithms.registry import ALGORITHMS
from training.evaluation.tables import comparison_table
from training.exact.levels import exact_returns
from training.families.draw import draw
from training.runs.compare_runs import meta_test_runs
from training.runs.plot_runs import plot
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


# ---- beside exact references -------------------------------------------------------------------


@pytest.fixture(scope="module")
def on_half_circle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "search"
    recipe = recipe_of("pearl_search", num_iterations=1)
    recipe = dataclasses.replace(recipe, family="sparse_point_robot")
    start_run(recipe, name="search", seed=0, directory=folder, is_quiet=True)
    return folder


def test_runs_and_exact_references_have_returns_and_regret(
    on_half_circle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    paths = {name: tmp_path / name for name in ("values.csv", "exact.json", "by.png", "walks.png")}
    out, exact, picture, walks = paths.values()
    meta_test_runs(
        (on_half_circle,), num_trials=2, out=out, exact=exact, picture=picture, walks=walks
    )
    shown, document = capsys.readouterr().out, json.loads(exact.read_text())

    names = ["told the task", "sweep", "ideal posterior sampler"]
    assert list(document["levels"]) == names
    assert all(name in shown for name in (*names, str(on_half_circle), "regret"))
    run, told = document["runs"][str(on_half_circle)], document["levels"]["told the task"]
    assert told["regret"] == 0.0 and told["return"] == pytest.approx(2 * 13.383, abs=1e-2)
    returns = [line for line in read(out) if line["metric"] == "return"]
    returns = [line for line in returns if line["condition"] == "adapted"]
    total = sum(float(line["value"]) for line in returns) / 6  # three tasks, two trials each
    assert run["return"]["mean"] == pytest.approx(total)
    parts = [each["mean"] for each in run["regret_by_episode"]]
    assert run["regret"]["mean"] == pytest.approx(sum(parts)) and len(parts) == 2
    tasks = load_task_set(on_half_circle / "tasks.json").test
    known = exact_returns("sparse_point_robot", tasks, 2)
    assert known is not None
    assert run["regret"]["mean"] == pytest.approx(2 * known.known.mean() - total)
    for path in (picture, walks):
        assert path.read_bytes().startswith(b"\x89PNG")


def test_walks_are_the_trials_of_the_meta_test(on_half_circle: Path, tmp_path: Path) -> None:
    meta_test_runs(
        (on_half_circle,), num_trials=1, out=tmp_path / "all.csv", walks=tmp_path / "walks.png"
    )

    lines = read(tmp_path / "walks.csv")
    assert len(lines) == 3 * 2 * 21  # who, episodes, positions
    task = load_task_set(on_half_circle / "tasks.json").test[0].name
    wanted = {"condition": "adapted", "task": task, "metric": "return"}
    of_run = [line for line in lines if line["who"] == str(on_half_circle)]
    for line in read(tmp_path / "all.csv"):
        if wanted.items() <= line.items():
            walked = [each for each in of_run if each["episode"] == line["episode"]]
            total = sum(float(each["reward"]) for each in walked)
            assert total == pytest.approx(float(line["value"]), abs=1e-5)
    starts = [line for line in lines if line["step"] == "0"]
    assert all((line["x_m"], line["y_m"], line["reward"]) == ("0.0",) * 3 for line in starts)


def test_what_a_family_has_not_is_not_drawn(
    runs: dict[str, Path], on_half_circle: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="--exact: found 'runs on point_robot"):
        meta_test_runs((runs["pearl"],), exact=tmp_path / "exact.json")
    with pytest.raises(BadInput, match="--walks: found 'runs on point_robot"):
        meta_test_runs((runs["pearl"],), walks=tmp_path / "walks.png")
    with pytest.raises(BadInput, match="--exact: found 'return on point_robot"):
        plot((runs["pearl"],), tmp_path / "curve.png", exact=True)
    with pytest.raises(BadInput, match="--exact: found 'success on sparse_point_robot"):
        plot((on_half_circle,), tmp_path / "curve.png", metric="success", exact=True)
    assert not any(tmp_path.iterdir())


def test_plot_draws_exact_references_too(on_half_circle: Path, tmp_path: Path) -> None:
    plot((on_half_circle,), tmp_path / "curve.png", exact=True)
    plot((on_half_circle,), tmp_path / "plain.png")

    curve, plain = ((tmp_path / name).read_bytes() for name in ("curve.png", "plain.png"))
    assert curve.startswith(b"\x89PNG") and curve != plain
