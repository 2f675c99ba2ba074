"""One step of experience."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]


class Transition(NamedTuple):
    """Observation, applied action, and what came of it; `...` are leading batch axes."""

    observation: Float
    """(..., O)"""
    action: Float
    """(..., A) the *applied* action, in [-1, 1]"""
    reward: Float
    """(...,)"""
    next_observation: Float
    """(..., O) where the step ended, not the first observation after a reset"""
    terminated: NDArray[np.bool_]
    """(...,) no value lies beyond"""
    truncated: NDArray[np.bool_]
    """(...,) a time limit cut the episode here"""
