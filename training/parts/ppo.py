"""Losses of proximal policy optimisation. Schulman et al. 2017, arXiv:1707.06347."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_mean(values: Tensor, is_valid: Tensor) -> Tensor:
    """Mean over the steps that happened; padding weighs nothing, whatever it holds."""
    return torch.where(is_valid > 0, values, 0.0).sum() / is_valid.sum()


def standardise(advantage: Tensor, is_valid: Tensor) -> Tensor:
    """Zero mean and unit deviation over the steps that happened; padding comes out as 0."""
    centred = advantage - masked_mean(advantage, is_valid)
    deviation = masked_mean(centred.square(), is_valid).sqrt()
    return torch.where(is_valid > 0, centred / (deviation + 1e-8), 0.0)


def clipped_surrogate_loss(
    log_density: Tensor,
    old_log_density: Tensor,
    advantage: Tensor,
    is_valid: Tensor,
    clip_range: float,
) -> Tensor:
    """Minus the clipped importance-weighted advantage, over (T, B) steps that happened."""
    ratio = torch.exp(log_density - old_log_density)
    clipped = ratio.clamp(1.0 - clip_range, 1.0 + clip_range)
    return -masked_mean(torch.minimum(ratio * advantage, clipped * advantage), is_valid)


def value_regression_loss(value: Tensor, target: Tensor, is_valid: Tensor) -> Tensor:
    """Half the mean squared error of the value over the steps that happened."""
    return 0.5 * masked_mean((value - target).square(), is_valid)
