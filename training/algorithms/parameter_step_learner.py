"""A policy whose trials begin with a step on its own parameters: REINFORCE, MAML, E-MAML, ProMP.

They differ in how the parameters that trials begin with are learnt, and in nothing that a trial or
a robot sees.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from training.algorithms.deployed_steps import deployed_with_parameter_step
from training.algorithms.learner import Deployed, TrainingSetup
from training.algorithms.settings import InnerStepSettings, why_choices_not_deployable
from training.parts.gradient_actor import GradientActor
from training.parts.gradient_adaptation import Stage
from training.tasks.task import Task


class ParameterStepLearner:
    """The policy that trials begin with, how it explores, and what becomes of it in a trial."""

    adapts = True
    is_told_task = False
    config: InnerStepSettings

    def __init__(
        self,
        config: InnerStepSettings,
        setup: TrainingSetup,
        *,
        stream: int,
        uses_ratio: bool = False,
    ) -> None:
        """`stream` is the algorithm's own; `uses_ratio`: see `ParameterAdaptation`."""
        self.config, self.tasks = config, setup.tasks
        self.explorer = config.explorer(setup, stream=stream)
        self.state = self.explorer.state
        self.policy = config.policy(self.explorer)
        self.adaptation = config.adaptation(self.policy, uses_ratio=uses_ratio)
        self.state.keep(modules={"policy": self.policy})

    def adam(self, learning_rate: float) -> torch.optim.Optimizer:
        """Over the policy's parameters, saved and restored with them."""
        optimizer = torch.optim.Adam(self.policy.parameters(), lr=learning_rate, fused=True)
        self.state.keep(optimizers={"optimizer": optimizer})
        return optimizer

    def collect(self, *, adapts: bool = True) -> list[Stage]:
        """Before and after each inner step, on tasks drawn anew; before all where none is taken."""
        start = self.adaptation.start(self.config.tasks_per_iteration)
        chosen = self.explorer.draw()
        return self.explorer.collect(chosen, self.adaptation, start, adapts=adapts)

    # ---- being used ----------------------------------------------------------------------------

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> GradientActor:
        start = self.adaptation.start(len(tasks))
        return self.explorer.actor(self.adaptation, start, is_deterministic=is_deterministic)

    @property
    def why_not_deployable(self) -> str:
        return why_choices_not_deployable(self.explorer.worlds)

    def deployed(self) -> Deployed:
        return deployed_with_parameter_step(self.config, self.explorer, self.policy)
