"""Adapting to a task by gradients: from a few episodes on it to parameters of its own.

The same functions serve the inner loop of training and a trial that runs by itself. An *inner
step* sees a `Stage`: the episodes that one set of parameters collected on each of K tasks, M a
task. What they are worth is measured against a linear baseline per task, fitted on the same
episodes, without value beyond their ends, as in the reference implementations
(https://github.com/jonasrothfuss/ProMP, `samplers/base.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from training.parts.advantage import (
    discounted_returns,
    episode_advantages,
    linear_baseline_values,
    standardise_per_task,
)
from training.parts.inner_loop import (
    InnerLoss,
    MetaGradient,
    Parameters,
    call_for_each_task,
    for_each_task,
    inner_step,
    likelihood_ratio_loss,
    log_likelihood_loss,
    parameters_of,
)
from training.parts.running_stats import RunningStats
from training.parts.trials import Trials, by_task


class Stage(NamedTuple):
    """Episodes of K tasks, M each, of up to T steps; collected before or after an inner step."""

    observation: Tensor
    """(K, T, M, O) as networks take it"""
    held: Tensor
    """(K, M, L) unit noise that was drawn for a whole episode; L is 0 where none is"""
    latent: Tensor
    """(K, M, L) what came of that noise then: data, whatever becomes of the latents later"""
    action: Tensor
    """(K, T, M, A) as drawn"""
    log_density: Tensor
    """(K, T, M) of the action, under the parameters that drew it"""
    reward: Tensor
    """(K, T, M) what is learnt from"""
    advantage: Tensor
    """(K, T, M) zero mean and unit deviation over each task's steps"""
    is_valid: Tensor
    """(K, T, M) 1 for a step that happened"""

    def mean_return(self) -> float:
        """Per episode, over all tasks."""
        per_episode = torch.where(self.is_valid > 0, self.reward, 0.0).sum(1)
        return float(per_episode.mean())


@dataclass(frozen=True, kw_only=True)
class Credit:
    """What actions of an episode are credited with."""

    discount: float
    gae_lambda: float
    """1: the whole rest of the episode"""
    uses_sparse_reward: bool = False
    """the evaluator's reward in place of the dense one"""

    def reward(self, trials: Trials) -> Tensor:
        """(T, B) what is learnt from."""
        return trials.sparse_reward if self.uses_sparse_reward else trials.reward

    def returns(self, reward: Tensor, is_valid: Tensor) -> Tensor:
        """(T, B) discounted rewards from each step of an episode on; B episodes."""
        return discounted_returns(reward, torch.ones_like(reward), is_valid, discount=self.discount)

    def advantages(self, trials: Trials, num_tasks: int) -> Tensor:
        """(T, K·M) of M episodes per task, a task's side by side; standardised per task.

        In float64, as on the robot: a baseline with as many features as there are steps leaves
        little more than rounding.
        """
        reward = self.reward(trials).double()
        value = linear_baseline_values(
            trials.observation,
            trials.step_in_episode(),
            self.returns(reward, trials.is_valid),
            trials.is_valid,
            num_tasks,
        )
        advantage = episode_advantages(
            reward,
            value,
            torch.zeros_like(value),
            trials.is_last,
            trials.terminated,
            trials.is_valid,
            discount=self.discount,
            gae_lambda=self.gae_lambda,
        )
        return standardise_per_task(advantage, trials.is_valid, num_tasks).to(trials.reward)


def stage_of(
    episodes: Trials,
    held: Tensor,
    latent: Tensor,
    credit: Credit,
    statistics: RunningStats,
    num_tasks: int,
) -> Stage:
    """What an inner step sees of K·M `episodes` as the world gave them; (K, M, L) see `Stage`.

    Raises `ValueError` where returns or observations are not finite.
    """
    columns = (
        statistics.normalize(episodes.observation),
        episodes.action,
        episodes.log_density,
        credit.reward(episodes),
        credit.advantages(episodes, num_tasks),
        episodes.is_valid,
    )
    observation, *others = (by_task(column, num_tasks) for column in columns)
    return Stage(observation, held, latent, *others)


