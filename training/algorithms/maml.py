"""MAML: parameters from which one step of policy gradient leads far, on any task.

Finn et al. 2017, https://arxiv.org/abs/1703.03400; outside, a trust region
(https://arxiv.org/abs/1502.05477). Each iteration explores some tasks, takes an inner step on each,
explores again with what came out, and moves the initial parameters so that the second episodes
get better, knowing how the inner step depends on them.

Differs from implementations that papers compared against:

* The outer line search looks at the surrogate it climbs, the ratio to the policy that collected,
  and at the divergence of the *adapted* policies, both through the inner step.
* Log-densities are summed over an action's elements; ratios of a mean would be another policy's.
* A trial adapts on as many episodes, with the same step, as in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.algorithms.learner import TrainingSetup
from training.algorithms.settings import InnerStepSettings, TrustRegionSettings
from training.parts.distributions import DiagonalGaussian
from training.parts.gradient_actor import GradientActor
from training.parts.gradient_adaptation import Stage, adapted_through, mean_over_tasks
from training.parts.inner_loop import Parameters, likelihood_ratio_loss
from training.parts.ppo import masked_mean
from training.parts.task_stages import collect_stages, draw_tasks, figures_of
from training.parts.trust_region import trust_region_step
from training.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class MamlConfig(InnerStepSettings, TrustRegionSettings):
    """Settings of MAML; the defaults suit small state spaces on a CPU."""

    @classmethod
    def smallest(cls) -> MamlConfig:
        """Everything in it, in a second: to try a family out, and for tests."""
        return cls(hidden_sizes=(8,), tasks_per_iteration=3, num_exploration_episodes=1)


class Maml:
    """The learner: the policy that trials begin with. It needs no optimiser."""

    config_type: type[MamlConfig] = MamlConfig
    adapts = True
    is_told_task = False
    why_not_deployable = "the kind `gradient` is not served by robots yet"

    def __init__(self, config: MamlConfig, setup: TrainingSetup) -> None:
        config.require_adapted_episode(setup.num_trial_episodes)
        self.config, self.tasks = config, setup.tasks
        self.worlds = setup.make_worlds(config.num_worlds)
        self.state = setup.learner_state(config.statistics(self.worlds, setup.device), stream=5)
        self.policy = config.policy(self.worlds, self.state.initial).to(setup.device)
        self.adaptation = config.adaptation(self.policy)
        self.state.keep(modules={"policy": self.policy})

    def iterate(self, progress: float) -> dict[str, float]:
        stages = self.collect()
        losses = self.state.counted(
            (self.outer_step(stages) for _ in range(1)), num_steps=1, max_critic_value=float("inf")
        )
        return {**figures_of(stages), **losses}

    def collect(self) -> list[Stage]:
        """Before and after each inner step, on tasks drawn anew."""
        chosen = draw_tasks(self.state, len(self.tasks), self.config.tasks_per_iteration)
        return collect_stages(
            self.worlds,
            [self.tasks[index] for index in chosen],
            self.adaptation,
            self.adaptation.start(len(chosen)),
            self.state,
            self.config.training_credit(),
            num_inner_steps=self.config.num_inner_steps,
        )

    # ---- improving -----------------------------------------------------------------------------

    def parameters_through(self, stages: list[Stage]) -> list[Parameters]:
        """(K, ...) before, and after every inner step; differentiable."""
        start = self.adaptation.start(len(stages[0].action))
        return adapted_through(self.adaptation, start, stages[:-1])

    def adapted_policies(self, stages: list[Stage]) -> DiagonalGaussian:
        """(K, T, M, A) after the last inner step, where its episodes went."""
        last = stages[-1]
        own = self.parameters_through(stages)[-1]
        policies: DiagonalGaussian = self.adaptation.distributions(own, last.observation, last.held)
        return policies

    def surrogate_loss(self, stages: list[Stage]) -> Tensor:
        """() minus the advantage of the adapted policies over those that collected."""
        last = stages[-1]
        density = self.adapted_policies(stages).log_density(last.action)
        return mean_over_tasks(
            likelihood_ratio_loss, density, last.log_density, last.advantage, last.is_valid
        )

    def divergence(self, stages: list[Stage], before: DiagonalGaussian) -> Tensor:
        """() mean KL of the adapted policies from what they were `before`."""
        divergence = before.kl_from(self.adapted_policies(stages))
        return mean_over_tasks(masked_mean, divergence, stages[-1].is_valid)

    def outer_step(self, stages: list[Stage]) -> dict[str, Tensor]:
        """One step within the trust region, or none."""
        with torch.no_grad():
            before = self.adapted_policies(stages).detached()
        step = trust_region_step(
            lambda: self.surrogate_loss(stages),
            lambda: self.divergence(stages, before),
            list(self.policy.parameters()),
            **self.config.trust_region(),
        )
        figures = {
            "policy_loss": step.loss_before,
            "gain": step.loss_before - step.loss_after,
            "kl": step.kl,
            "accepted": float(step.is_accepted),
            "log_std": float(self.policy.log_std.detach().mean()),
        }
        return {name: torch.tensor(value) for name, value in figures.items()}

    # ---- being used ----------------------------------------------------------------------------

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> GradientActor:
        return GradientActor(
            self.adaptation,
            self.adaptation.start(len(tasks)),
            self.state.statistics,
            self.config.trial_credit(),
            num_exploration_episodes=self.config.num_exploration_episodes,
            num_inner_steps=self.config.num_inner_steps,
            generator=None if is_deterministic else self.state.generator,
        )
