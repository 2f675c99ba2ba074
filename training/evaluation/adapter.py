"""What an algorithm shows to the evaluation: behaviour that adapts, batched over worlds."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.transition import Transition
from training.worlds.vector_world import Bool, Float


class Adapter(Protocol):
    """Deterministic actions in W worlds, each with its own task and its own belief."""

    def begin_trial(self, seed: int) -> None:
        """Forget everything: the belief of every world is the prior."""

    def begin_episode(self) -> None:
        """All worlds start an episode. What was learnt in the trial stays."""

    def act(self, observation: Float) -> Float:
        """(W, O) raw observations to (W, A) actions in [-1, 1]."""

    def observe(self, transition: Transition, sparse_reward: Float, is_running: Bool) -> None:
        """Evidence of one step in all worlds; it counts only where the episode still ran."""

    def exchange_beliefs(self, order: NDArray[np.int64]) -> None:
        """World w goes on with the belief that world `order[w]` formed."""
