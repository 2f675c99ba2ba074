"""The point robots: everything that PEARL and RL² are about, in minutes on one core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

from training.algorithms.pearl import PearlConfig
from training.algorithms.pearl_search import PearlSearchConfig
from training.algorithms.rl2 import Rl2Config
from training.algorithms.sac import SacConfig
from training.recipes.recipe import Recipe

EPISODE = 20
"""steps"""
NUM_TRAIN_GOALS = 200
"""goals in the square: with the paper's 80, beliefs about goals near its rim were wrong by chance
of the seed; the half circle of the sparse family is covered by the paper's 80"""


def pearl_point_robot() -> Recipe:
    return Recipe(
        algorithm="pearl",
        family="point_robot",
        num_train_tasks=NUM_TRAIN_GOALS,
        num_iterations=200,
        num_trial_episodes=10,
        evaluation_interval=20,
        checkpoint_interval=20,
        config=PearlConfig(
            hidden_sizes=(128, 128),
            encoder_hidden_sizes=(128, 128),
            # A belief multiplies factors of single transitions, so it can hold averages over the
            # context, and finding a point from distances takes eight or more of them.
            latent_size=16,
            # Context like that of a trial: half from the prior, half from what it led to.
            num_initial_steps=5 * EPISODE,
            tasks_per_iteration=40,
            num_prior_steps=5 * EPISODE,
            num_posterior_steps=5 * EPISODE,
            num_extra_steps=0,
            num_gradient_steps=100,
            batch_size=32,
            context_batch_size=128,
            learning_rate=2e-3,
            final_learning_rate=1e-4,  # a goal is met to within hundredths only at a small step
            discount=0.9,
            # The paper's 0.1 belongs to rewards times 100, so to Bellman errors times 10,000.
            kl_weight=1e-5,
            initial_temperature=0.1,
            num_exploration_episodes=5,
        ),
    )


def pearl_sparse_point_robot() -> Recipe:
    return Recipe(
        algorithm="pearl",
        family="sparse_point_robot",
        num_iterations=24,
        num_trial_episodes=20,
        num_evaluation_trials=8,  # whether an episode from the prior meets the goal is luck
        evaluation_interval=4,
        checkpoint_interval=4,
        config=PearlConfig(
            hidden_sizes=(64, 64),
            encoder_hidden_sizes=(64, 64),
            latent_size=2,  # goals lie on a curve
            # Straight walks in random directions first: an untrained policy dithers about the start
            # and meets no goal. Then all tasks look alike, the policy heads for their mean, and
            # only goals in that direction are ever found (one seed in three ended like this).
            num_initial_steps=40 * EPISODE,
            initial_actions="held",
            # As in the paper, nine tenths of the context are from the posterior: context that
            # never met the goal says little, and an encoder that mostly sees such learns little.
            tasks_per_iteration=16,
            worlds_per_task=5,
            num_prior_steps=5 * EPISODE,
            num_posterior_steps=45 * EPISODE,
            num_extra_steps=0,
            # An iteration replaces the context of a fifth of the tasks. With 100 steps in each, the
            # first walks were forgotten before the latent could tell their directions apart.
            num_gradient_steps=400,
            batch_size=32,
            context_batch_size=256,
            learning_rate=2e-3,
            final_learning_rate=1e-4,
            discount=0.9,
            # Ten times less and the belief becomes too narrow to explore from; four times more and
            # it stays at the prior.
            kl_weight=4e-4,
            initial_temperature=0.1,
            uses_sparse_context=True,
            num_exploration_episodes=15,
        ),
    )


def pearl_search_sparse_point_robot() -> Recipe:
    """PEARL's recipe, but for the trials: ten episodes, as the exact references have them."""
    plain = pearl_sparse_point_robot()
    return replace(
        plain,
        algorithm="pearl_search",
        num_trial_episodes=10,
        num_evaluation_trials=1,  # nothing is drawn
        config=PearlSearchConfig(**vars(plain.config) | {"num_exploration_episodes": 1}),
    )


def pearl_shown_goal() -> Recipe:
    """Guesses whose goals are shown: the smallest thing to infer from what was observed."""
    return Recipe(
        algorithm="pearl",
        family="shown_goal",
        num_train_tasks=NUM_TRAIN_GOALS,
        num_iterations=30,
        evaluation_interval=10,
        config=PearlConfig(
            hidden_sizes=(64, 64),
            encoder_hidden_sizes=(64, 64),
            latent_size=4,
            num_initial_steps=50,
            tasks_per_iteration=40,
            num_prior_steps=25,
            num_posterior_steps=25,
            num_extra_steps=0,
            num_gradient_steps=200,
            batch_size=32,
            context_batch_size=16,
            learning_rate=2e-3,
            final_learning_rate=1e-4,
            discount=0.9,
            kl_weight=1e-5,
            initial_temperature=0.1,
            uses_sparse_context=True,
            num_exploration_episodes=1,
        ),
    )


def rl2_point_robot() -> Recipe:
    return Recipe(
        algorithm="rl2",
        family="point_robot",
        num_train_tasks=NUM_TRAIN_GOALS,
        num_iterations=400,
        evaluation_interval=25,
        checkpoint_interval=25,
        config=Rl2Config(
            reward_scale=0.1,  # values near one: they share a gradient norm with the policy
        ),
    )


def sac_point_robot(
    family: str, view: Literal["robust", "oracle"], *, num_trial_episodes: int
) -> Recipe:
    """The baseline that is told the goal, or the one that is told nothing.

    Its trials have as many episodes as PEARL's, so the last one starts from the same places.
    """
    return Recipe(
        algorithm="sac",
        family=family,
        num_train_tasks=NUM_TRAIN_GOALS if family == "point_robot" else 80,
        num_iterations=60,
        num_trial_episodes=num_trial_episodes,
        config=SacConfig(
            view=view,
            hidden_sizes=(64, 64),
            num_worlds=50,
            num_initial_steps=4000,
            num_steps=1000,
            num_gradient_steps=200,
            learning_rate=1e-3,
            discount=0.9,
            initial_temperature=0.1,
        ),
    )


_dense = partial(sac_point_robot, "point_robot", num_trial_episodes=10)
_sparse = partial(sac_point_robot, "sparse_point_robot", num_trial_episodes=20)

POINT_RECIPES: dict[str, Callable[[], Recipe]] = {
    "pearl-point-robot": pearl_point_robot,
    "pearl-sparse-point-robot": pearl_sparse_point_robot,
    "pearl-search-sparse-point-robot": pearl_search_sparse_point_robot,
    "pearl-shown-goal": pearl_shown_goal,
    "rl2-point-robot": rl2_point_robot,
    "robust-point-robot": partial(_dense, "robust"),
    "oracle-point-robot": partial(_dense, "oracle"),
    "robust-sparse-point-robot": partial(_sparse, "robust"),
    "oracle-sparse-point-robot": partial(_sparse, "oracle"),
}
