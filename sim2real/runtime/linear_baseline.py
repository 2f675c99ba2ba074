"""The baseline that policy gradients subtract: linear in simple features, fitted in float64.

Duan et al. 2016, "Benchmarking deep reinforcement learning", https://arxiv.org/abs/1604.06778:
observation, its square, time, its square and cube, and a constant, by ridge regression. Fitted on
a handful of episodes, in training and on the robot by the same code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OBSERVATION_CLIP = 10.0
"""elements beyond this are cut, so that a square does not swamp the fit"""
STEP_SCALE = 100.0
"""steps are counted in hundreds"""
RIDGE = 1e-5
"""added to the diagonal of the normal equations at first"""
NUM_RIDGES = 8
"""how often it is multiplied by ten before the fit counts as failed"""

Double = NDArray[np.float64]
Float = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class LinearBaseline:
    """Expected return as a linear function of observation and time within the episode."""

    coefficients: Double
    """(2 O + 4,) in the order of `features`"""

    @classmethod
    def fitted(
        cls, observation: Float, step: NDArray[np.int64], returns: Float, *, ridge: float = RIDGE
    ) -> LinearBaseline:
        """Least squares on N steps: (N, O) observations, (N,) steps in the episode and returns.

        The ridge grows tenfold while the normal equations are singular to working precision.
        Raises `ValueError` for no steps, for anything not finite, and when growing did not help.
        """
        rows, target = features(observation, step), np.asarray(returns, np.float64)
        if not len(rows) or not (np.isfinite(rows).all() and np.isfinite(target).all()):
            raise ValueError(f"a baseline needs finite steps: got {len(rows)}")
        gram, moment = rows.T @ rows, rows.T @ target
        for _ in range(NUM_RIDGES):
            try:
                factor = np.linalg.cholesky(gram + ridge * np.eye(len(gram)))
            except np.linalg.LinAlgError:
                ridge *= 10.0
                continue
            return cls(coefficients=np.linalg.solve(factor.T, np.linalg.solve(factor, moment)))
        raise ValueError(f"the baseline's equations stay singular with a ridge of {ridge:g}")

    def values(self, observation: Float, step: NDArray[np.int64]) -> Double:
        """(N,) expected returns of (N, O) observations at (N,) steps of their episodes."""
        expected: Double = features(observation, step) @ self.coefficients
        return expected


def features(observation: Float, step: NDArray[np.int64]) -> Double:
    """(N, 2 O + 4): observation, its square, t, t², t³, 1, with t = step / 100."""
    seen = np.clip(np.asarray(observation, np.float64), -OBSERVATION_CLIP, OBSERVATION_CLIP)
    time = np.asarray(step, np.float64)[:, None] / STEP_SCALE
    return np.concatenate(
        [seen, seen**2, time, time**2, time**3, np.ones_like(time)], axis=1, dtype=np.float64
    )
