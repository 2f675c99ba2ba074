"""Three ways to explore a tabular process: posterior sampling, ε-greedy, optimism.

Each turns counts into a policy for the next episode. None can be deployed on a robot: states and
actions have to be few and known, and the policy is planned anew with every episode.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from training.exact.posterior import Counts, Prior
from training.exact.tabular import Model, expected_next, plan
from training.rules.ties import Array, among_best


class Explorer(Protocol):
    """Decides how to act from what was seen."""

    @property
    def name(self) -> str:
        """What it is called in tables."""

    def policy(self, counts: Counts, horizon: int, episode: int, rng: np.random.Generator) -> Array:
        """(B, H, S, A) choice probabilities of an episode, the first of which has number 0."""


@dataclass(frozen=True, kw_only=True)
class PosteriorSampling:
    """PSRL (Strens 2000; Osband et al. 2013): the best policy of one sampled process."""

    prior: Prior = field(default_factory=Prior)
    """of the process"""
    name: str = "psrl"

    def policy(self, counts: Counts, horizon: int, episode: int, rng: np.random.Generator) -> Array:
        return among_best(plan(self.prior.sampled_model(counts, rng), horizon))


@dataclass(frozen=True, kw_only=True)
class EpsilonGreedy:
    """The best policy of the posterior mean, with a random action now and then."""

    epsilon: float = 0.1
    """probability of a random action in episode 0"""
    decay: float = 0.0
    """it falls as 1 / (episode + 1)^decay"""
    prior: Prior = field(default_factory=Prior)
    """of the process"""
    name: str = "epsilon_greedy"

    def policy(self, counts: Counts, horizon: int, episode: int, rng: np.random.Generator) -> Array:
        best = among_best(plan(self.prior.mean_model(counts), horizon))
        epsilon = self.epsilon / (episode + 1) ** self.decay
        return np.asarray((1.0 - epsilon) * best + epsilon / best.shape[-1])


@dataclass(frozen=True, kw_only=True)
class Optimism:
    """UCBVI (Azar, Osband and Munos 2017, Hoeffding's bonus): plan with what may well be true.

    Bonus of step h in episode k after n visits: scale (H - h) sqrt(log(S A H (k + 1) / δ) / n).
    The paper proves its bound with a scale of 7; values never exceed one reward of 1 per step left.
    """

    scale: float = 1.0
    """of the bonus"""
    failure_probability: float = 0.1
    """δ, with which the bound may fail"""
    name: str = "ucbvi"

    def policy(self, counts: Counts, horizon: int, episode: int, rng: np.random.Generator) -> Array:
        return among_best(self.hoped_values(counts, horizon, episode))

    def hoped_values(self, counts: Counts, horizon: int, episode: int) -> Array:
        """(B, H, S, A) what may be earned from step h on, in the best case that is plausible."""
        num_states, num_actions = counts.visits.shape[1:]
        visits = np.maximum(counts.visits, 1.0)
        seen = Model(
            transition=counts.transitions / visits[..., None], reward=counts.reward_sum / visits
        )
        events = num_states * num_actions * horizon * (episode + 1) / self.failure_probability
        bonus = self.scale * np.sqrt(np.log(events) / visits)
        values = np.empty((len(visits), horizon, num_states, num_actions))
        following = np.zeros((len(visits), num_states))
        for step in reversed(range(horizon)):
            left = float(horizon - step)
            hoped = seen.reward + left * bonus + expected_next(seen, following)
            values[:, step] = np.where(counts.visits == 0.0, left, np.minimum(hoped, left))
            following = values[:, step].max(-1)
        return values
