"""Recipes of the valve that has to be seen."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from training.algorithms.meld import MeldConfig
from training.algorithms.rl2_pixels import Rl2PixelsConfig
from training.algorithms.sac_pixels import SacPixelsConfig
from training.algorithms.slac import SlacConfig
from training.recipes.recipe import Recipe

EPISODE_LENGTH, VARIED_EPISODE_LENGTH = 50, 30
"""control steps, as in `valve_turn_pixels` and in `valve_turn_pixels_varied`"""
NUM_WORLDS = 16


def sac(family: str, episode_length: int) -> Recipe:
    steps = NUM_WORLDS * episode_length
    return Recipe(
        algorithm="sac_pixels",
        family=family,
        num_train_tasks=400,  # starts: nothing is to be learnt by heart
        num_test_tasks=40,
        num_iterations=150,
        num_trial_episodes=1,
        num_evaluation_trials=1,
        evaluation_interval=20,
        config=SacPixelsConfig(
            uses_layer_norm=True,  # contacts make rewards rough
            normalizes_observations=True,  # radians and radians a second side by side
            observation_clip=5.0,
            hidden_sizes=(128, 128),  # given the angle, they turn the valve after 15,000 steps
            num_worlds=NUM_WORLDS,
            num_initial_steps=4 * steps,
            num_steps=steps,
            num_gradient_steps=steps // 2,  # half a gradient step per control step
            learning_rate=5e-4,
            discount=0.95,  # twenty ticks of foresight, as for turning what is measured
            initial_temperature=0.1,  # rewards are about one a tick
        ),
    )


def rl2_valve_turn_pixels() -> Recipe:
    return Recipe(
        algorithm="rl2_pixels",
        family="valve_turn_pixels_varied",
        num_train_tasks=800,  # every one of them looks different
        num_test_tasks=40,
        num_iterations=220,  # twenty of them the eye's
        num_trial_episodes=2,
        num_evaluation_trials=1,
        evaluation_interval=20,
        config=Rl2PixelsConfig(  # but for the eye, that of `rl2-valve-turn`
            num_trials=64,
            hidden_size=128,
            hidden_sizes=(128, 128),
            num_epochs=6,
            discount=0.98,
            reward_scale=0.3,
            normalizes_observations=True,
            observation_clip=5.0,
        ),
    )


def slac_valve_turn_pixels() -> Recipe:
    steps = NUM_WORLDS * EPISODE_LENGTH
    return Recipe(
        algorithm="slac",
        family="valve_turn_pixels",
        num_train_tasks=400,
        num_test_tasks=40,
        num_iterations=150,
        num_trial_episodes=1,
        num_evaluation_trials=1,
        evaluation_interval=20,
        config=SlacConfig(
            window=5,
            # A rendered frame has no noise: a mark of seven pixels has to be worth its divergence.
            frame_variance=0.04,
            model_learning_rate=1e-3,  # after 240 steps frames are told twice as well as with 3e-4
            num_initial_model_steps=1500,
            uses_layer_norm=True,
            normalizes_observations=True,
            observation_clip=5.0,
            hidden_sizes=(128, 128),
            num_worlds=NUM_WORLDS,
            num_initial_steps=4 * steps,
            num_steps=steps,
            num_gradient_steps=steps // 4,  # of model, actor and critics: 0.1 s for all three
            learning_rate=5e-4,
            discount=0.95,
            initial_temperature=0.1,
        ),
    )


def meld_valve_turn_pixels() -> Recipe:
    return Recipe(
        algorithm="meld",
        family="valve_turn_pixels_varied",
        num_train_tasks=400,
        num_test_tasks=40,
        num_iterations=160,
        num_trial_episodes=2,
        num_evaluation_trials=1,
        evaluation_interval=20,
        config=MeldConfig(
            num_trials=NUM_WORLDS,  # 960 steps
            num_initial_collections=3,
            num_initial_model_steps=150,
            num_gradient_steps=40,  # of the model, and eight times as many of actor and critics
            uses_layer_norm=True,
            normalizes_observations=True,
            observation_clip=5.0,
            learning_rate=5e-4,
            discount=0.95,
            initial_temperature=0.1,
        ),
    )


PIXELS_RECIPES: dict[str, Callable[[], Recipe]] = {
    "sac-valve-turn-pixels": partial(sac, "valve_turn_pixels", EPISODE_LENGTH),
    "sac-valve-turn-pixels-varied": partial(sac, "valve_turn_pixels_varied", VARIED_EPISODE_LENGTH),
    "rl2-valve-turn-pixels": rl2_valve_turn_pixels,
    "meld-valve-turn-pixels": meld_valve_turn_pixels,
    "slac-valve-turn-pixels": slac_valve_turn_pixels,
}
