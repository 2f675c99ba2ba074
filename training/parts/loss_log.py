"""Stopping a run that has gone wrong, and saying where: step, tensor, last good checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class TrainingFailed(RuntimeError):
    """The run cannot go on; the command line prints one line and exits with 1."""


class LossLog:
    """Losses of one iteration's gradient steps, kept on the device and read once.

    Reading every loss as it is made would stop a GPU at every step.
    """

    def __init__(self, num_steps: int, device: torch.device, *, max_critic_value: float) -> None:
        self._num_steps, self._device = num_steps, device
        self._max_critic_value = max_critic_value
        self._names: tuple[str, ...] = ()
        self._table = torch.empty(0)
        self._filled = 0

    def record(self, losses: Mapping[str, Tensor]) -> None:
        """Note the scalars of one gradient step; the names must not change."""
        if not self._names:
            self._names = tuple(losses)
            self._table = torch.zeros(self._num_steps, len(losses), device=self._device)
        self._table[self._filled] = torch.stack([losses[name].detach() for name in self._names])
        self._filled += 1

    def means(self, first_step: int) -> dict[str, float]:
        """Mean of every loss; `first_step` is the number of the first gradient step noted.

        Raises `TrainingFailed` at a loss that is not finite, or where `critic_value`, the mean
        magnitude of the critics' values, is beyond anything that the rewards can add up to.
        """
        table = self._table[: self._filled].cpu()
        wrong = ~torch.isfinite(table)
        limits = torch.full((len(self._names),), torch.inf)
        if "critic_value" in self._names:
            limits[self._names.index("critic_value")] = self._max_critic_value
        wrong |= table.abs() > limits
        if wrong.any():
            row, column = (int(index) for index in wrong.nonzero()[0])
            value, name = float(table[row, column]), self._names[column]
            raise TrainingFailed(f"gradient step {first_step + row}: {name} is {value:g}")
        return dict(zip(self._names, table.mean(0).tolist(), strict=True))
