"""A recipe that runs in seconds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from training.algorithms.registry import ALGORITHMS
from training.recipes.recipe import Recipe
from training.recipes.registry import run_settings
from training.runs.start import start_run

SMALL_RUN = {
    "num_train_tasks": 6,
    "num_test_tasks": 3,
    "num_iterations": 6,
    "num_trial_episodes": 2,
    "num_evaluation_trials": 2,
    "evaluation_interval": 2,
    "checkpoint_interval": 1,
}


def recipe_of(algorithm: str = "pearl", **changes: Any) -> Recipe:
    """The algorithm at its smallest on a point robot; `changes` to the run or to its settings."""
    of_run = {name: changes.pop(name) for name in list(changes) if name in run_settings()}
    config = ALGORITHMS[algorithm].config_type.smallest()
    return Recipe(
        algorithm=algorithm,
        family="point_robot",
        config=dataclasses.replace(config, **changes),
        **{**SMALL_RUN, **of_run},
    )


@pytest.fixture
def make_recipe() -> Any:
    return recipe_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A short finished run of every algorithm, on the same tasks; not to be written to."""
    folder = tmp_path_factory.mktemp("runs")
    for algorithm in ALGORITHMS:
        recipe = recipe_of(algorithm, num_iterations=1)
        start_run(recipe, name=algorithm, seed=3, directory=folder / algorithm, is_quiet=True)
    return {algorithm: folder / algorithm for algorithm in ALGORITHMS}
