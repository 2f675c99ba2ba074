"""The oracle's recipe with a quarter of a million steps, and with one change each."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from taskbelief_full_turn_search.curriculum import CurriculumConfig
from training.algorithms.sac import SacConfig
from training.parts.checked import hints_of
from training.recipes.recipe import Recipe
from training.recipes.recurrent_claw import recurrent
from training.recipes.registry import with_settings

STEPS = 250_000
EPISODE_LENGTH = 60
NUM_TEST_TASKS = 40


def _recipe(
    family: str = "valve_turn_full_visible", episode_length: int = EPISODE_LENGTH, **changes: Any
) -> Recipe:
    recipe = recurrent(family, 1, 1)
    config = replace(recipe.config, **changes)
    num_iterations = round(STEPS / (config.num_trials * episode_length))
    return replace(
        recipe,
        config=config,
        num_iterations=num_iterations,
        evaluation_interval=num_iterations // 4,
        num_test_tasks=NUM_TEST_TASKS,
    )


def curriculum() -> Recipe:
    """The nearest quarter of the targets first, all of them from the middle of the run on."""
    plain = _recipe()
    kept = {name: getattr(plain.config, name) for name in hints_of(type(plain.config))}
    return replace(plain, algorithm="rl2_curriculum", config=CurriculumConfig(**kept))


def sac() -> Recipe:
    """PEARL's recipe without what PEARL has to find out: soft actor-critic that sees the goal, with
    as many gradient steps on as many transitions for as many control steps."""
    plain, pearl = _recipe(), with_settings("pearl-valve-turn-full", ()).config
    kept = {name: getattr(pearl, name) for name in hints_of(SacConfig) if hasattr(pearl, name)}
    num_worlds = 64
    config = SacConfig(
        **kept
        | {
            "num_worlds": num_worlds,
            "num_initial_steps": num_worlds * EPISODE_LENGTH,
            "num_steps": num_worlds * EPISODE_LENGTH,
            "batch_size": pearl.meta_batch_size * pearl.batch_size,
        }
    )
    return replace(plain, algorithm="sac", config=config)


base = _recipe
"""the settings of `oracle-valve-turn-full`"""

rate_20hz = partial(_recipe, "search_20hz", 120, discount=0.99)
"""as much foresight in seconds; half as many iterations"""
rate_20hz_32_worlds = partial(_recipe, "search_20hz", 120, discount=0.99, num_trials=32)
"""as many iterations, of half as many episodes"""
absolute_targets = partial(_recipe, "search_absolute")
steps_half = partial(_recipe, "search_small_steps")
steps_double = partial(_recipe, "search_large_steps")

reward_robel = partial(_recipe, "search_robel_reward", reward_scale=0.02)
"""sixty a step where ours pays a half: values stay of size ten, and share a gradient norm with the
policy"""
reward_no_range_cost = partial(_recipe, "search_no_range_cost")
reward_no_distance = partial(_recipe, "search_no_distance")
starts_wide = partial(_recipe, "search_wide_starts")

discount_95 = partial(_recipe, discount=0.95)
discount_97 = partial(_recipe, discount=0.97)
discount_99 = partial(_recipe, discount=0.99)
lambda_90 = partial(_recipe, gae_lambda=0.9)

hidden_64 = partial(_recipe, hidden_size=64, hidden_sizes=(64, 64))
hidden_256 = partial(_recipe, hidden_size=256, hidden_sizes=(256, 256))

epochs_3 = partial(_recipe, num_epochs=3)
epochs_12 = partial(_recipe, num_epochs=12)
worlds_32 = partial(_recipe, num_trials=32)
worlds_128 = partial(_recipe, num_trials=128)
learning_rate_3e_4 = partial(_recipe, learning_rate=3e-4)
learning_rate_3e_3 = partial(_recipe, learning_rate=3e-3)
reward_scale_1 = partial(_recipe, reward_scale=1.0)
noise_less = partial(_recipe, initial_log_std=-1.0)
noise_more = partial(_recipe, initial_log_std=0.0)
