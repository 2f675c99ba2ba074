"""A run's config.json with one thing wrong: one line that names it, whoever reads it."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sim2real.cli import main
from sim2real.contract.robot_spec import load_robot_spec
from training.algorithms.registry import ALGORITHMS
from training.families.claw import ClawFamily
from training.families.registry import FAMILIES
from training.recipes.recipe import Recipe
from training.recipes.registry import RECIPES
from training.runs.start import CONFIG_VERSION, read_run
from training.tasks.task_set import draw_task_set

FREE = ("provenance.packages",)
"""mappings whose names are not fixed"""


def places(document: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every field of a config, mappings before what is in them."""
    for name, value in document.items():
        yield (*at, name)
        if isinstance(value, dict) and ".".join((*at, name)) not in FREE:
            yield from places(value, (*at, name))


def other_types(value: Any) -> list[Any]:
    """Values of types that no field with this value has."""
    if isinstance(value, dict):
        return [[], "x", 1, None]
    others = [{}, [{}], [[]]]
    return others if value is None else [*others, 1.5] if isinstance(value, str) else [*others, "x"]


@pytest.fixture
def damaged(runs: dict[str, Path], tmp_path: Path) -> Any:
    """Writes a document, or bytes, as the config of a copy of a run; returns the run."""
    made: dict[str, Path] = {}

    def write(algorithm: str, content: Any) -> Path:
        if algorithm not in made:
            made[algorithm] = Path(shutil.copytree(runs[algorithm], tmp_path / algorithm))
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (made[algorithm] / "config.json").write_bytes(data)
        return made[algorithm]

    return write


