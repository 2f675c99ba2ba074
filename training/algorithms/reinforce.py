"""REINFORCE: the policy gradient on all tasks at once, and the baseline of those that meta-learn.

Williams 1992, https://doi.org/10.1007/BF00992696, with rewards to go and a linear baseline per
task. One policy is learnt for whatever the tasks have in common, with no thought of adapting it.
A trial then does the same on its own task: a step of policy gradient after the exploration
episodes, exactly MAML's, from parameters that were never meant for it.

Differs from the textbook: gradients are means over steps and not sums over an episode, so that a
learning rate does not depend on the episode's length; advantages are standardised per task; the
baseline is fitted on the same episodes.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from training.algorithms.learner import TrainingSetup
from training.algorithms.parameter_step_learner import ParameterStepLearner
from training.algorithms.settings import InnerStepSettings
from training.parts.checked import Positive
from training.parts.gradient_adaptation import Stage, mean_over_tasks
from training.parts.inner_loop import log_likelihood_loss


@dataclass(frozen=True, kw_only=True)
class ReinforceConfig(InnerStepSettings):
    """Settings of REINFORCE; the defaults suit small state spaces on a CPU."""

    learning_rate: Positive = 3e-3
    """of Adam, one step an iteration"""

    @classmethod
    def smallest(cls) -> ReinforceConfig:
        """Everything in it, in a second: to try a family out, and for tests."""
        return cls(hidden_sizes=(8,), tasks_per_iteration=3, num_exploration_episodes=1)


class Reinforce(ParameterStepLearner):
    """The learner: a policy and its optimiser."""

    config: ReinforceConfig
    config_type = ReinforceConfig

    def __init__(self, config: ReinforceConfig, setup: TrainingSetup) -> None:
        super().__init__(config, setup, stream=4)
        self.optimizer = self.adam(config.learning_rate)

    def iterate(self, progress: float) -> dict[str, float]:
        stage = self.collect_episodes()
        losses = self.state.counted(
            (self.gradient_step(stage) for _ in range(1)),
            num_steps=1,
        )
        return {"train_return": stage.mean_return(), **losses}

    def collect_episodes(self) -> Stage:
        """Episodes of tasks drawn anew, all with the policy as it is."""
        (stage,) = self.collect(adapts=False)
        return stage

    def policy_loss(self, stage: Stage) -> Tensor:
        """() minus the advantage-weighted log-likelihood, a task weighing as much as another."""
        density = self.policy(stage.observation).log_density(stage.action)
        return mean_over_tasks(log_likelihood_loss, density, stage.advantage, stage.is_valid)

    def gradient_step(self, stage: Stage) -> dict[str, Tensor]:
        """One step: more would need ratios, for the episodes would be another policy's."""
        loss = self.policy_loss(stage)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"policy_loss": loss, "log_std": self.policy.log_std.mean()}
