"""What acts in many worlds at once, alike while collecting and while being evaluated."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.transition import Transition
from training.worlds.vector_world import Bool, Float


class Drawn(NamedTuple):
    """What an actor chose in W worlds, before any world clipped it."""

    action: Float
    """(W, A) as drawn: a density is that of this action, not of the clipped one"""
    log_density: Float | None = None
    """(W,) of `action` under the actor; None where it is not asked for, or there is none"""


class Memoryless:
    """The verbs of an actor that keeps nothing of a trial; `act` is its own."""

    def begin_trial(self, seed: int) -> None:
        """There is no belief to forget."""

    def begin_episode(self, starts: Bool) -> None:
        """Nothing is drawn for an episode."""

    def observe(self, transition: Transition, sparse_reward: Float, is_running: Bool) -> None:
        """Evidence changes nothing."""

    def exchange_beliefs(self, order: NDArray[np.int64]) -> None:
        """There is no belief to exchange."""


class Actor(Protocol):
    """Behaviour in W worlds, each with its own task and its own belief about it.

    A trial is several episodes on one task. Verbs come in the order `begin_trial`, then for every
    episode `begin_episode`, and for every step `act` and `observe`. An episode's first action is
    chosen on that episode's own first observation.
    """

    def begin_trial(self, seed: int) -> None:
        """Forget everything: the belief of every world is the prior."""

    def begin_episode(self, starts: Bool) -> None:
        """An episode begins in every world where `starts` (W,). What the trial taught stays."""

    def act(self, observation: Float) -> Drawn:
        """(W, O) raw observations to what is done, about [-1, 1] per element."""

    def observe(self, transition: Transition, sparse_reward: Float, is_running: Bool) -> None:
        """Evidence of one step in all worlds; it counts only where `is_running` (W,)."""

    def exchange_beliefs(self, order: NDArray[np.int64]) -> None:
        """World w goes on with the belief that world `order[w]` formed."""
