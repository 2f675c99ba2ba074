"""Deterministic policy gradient, of one student or of K that go different ways side by side.

Lillicrap et al. 2016 (DDPG), https://arxiv.org/abs/1509.02971. Copies of a student are the same
modules with parameters (K, ...): products broadcast over that axis, and a sum of losses gives every
copy its own gradient, so one definition serves both.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from training.parts.networks import Mlp, frozen_copy, without_weight_gradients
from training.parts.replay import Batch
from training.parts.sac import bellman_target, move_towards


def through(network: Mlp, rows: Tensor) -> Tensor:
    """(..., B, I) to (..., B, J), also with parameters (K, ...) for rows (K, B, I)."""
    *hidden, last = network.layers
    for layer in hidden:
        rows = torch.relu(_affine(layer, rows))
    return _affine(last, rows)


def _affine(layer: nn.Module, rows: Tensor) -> Tensor:
    weight, bias = layer.weight, layer.bias
    assert isinstance(weight, Tensor) and isinstance(bias, Tensor)
    return rows @ weight.mT + bias.unsqueeze(-2)


class DeterministicPolicy(nn.Module):
    """(..., B, I) to actions (..., B, A) in (-1, 1)."""

    def __init__(
        self,
        input_size: int,
        hidden_sizes: Sequence[int],
        action_size: int,
        *,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.network = Mlp(
            input_size, hidden_sizes, action_size, generator=generator, output_scale=0.01
        )

    def forward(self, rows: Tensor) -> Tensor:
        return torch.tanh(through(self.network, rows))

    def mode(self, rows: Tensor) -> Tensor:
        """(..., B, A) what it does."""
        action: Tensor = self(rows)
        return action


class Student(nn.Module):
    """Policy and critic with their targets."""

    def __init__(
        self,
        observation_size: int,
        hidden_sizes: Sequence[int],
        action_size: int,
        *,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.policy = DeterministicPolicy(
            observation_size, hidden_sizes, action_size, generator=generator
        )
        self.critic = Mlp(observation_size + action_size, hidden_sizes, 1, generator=generator)
        self.target_policy = frozen_copy(self.policy)
        self.target_critic = frozen_copy(self.critic)

    def copies(self, num_copies: int) -> Student:
        """K equal students in one: parameters (K, ...)."""
        students = copy.deepcopy(self)
        for parameter in students.parameters():
            parameter.data = parameter.detach().expand(num_copies, *parameter.shape).clone()
        return students

    def optimizer(self, learning_rate: float) -> torch.optim.Adam:
        """Of policy and critic; element by element, so that copies do not touch each other."""
        learnt = [*self.policy.parameters(), *self.critic.parameters()]
        return torch.optim.Adam(learnt, lr=learning_rate, fused=True)

    def loss(self, batch: Batch, weight: Tensor, *, discount: float) -> dict[str, Tensor]:
        """Of policy and critic on (..., B, ·) transitions, () each: means over B, summed over K.

        `weight` (..., B) is 0 for padding. The critic's: squared Bellman errors with the targets'
        values. The policy's: minus the critic's value of what it would do, the critic held fixed.
        """
        share = weight / weight.sum(-1, keepdim=True)
        value = self._value(self.critic, batch.observation, batch.action)
        error = value - self._bellman_target(batch, discount)
        with without_weight_gradients(self.critic):
            chosen = self._value(self.critic, batch.observation, self.policy(batch.observation))
        return {
            "critic_loss": (share * error.square()).sum(),
            "policy_loss": -(share * chosen).sum(),
        }

    @torch.no_grad()
    def _bellman_target(self, batch: Batch, discount: float) -> Tensor:
        action = self.target_policy(batch.next_observation)
        value = self._value(self.target_critic, batch.next_observation, action)
        return bellman_target(batch.reward, batch.terminated, value, discount=discount)

    @staticmethod
    def _value(critic: Mlp, observation: Tensor, action: Tensor) -> Tensor:
        return through(critic, torch.cat([observation, action], -1)).squeeze(-1)

    def step(
        self,
        optimizer: torch.optim.Optimizer,
        batch: Batch,
        weight: Tensor,
        *,
        discount: float,
        target_update_rate: float,
    ) -> dict[str, Tensor]:
        """One gradient step of policy and critic, and a step of the targets after them."""
        losses = self.loss(batch, weight, discount=discount)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        move_towards(self.target_policy, self.policy, target_update_rate)
        move_towards(self.target_critic, self.critic, target_update_rate)
        return losses
