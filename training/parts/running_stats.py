"""Observation statistics while training; frozen into the contract's normaliser for the bundle."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sim2real.contract.normalizer import FrozenNormalizer

MIN_STD = 1e-3
"""an element that hardly moves is not blown up into noise"""


class RunningStats:
    """Mean and variance of all observations so far (Chan et al. 1979), in float64."""

    def __init__(self, size: int, *, clip: float, is_enabled: bool, device: torch.device) -> None:
        """Switched off, it stays the identity and costs nothing."""
        self.is_enabled = is_enabled
        self._clip, self._device = clip, device
        self._count = 0.0
        self._mean = np.zeros(size)
        self._sum_of_squares = np.zeros(size)
        self._refresh()

    def update(self, observations: NDArray[np.float32]) -> None:
        """Take in (M, O) observations."""
        if not self.is_enabled or not len(observations):
            return
        batch = observations.astype(np.float64)
        batch_mean, batch_count = batch.mean(0), len(batch)
        difference, total = batch_mean - self._mean, self._count + batch_count
        self._sum_of_squares += ((batch - batch_mean) ** 2).sum(0)
        self._sum_of_squares += difference**2 * self._count * batch_count / total
        self._mean += difference * batch_count / total
        self._count = total
        self._refresh()

    def frozen(self) -> FrozenNormalizer:
        """The statistics as they are now, as a bundle carries them."""
        if not self.is_enabled:
            return FrozenNormalizer.identity(len(self._mean))
        std = np.sqrt(self._sum_of_squares / max(self._count, 1.0))
        std = np.maximum(std, MIN_STD) if self._count else np.ones_like(std)
        return FrozenNormalizer(
            mean=self._mean.astype(np.float32), std=std.astype(np.float32), clip=self._clip
        )

    def normalize(self, observations: Tensor) -> Tensor:
        """(..., O) to (..., O) on the training device; equals `frozen().normalize`."""
        if not self.is_enabled:
            return observations
        return ((observations - self._device_mean) / self._device_std).clamp(
            -self._clip, self._clip
        )

    def snapshot(self) -> dict[str, Any]:
        """Everything needed to go on, as plain numbers."""
        return {
            "count": self._count,
            "mean": self._mean.tolist(),
            "sum_of_squares": self._sum_of_squares.tolist(),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        self._count = snapshot["count"]
        self._mean = np.array(snapshot["mean"])
        self._sum_of_squares = np.array(snapshot["sum_of_squares"])
        self._refresh()

    def _refresh(self) -> None:
        frozen = self.frozen()
        self._device_mean = torch.from_numpy(frozen.mean).to(self._device)
        self._device_std = torch.from_numpy(frozen.std).to(self._device)
