"""What a search asks of latents: what they would pay, and what they promise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sim2real.contract.context import ContextLayout
from training.parts.networks import Mlp
from training.parts.policies import Policy


class RewardDecoder(nn.Module):
    """Context row and latent to the reward of that transition, were the latent the task's.

    The row's own reward is not looked at.
    """

    def __init__(
        self,
        layout: ContextLayout,
        latent_size: int,
        hidden_sizes: Sequence[int],
        *,
        reward_scale: float,
        generator: torch.Generator,
    ) -> None:
        """`reward_scale` brings rewards near one inside the network; outside they are as paid."""
        super().__init__()
        self.latent_size = latent_size
        self.reward_at = layout.observation_size + layout.action_size
        self.reward_scale = reward_scale
        self.network = Mlp(layout.size - 1 + latent_size, hidden_sizes, 1, generator=generator)

    def forward(self, rows: Tensor, latent: Tensor) -> Tensor:
        """(..., C) and (..., L) to (...)."""
        at = self.reward_at
        seen = torch.cat([rows[..., :at], rows[..., at + 1 :], latent], dim=-1)
        reward: Tensor = self.network(seen).squeeze(-1) / self.reward_scale
        return reward


class PromisedValue(nn.Module):
    """What the critics expect from an observation on, were a latent the task's."""

    def __init__(
        self, latent_size: int, policy: Policy, critic: nn.Module, value: nn.Module | None
    ) -> None:
        """`value` is a network that says it at once; None: the lesser of the critics does, of what
        the policy would do."""
        super().__init__()
        self.latent_size = latent_size
        self.policy, self.critic, self.value = policy, critic, value

    def forward(self, observation: Tensor, latent: Tensor) -> Tensor:
        """(..., O) and (..., L) to (...)."""
        state = torch.cat([observation, latent], dim=-1)
        if self.value is not None:
            expected: Tensor = self.value(state).squeeze(-1)
            return expected
        rows = torch.cat([observation, self.policy.mode(state), latent], dim=-1)
        lesser: Tensor = self.critic(rows).amin(0)
        return lesser
