"""A recipe that runs in seconds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from training.algorithms.pearl import PearlConfig
from training.algorithms.rl2 import Rl2Config
from training.algorithms.sac import SacConfig
from training.recipes.registry import Recipe
from training.runs.start import start_run

CONFIGS: dict[str, Any] = {
    "pearl": PearlConfig(
        latent_size=2,
        hidden_sizes=(16, 16),
        encoder_hidden_sizes=(16,),
        num_iterations=6,
        num_initial_steps=20,
        tasks_per_iteration=2,
        num_prior_steps=40,
        num_posterior_steps=20,
        num_extra_steps=20,
        num_gradient_steps=10,
        meta_batch_size=4,
        batch_size=8,
        context_batch_size=8,
        normalizes_observations=True,
        num_trial_episodes=2,
        evaluation_interval=2,
        checkpoint_interval=1,
    ),
    "sac": SacConfig(
        view="oracle",
        hidden_sizes=(16, 16),
        num_iterations=6,
        num_worlds=4,
        num_initial_steps=80,
        num_steps=80,
        num_gradient_steps=10,
        batch_size=16,
        num_trial_episodes=2,
        evaluation_interval=2,
        checkpoint_interval=1,
    ),
    "rl2": Rl2Config(
        hidden_size=8,
        hidden_sizes=(16,),
        num_iterations=6,
        num_trials=8,
        num_minibatches=2,
        num_epochs=2,
        num_trial_episodes=2,
        evaluation_interval=2,
        checkpoint_interval=1,
    ),
}


def recipe_of(algorithm: str = "pearl", **changes: Any) -> Recipe:
    return Recipe(
        algorithm=algorithm,
        family="point_robot",
        config=dataclasses.replace(CONFIGS[algorithm], **changes),
        num_train_tasks=6,
        num_test_tasks=3,
        num_evaluation_trials=2,
    )


@pytest.fixture
def make_recipe() -> Any:
    return recipe_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A short finished run of every algorithm, on the same tasks; not to be written to."""
    folder = tmp_path_factory.mktemp("runs")
    for algorithm in CONFIGS:
        recipe = recipe_of(algorithm, num_iterations=1)
        start_run(recipe, name=algorithm, seed=3, directory=folder / algorithm, is_quiet=True)
    return {algorithm: folder / algorithm for algorithm in CONFIGS}
