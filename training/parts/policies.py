"""Policies: the tanh-Gaussian of soft actor-critic, the plain Gaussian of policy gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.parts.networks import Mlp

MIN_LOG_STD, MAX_LOG_STD = -20.0, 2.0
"""standard deviations from 2e-9 to 7.4 before the tanh, as in SAC's own code"""


def tanh_log_det(pre_tanh: Tensor) -> Tensor:
    """log(1 - tanh(x)²) without ever forming 1 - tanh(x)², which is 0 in float32 from |x| = 9."""
    return 2.0 * (math.log(2.0) - pre_tanh - F.softplus(-2.0 * pre_tanh))


class TanhGaussian(NamedTuple):
    """tanh of independent Gaussians."""

    mean: Tensor
    """(..., A) before the tanh"""
    log_std: Tensor
    """(..., A)"""

    def sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """A reparameterised draw: actions (..., A) and their log-densities (...)."""
        noise = torch.randn(self.mean.shape, generator=generator, device=self.mean.device)
        pre_tanh = self.mean + self.log_std.exp() * noise
        return torch.tanh(pre_tanh), self._log_density(noise, pre_tanh)

    def log_density(self, pre_tanh: Tensor) -> Tensor:
        """Log-density (...) of the action tanh(`pre_tanh`), summed over action elements."""
        noise = (pre_tanh - self.mean) * torch.exp(-self.log_std)
        return self._log_density(noise, pre_tanh)

    def _log_density(self, noise: Tensor, pre_tanh: Tensor) -> Tensor:
        gaussian = -0.5 * noise.square() - self.log_std - 0.5 * math.log(2.0 * math.pi)
        return (gaussian - tanh_log_det(pre_tanh)).sum(-1)


class TanhGaussianPolicy(nn.Module):
    """(..., I) to a distribution over actions in (-1, 1)^A."""

    def __init__(
        self,
        input_size: int,
        hidden_sizes: Sequence[int],
        action_size: int,
        *,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.action_size = action_size
        # A small last layer: the first actions are spread evenly, not saturated by chance.
        self.network = Mlp(
            input_size, hidden_sizes, 2 * action_size, generator=generator, output_scale=0.01
        )

    def forward(self, rows: Tensor) -> TanhGaussian:
        mean, log_std = self.network(rows).split(self.action_size, dim=-1)
        return TanhGaussian(mean, log_std.clamp(MIN_LOG_STD, MAX_LOG_STD))

    def mode(self, rows: Tensor) -> Tensor:
        """(..., A) the deterministic action: tanh of the mean."""
        return torch.tanh(self(rows).mean)

    def perturbed(self, rows: Tensor, noise: Tensor) -> Tensor:
        """(..., A) the action that standard normal noise (..., A) makes; the mode for zeros."""
        distribution = self(rows)
        return torch.tanh(distribution.mean + distribution.log_std.exp() * noise)


class DiagonalGaussian(NamedTuple):
    """Independent Gaussians; the world clips what is drawn from them."""

    mean: Tensor
    """(..., A) in (-1, 1)"""
    log_std: Tensor
    """(A,)"""

    def sample(self, generator: torch.Generator) -> Tensor:
        """(..., A) a draw, without gradients."""
        noise = torch.randn(self.mean.shape, generator=generator, device=self.mean.device)
        return (self.mean + self.log_std.exp() * noise).detach()

    def log_density(self, action: Tensor) -> Tensor:
        """(...) log-density of the action as drawn, summed over its elements."""
        noise = (action - self.mean) * torch.exp(-self.log_std)
        return (-0.5 * noise.square() - self.log_std - 0.5 * math.log(2.0 * math.pi)).sum(-1)

    def entropy(self) -> Tensor:
        """() nats; the same in every state."""
        return (self.log_std + 0.5 * math.log(2.0 * math.pi * math.e)).sum()


class DiagonalGaussianPolicy(nn.Module):
    """(..., I) to a Gaussian over actions whose deviation does not depend on the input."""

    def __init__(
        self,
        input_size: int,
        hidden_sizes: Sequence[int],
        action_size: int,
        *,
        initial_log_std: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.network = Mlp(
            input_size, hidden_sizes, action_size, generator=generator, output_scale=0.01
        )
        self.log_std = nn.Parameter(torch.full((action_size,), initial_log_std))

    def forward(self, rows: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(torch.tanh(self.network(rows)), self.log_std)

    def mode(self, rows: Tensor) -> Tensor:
        """(..., A) the deterministic action: the mean."""
        return torch.tanh(self.network(rows))

    def perturbed(self, rows: Tensor, noise: Tensor) -> Tensor:
        """(..., A) the action that standard normal noise (..., A) makes; the mode for zeros."""
        distribution: DiagonalGaussian = self(rows)
        return distribution.mean + distribution.log_std.exp() * noise
