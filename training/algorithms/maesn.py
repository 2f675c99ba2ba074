"""MAESN: a policy with a latent that holds still for an episode, and adapts alone.

Gupta et al. 2018, https://arxiv.org/abs/1802.07245. Every train task has a Gaussian over the
latent, near a unit Gaussian, from which new tasks start. The inner step moves it, in closed form
(`training.parts.latent_adaptation`); outside, a trust region moves the policy, all tasks' Gaussians
and the step sizes.

Differs from the authors' code: step sizes stay positive; a task that is drawn twice counts twice
and its latent is not stepped twice; hidden layers are tanh. In a trial, exploration is the
latent's alone: actions are the mean, as a robot likes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from training.algorithms.deployed_steps import deployed_with_latent_step
from training.algorithms.learner import Deployed, TrainingSetup
from training.algorithms.settings import (
    ExplorationSettings,
    TrustRegionSettings,
    why_choices_not_deployable,
)
from training.parts.checked import Count, NonNegative, Positive, Sizes
from training.parts.distributions import DiagonalGaussian
from training.parts.gradient_actor import GradientActor
from training.parts.gradient_adaptation import Stage, policies_through, surrogate_loss
from training.parts.latent_adaptation import LatentAdaptation, TaskLatents, divergence_from_prior
from training.parts.outer_step import outer_step
from training.parts.task_stages import figures_of
from training.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class MaesnConfig(ExplorationSettings, TrustRegionSettings):
    """Settings of MAESN; the defaults are its authors', where they say so."""

    hidden_sizes: Sizes = (100, 100)
    """hidden layers of the policy, which sees observation and latent; tanh"""
    latent_size: Count = 2
    """of what is drawn for an episode"""
    initial_step_size: Positive = 0.5
    """of the latents' means and log-deviations; learnt, one for each element"""
    kl_weight: NonNegative = 0.1
    """of the latents' divergence from a unit Gaussian before adapting, per nat and task"""

    @classmethod
    def smallest(cls) -> MaesnConfig:
        """Everything in it, in a second: to try a family out, and for tests."""
        return cls(hidden_sizes=(8,), tasks_per_iteration=3, num_exploration_episodes=1)


class Collected(NamedTuple):
    """Episodes before and after each inner step, and of which train tasks (K,) they are."""

    tasks: Tensor
    stages: list[Stage]


class Maesn:
    """The learner: a policy, a latent for each train task, step sizes."""

    config_type = MaesnConfig
    adapts = True
    is_told_task = False

    def __init__(self, config: MaesnConfig, setup: TrainingSetup) -> None:
        self.config, self.tasks = config, setup.tasks
        self.explorer = config.explorer(setup, stream=7)
        self.state = self.explorer.state
        self.policy = config.policy(self.explorer, latent_size=config.latent_size)
        self.latents = TaskLatents(
            len(self.tasks),
            config.latent_size,
            initial_step_size=config.initial_step_size,
            generator=self.state.initial,
        ).to(setup.device)
        self.adaptation = LatentAdaptation(self.policy, self.latents)
        self.state.keep(modules={"policy": self.policy, "latents": self.latents})

    def iterate(self, progress: float) -> dict[str, float]:
        collected = self.collect(self.explorer.draw())
        losses = self.state.counted(
            (self.outer_step(collected) for _ in range(1)),
            num_steps=1,
        )
        return {**figures_of(collected.stages), **losses}

    def collect(self, chosen: Tensor) -> Collected:
        """Before and after each inner step, on the train tasks `chosen` (K,)."""
        stages = self.explorer.collect(chosen, self.adaptation, self.latents.of(chosen))
        return Collected(chosen, stages)

    # ---- improving -----------------------------------------------------------------------------

    def adapted_policies(self, collected: Collected) -> DiagonalGaussian:
        """(K, T, M, A) on the adapted latents, whose noise is that of the last episodes."""
        start = self.latents.of(collected.tasks)
        adapted: DiagonalGaussian = policies_through(self.adaptation, start, collected.stages)[-1]
        return adapted

    def prior_divergence(self, collected: Collected) -> Tensor:
        """() mean KL from the prior of the latents *before* adapting: where trials will begin."""
        return divergence_from_prior(self.latents.of(collected.tasks)).mean()

    def loss(self, collected: Collected) -> Tensor:
        """() what the outer step lowers."""
        surrogate = surrogate_loss(self.adapted_policies(collected), collected.stages[-1])
        return surrogate + self.config.kl_weight * self.prior_divergence(collected)

    def outer_step(self, collected: Collected) -> dict[str, Tensor]:
        """One step of policy, latents and step sizes within the trust region, or none."""
        with torch.no_grad():
            prior_divergence = self.prior_divergence(collected)
        figures = outer_step(
            lambda: self.loss(collected),
            lambda: self.adapted_policies(collected),
            collected.stages[-1].is_valid,
            [*self.policy.parameters(), *self.latents.parameters()],
            **self.config.trust_region(),
        )
        return {
            **figures,
            "prior_kl": prior_divergence,
            "step_size": self.latents.step_sizes().mean(),
        }

    # ---- being used ----------------------------------------------------------------------------

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> GradientActor:
        start = self.latents.prior(len(tasks))
        return self.explorer.actor(self.adaptation, start, is_deterministic=is_deterministic)

    @property
    def why_not_deployable(self) -> str:
        if self.config.num_exploration_episodes == 1:
            return "one exploration episode has nothing to be compared with: no latent moves"
        return why_choices_not_deployable(self.explorer.worlds)

    def deployed(self) -> Deployed:
        return deployed_with_latent_step(self.explorer, self.policy, self.latents)
