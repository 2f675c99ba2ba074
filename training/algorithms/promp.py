"""ProMP: MAML whose gradient also knows that exploring decides what is adapted on.

Rothfuss et al. 2019, https://arxiv.org/abs/1810.06784. The inner loss is the advantage-weighted
ratio π / π_old in place of the log-likelihood: the same step, but its derivative credits actions
taken before adapting, at low variance. Outside, a few steps of Adam on a clipped ratio, held near
the policy that explored by its divergence there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from training.algorithms.learner import TrainingSetup
from training.algorithms.parameter_step_learner import ParameterStepLearner
from training.algorithms.settings import InnerStepSettings
from training.parts.checked import Count, NonNegative, Positive
from training.parts.distributions import DiagonalGaussian
from training.parts.gradient_adaptation import Stage, mean_over_tasks
from training.parts.ppo import clipped_surrogate_loss, masked_mean
from training.parts.task_stages import figures_of


@dataclass(frozen=True, kw_only=True)
class PrompConfig(InnerStepSettings):
    """Settings of ProMP; the defaults are its authors'."""

    learning_rate: Positive = 1e-3
    """of Adam"""
    num_outer_steps: Count = 5
    """of Adam, on an iteration's episodes"""
    clip_range: Positive = 0.3
    """how far an adapted policy's ratio may move before its gradient stops"""
    kl_weight: NonNegative = 5e-4
    """of the divergence from the policy that explored, per nat and step"""

    @classmethod
    def smallest(cls) -> PrompConfig:
        """Everything in it, in a second: to try a family out, and for tests."""
        return cls(
            hidden_sizes=(8,),
            tasks_per_iteration=3,
            num_exploration_episodes=1,
            num_outer_steps=2,
        )


class Promp(ParameterStepLearner):
    """The learner: the policy that trials begin with, and its optimiser."""

    config: PrompConfig
    config_type = PrompConfig

    def __init__(self, config: PrompConfig, setup: TrainingSetup) -> None:
        super().__init__(config, setup, stream=6, uses_ratio=True)
        self.optimizer = self.adam(config.learning_rate)

    def iterate(self, progress: float) -> dict[str, float]:
        stages, num_steps = self.collect(), self.config.num_outer_steps
        before = self.explorers(stages)
        losses = self.state.counted(
            (self.gradient_step(stages, before) for _ in range(num_steps)),
            num_steps=num_steps,
        )
        return {**figures_of(stages), **losses}

    # ---- improving -----------------------------------------------------------------------------

    @torch.no_grad()
    def explorers(self, stages: list[Stage]) -> list[DiagonalGaussian]:
        """What collected the episodes before each inner step, as constants."""
        return [policy.detached() for policy in self.adaptation.policies(stages)[:-1]]

    def losses(
        self, stages: list[Stage], before: Sequence[DiagonalGaussian]
    ) -> tuple[Tensor, Tensor]:
        """() the clipped surrogate after adapting; () the divergence from `before` adapting."""
        *exploring, adapted = self.adaptation.policies(stages)
        last = stages[-1]
        surrogate = mean_over_tasks(
            partial(clipped_surrogate_loss, clip_range=self.config.clip_range),
            adapted.log_density(last.action),
            last.log_density,
            last.advantage,
            last.is_valid,
        )
        divergences = [
            mean_over_tasks(masked_mean, old.kl_from(now), stage.is_valid)
            for old, now, stage in zip(before, exploring, stages, strict=False)
        ]
        return surrogate, torch.stack(divergences).mean()

    def gradient_step(
        self, stages: list[Stage], before: Sequence[DiagonalGaussian]
    ) -> dict[str, Tensor]:
        """One step of Adam, through the inner steps."""
        surrogate, divergence = self.losses(stages, before)
        self.optimizer.zero_grad()
        (surrogate + self.config.kl_weight * divergence).backward()
        self.optimizer.step()
        return {
            "policy_loss": surrogate,
            "kl": divergence,
            "log_std": self.policy.log_std.mean(),
        }
