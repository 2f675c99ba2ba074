"""What stands between a step of learning and the hand: how far it may go, and when it is undone.

On a robot nobody looks at a curve before the next episode. A step of policy gradient is taken as
far as the policy stays within a divergence of the one that was trained, on the states that were
met; not at all where numbers are not finite or episodes are too few; and it is taken back when the
return falls. Every decision is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DECISIONS = (
    "taken",
    "shortened",
    "too_few_episodes",
    "not_finite",
    "out_of_reach",
    "rolled_back",
)
"""what became of a step: taken whole, or scaled until it was within the divergence; not taken for
lack of episodes, for a number that is not finite, or because no part of it is within the
divergence; taken back because the return fell"""
NUM_HALVINGS = 20
"""of the interval in which a step's scale is looked for"""

Vector = NDArray[np.float32]


class Stepped(NamedTuple):
    """What a step, scaled, would lead to."""

    parameters: Vector
    """(P,)"""
    kl: float
    """KL(there || trained) in nats, mean over the states that were met"""

    @property
    def is_finite(self) -> bool:
        return bool(np.isfinite(self.parameters).all() and np.isfinite(self.kl))


def guarded_step(propose: Callable[[float], Stepped], max_kl: float) -> tuple[str, Stepped | None]:
    """The decision, and where the step leads: as far as `max_kl` allows, or nowhere.

    `propose` is told the scale, 1 for the whole step. The divergence grows with it along a step, so
    halving an interval finds the largest that is allowed.
    """
    whole = propose(1.0)
    if not whole.is_finite:
        return "not_finite", None
    if whole.kl <= max_kl:
        return "taken", whole
    low, high, best = 0.0, 1.0, None
    for _ in range(NUM_HALVINGS):
        scale = 0.5 * (low + high)
        tried = propose(scale)
        if tried.is_finite and tried.kl <= max_kl:
            low, best = scale, tried
        else:
            high = scale
    return ("out_of_reach", None) if best is None else ("shortened", best)


class Reference(NamedTuple):
    """What an episode is compared with: those before a step, by their mean rewards (a return
    divided by its length, for a robot misses steps)."""

    mean: float
    deviation: float
    """of a single episode, as several let one estimate it"""

    @classmethod
    def of(cls, rewards: Sequence[float]) -> Reference | None:
        """None for a single one: nobody knows how they scatter, and nothing is judged by it."""
        if len(rewards) < 2:
            return None
        return cls(float(np.mean(rewards)), float(np.std(rewards, ddof=1)))

    def shows_fall(self, reward: float, *, max_fall: float) -> bool:
        """Whether a mean reward is more than so many deviations lower."""
        return reward < self.mean - max_fall * self.deviation
