"""PEARL on gymnasium's walking bodies, at sizes that a laptop's CPU turns over.

The papers' settings (`training.recipes.paper`) need days there. These keep the algorithm and cut
what costs most: two hidden layers of 128, 1,024 transitions a gradient step instead of 4,096, 200
gradient steps an iteration, and ten tasks collected side by side. Budgets are in docs/results.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from training.algorithms.pearl import PearlConfig
from training.algorithms.sac import SacConfig
from training.recipes.recipe import Recipe

_EPISODE = 200
_TWO_TASKS: dict[str, Any] = {"meta_batch_size": 4, "batch_size": 256, "tasks_per_iteration": 2}

SETTINGS: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "half_cheetah_dir": ((2, 2), _TWO_TASKS),
    "half_cheetah_vel": ((40, 10), {}),
    "ant_dir": ((2, 2), _TWO_TASKS),
    "ant_goal": ((60, 15), {}),
    "humanoid_dir": ((40, 10), {}),
    "walker_params": ((40, 10), {}),
    "hopper_params": ((40, 10), {}),
}
"""by family: train and test tasks, and what differs from the settings below"""


def pearl_locomotion(family: str) -> Recipe:
    """PEARL on a walking body."""
    (num_train, num_test), changes = SETTINGS[family]
    settings = {
        "hidden_sizes": (128, 128),
        "encoder_hidden_sizes": (128, 128),
        "uses_layer_norm": True,
        "normalizes_observations": True,  # positions, velocities and contact forces side by side
        "num_iterations": 200,
        "num_initial_steps": _EPISODE,
        "tasks_per_iteration": 10,
        "num_prior_steps": _EPISODE,
        "num_posterior_steps": _EPISODE,
        "num_extra_steps": 0,
        "num_gradient_steps": 200,
        "batch_size": 64,
        "context_batch_size": 100,
        "learning_rate": 5e-4,
        "kl_weight": 0.01,  # for Bellman errors near one, where the paper's reward scale made 25
        "num_exploration_episodes": 1,
        "num_trial_episodes": 3,
        "evaluation_interval": 10,
        **changes,
    }
    return Recipe(
        algorithm="pearl",
        family=family,
        config=PearlConfig(**settings),
        num_train_tasks=num_train,
        num_test_tasks=num_test,
        num_evaluation_trials=2,
    )


def sac_locomotion(family: str, view: str) -> Recipe:
    """The baseline that is told the task, or the one that is told nothing."""
    (num_train, num_test), _ = SETTINGS[family]
    config = SacConfig(
        view=view,  # type: ignore[arg-type]
        hidden_sizes=(128, 128),
        uses_layer_norm=True,
        normalizes_observations=True,
        num_iterations=200,
        num_worlds=10,
        num_initial_steps=40 * _EPISODE,
        num_steps=20 * _EPISODE,
        num_gradient_steps=400,
        learning_rate=5e-4,
    )
    return Recipe(
        algorithm="sac",
        family=family,
        config=config,
        num_train_tasks=num_train,
        num_test_tasks=num_test,
        num_evaluation_trials=2,
    )


def _named() -> dict[str, Callable[[], Recipe]]:
    recipes: dict[str, Callable[[], Recipe]] = {}
    for family in SETTINGS:
        name = family.replace("_", "-")
        recipes[f"pearl-{name}"] = partial(pearl_locomotion, family)
        for view in ("robust", "oracle"):
            recipes[f"{view}-{name}"] = partial(sac_locomotion, family, view)
    return recipes


LOCOMOTION_RECIPES = _named()
