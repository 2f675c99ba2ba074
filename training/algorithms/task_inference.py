"""Task inference: a belief that is told the truth while it learns, and a policy on it.

Humplik et al. 2019, https://arxiv.org/abs/1905.06424. In simulation the parameters of the task are
known, so a recurrent cell can be taught to say them from the transitions so far, with a variance:
the likelihood of the truth under the belief is what it learns by, so that its variance is what it
claims to be. The policy sees mean and log-variance and never the truth, and what it learns does
not reach the belief. A belief of this kind says parameters in their units. Of a parameter that
spans orders of magnitude the logarithm is believed: no Gaussian about the parameter itself, most of
whose range lies above most of its values, could be as sure as it is right.

Every step of training was labelled with the truth, which other learners are not given:
`labelled_steps` counts them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sim2real.contract.quantity import Quantity
from training.algorithms.belief_policy import (
    BeliefPolicy,
    BeliefPolicySettings,
    Remembered,
    Units,
)
from training.algorithms.learner import Deployed, TrainingSetup
from training.algorithms.settings import why_choices_not_deployable
from training.parts.read_out import gaussian_of
from training.parts.recurrent_actor import RecurrentActor
from training.parts.sequence_replay import Column
from training.parts.trial_collector import Collected
from training.tasks.task import Task, TaskFamily, belief_vector


@dataclass(frozen=True, kw_only=True)
class TaskInferenceConfig(BeliefPolicySettings):
    """Settings of task inference; the defaults suit small state spaces on a CPU."""

    @classmethod
    def smallest(cls) -> Self:
        """Everything in it, in a second: to try a family out, and for tests."""
        return cls(
            hidden_size=8,
            hidden_sizes=(16,),
            num_trials=6,
            num_minibatches=2,
            num_epochs=2,
            belief_batch_size=4,
            num_belief_steps=3,
            replay_capacity=12,
        )


class TaskInference:
    """The learner: a belief about the task's parameters, and a policy on it."""

    config_type = TaskInferenceConfig
    adapts = True
    is_told_task = False

    def __init__(self, config: TaskInferenceConfig, setup: TrainingSetup) -> None:
        self.config, self.family, self.tasks = config, setup.family, setup.tasks
        size = sum(parameter.size for parameter in setup.family.parameters)
        self.on_belief = BeliefPolicy(
            config, setup, belief_size=size, stream=7, columns={"truth": Column(shape=(size,))}
        )
        self.state, self.policy = self.on_belief.state, self.on_belief.policy
        self.encoder = self.on_belief.encoder
        self.belief_optimizer = torch.optim.Adam(
            self.encoder.parameters(), lr=config.belief_learning_rate, fused=True
        )
        self.state.keep(optimizers={"belief_optimizer": self.belief_optimizer})

    @property
    def why_not_deployable(self) -> str:
        return why_choices_not_deployable(self.on_belief.worlds)

    def iterate(self, progress: float) -> dict[str, float]:
        trials = self.on_belief.collect(self._labels)
        figures = self.on_belief.iterate(trials, progress, self.belief_optimizer, self.belief_loss)
        return {**figures, "labelled_steps": float(self.state.num_environment_steps)}

    def _labels(self, collected: Collected) -> Mapping[str, NDArray[np.float32]]:
        """The truth beside every step."""
        truth = np.stack([belief_vector(self.family, task) for task in collected.tasks])
        return {"truth": np.tile(truth, (len(collected.trials.reward), 1, 1))}

    def belief_loss(self, batch: Remembered) -> dict[str, Tensor]:
        """Minus the log-likelihood of the truth, averaged over a trial's moments, and trials."""
        belief = gaussian_of(self.encoder.beliefs(batch.context))
        # A fact, whoever worked it out: nothing is learnt by changing it.
        truth = batch.others["truth"][0].detach()
        surprise = -belief.log_density(truth)  # (T + 1, B)
        moment = torch.arange(len(surprise), device=surprise.device)[:, None]
        counts = (moment <= batch.length).float()
        return {"belief_loss": ((surprise * counts).sum(0) / counts.sum(0)).mean()}

    def make_actor(self, tasks: Sequence[Task], *, is_deterministic: bool) -> RecurrentActor:
        return self.on_belief.make_actor(tasks, is_deterministic=is_deterministic)

    def make_believer(self, tasks: Sequence[Task]) -> RecurrentActor:
        """As it would be deployed; its `believed` is about the family's belief vector."""
        return self.make_actor(tasks, is_deterministic=True)

    def deployed(self) -> Deployed:
        return self.on_belief.deployed(units_of(self.family))


def units_of(family: TaskFamily) -> Units:
    """What the elements of a family's belief vector are, and how they scale."""
    quantities, low, high = list[Quantity](), list[float](), list[float]()
    is_log = list[bool]()
    for parameter in family.parameters:
        names = (
            [parameter.name]
            if parameter.size == 1
            else [f"{parameter.name}[{index}]" for index in range(parameter.size)]
        )
        quantities += [Quantity(name=name, unit=parameter.unit) for name in names]
        low += map(math.log, parameter.low) if parameter.spans_orders else parameter.low
        high += map(math.log, parameter.high) if parameter.spans_orders else parameter.high
        is_log += [parameter.spans_orders] * parameter.size
    least, most = torch.tensor(low), torch.tensor(high)
    return Units(
        quantities=tuple(quantities),
        middle=(least + most) / 2.0,
        half_range=torch.where(most > least, (most - least) / 2.0, 1.0),
        is_log=torch.tensor(is_log),
    )