def refused(run: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a verb ends with; exit code 2."""
    capsys.readouterr()
    assert main(["meta-test", str(run), "--num-trials", "1"]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    return error


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_field_is_needed_typed_and_known(
    algorithm: str, runs: dict[str, Path], damaged: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = json.loads((runs[algorithm] / "config.json").read_text())
    num_tried = 0
    for place in places(whole):
        *outer, name = place
        bad = copy.deepcopy(whole)
        holder = bad
        for each in outer:
            holder = holder[each]
        value = holder.pop(name)
        assert name in refused(damaged(algorithm, bad), capsys), place
        for wrong in other_types(value):
            holder[name] = wrong
            assert name in refused(damaged(algorithm, bad), capsys), (place, wrong)
            num_tried += 1
        if isinstance(value, dict) and ".".join(place) not in FREE:
            holder[name] = {**value, "surprise": 1}
            assert "surprise" in refused(damaged(algorithm, bad), capsys), place
    assert num_tried > 100
    damaged(algorithm, whole)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("schema_version",), 0),
        (("schema_version",), CONFIG_VERSION + 1),
        (("seed",), -1),
        (("recipe", "algorithm"), "alchemy"),
        (("recipe", "family"), "valve_push"),
        (("recipe", "num_iterations"), 0),
        (("recipe", "config", "learning_rate"), -1.0),
        (("recipe", "config", "hidden_sizes"), []),
        (("recipe", "config", "num_exploration_episodes"), 99),
        (("task_set_sha256",), "0" * 64),
        (("robot_fingerprint",), "0" * 64),
    ],
)
def test_values_that_mean_nothing_are_refused(
    place: tuple[str, ...], value: Any, runs: dict[str, Path], damaged: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    document = json.loads((runs["pearl"] / "config.json").read_text())
    holder = document
    for each in place[:-1]:
        holder = holder[each]
    assert place[-1] in holder
    holder[place[-1]] = value

    assert str(value if value != [] else "hidden_sizes") in refused(
        damaged("pearl", document), capsys
    )


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"3", b'"run"', b"\xff\xfe", b"{}", b'{"a": NaN}']
)
@pytest.mark.parametrize("verb", ["meta-test", "export", "train"])
def test_what_is_no_config_is_one_line_in_every_verb(
    verb: str, content: bytes, damaged: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = damaged("pearl", content)
    lines = {
        "meta-test": ["meta-test", str(run)],
        "export": ["export", str(run), str(tmp_path / "bundle")],
        "train": ["train", "pearl-point-robot", "--resume", "--out", str(run)],
    }

    assert main(lines[verb]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert "config.json" in error
    assert (run / "config.json").read_bytes() == content


@pytest.mark.parametrize("version", [1, 2, 3])
def test_configs_of_earlier_versions_are_read(
    version: int, runs: dict[str, Path], damaged: Any
) -> None:
    document = json.loads((runs["pearl"] / "config.json").read_text())
    recipe, document["schema_version"] = document["recipe"], version
    del document["robot_fingerprint"], recipe["backend"]
    if version < 3:
        del recipe["tasks_sha256"]
    if version == 1:
        recipe["config"]["num_iterations"] = recipe.pop("num_iterations")

    assert read_run(damaged("pearl", document))[0] == read_run(runs["pearl"])[0]


def test_runs_from_when_inner_steps_had_no_choice_are_read(
    runs: dict[str, Path], damaged: Any
) -> None:
    recipe = RECIPES["promp-point-robot"]()
    tasks = draw_task_set(FAMILIES["point_robot"], seed=recipe.task_seed, num_train=2, num_test=2)
    document = json.loads((runs["pearl"] / "config.json").read_text())
    document |= {
        "recipe": dataclasses.asdict(recipe),
        "task_set_sha256": tasks.sha256,
        "schema_version": 4,
    }
    del document["recipe"]["config"]["inner_steps_on"], document["recipe"]["backend"]
    run = damaged("pearl", document)
    tasks.save(run / "tasks.json")

    assert read_run(run)[0] == recipe


def written_by_6(name: str, run: Callable[..., Path]) -> tuple[Recipe, Path]:
    """A recipe, and a run of it as version 6 wrote them."""
    recipe = RECIPES[name]()
    family = FAMILIES[recipe.family]
    tasks = draw_task_set(family, seed=recipe.task_seed, num_train=2, num_test=2)
    fields = dataclasses.asdict(recipe)
    for since in ("training_reward", "num_deployed_trials", "final_belief_learning_rate"):
        del fields["config"][since]
    del fields["eased_until"]
    hand = family.scene.spec.fingerprint if isinstance(family, ClawFamily) else ""
    folder = run(recipe=fields, task_set_sha256=tasks.sha256, robot_fingerprint=hand)
    tasks.save(folder / "tasks.json")
    return recipe, folder


def test_runs_from_before_beliefs_about_logarithms_are_read_but_where_one_would_be_meant(
    runs: dict[str, Path], damaged: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads((runs["pearl"] / "config.json").read_text())

    def run(**changes: Any) -> Path:
        folder: Path = damaged("pearl", {**document, "schema_version": 6, **changes})
        return folder

    for name in ("varibad-valve-turn", "task-inference-point-robot"):
        recipe, folder = written_by_6(name, run)
        assert read_run(folder)[0] == recipe
    assert "at least 7" in refused(written_by_6("task-inference-valve-turn", run)[1], capsys)


def test_a_run_for_another_hand_is_refused_and_so_is_one_that_does_not_say(
    runs: dict[str, Path], damaged: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = draw_task_set(FAMILIES["valve_turn"], seed=0, num_train=2, num_test=2)
    document = json.loads((runs["pearl"] / "config.json").read_text())
    document["recipe"]["family"], document["task_set_sha256"] = "valve_turn", tasks.sha256

    def written(**changes: Any) -> Path:
        run = damaged("pearl", {**document, **changes})
        tasks.save(run / "tasks.json")
        return run

    assert "robot_fingerprint: found '0000" in refused(written(robot_fingerprint="0" * 64), capsys)
    del document["robot_fingerprint"]
    assert "robot_fingerprint: found 'nothing'" in refused(written(schema_version=3), capsys)
    assert read_run(written(robot_fingerprint=load_robot_spec().fingerprint))[3] == tasks


def test_resume_starts_a_run_where_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/notes.txt").write_text("mine")
    settings = [
        "num_iterations=1", "num_initial_steps=20", "num_prior_steps=20", "num_extra_steps=20",
        "num_gradient_steps=1", "hidden_sizes=8", "num_trial_episodes=1", "num_test_tasks=2",
        "num_evaluation_trials=1", "num_exploration_episodes=1",
    ]  # fmt: skip
    line = ["train", "pearl-point-robot", "--resume", "--quiet", "--out", str(tmp_path / "run")]

    for _ in range(2):  # begins, then has nothing left to do
        assert main([*line, "--settings", *settings]) == 0
    assert (tmp_path / "run/config.json").exists()
    assert (tmp_path / "run/notes.txt").read_text() == "mine"