class TaskAdaptation(Protocol):
    """What adapts: its state is a dictionary of tensors, each task's own, (K, ...)."""

    held_size: int
    """numbers drawn for a whole episode: L"""
    explores_by_actions: bool
    """whether a trial's exploration needs noise in every action: the score of a mean is 0"""

    def latents(self, own: Parameters, held: Tensor) -> Tensor:
        """(K, M, L) what an episode's noise (K, M, L) becomes."""

    def distributions(self, own: Parameters, observation: Tensor, held: Tensor) -> Any:
        """Over actions, for rows (K, ..., M, O) and the episodes' noise (K, M, L)."""

    def adapted(self, own: Parameters, stage: Stage) -> dict[str, Tensor]:
        """After an inner step on what `own` collected; differentiable with respect to `own`."""


def policy_gradient_loss(policy: nn.Module, *, uses_ratio: bool) -> InnerLoss:
    """One task's loss: minus the advantage-weighted log-likelihood, or π / π_old in its place."""

    def loss(parameters: Parameters, stage: Stage) -> Tensor:
        distribution = functional_call(policy, dict(parameters), (stage.observation,))
        density = distribution.log_density(stage.action)
        if not uses_ratio:
            return log_likelihood_loss(density, stage.advantage, stage.is_valid)
        return likelihood_ratio_loss(density, stage.log_density, stage.advantage, stage.is_valid)

    return loss


class ParameterAdaptation:
    """All parameters of a policy move down the policy gradient, but for the `frozen` ones."""

    held_size = 0
    explores_by_actions = True

    def __init__(
        self,
        policy: nn.Module,
        *,
        step_size: float,
        uses_ratio: bool,
        meta_gradient: MetaGradient = MetaGradient.SECOND_ORDER,
        frozen: Collection[str] = (),
    ) -> None:
        """`uses_ratio`: see `policy_gradient_loss`; the step itself is the same either way."""
        self._policy, self._step_size = policy, step_size
        self._loss = policy_gradient_loss(policy, uses_ratio=uses_ratio)
        self._meta_gradient, self._frozen = meta_gradient, frozen

    def start(self, num_tasks: int) -> dict[str, Tensor]:
        """The policy's own parameters for K tasks, (K, ...): views, with gradients."""
        return for_each_task(parameters_of(self._policy), num_tasks)

    def policies(self, stages: Sequence[Stage]) -> list[Any]:
        """`policies_through` the stages, from the policy's own parameters."""
        return policies_through(self, self.start(len(stages[0].action)), stages)

    def latents(self, own: Parameters, held: Tensor) -> Tensor:
        return held

    def distributions(self, own: Parameters, observation: Tensor, held: Tensor) -> Any:
        return call_for_each_task(self._policy, own, observation)

    def adapted(self, own: Parameters, stage: Stage) -> dict[str, Tensor]:
        return inner_step(
            self._loss,
            own,
            stage,
            self._step_size,
            meta_gradient=self._meta_gradient,
            frozen=self._frozen,
        )


def policies_through(
    adaptation: TaskAdaptation, start: Parameters, stages: Sequence[Stage]
) -> list[Any]:
    """The policy of every stage where its episodes went: distributions (K, T, M) each.

    Stage n's is that after n inner steps from `start`, and differentiable with respect to it.
    """
    own, policies = start, []
    for index, stage in enumerate(stages):
        if index > 0:
            own = adaptation.adapted(own, stages[index - 1])
        policies.append(adaptation.distributions(own, stage.observation, stage.held))
    return policies


def mean_over_tasks(loss: Any, *columns: Tensor) -> Tensor:
    """() the mean of K tasks' losses, of columns (K, T, M): a task weighs as much as another."""
    mean: Tensor = vmap(loss)(*columns).mean()
    return mean


def surrogate_loss(policies: Any, stage: Stage, advantage: Tensor | None = None) -> Tensor:
    """() minus the advantage of `policies` (K, T, M) over what collected the stage.

    Another `advantage` (K, T, M) may stand in for the stage's own.
    """
    worth = stage.advantage if advantage is None else advantage
    density = policies.log_density(stage.action)
    return mean_over_tasks(likelihood_ratio_loss, density, stage.log_density, worth, stage.is_valid)
