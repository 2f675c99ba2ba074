"""Distributions over actions and latents that policy gradients need in closed form."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class DiagonalGaussian(NamedTuple):
    """Independent Gaussians; over actions, the world clips what is drawn from them."""

    mean: Tensor
    """(..., A)"""
    log_std: Tensor
    """(A,), the same everywhere, or (..., A)"""

    def sample(self, generator: torch.Generator) -> Tensor:
        """(..., A) a draw, without gradients."""
        noise = torch.randn(
            self.mean.shape,
            generator=generator,
            device=self.mean.device,
            dtype=self.mean.dtype,
        )
        return (self.mean + self.log_std.exp() * noise).detach()

    def draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(..., A) a draw and its log-density (...), without gradients."""
        action = self.sample(generator)
        return action, self.log_density(action).detach()

    def log_density(self, action: Tensor) -> Tensor:
        """(...) log-density of the action as drawn, summed over its elements."""
        noise = (action - self.mean) * torch.exp(-self.log_std)
        return (-0.5 * noise.square() - self.log_std - 0.5 * math.log(2.0 * math.pi)).sum(-1)

    def entropy(self) -> Tensor:
        """() nats where the deviation is the same everywhere, (...) elsewhere."""
        return (self.log_std + 0.5 * math.log(2.0 * math.pi * math.e)).sum(-1)

    def kl_from(self, other: DiagonalGaussian) -> Tensor:
        """(...) KL(this || other) in nats, summed over elements."""
        variance_ratio = torch.exp(2.0 * (self.log_std - other.log_std))
        distance = (self.mean - other.mean) * torch.exp(-other.log_std)
        log_ratio = other.log_std - self.log_std
        return (log_ratio + 0.5 * (variance_ratio + distance.square() - 1.0)).sum(-1)

    def expanded(self) -> DiagonalGaussian:
        """The same with a deviation (..., A) beside every mean: sliced like it, and mapped."""
        return self._replace(log_std=self.log_std.expand_as(self.mean))

    def detached(self) -> DiagonalGaussian:
        """The same as a constant: what a ratio or a divergence is measured from."""
        return DiagonalGaussian(self.mean.detach(), self.log_std.detach())


class Categorical(NamedTuple):
    """One of N choices."""

    logits: Tensor
    """(..., N), not normalised"""

    def sample(self, generator: torch.Generator) -> Tensor:
        """(...) int64 a draw."""
        chances = torch.softmax(self.logits.detach(), dim=-1)
        rows = chances.reshape(-1, chances.shape[-1])
        drawn = torch.multinomial(rows, 1, generator=generator)
        return drawn.reshape(self.logits.shape[:-1])

    def draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(...) a draw and its log-probability (...), without gradients."""
        choice = self.sample(generator)
        return choice, self.log_density(choice).detach()

    def log_density(self, choice: Tensor) -> Tensor:
        """(...) log-probability of the choice (...), int64."""
        return self._log_chances().gather(-1, choice[..., None]).squeeze(-1)

    def entropy(self) -> Tensor:
        """(...) nats."""
        log_chances = self._log_chances()
        return -(log_chances.exp() * log_chances).sum(-1)

    def kl_from(self, other: Categorical) -> Tensor:
        """(...) KL(this || other) in nats."""
        log_chances = self._log_chances()
        return (log_chances.exp() * (log_chances - other._log_chances())).sum(-1)

    def expanded(self) -> Categorical:
        """As it is: there are logits in every place already."""
        return self

    def detached(self) -> Categorical:
        """The same as a constant: what a ratio or a divergence is measured from."""
        return Categorical(self.logits.detach())

    def _log_chances(self) -> Tensor:
        return torch.log_softmax(self.logits, dim=-1)


class OneHotCategorical(NamedTuple):
    """One of N choices, said as worlds take it: 1 for the choice and 0 for the others."""

    categorical: Categorical

    def draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(..., N) a draw and its log-probability (...), without gradients."""
        choice, log_density = self.categorical.draw(generator)
        return self.said(choice), log_density

    def mode(self) -> Tensor:
        """(..., N) the likeliest."""
        return self.said(self.categorical.logits.argmax(-1))

    def said(self, choice: Tensor) -> Tensor:
        """(..., N) float32 of choices (...), int64."""
        return F.one_hot(choice, self.categorical.logits.shape[-1]).float()

    def log_density(self, action: Tensor) -> Tensor:
        """(...) log-probability of the choice that (..., N) says."""
        return self.categorical.log_density(action.argmax(-1))

    def entropy(self) -> Tensor:
        """(...) nats."""
        return self.categorical.entropy()
