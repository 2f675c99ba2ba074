"""`taskbelief train` from the outside: exit codes and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sim2real.contract.errors import BadInput
from training.algorithms.pearl import Pearl
from training.cli import train
from training.recipes.registry import RECIPES, with_settings
from training.runs.start import read_run

TINY = (
    "num_iterations=2", "num_initial_steps=20", "tasks_per_iteration=20", "num_prior_steps=20",
    "num_extra_steps=20", "num_gradient_steps=3", "hidden_sizes=8,8", "evaluation_interval=1",
    "num_exploration_episodes=1", "num_trial_episodes=2", "checkpoint_interval=1",
)  # fmt: skip


def run(directory: Path, *settings: str, **options: Any) -> int:
    return train("pearl-point-robot", out=directory, settings=TINY + settings, **options)


def test_training_ends_with_a_table_of_returns_per_episode(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "run") == 0
    shown = capsys.readouterr().out

    for word in ("episode 0", "episode 1", "wrong task", "environment steps"):
        assert word in shown
    assert read_run(tmp_path / "run")[0].config.hidden_sizes == (8, 8)


def test_resuming_goes_on_and_starts_where_there_is_nothing(tmp_path: Path) -> None:
    assert run(tmp_path / "run", resume=True, quiet=True) == 0
    assert run(tmp_path / "run", resume=True, quiet=True) == 0


@pytest.mark.parametrize(("changes", "options"), [(("discount=0.5",), {}), ((), {"seed": 1})])
def test_another_experiment_does_not_resume_this_one(
    tmp_path: Path, changes: tuple[str, ...], options: dict[str, int]
) -> None:
    run(tmp_path / "run", quiet=True)
    with pytest.raises(BadInput, match="--resume"):
        run(tmp_path / "run", *changes, resume=True, **options)


def test_failure_is_one_line_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = Pearl.gradient_step
    monkeypatch.setattr(
        Pearl,
        "gradient_step",
        lambda self, *batch: original(self, *batch) | {"kl": torch.tensor(torch.inf)},
    )

    assert run(tmp_path / "run", quiet=True) == 1
    assert capsys.readouterr().err.startswith("taskbelief train: gradient step 0: kl is inf; last")


@pytest.mark.parametrize(
    ("recipe", "settings", "message"),
    [
        ("perl", (), "recipe: found 'perl', expected one of pearl-point-robot"),
        ("pearl-point-robot", ("speed=1",), "found 'speed', expected one of num_train_tasks, "),
        (
            "pearl-point-robot",
            ("discount=fast",),
            "found 'fast', expected a number above 0",
        ),
        (
            "pearl-point-robot",
            ("discount=2",),
            "found '2', expected a number above 0 and below 1",
        ),
        ("pearl-point-robot", ("normalizes_observations=1",), "found '1'"),
    ],
)
def test_bad_input_is_refused_by_name(recipe: str, settings: tuple[str, ...], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        with_settings(recipe, settings)


def test_settings_take_the_kind_of_value_that_the_field_holds() -> None:
    config = with_settings(
        "pearl-point-robot",
        ("uses_next_observation=true", "hidden_sizes=32"),
    ).config

    assert config.uses_next_observation is True
    assert config.hidden_sizes == (32,)


def test_a_device_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--device: found 'nonsense'"):
        run(tmp_path / "run", device="nonsense")


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_names_a_family_and_an_algorithm_that_exist(name: str) -> None:
    from training.algorithms.registry import ALGORITHMS
    from training.families.registry import FAMILIES

    recipe = RECIPES[name]()
    assert recipe.family in FAMILIES
    assert isinstance(recipe.config, ALGORITHMS[recipe.algorithm].config_type)
