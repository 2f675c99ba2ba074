"""Latents that a task could have, and which of them what was paid does not speak against.

A posterior sampler tries one latent an episode. A search holds one for as long as it survives, and
goes on within the episode: to the one that promises most from where the robot is. The running sum
of squared errors makes an update constant in time and memory and independent of the order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True, eq=False)
class Hypotheses:
    """How wrong each of M latents was about rewards, with leading batch axes `...`.

    Under Gaussian errors of variance v, half of the error over v is minus the log-likelihood.
    """

    error: NDArray[np.float64]
    """(..., M) sum of squared differences between what a latent predicted and what was paid"""
    num_transitions: int
    """taken in so far"""

    @classmethod
    def untested(cls, num_latents: int, batch_shape: tuple[int, ...] = ()) -> Hypotheses:
        """No evidence yet: nothing speaks against any."""
        return cls(error=np.zeros((*batch_shape, num_latents)), num_transitions=0)

    def observe(self, misfit: Float) -> Hypotheses:
        """After one more transition: (..., M) predicted rewards less what was paid."""
        return Hypotheses(
            error=self.error + misfit.astype(np.float64) ** 2,
            num_transitions=self.num_transitions + 1,
        )

    def survive(self, max_excess_error: float) -> NDArray[np.bool_]:
        """(..., M) those that were not more wrong than the best by more than `max_excess_error`."""
        return np.asarray(self.error <= self.error.min(-1, keepdims=True) + max_excess_error)


def most_promising(value: Float, survives: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(...) the survivor with the highest of (..., M) values; of equals the first."""
    return np.asarray(np.where(survives, value, -np.inf).argmax(-1))
