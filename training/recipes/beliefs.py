"""Beliefs of every kind: on problems with exact answers, on the point robots, and on the claw.

None but those of the valve has been tuned: they are where tuning begins. The bandit and the
gridworld have exact optima (`taskbelief exact`) to be held against.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from training.algorithms.belief_policy import BeliefPolicySettings
from training.algorithms.dvrl import DvrlConfig
from training.algorithms.recurrent_sac import RdpgConfig, RecurrentSacConfig
from training.algorithms.rl2 import ERl2Config, Rl2Config, Rl2HypernetworkConfig
from training.algorithms.settings import TrialPpoSettings
from training.algorithms.task_inference import TaskInferenceConfig
from training.algorithms.varibad import VariBadConfig
from training.recipes.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class _Problem:
    """What the recipes of one family share, whatever learns."""

    run: Mapping[str, Any]
    """fields of the recipe"""
    settings: Mapping[str, Any]
    """of policy and cell"""
    belief: Mapping[str, Any] = field(default_factory=dict)
    """of a belief that is learnt by itself"""
    varibad: Mapping[str, Any] = field(default_factory=dict)
    """of VariBAD alone"""
    task_inference: Mapping[str, Any] = field(default_factory=dict)
    """of task inference alone"""


_PROBLEMS: Mapping[str, _Problem] = {
    "bernoulli_bandit": _Problem(
        # A game is an episode, and a trial; tasks enough that no arms are learnt by heart.
        run={
            "num_train_tasks": 4000,
            "num_test_tasks": 2000,
            "num_trial_episodes": 1,
            "num_iterations": 300,
            "evaluation_interval": 50,
        },
        settings={
            "hidden_sizes": (32,),
            "num_trials": 512,
            "discount": 1.0,  # as the exact value counts
            "learning_rate": 3e-3,
            "entropy_weight": 0.01,
        },
        varibad={"has_binary_rewards": True, "latent_size": 4},
    ),
    "gridworld": _Problem(
        # Settings of the paper's code where they are known: discount, entropy, weight of the KL.
        run={"num_trial_episodes": 4, "num_iterations": 600, "evaluation_interval": 50},
        settings={
            "hidden_sizes": (32,),
            "discount": 0.95,
            "entropy_weight": 0.01,
            "learning_rate": 2e-3,
        },
        # What no walk shows its decoder is not taught; with less entropy walks end at the first
        # goals that they find, a third of them is never seen, and a belief says anything of them.
        varibad={
            "has_binary_rewards": True,
            "pays_for_outcome": True,
            "kl_weight": 0.01,
            "decoder_hidden_sizes": (64, 64),
            "entropy_weight": 0.05,
            "final_belief_learning_rate": 1e-5,
        },
    ),
    "point_robot": _Problem(
        run={"num_train_tasks": 200, "num_iterations": 400, "evaluation_interval": 25},
        settings={"reward_scale": 0.1},
        varibad={"kl_weight": 0.01, "pays_for_outcome": True},
    ),
    "sparse_point_robot": _Problem(
        # The dense reward teaches a policy to stop in the middle, where no goal shows; the sparse
        # one is not met by chance. So goals pay from afar at first (docs/results/beliefs.md).
        run={
            "num_trial_episodes": 10,
            "num_iterations": 200,
            "evaluation_interval": 25,
            "eased_until": 0.6,
        },
        settings={
            "uses_sparse_context": True,
            "training_reward": "sparse",
            "num_trials": 128,
            "reward_scale": 0.1,
        },
        varibad={"kl_weight": 0.01, "pays_for_outcome": True},
    ),
    "shown_goal": _Problem(
        run={"num_train_tasks": 200, "num_iterations": 200, "evaluation_interval": 50},
        settings={"uses_sparse_context": True, "num_trials": 128, "discount": 0.9},
        varibad={"kl_weight": 0.01},
    ),
    "valve_turn": _Problem(
        # As RL² learns it (training/recipes/recurrent_claw.py), and on so many tasks that a target
        # says nothing of the dynamics that it happened to be drawn with.
        run={
            "num_train_tasks": 2000,
            "num_trial_episodes": 2,
            "num_iterations": 200,
            "num_evaluation_trials": 1,
            "evaluation_interval": 20,
        },
        settings={
            "hidden_sizes": (128, 128),
            "num_trials": 64,
            "num_epochs": 6,
            "discount": 0.98,
            "normalizes_observations": True,
            "observation_clip": 5.0,
            "reward_scale": 0.3,
        },
        # Rewards tell the target, and are one of a step's two dozen numbers.
        belief={"hidden_size": 128, "context_reward_scale": 3.0},
        varibad={"kl_weight": 0.1},
        # Asked without the noise that the policy learns by, a belief that saw nothing else is sure
        # of what is not so: servos that jitter do not show what they do when they hold still.
        # Its rate falls, so that it ends at what it says (calibration: docs/results/beliefs.md).
        task_inference={
            "num_deployed_trials": 16,
            "num_belief_steps": 40,
            "final_belief_learning_rate": 1e-5,
        },
    ),
    "pose_dynamics": _Problem(
        run={"num_train_tasks": 160, "num_iterations": 400, "evaluation_interval": 50},
        settings={
            "hidden_sizes": (128, 128),
            "num_trials": 128,
            "discount": 0.7,
            "normalizes_observations": True,
            "observation_clip": 5.0,
        },
        belief={"hidden_size": 128},
        varibad={"kl_weight": 0.01, "latent_size": 10},
    ),
}

_OFF_POLICY: Mapping[str, Mapping[str, Any]] = {
    "point_robot": {"discount": 0.9},
    # Discount and batch (the default) as published for a half circle by Ni et al. 2022.
    "sparse_point_robot": {"discount": 0.9, "uses_sparse_context": True},
}
"""settings of recurrent off-policy learners by family"""

_CONFIGS: Mapping[str, type[TrialPpoSettings]] = {
    "rl2": Rl2Config,
    "e_rl2": ERl2Config,
    "rl2_hypernetwork": Rl2HypernetworkConfig,
    "rl2_split": Rl2Config,
    "varibad": VariBadConfig,
    "task_inference": TaskInferenceConfig,
}

_CLAW = ("valve_turn", "pose_dynamics")
_ELSEWHERE = {("rl2", "point_robot"), ("rl2", "valve_turn")}
"""recipes that are older and tuned"""


def belief_recipe(algorithm: str, family: str) -> Recipe:
    """An algorithm of this group on a family."""
    problem, config_type = _PROBLEMS[family], _CONFIGS[algorithm]
    settings = dict(problem.settings)
    if issubclass(config_type, BeliefPolicySettings):
        settings |= problem.belief
    if config_type is VariBadConfig:
        settings |= problem.varibad
    if config_type is TaskInferenceConfig:
        settings |= problem.task_inference
    if config_type is Rl2HypernetworkConfig:
        settings.pop("hidden_sizes", None)  # of what is generated: its own
    config = config_type(**settings)
    return Recipe(algorithm=algorithm, family=family, config=config, **problem.run)


def _is_there(algorithm: str, family: str) -> bool:
    """A bandit has one episode, so none can be free; on the claw RL² in its plain form, and beliefs
    that say something."""
    if (algorithm, family) in _ELSEWHERE or (algorithm, family) == ("e_rl2", "bernoulli_bandit"):
        return False
    is_said = issubclass(_CONFIGS[algorithm], BeliefPolicySettings)
    return family not in _CLAW or algorithm == "rl2" or is_said


def off_policy_recipe(config_type: type[RecurrentSacConfig], family: str) -> Recipe:
    """Recurrent soft actor-critic or RDPG on a family."""
    return Recipe(
        algorithm="rdpg" if config_type is RdpgConfig else "recurrent_sac",
        family=family,
        config=config_type(initial_temperature=0.1, **_OFF_POLICY[family]),
        **{**_PROBLEMS[family].run, "num_iterations": 500},
    )


def dvrl_recipe() -> Recipe:
    """DVRL on the point robot."""
    return Recipe(
        algorithm="dvrl",
        family="point_robot",
        # Faster than the default, for a budget of minutes; discount as the other off-policy ones.
        config=DvrlConfig(
            initial_temperature=0.1, learning_rate=1e-3, **_OFF_POLICY["point_robot"]
        ),
        **{**_PROBLEMS["point_robot"].run, "num_iterations": 200, "evaluation_interval": 10},
    )


def _named(algorithm: str, family: str) -> str:
    return f"{algorithm}-{family}".replace("_", "-")


BELIEF_RECIPES: dict[str, Callable[[], Recipe]] = {
    _named(algorithm, family): partial(belief_recipe, algorithm, family)
    for family in _PROBLEMS
    for algorithm in _CONFIGS
    if _is_there(algorithm, family)
}
BELIEF_RECIPES |= {
    _named(algorithm, family): partial(off_policy_recipe, config_type, family)
    for family in _OFF_POLICY
    for algorithm, config_type in (("recurrent_sac", RecurrentSacConfig), ("rdpg", RdpgConfig))
}
BELIEF_RECIPES["dvrl-point-robot"] = dvrl_recipe
