"""Learned exploration: a teacher beside noise of a fixed width, on points and on the claw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

from training.algorithms.learned_exploration import LearnedExplorationConfig
from training.recipes.recipe import Recipe

Explorer = Literal["teacher", "noise"]


def _recipe(family: str, explorer: Explorer, run: Mapping[str, Any], **settings: Any) -> Recipe:
    return Recipe(
        algorithm="learned_exploration",
        family=family,
        num_train_tasks=20,
        num_trial_episodes=1,
        num_evaluation_trials=1,
        config=LearnedExplorationConfig(explorer=explorer, **settings),
        **run,
    )


def two_rewards(explorer: Explorer) -> Recipe:
    return _recipe(
        "two_rewards",
        explorer,
        {"num_iterations": 30, "evaluation_interval": 15},
        teacher_learning_rate=0.03,
    )


def walled_point_robot(explorer: Explorer) -> Recipe:
    return _recipe(
        "walled_point_robot",
        explorer,
        {"num_iterations": 30, "evaluation_interval": 15},
        teacher_learning_rate=0.03,
    )


def valve_turn_one_way(explorer: Explorer) -> Recipe:
    """The hidden target, as the one policy of all tasks can find it."""
    return _recipe(
        "valve_turn_one_way",
        explorer,
        {"num_iterations": 40, "evaluation_interval": 20},
        teacher_learning_rate=0.002,
        hidden_sizes=(64, 64),
        num_copies=8,
        num_episodes=2,
        num_evaluation_episodes=2,
        num_student_steps=100,
        copy_learning_rate=3e-3,
        target_update_rate=0.02,
        discount=0.95,
        normalizes_observations=True,
        observation_clip=5.0,
    )


def _named(explorer: Explorer, family: str) -> str:
    first = "learned-exploration" if explorer == "teacher" else "noise-exploration"
    return f"{first}-{family}".replace("_", "-")


EXPLORATION_RECIPES: dict[str, Callable[[], Recipe]] = {
    _named(explorer, of.__name__): partial(of, explorer)
    for of in (two_rewards, walled_point_robot, valve_turn_one_way)
    for explorer in ("teacher", "noise")
}
