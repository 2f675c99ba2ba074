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

from dataclasses import dataclass

from torch import Tensor

from training.algorithms.learner import TrainingSetup
from training.algorithms.parameter_step_learner import ParameterStepLearner
from training.algorithms.settings import InnerStepSettings, TrustRegionSettings
from training.parts.gradient_adaptation import Stage, surrogate_loss
from training.parts.outer_step import outer_step
from training.parts.task_stages import figures_of


@dataclass(frozen=True, kw_only=True)
class MamlConfig(InnerStepSettings, TrustRegionSettings):
    """Settings of MAML; the defaults suit small state spaces on a CPU."""

    @classmethod
    def smallest(cls) -> MamlConfig:
        """Everything in it, in a second: to try a family out, and for tests."""
        return cls(hidden_sizes=(8,), tasks_per_iteration=3, num_exploration_episodes=1)


class Maml(ParameterStepLearner):
    """The learner: the policy that trials begin with. It needs no optimiser."""

    config: MamlConfig
    config_type: type[MamlConfig] = MamlConfig

    def __init__(self, config: MamlConfig, setup: TrainingSetup) -> None:
        super().__init__(config, setup, stream=5)

    def iterate(self, progress: float) -> dict[str, float]:
        stages = self.collect()
        losses = self.state.counted((self.outer_step(stages) for _ in range(1)), num_steps=1)
        return {**figures_of(stages), **losses}

    # ---- improving -----------------------------------------------------------------------------

    def loss(self, stages: list[Stage]) -> Tensor:
        """() what the outer step lowers: minus the advantage of the adapted policies."""
        return surrogate_loss(self.adaptation.policies(stages)[-1], stages[-1])

    def outer_step(self, stages: list[Stage]) -> dict[str, Tensor]:
        """One step within the trust region, or none."""
        figures = outer_step(
            lambda: self.loss(stages),
            lambda: self.adaptation.policies(stages)[-1],
            stages[-1].is_valid,
            list(self.policy.parameters()),
            **self.config.trust_region(),
        )
        return {**figures, "log_std": self.policy.log_std.mean()}
