"""Learners that adapt by gradients, and REINFORCE, which they have to beat.

Settings are those of the papers and their code where these agree (20 tasks of 20 episodes, inner
steps of 0.1, a trust region of 0.01; ProMP's five steps of Adam), at sizes for a CPU. They are
**untuned**: nothing here was searched, and what differs from a default says why.

A trial explores for as many episodes as an inner step sees in training and adapts on them; the one
after is the adapted one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from training.algorithms.e_maml import EMamlConfig
from training.algorithms.maesn import MaesnConfig
from training.algorithms.maml import MamlConfig
from training.algorithms.promp import PrompConfig
from training.algorithms.reinforce import ReinforceConfig
from training.algorithms.settings import ExplorationSettings
from training.recipes.point import NUM_TRAIN_GOALS
from training.recipes.recipe import Recipe

CONFIGS: dict[str, type[ExplorationSettings]] = {
    "reinforce": ReinforceConfig,
    "maml": MamlConfig,
    "e_maml": EMamlConfig,
    "promp": PrompConfig,
    "maesn": MaesnConfig,
}
"""settings by algorithm"""


def _recipe(algorithm: str, family: str, run: dict[str, Any], settings: dict[str, Any]) -> Recipe:
    config = CONFIGS[algorithm](**settings)
    return Recipe(
        algorithm=algorithm,
        family=family,
        config=config,
        num_trial_episodes=config.num_exploration_episodes * config.num_inner_steps + 1,
        **run,
    )


def point_robot(algorithm: str) -> Recipe:
    """Goals anywhere, by their distance."""
    run = {"num_train_tasks": NUM_TRAIN_GOALS, "num_iterations": 200, "evaluation_interval": 25}
    return _recipe(algorithm, "point_robot", run, {})


def sparse_point_robot(algorithm: str, training_reward: str) -> Recipe:
    """Goals on the half circle that pay within 0.2 m only, in a trial's adaptation too.

    With dense reward in training a policy learns where goals may be. With the sparse one almost
    no episode of an unlearnt policy meets its goal (unit noise about the origin: 0.4 % of 40,000
    episodes), so that 92 % of tasks show none in twenty, and their advantages are 0: expected
    to fail, and there to show it.
    """
    settings = {"training_reward": training_reward, "adaptation_reward": "sparse"}
    run = {"num_train_tasks": 80, "num_iterations": 200, "evaluation_interval": 25}
    return _recipe(algorithm, "sparse_point_robot", run, settings)


def shown_goal(algorithm: str) -> Recipe:
    """Goals that are shown after every guess, to learners that go by what guesses paid.

    Outer steps learn from distances, so that it is not for want of reward in training; inner ones
    get what a trial gets.
    """
    settings = {"adaptation_reward": "sparse", "inner_steps_on": "adaptation_reward"}
    run = {"num_train_tasks": 200, "num_iterations": 100, "evaluation_interval": 25}
    return _recipe(algorithm, "shown_goal", run, settings)


def half_cheetah(algorithm: str, family: str) -> Recipe:
    """Forward or backward, or at a speed; fewer tasks and episodes than in the paper."""
    settings = {
        "normalizes_observations": True,  # positions and velocities side by side
        "tasks_per_iteration": 2 if family == "half_cheetah_dir" else 10,
        "num_exploration_episodes": 10,
    }
    num_train, num_test = (2, 2) if family == "half_cheetah_dir" else (40, 10)
    run = {
        "num_train_tasks": num_train,
        "num_test_tasks": num_test,
        "num_iterations": 200,
        "num_evaluation_trials": 2,
        "evaluation_interval": 25,
    }
    return _recipe(algorithm, family, run, settings)


def claw(algorithm: str, family: str) -> Recipe:
    """The hand: train tasks as for PEARL, and no more episodes than a robot can afford."""
    settings = {
        "normalizes_observations": True,  # radians, radians a second and cosines side by side
        "observation_clip": 5.0,
        "num_exploration_episodes": 10,  # half a minute on the robot
        "initial_log_std": -0.7,  # half of the largest action: whole ones shake the hand
        "discount": 0.95 if family == "valve_turn" else 0.7,  # as for PEARL
    }
    if algorithm == "maesn":
        # With the paper's 0.1 the train tasks' latents tell them apart before any step, so that
        # none is learnt: after 63 iterations a trial adapted to nothing.
        settings["kl_weight"] = 0.5
    run = {
        "num_train_tasks": 160,
        # ProMP was at its best from 50 on; MAESN begins to adapt after 60.
        "num_iterations": 120 if algorithm == "maesn" else 80,
        "num_evaluation_trials": 2,
        "evaluation_interval": 25,
    }
    return _recipe(algorithm, family, run, settings)


def _named() -> dict[str, Callable[[], Recipe]]:
    recipes: dict[str, Callable[[], Recipe]] = {}
    for algorithm in CONFIGS:
        name = algorithm.replace("_", "-")
        recipes[f"{name}-point-robot"] = partial(point_robot, algorithm)
        recipes[f"{name}-shown-goal"] = partial(shown_goal, algorithm)
    for algorithm in ("maml", "maesn"):
        for reward, suffix in (("dense", ""), ("sparse", "-sparsely")):
            recipes[f"{algorithm}-sparse-point-robot{suffix}"] = partial(
                sparse_point_robot, algorithm, reward
            )
    for algorithm in ("maml", "promp", "maesn"):
        for family in ("half_cheetah_dir", "half_cheetah_vel"):
            recipes[f"{algorithm}-{family.replace('_', '-')}"] = partial(
                half_cheetah, algorithm, family
            )
        for family in ("valve_turn", "pose_dynamics"):
            recipes[f"{algorithm}-{family.replace('_', '-')}"] = partial(claw, algorithm, family)
    return recipes


GRADIENT_RECIPES = _named()
