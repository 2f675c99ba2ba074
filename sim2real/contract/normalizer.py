"""Observation statistics, frozen: training estimates them, a bundle carries them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class FrozenNormalizer:
    """(x - mean) / std, clipped; shapes are checked so that nothing broadcasts by accident."""

    mean: Float
    """(O,)"""
    std: Float
    """(O,) all above zero"""
    clip: float
    """normalised values beyond ±clip are cut: a spike of a sensor must not reach the network"""

    def __post_init__(self) -> None:
        if self.mean.ndim != 1 or self.mean.shape != self.std.shape:
            raise ValueError(
                f"mean {self.mean.shape} and std {self.std.shape}: expected (O,) twice"
            )
        if self.mean.dtype != np.float32 or self.std.dtype != np.float32:
            raise ValueError("mean and std must be float32, as the network is")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all()):
            raise ValueError("mean and std must be finite")
        if not (self.std > 0).all() or not self.clip > 0:
            raise ValueError("std and clip must be above zero")

    @classmethod
    def identity(cls, size: int) -> FrozenNormalizer:
        """Statistics that change nothing within ±10⁶."""
        return cls(mean=np.zeros(size, np.float32), std=np.ones(size, np.float32), clip=1e6)

    @property
    def size(self) -> int:
        return self.mean.size

    def normalize(self, observation: Float) -> Float:
        """(..., O) to (..., O), float32.

        Raises `ValueError` when the last axis is not O.
        """
        if observation.shape[-1:] != self.mean.shape:
            raise ValueError(f"observation {observation.shape}: expected (..., {self.size})")
        scaled = (observation - self.mean) / self.std
        clipped: Float = np.clip(scaled, -self.clip, self.clip).astype(np.float32, copy=False)
        return clipped
