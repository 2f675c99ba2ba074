"""What changes over a run by plan."""

from __future__ import annotations

import torch


def set_learning_rate(
    optimizer: torch.optim.Optimizer, first: float, last: float | None, progress: float
) -> None:
    """The rate on the straight line from `first` to `last`; None: it stays at `first`.

    `progress` in [0, 1] is the share of the run that is done.
    """
    for group in optimizer.param_groups:
        group["lr"] = first if last is None else first + progress * (last - first)
