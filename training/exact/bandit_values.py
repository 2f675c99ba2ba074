"""Exact values of a Bernoulli bandit by backward induction over counts; nothing is simulated.

After t pulls the belief is one of the ways to put t outcomes into 2K places. These counts are the
states; from each, a choice leads to two others. Source: Bellman 1956; Duff 2002, chapter 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from training.rules.bernoulli_bandit import (
    BernoulliBandit,
    Counts,
    Policy,
    posterior_mean,
    unit_interval_quadrature,
)
from training.rules.ties import Array, among_best


@dataclass(frozen=True, kw_only=True)
class BayesPlan:
    """The best a player can do who knows the prior and not the arms."""

    value: float
    """expected discounted reward of the whole game"""
    keys: tuple[Counts, ...]
    """after every number of pulls: the (M,) counts that are possible, as sorted numbers"""
    choices: tuple[Array, ...]
    """after every number of pulls: (M, K) the best arms, equals sharing"""
    bandit: BernoulliBandit
    """the game that it is for"""

    def policy(self, counts: Counts) -> Array:
        """What to choose in W games after equally many pulls in each; see `Policy`."""
        num_pulls = int(counts[0].sum())
        keys = counts.reshape(len(counts), -1) @ _places(self.bandit)
        return self.choices[num_pulls][np.searchsorted(self.keys[num_pulls], keys)]


def bayes_optimal(bandit: BernoulliBandit) -> BayesPlan:
    """Value and choices of the Bayes-optimal player.

    Raises `ValueError` where counts outgrow 64 bits, long after memory did.
    """
    choices: list[Array] = []

    def best(_: Counts, values: Array) -> Array:
        choices.append(among_best(values))
        return np.asarray(values.max(-1))

    keys = _keys_by_pulls(bandit)
    value = _induce(bandit, keys, best)
    return BayesPlan(
        value=value, keys=tuple(keys[:-1]), choices=tuple(reversed(choices)), bandit=bandit
    )


def policy_value(bandit: BernoulliBandit, policy: Policy) -> float:
    """Expected discounted reward of a player who chooses by counts; see `Policy`.

    Raises `ValueError` as `bayes_optimal`.
    """
    return _induce(
        bandit,
        _keys_by_pulls(bandit),
        lambda counts, values: np.asarray((values * policy(counts)).sum(-1)),
    )


def known_arms_value(bandit: BernoulliBandit) -> float:
    """Expected discounted reward of a player who is told the arms: E[max p] at every pull."""
    nodes, weights = unit_interval_quadrature(bandit)
    best = float((1.0 - special.betainc(*bandit.prior, nodes) ** bandit.num_arms) @ weights)
    return best * float((bandit.discount ** np.arange(bandit.num_pulls)).sum())


def _induce(
    bandit: BernoulliBandit, keys: list[Counts], value_of: Callable[[Counts, Array], Array]
) -> float:
    """The value before the first pull; `value_of` gives (M,) from counts and (M, K) choices."""
    places = _places(bandit).reshape(bandit.num_arms, 2)
    value = np.zeros(len(keys[-1]))
    for before, after in zip(reversed(keys[:-1]), reversed(keys[1:]), strict=True):
        counts = before[:, None, None] // places % (bandit.num_pulls + 1)
        chance = posterior_mean(bandit, counts)
        paid, unpaid = np.moveaxis(
            value[np.searchsorted(after, before[:, None, None] + places)], -1, 0
        )
        values = chance * (1.0 + bandit.discount * paid) + (1.0 - chance) * bandit.discount * unpaid
        value = value_of(counts, values)
    return float(value[0])


def _keys_by_pulls(bandit: BernoulliBandit) -> list[Counts]:
    """For 0 … T pulls, every possible counts as a number in base T + 1, sorted."""
    if (bandit.num_pulls + 1) ** (2 * bandit.num_arms) >= 2**63:
        raise ValueError(f"{bandit.num_arms} arms × {bandit.num_pulls} pulls are too many counts")
    keys = [np.zeros(1, np.int64)]
    for _ in range(bandit.num_pulls):
        keys.append(np.unique(keys[-1][:, None] + _places(bandit)))
    return keys


def _places(bandit: BernoulliBandit) -> Counts:
    """(2K,) what one outcome more adds to a number that stands for counts."""
    return np.asarray((bandit.num_pulls + 1) ** np.arange(2 * bandit.num_arms, dtype=np.int64))
