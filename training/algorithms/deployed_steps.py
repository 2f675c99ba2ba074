"""What a robot needs of learners that adapt by steps of policy gradient: kind `gradient`."""

from __future__ import annotations

from typing import Any

from sim2real.contract.context import ContextLayout
from sim2real.contract.normalizer import FrozenNormalizer
from sim2real.runtime.kinds.gradient import (
    GradientSettings,
    LatentStepSettings,
    ParameterStepSettings,
)
from training.algorithms.learner import Deployed
from training.algorithms.settings import InnerStepSettings
from training.parts.deployed_gradient import (
    DeployedLatentPolicy,
    DeployedParameterPolicy,
    DeployedStep,
    layer_sizes,
)
from training.parts.latent_adaptation import TaskLatents
from training.parts.networks import frozen_copy
from training.parts.policies import DiagonalGaussianPolicy
from training.parts.task_stages import TaskExplorer


def deployed_with_parameter_step(
    config: InnerStepSettings, explorer: TaskExplorer, policy: DiagonalGaussianPolicy
) -> Deployed:
    """A policy whose parameters move: one graph form, whatever they were trained for."""
    normalizer, copy = explorer.state.statistics.frozen(), frozen_copy(policy).cpu()
    step = DeployedStep(
        normalizer,
        copy,
        step_size=config.inner_learning_rate,
        adapts_log_std=config.adapts_log_std,
    )
    parameter_step = ParameterStepSettings(
        hidden_sizes=layer_sizes(copy),
        max_steps=explorer.num_episodes * explorer.worlds.episode_length,
    )
    modules = {"policy": DeployedParameterPolicy(normalizer, copy), "adapt": step}
    settings = GradientSettings(
        parameter_step=parameter_step, takes_action_noise=True, **_exploring(explorer)
    )
    return _deployed(explorer, normalizer, settings, modules)


def deployed_with_latent_step(
    explorer: TaskExplorer, policy: DiagonalGaussianPolicy, latents: TaskLatents
) -> Deployed:
    """A policy that stays as it is, and acts on a latent that moves."""
    normalizer = explorer.state.statistics.frozen()
    of_mean, of_log_std = (tuple(sizes) for sizes in latents.step_sizes().tolist())
    settings = GradientSettings(
        latent_step=LatentStepSettings(mean_step_sizes=of_mean, log_std_step_sizes=of_log_std),
        takes_action_noise=False,
        **_exploring(explorer),
    )
    policy = frozen_copy(policy).cpu()
    modules = {"policy": DeployedLatentPolicy(normalizer, policy)}
    return _deployed(explorer, normalizer, settings, modules)


def _exploring(explorer: TaskExplorer) -> dict[str, Any]:
    """As a trial does it in training. Half of the episodes are enough to take a step on."""
    return {
        "num_exploration_episodes": explorer.num_episodes * explorer.num_inner_steps,
        "num_inner_steps": explorer.num_inner_steps,
        "discount": explorer.trial_credit.discount,
        "gae_lambda": explorer.trial_credit.gae_lambda,
        "min_episodes": (explorer.num_episodes + 1) // 2,
    }


def _deployed(
    explorer: TaskExplorer, normalizer: FrozenNormalizer, settings: GradientSettings, modules: Any
) -> Deployed:
    worlds = explorer.worlds
    layout = ContextLayout(
        observation_size=worlds.observation_size,
        action_size=worlds.action_size,
        uses_next_observation=False,
    )
    return Deployed(
        settings=settings,
        modules=modules,
        normalizer=normalizer,
        observation_size=worlds.observation_size,
        action_size=worlds.action_size,
        context_layout=layout,
    )
