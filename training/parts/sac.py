"""Losses of soft actor-critic. Haarnoja et al. 2018, arXiv:1801.01290 and arXiv:1812.05905."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def initial_log_temperature(temperature: float, device: torch.device) -> Tensor:
    """() the learnt number whose exponential weighs entropy."""
    return torch.tensor(math.log(temperature), device=device, requires_grad=True)


def bellman_target(
    reward: Tensor, terminated: Tensor, next_value: Tensor, *, discount: float
) -> Tensor:
    """(...) reward plus discounted value of what follows; nothing follows a termination.

    A time limit is not a termination: the episode was cut, the value beyond it is real.
    """
    return reward + (1.0 - terminated) * discount * next_value


def critic_loss(values: Tensor, target: Tensor) -> Tensor:
    """Both critics' (2, ...) mean squared Bellman errors, added."""
    return (values - target).square().flatten(1).mean(1).sum()


def value_loss(value: Tensor, minimum_action_value: Tensor, log_density: Tensor) -> Tensor:
    """V towards E[min Q - log π], the soft value, with the temperature at 1."""
    return (value - (minimum_action_value - log_density)).square().mean()


def actor_loss(
    minimum_action_value: Tensor, log_density: Tensor, temperature: Tensor | float
) -> Tensor:
    """What the policy minimises: temperature × log-density less the pessimistic value."""
    return (temperature * log_density - minimum_action_value).mean()


def temperature_loss(log_temperature: Tensor, log_density: Tensor, target_entropy: float) -> Tensor:
    """Raises the temperature while entropy (minus the log-density) is below its target."""
    return -(log_temperature.exp() * (log_density.detach() + target_entropy).mean())


@torch.no_grad()
def move_towards(target: nn.Module, source: nn.Module, rate: float) -> None:
    """target ← target + rate × (source − target), parameter by parameter (Polyak averaging)."""
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), rate)
