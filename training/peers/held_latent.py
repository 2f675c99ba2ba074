"""A Gaussian belief from somebody else's encoder, and draws from it (PEARL, Rakelly et al. 2019).

The first episodes of a trial act on draws from the prior N(0, I), every later one on a draw from
the product of the factors of all transitions so far; a draw is held for an episode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.belief import GaussianBelief
from sim2real.contract.context import ContextLayout
from sim2real.contract.transition import Transition
from training.worlds.vector_world import Bool, Float


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """What makes a factor of a transition."""

    encode: Callable[[Float], tuple[Float, Float]]
    """(W, C) context rows to mean and variance of a factor each, (W, L)"""
    layout: ContextLayout
    """of the rows"""
    latent_size: int
    """L"""
    num_exploration_episodes: int
    """first episodes of a trial, with latents from the prior"""
    uses_sparse_reward: bool
    """whether its rows hold the reward that an evaluator pays, or the dense one"""


class HeldLatent:
    """Beliefs and latents in W worlds: the verbs of an actor but `act`."""

    def __init__(self, encoder: Encoder, num_worlds: int) -> None:
        self._encoder, self._num_worlds = encoder, num_worlds
        self.begin_trial(0)

    def begin_trial(self, seed: int) -> None:
        size = self._encoder.latent_size
        self._rng = np.random.default_rng(seed)
        self.belief = GaussianBelief.prior(size, (self._num_worlds,))
        self.latent = np.zeros((self._num_worlds, size), np.float32)
        self._episodes = np.zeros(self._num_worlds, np.int64)

    def begin_episode(self, starts: Bool) -> None:
        explores = (self._episodes < self._encoder.num_exploration_episodes)[:, None]
        mean = np.where(explores, 0.0, self.belief.mean)
        deviation = np.where(explores, 1.0, np.sqrt(self.belief.variance))
        drawn = mean + deviation * self._rng.standard_normal(self.latent.shape)
        self.latent = np.where(starts[:, None], drawn.astype(np.float32), self.latent)
        self._episodes += starts

    def observe(self, transition: Transition, sparse_reward: Float, is_running: Bool) -> None:
        if self._encoder.uses_sparse_reward:
            transition = transition._replace(reward=sparse_reward)
        mean, variance = self._encoder.encode(self._encoder.layout.row(transition))
        # Where the episode is over the factor is infinitely wide: it says nothing.
        self.belief = self.belief.observe(mean, np.where(is_running[:, None], variance, np.inf))

    def exchange_beliefs(self, order: NDArray[np.int64]) -> None:
        self.belief = GaussianBelief(
            precision=self.belief.precision[order],
            weighted_mean=self.belief.weighted_mean[order],
            num_transitions=self.belief.num_transitions,
        )
