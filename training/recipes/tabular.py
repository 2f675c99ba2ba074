"""Posterior sampling on what fits a table, to be held against exact optima (`taskbelief exact`)."""

from __future__ import annotations

from collections.abc import Callable

from training.algorithms.psrl import PsrlConfig
from training.recipes.recipe import Recipe


def psrl_bernoulli_bandit() -> Recipe:
    """Thompson sampling: nothing is learned from train tasks but that there is one state."""
    return Recipe(
        algorithm="psrl",
        family="bernoulli_bandit",
        num_train_tasks=100,
        num_test_tasks=5000,  # a standard error of 0.3 % of the return
        num_iterations=1,
        num_trial_episodes=1,
        num_evaluation_trials=4,
        config=PsrlConfig(
            cells=1,
            held_steps=1,  # a pull is an episode of its own
            reward="beta",
        ),
    )


def psrl_gridworld() -> Recipe:
    return Recipe(
        algorithm="psrl",
        family="gridworld",
        num_iterations=20,
        num_trial_episodes=4,
        num_evaluation_trials=50,
        config=PsrlConfig(
            cells=5,  # those of the grid
            transition_prior=1e-3,  # walking is the same in every task, and without chance
            # A cell pays 1 in one task of 21 and else -0.1: mean and deviation of that.
            pays_for_outcome=True,
            reward_prior_mean=-0.05,
            reward_prior_std=0.24,
            reward_noise_std=0.05,
        ),
    )


TABULAR_RECIPES: dict[str, Callable[[], Recipe]] = {
    "psrl-bernoulli-bandit": psrl_bernoulli_bandit,
    "psrl-gridworld": psrl_gridworld,
}
