"""Observation statistics while training; frozen into the contract's normaliser for the bundle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sim2real.contract.context import ContextLayout
from sim2real.contract.normalizer import FrozenNormalizer

MIN_STD = 1e-3
"""an element that hardly moves is not blown up into noise"""


class RunningStats:
    """Mean and variance of all observations so far (Chan et al. 1979), in float64."""

    def __init__(self, size: int, *, clip: float, is_enabled: bool, device: torch.device) -> None:
        """Switched off, it stays the identity and costs nothing."""
        self.is_enabled = is_enabled
        self._clip, self.device = clip, device
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

    def normalize_raw(self, observations: NDArray[np.float32]) -> Tensor:
        """(..., O) as a world gave them, to the training device and normalised."""
        return self.normalize(torch.from_numpy(observations).to(self.device))

    def normalize_context(self, rows: Tensor, layout: ContextLayout) -> Tensor:
        """(..., C) context rows with their observations normalised and the rest as it was."""
        return normalize_rows(rows, layout, self.normalize) if self.is_enabled else rows

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
        self._device_mean = torch.from_numpy(frozen.mean).to(self.device)
        self._device_std = torch.from_numpy(frozen.std).to(self.device)


def normalize_rows(
    rows: Tensor, layout: ContextLayout, normalize: Callable[[Tensor], Tensor]
) -> Tensor:
    """Apply `normalize` to the observation and the next observation in (..., C) context rows."""
    size = layout.observation_size
    start = size + layout.action_size + 1
    pieces = [normalize(rows[..., :size]), rows[..., size:start]]
    if layout.uses_next_observation:
        pieces.append(normalize(rows[..., start : start + size]))
        start += size
    return torch.cat([*pieces, rows[..., start:]], dim=-1)
