"""Choosing the best of several values where some are equal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
TIE = 1e-12
"""values nearer than this are equal: rounding must not decide what is chosen"""


def among_best(values: Array) -> Array:
    """(..., A) probabilities that share the choice equally among the best of (..., A) values."""
    is_best = values >= values.max(-1, keepdims=True) - TIE
    return np.asarray(is_best / is_best.sum(-1, keepdims=True))
