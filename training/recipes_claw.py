"""The claw's recipes: PEARL, and the two baselines that frame it, on every family of the hand.

All three share sizes and soft actor-critic's settings, so that what differs is what is known:
the oracle is told the task, the robust policy is told nothing, PEARL has to find out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from training.algorithms.pearl import PearlConfig
from training.algorithms.sac import SacConfig
from training.recipe import Recipe

HIDDEN_SIZES = (128, 128)
"""a gradient step of milliseconds on one core; 21 to 33 observed numbers need no more"""
LEARNING_RATE = 5e-4
DISCOUNT = 0.95
"""twenty ticks of foresight: turning takes ten, an episode has thirty"""
INITIAL_TEMPERATURE = 0.1
"""rewards are about one a tick: entropy shall not drown them at first"""
NUM_TRAIN_TASKS = 64
"""more than a belief of five numbers can learn by heart"""


def pearl_claw(family: str, *, episode_length: int, num_iterations: int) -> Recipe:
    """PEARL on a family of the claw."""
    return Recipe(
        algorithm="pearl",
        family=family,
        num_train_tasks=NUM_TRAIN_TASKS,
        config=PearlConfig(
            hidden_sizes=HIDDEN_SIZES,
            encoder_hidden_sizes=(128, 128),
            uses_layer_norm=True,  # contacts make rewards rough
            normalizes_observations=True,  # radians, radians a second and cosines side by side
            observation_clip=5.0,
            num_iterations=num_iterations,
            num_initial_steps=2 * episode_length,
            # Four episodes on each of sixteen tasks: two from the prior, as in episode 0 of a
            # trial, then two from the posterior; all of them are context, as on the robot.
            tasks_per_iteration=16,
            num_prior_steps=episode_length,
            num_posterior_steps=3 * episode_length,
            num_extra_steps=0,
            num_gradient_steps=600,
            meta_batch_size=8,  # 512 transitions a step: twice the baselines' batch
            batch_size=64,
            context_batch_size=64,  # about as much as the first two episodes of a trial give
            learning_rate=LEARNING_RATE,
            discount=DISCOUNT,
            # Bellman errors fall to 0.1: with the paper's 0.1 the belief would stay at the prior.
            kl_weight=0.001,
            initial_temperature=INITIAL_TEMPERATURE,
            evaluation_interval=10,
        ),
    )


def sac_claw(
    family: str, view: Literal["robust", "oracle"], *, episode_length: int, num_iterations: int
) -> Recipe:
    """A baseline on a family of the claw: `oracle` is told the task, `robust` is not."""
    num_worlds = 16
    return Recipe(
        algorithm="sac",
        family=family,
        num_train_tasks=NUM_TRAIN_TASKS,
        config=SacConfig(
            view=view,
            hidden_sizes=HIDDEN_SIZES,
            uses_layer_norm=True,
            normalizes_observations=True,
            observation_clip=5.0,
            num_worlds=num_worlds,
            num_iterations=num_iterations,
            num_initial_steps=8 * num_worlds * episode_length,
            num_steps=2 * num_worlds * episode_length,
            num_gradient_steps=num_worlds * episode_length,  # half a step per control step
            learning_rate=LEARNING_RATE,
            discount=DISCOUNT,
            initial_temperature=INITIAL_TEMPERATURE,
            num_trial_episodes=1,
            evaluation_interval=10,
        ),
    )


def claw_recipes(
    family: str, *, episode_length: int, num_iterations: int
) -> dict[str, Callable[[], Recipe]]:
    """PEARL and both baselines on one family, by name."""
    sizes = {"episode_length": episode_length, "num_iterations": num_iterations}
    name = family.replace("_", "-")
    return {
        f"pearl-{name}": partial(pearl_claw, family, **sizes),
        f"robust-{name}": partial(sac_claw, family, "robust", **sizes),
        f"oracle-{name}": partial(sac_claw, family, "oracle", **sizes),
    }


CLAW_RECIPES: dict[str, Callable[[], Recipe]] = {
    **claw_recipes("valve_turn", episode_length=30, num_iterations=40),
    **claw_recipes("valve_screw", episode_length=30, num_iterations=40),
}
