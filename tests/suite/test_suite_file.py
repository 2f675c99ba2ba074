"""What makes a suite, and what is refused with its place."""

from __future__ import annotations

import json
import sys

import pytest
import yaml

from sim2real.cli import main
from sim2real.contract.errors import BadInput
from tests.suite.small import SUITE
from training.suite.suite import SUITES, suite_of


def written(tmp_path, **changes):
    """The small suite with fields changed; a value of `...` takes a field away."""
    document = yaml.safe_load(SUITE)
    for place, value in changes.items():
        *path, name = place.split("__")
        at = document
        for step in path:
            at = at[int(step) if step.isdigit() else step]
        if value is ...:
            del at[name]
        else:
            at[name] = value
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.mark.parametrize("name", SUITES)
def test_a_shipped_suite_can_be_run_and_has_every_run_once(name):
    suite = suite_of(name)

    places = [cell.place for cell in suite.cells]
    assert len(set(places)) == len(places) >= 10
    assert {cell.seed for cell in suite.cells} == set(suite.seeds)


def test_json_says_the_same_as_yaml(tmp_path):
    path = tmp_path / "suite.json"
    path.write_text(json.dumps(yaml.safe_load(SUITE)))

    assert suite_of(str(path)) == suite_of(str(written(tmp_path)))


def test_a_recipe_knows_better_than_its_family_and_a_budget_is_a_setting(tmp_path):
    own = ["num_train_tasks=21", "num_test_tasks=3"]
    path = written(tmp_path, families__0__recipes__0__settings=own, environment_steps=5000)

    recipe = suite_of(str(path)).cells[0].recipe

    assert (recipe.num_train_tasks, recipe.num_evaluation_trials) == (21, 2)
    assert recipe.max_environment_steps == 5000


RECIPES = "families__0__recipes"
OTHER = {"recipe": "rl2-point-robot", "settings": [], "expected_return": None}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"schema_version": 2}, "schema_version: found 2"),
        ({"schema_version": ...}, "schema_version: found 'nothing'"),
        ({"seeds": []}, "seeds: found 'none'"),
        ({"seeds": [0, 0]}, r"seeds: found '\[0\] more than once'"),
        ({"seeds": [0, -1]}, r"seeds\[1\]: found -1"),
        ({"seeds": ["zero"]}, r"seeds\[0\]: found 'zero'"),
        ({"environment_steps": 0}, "environment_steps: found 0"),
        ({"environment_steps": 1.5}, "environment_steps: found 1.5"),
        ({"core_minutes": -1}, "core_minutes: found -1"),
        ({"families": []}, "families: found 'none'"),
        ({"families": "point_robot"}, "families: found 'point_robot'"),
        ({"families__0__family": "alchemy"}, r"families\[0\]\.family: found 'alchemy'"),
        ({"families__0__colour": "red"}, r"families\[0\]\.colour"),
        ({RECIPES: []}, r"families\[0\]\.recipes: found 'none'"),
        ({f"{RECIPES}__0__recipe": "alchemy"}, r"recipes\[0\]\.recipe: found 'alchemy'"),
        ({f"{RECIPES}__0__recipe": "rl2-gridworld"}, r"recipes\[0\]\.recipe: found .rl2-gridworld"),
        ({f"{RECIPES}__0__settings": ["no_such=1"]}, r"recipes\[0\]\.settings .*no_such"),
        ({f"{RECIPES}__0__settings": ["num_iterations=x"]}, r"settings \(num_iterations\)"),
        ({f"{RECIPES}__0__settings": None}, r"recipes\[0\]\.settings: found None"),
        ({f"{RECIPES}__0__expected_return": [1.0]}, r"recipes\[0\]\.expected_return"),
        ({f"{RECIPES}__0__expected_return": [2.0, 1.0]}, r"recipes\[0\]\.expected_return"),
        ({f"{RECIPES}__1": OTHER}, None),
    ],
)
def test_what_makes_no_suite_is_refused_with_its_place(changes, named, tmp_path):
    if named is None:
        document = yaml.safe_load(SUITE)
        own = {**OTHER, "settings": ["num_test_tasks=4"]}
        changes = {RECIPES: [*document["families"][0]["recipes"], own]}
        named = r"recipes\[1\]\.settings: found 'other held-out tasks"
    path = written(tmp_path, **changes)

    with pytest.raises(BadInput, match=named) as refused:
        suite_of(str(path))
    assert refused.value.where == str(path)


def test_the_same_recipe_twice_is_refused(tmp_path):
    entry = yaml.safe_load(SUITE)["families"][0]["recipes"][0]

    with pytest.raises(BadInput, match=r"recipes: found .*more than once"):
        suite_of(str(written(tmp_path, **{RECIPES: [entry, entry]})))


# ---- the command ---------------------------------------------------------------------------------


def test_no_such_suite_leaves_nothing(tmp_path, capsys):
    assert main(["benchmark", "alchemy", "--out", str(tmp_path / "out")]) == 2

    assert "SUITE: found 'alchemy', expected a file, or one of claw, points, smoke" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("engine", "extra"), [("ray", "ray"), ("slurm", "cluster")])
def test_an_engine_that_is_not_installed_is_named_with_what_brings_it(
    engine, extra, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "submitit", None)

    assert main(["benchmark", "smoke", "--out", str(tmp_path / "o"), "--engine", engine]) == 2

    error = capsys.readouterr().err
    assert f"pip install 'taskbelief[{extra}]'" in error and error.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_seeds_that_the_suite_does_not_have_are_refused(tmp_path, capsys):
    assert main(["benchmark", "smoke", "--out", str(tmp_path / "out"), "--seeds", "0", "7"]) == 2
    assert "--seeds: found [0, 7], expected some of 0, 1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_address_is_for_ray(tmp_path, capsys):
    words = ["benchmark", "smoke", "--out", str(tmp_path / "o"), "--address", "here:6379"]

    assert main(words) == 2

    assert "--address" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_another_suite_needs_another_folder_but_may_have_more_time(tmp_path, monkeypatch):
    out, path = tmp_path / "out", written(tmp_path)
    handed = []
    monkeypatch.setattr("training.suite.command.run_suite", lambda *all_: handed.append(all_) or [])
    (tmp_path / "out").mkdir()
    (out / "suite.json").write_text(json.dumps(suite_of(str(path)).document()))

    words = ["benchmark", str(path), "--out", str(out)]
    assert main(words) == 0
    written(tmp_path, core_minutes=9)
    assert main(words) == 0
    written(tmp_path, seeds=[0])
    assert main(words) == 2
    assert len(handed) == 2
