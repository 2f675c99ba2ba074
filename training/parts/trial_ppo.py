"""Proximal policy optimisation on whole trials, whatever the policy is conditioned on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from training.parts import ppo
from training.parts.advantage import trial_advantages
from training.parts.distributions import DiagonalGaussian, OneHotCategorical
from training.parts.learner_state import LearnerState
from training.parts.schedule import set_learning_rate
from training.parts.trials import Trials


class Settings(Protocol):
    """Those of `training.algorithms.settings.TrialPpoSettings` that matter here."""

    @property
    def num_epochs(self) -> int: ...
    @property
    def num_minibatches(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def final_learning_rate(self) -> float: ...
    @property
    def discount(self) -> float: ...
    @property
    def gae_lambda(self) -> float: ...
    @property
    def clip_range(self) -> float: ...
    @property
    def entropy_weight(self) -> float: ...
    @property
    def value_weight(self) -> float: ...
    @property
    def max_gradient_norm(self) -> float: ...
    @property
    def reward_scale(self) -> float: ...
    @property
    def training_reward(self) -> Literal["dense", "sparse"]: ...


class TrialPpo:
    """Policy and value function, and how they get better.

    `see` makes what both see, (T, B, I), of trials; gradients go as far back as it lets them.
    """

    def __init__(
        self,
        config: Settings,
        state: LearnerState,
        see: Callable[[Trials], Tensor],
        policy: nn.Module,
        value: nn.Module,
        *others: nn.Module,
        num_free_episodes: int = 0,
    ) -> None:
        """`others` learn along. The first `num_free_episodes` of a trial pay nothing here."""
        self.config, self.state, self.see = config, state, see
        self.policy, self.value = policy, value
        self.num_free_episodes = num_free_episodes
        modules = (*others, policy, value)
        self.parameters = [p for module in modules for p in module.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=config.learning_rate, fused=True)

    def improve(self, trials: Trials, progress: float) -> dict[str, float]:
        """Epochs over the trials; `progress` in [0, 1] through the run sets the learning rate.

        Raises `TrainingFailed` where a loss is not finite.
        """
        config = self.config
        rates = config.learning_rate, config.final_learning_rate
        set_learning_rate(self.optimizer, *rates, progress)
        judged = self.judge(trials)
        parts = self._minibatches(trials.is_valid.shape[1])
        return self.state.counted(
            (self.gradient_step(trials.of(p), *(each[:, p] for each in judged)) for p in parts),
            num_steps=config.num_epochs * config.num_minibatches,
            max_critic_value=float("inf"),
        )

    def _minibatches(self, num_trials: int) -> Iterator[Tensor]:
        """Every epoch passes over the trials in an order of its own: indices."""
        for _ in range(self.config.num_epochs):
            order = torch.from_numpy(self.state.rng.permutation(num_trials))
            yield from order.to(self.state.device).chunk(self.config.num_minibatches)

    @torch.no_grad()
    def judge(self, trials: Trials) -> tuple[Tensor, Tensor, Tensor]:
        """Log-densities, standardised advantages and value targets, (T, B) each."""
        seen = self.see(trials)
        value = self.value(seen).squeeze(-1)
        is_sparse = self.config.training_reward == "sparse"
        reward = trials.sparse_reward if is_sparse else trials.reward
        counts = trials.episode >= self.num_free_episodes
        advantage = trial_advantages(
            self.config.reward_scale * torch.where(counts, reward, 0.0),
            value,
            trials.is_valid,
            discount=self.config.discount,
            gae_lambda=self.config.gae_lambda,
        )
        log_density = self.policy(seen).log_density(trials.action)
        return log_density, ppo.standardise(advantage, trials.is_valid), advantage + value

    def gradient_step(
        self, trials: Trials, old_log_density: Tensor, advantage: Tensor, target: Tensor
    ) -> dict[str, Tensor]:
        """One step of everything that learns here, together."""
        config, is_valid = self.config, trials.is_valid
        seen = self.see(trials)
        distribution: DiagonalGaussian | OneHotCategorical = self.policy(seen)
        policy_loss = ppo.clipped_surrogate_loss(
            distribution.log_density(trials.action),
            old_log_density,
            advantage,
            is_valid,
            config.clip_range,
        )
        value_loss = ppo.value_regression_loss(self.value(seen).squeeze(-1), target, is_valid)
        entropy = ppo.masked_mean(distribution.entropy().expand_as(is_valid), is_valid)
        self.optimizer.zero_grad()
        (
            policy_loss + config.value_weight * value_loss - config.entropy_weight * entropy
        ).backward()
        norm = nn.utils.clip_grad_norm_(self.parameters, config.max_gradient_norm)
        self.optimizer.step()
        return {
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy": entropy,
            "gradient_norm": norm,
        }
