"""What a tabular learner believes of its process: counts, and conjugate posteriors made of them.

Transitions have a Dirichlet prior per state and action. Rewards have a Gaussian prior on their mean
with known noise, or a Beta prior where they are 0 or 1. Counts are all the state there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from training.exact.tabular import Index, Model
from training.worlds.ties import Array


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Everything seen so far, in B runs; `add` writes into the arrays."""

    transitions: Array
    """(B, S, A, S) how often a state followed"""
    reward_sum: Array
    """(B, S, A) rewards, added up"""

    @property
    def visits(self) -> Array:
        """(B, S, A) how often an action was taken."""
        return np.asarray(self.transitions.sum(-1))

    def add(
        self,
        state: Index,
        action: Index,
        reward: Array,
        next_state: Index,
        run: Index | None = None,
    ) -> None:
        """One transition of every run, or of those in `run`, each there once; (B,) each."""
        run = np.arange(len(state)) if run is None else run
        self.transitions[run, state, action, next_state] += 1.0
        self.reward_sum[run, state, action] += reward


def no_counts(num_runs: int, num_states: int, num_actions: int) -> Counts:
    """Counts of B runs that have seen nothing."""
    shape = (num_runs, num_states, num_actions)
    return Counts(transitions=np.zeros((*shape, num_states)), reward_sum=np.zeros(shape))


class RewardPosterior(Protocol):
    """A belief about mean rewards from their sum and number, (B, S, A) each."""

    def mean(self, total: Array, count: Array) -> Array:
        """(B, S, A) posterior mean."""

    def sample(self, total: Array, count: Array, rng: np.random.Generator) -> Array:
        """(B, S, A) one draw each."""


@dataclass(frozen=True, kw_only=True)
class GaussianReward:
    """Mean reward ~ N(prior_mean, 1/prior_precision), seen with noise of a known precision."""

    prior_mean: float = 0.0
    """expected before anything is seen"""
    prior_precision: float = 1.0
    """1 / variance of that"""
    noise_precision: float = 1.0
    """1 / variance of a reward about its mean"""

    def precision(self, count: Array) -> Array:
        return self.prior_precision + self.noise_precision * count

    def mean(self, total: Array, count: Array) -> Array:
        prior = self.prior_precision * self.prior_mean
        return (prior + self.noise_precision * total) / self.precision(count)

    def sample(self, total: Array, count: Array, rng: np.random.Generator) -> Array:
        noise = rng.standard_normal(count.shape) / np.sqrt(self.precision(count))
        return self.mean(total, count) + noise


@dataclass(frozen=True, kw_only=True)
class BetaReward:
    """Mean reward ~ Beta(alpha, beta); rewards are 0 or 1."""

    alpha: float = 1.0
    """rewards of 1 that the prior is worth"""
    beta: float = 1.0
    """rewards of 0 that the prior is worth"""

    def mean(self, total: Array, count: Array) -> Array:
        return (self.alpha + total) / (self.alpha + self.beta + count)

    def sample(self, total: Array, count: Array, rng: np.random.Generator) -> Array:
        return rng.beta(self.alpha + total, self.beta + count - total)


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What is believed before anything is seen."""

    reward: RewardPosterior = GaussianReward()
    """of every mean reward"""
    transition: float | Array = 1.0
    """Dirichlet parameter of every next state, or of each, (S, A, S)"""

    def mean_model(self, counts: Counts) -> Model:
        """The posterior mean of the process."""
        weights = counts.transitions + self.transition
        return Model(
            transition=weights / weights.sum(-1, keepdims=True),
            reward=self.reward.mean(counts.reward_sum, counts.visits),
        )

    def sampled_model(self, counts: Counts, rng: np.random.Generator) -> Model:
        """One process per run, drawn from the posterior."""
        weights = rng.standard_gamma(counts.transitions + self.transition)
        if (is_lost := ~weights.any(-1)).any():
            # Parameters near zero: all draws are below what floats hold, and a single one is left.
            parameters = (counts.transitions + self.transition)[is_lost]
            weights[is_lost] = rng.multinomial(1, parameters / parameters.sum(-1, keepdims=True))
        return Model(
            transition=weights / weights.sum(-1, keepdims=True),
            reward=self.reward.sample(counts.reward_sum, counts.visits, rng),
        )
