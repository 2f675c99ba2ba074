"""Soft actor-critic: its losses, and a gradient step of each part.

Haarnoja et al. 2018, arXiv:1801.01290 and arXiv:1812.05905.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from training.parts.networks import TwinCritic, without_weight_gradients
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
def soft_value(
    networks: Networks, target: TwinCritic, state: Tensor, seen: Tensor, generator: torch.Generator
) -> Tensor:
    """(B,) the value of going on by the policy: what the pessimistic one of the `target` critics
    expects of a (B, S) `state` that the policy sees as (B, I) `seen`, and entropy's worth."""
    action, log_density = networks.policy(seen).sample(generator)
    value: Tensor = target(torch.cat([state, action], dim=-1)).amin(0)
    following: Tensor = value - networks.log_temperature.exp() * log_density
    return following


def critic_step(
    critic: TwinCritic,
    optimizer: torch.optim.Optimizer,
    state: Tensor,
    action: Tensor,
    target: Tensor,
) -> dict[str, Tensor]:
    """Both critics, and whatever the optimizer teaches beside them, towards (B,) `target`."""
    values = critic(torch.cat([state, action], dim=-1))
    loss = critic_loss(values, target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return {"critic_loss": loss, "critic_value": values.detach().abs().mean()}


def actor_step(
    networks: Networks,
    optimizer: torch.optim.Optimizer,
    state: Tensor,
    seen: Tensor,
    *,
    target_entropy_per_action: float,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Policy and temperature, where critics judge (B, S) `state` and the policy sees (B, I)."""
    policy, critic, log_temperature = networks
    action, log_density = policy(seen).sample(generator)
    with without_weight_gradients(critic):
        action_value = critic(torch.cat([state, action], dim=-1)).amin(0)
    policy_loss = actor_loss(action_value, log_density, log_temperature.detach().exp())
    aim = target_entropy_per_action * policy.action_size
    optimizer.zero_grad()
    (policy_loss + temperature_loss(log_temperature, log_density, aim)).backward()
    optimizer.step()
    return {"policy_loss": policy_loss, "entropy": -log_density.mean()}


@torch.no_grad()
def move_towards(target: nn.Module, source: nn.Module, rate: float) -> None:
    """target ← target + rate × (source − target), parameter by parameter (Polyak averaging)."""
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), rate)
