"""Rules of a Bernoulli bandit with Beta priors: arms, pulls, beliefs, and two ways to choose.

Pure functions over batches, shared by the exact values and by anything that plays the bandit.
Counts (..., K, 2) hold the pulls of each arm that paid and those that did not: with the prior they
are the exact posterior, since arms are independent and Beta is conjugate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from training.rules.ties import Array, among_best

Counts = NDArray[np.int64]
Policy = Callable[[Counts], Array]
"""(..., K, 2) counts to the (..., K) probability of choosing each arm"""


@dataclass(frozen=True, kw_only=True)
class BernoulliBandit:
    """K arms that pay 1 with a probability of their own, drawn once from the same prior."""

    num_arms: int = 2
    """how many arms there are to choose from"""
    num_pulls: int = 20
    """pulls until the game ends"""
    prior: tuple[int, int] = (1, 1)
    """Beta(α, β) of an arm's probability; whole numbers, so that quadrature is exact"""
    discount: float = 1.0
    """what a pull is worth beside the one before it"""


def draw_arms(bandit: BernoulliBandit, rng: np.random.Generator, num_worlds: int) -> Array:
    """(W, K) probabilities from the prior."""
    return rng.beta(*bandit.prior, (num_worlds, bandit.num_arms))


def pull(arms: Array, choice: Counts, rng: np.random.Generator) -> Counts:
    """(W,) rewards, 0 or 1, of (W,) arms chosen among (W, K)."""
    paying = np.take_along_axis(arms, choice[:, None], axis=1)[:, 0]
    return (rng.random(len(arms)) < paying).astype(np.int64)


def updated(counts: Counts, choice: Counts, reward: Counts) -> Counts:
    """The (W, K, 2) counts after each world's pull; the old ones stay as they were."""
    after = counts.copy()
    after[np.arange(len(counts)), choice, 1 - reward] += 1
    return after


def posterior_mean(bandit: BernoulliBandit, counts: Counts) -> Array:
    """(..., K) the chance that an arm's next pull pays."""
    posterior = counts + np.array(bandit.prior)
    return np.asarray(posterior[..., 0] / posterior.sum(-1))


def greedy(bandit: BernoulliBandit, counts: Counts) -> Array:
    """Choose the arm with the best mean; equals share."""
    return among_best(posterior_mean(bandit, counts))


def thompson(bandit: BernoulliBandit, counts: Counts) -> Array:
    """Choose each arm with the probability that it is the best one (Thompson 1933).

    P(arm k is best) = ∫ f_k(x) ∏_{j≠k} F_j(x) dx. Density and distribution of a Beta with whole
    parameters are polynomials, so Gauss-Legendre quadrature of their degree has no error but
    rounding.
    """
    nodes, weights = unit_interval_quadrature(bandit)
    alpha, beta = np.moveaxis((counts + np.array(bandit.prior))[..., None, :], -1, 0)
    log_density = special.xlogy(alpha - 1, nodes) + special.xlog1py(beta - 1, -nodes)
    density = np.exp(log_density - special.betaln(alpha, beta))
    below = special.betainc(alpha, beta, nodes)
    best = [
        (density[..., arm, :] * np.delete(below, arm, axis=-2).prod(-2)) @ weights
        for arm in range(bandit.num_arms)
    ]
    return np.stack(best, axis=-1)


def unit_interval_quadrature(bandit: BernoulliBandit) -> tuple[Array, Array]:
    """Nodes and weights on [0, 1], exact for every product of posteriors in this bandit."""
    degree = bandit.num_pulls + bandit.num_arms * sum(bandit.prior)
    nodes, weights = np.polynomial.legendre.leggauss(degree // 2 + 1)
    return (nodes + 1.0) / 2.0, weights / 2.0


def play(
    bandit: BernoulliBandit, policy: Policy, rng: np.random.Generator, num_worlds: int
) -> Array:
    """(W,) discounted returns of games on arms drawn from the prior."""
    arms = draw_arms(bandit, rng, num_worlds)
    counts = np.zeros((num_worlds, bandit.num_arms, 2), np.int64)
    total = np.zeros(num_worlds)
    for index in range(bandit.num_pulls):
        chances = policy(counts).cumsum(-1)
        choice = (rng.random((num_worlds, 1)) * chances[:, -1:] >= chances).sum(-1)
        reward = pull(arms, choice, rng)
        counts = updated(counts, choice, reward)
        total += bandit.discount**index * reward
    return total
