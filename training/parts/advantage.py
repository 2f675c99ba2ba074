"""Generalised advantage estimation. Schulman et al. 2016, arXiv:1506.02438."""

from __future__ import annotations

import torch
from torch import Tensor


def trial_advantages(
    reward: Tensor, value: Tensor, is_valid: Tensor, *, discount: float, gae_lambda: float
) -> Tensor:
    """(T, B) advantages over whole trials: credit flows from later episodes to earlier ones.

    `reward`, `value` and `is_valid` are (T, B), where T runs through all episodes of a trial. Only
    the end of the trial ends the sum; the ends of its episodes, time limits and terminations
    alike, do not. Steps past a trial's end (`is_valid` 0) count as nothing and come out as 0.
    """
    advantage = torch.zeros_like(reward)
    following = torch.zeros_like(reward[0])
    next_value = torch.zeros_like(reward[0])
    for step in reversed(range(len(reward))):
        error = reward[step] + discount * next_value - value[step]
        following = is_valid[step] * (error + discount * gae_lambda * following)
        advantage[step] = following
        next_value = is_valid[step] * value[step]
    return advantage
