"""Losses of soft actor-critic. Haarnoja et al. 2018, arXiv:1801.01290 and arXiv:1812.05905."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from training.parts.networks import TwinCritic
from training.parts.policies import TanhGaussianPolicy


class Shape(Protocol):
    """The settings that networks are built by."""

    @property
    def hidden_sizes(self) -> Sequence[int]: ...

    @property
    def uses_layer_norm(self) -> bool: ...

    @property
    def initial_temperature(self) -> float: ...


class Networks(NamedTuple):
    """What acts, what judges it, and how much entropy counts."""

    policy: TanhGaussianPolicy
    critic: TwinCritic
    log_temperature: Tensor
    """() the learnt number whose exponential weighs entropy"""


def networks(
    state_size: int,
    action_size: int,
    shape: Shape,
    *,
    generator: torch.Generator,
    device: torch.device,
) -> Networks:
    """New networks; critics see a state and an action side by side, in whatever order."""
    policy = TanhGaussianPolicy(state_size, shape.hidden_sizes, action_size, generator=generator)
    critic = TwinCritic(
        state_size + action_size,
        shape.hidden_sizes,
        generator=generator,
        uses_layer_norm=shape.uses_layer_norm,
    )
    log_temperature = torch.tensor(
        math.log(shape.initial_temperature), device=device, requires_grad=True
    )
    return Networks(policy.to(device), critic.to(device), log_temperature)


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
