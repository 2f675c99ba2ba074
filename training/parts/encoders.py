"""From context to a belief about the task: one Gaussian factor per transition, multiplied.

Rakelly et al. 2019 (PEARL), section 4.1, https://arxiv.org/abs/1903.08254. The product knows no
order and no prior factor; with no context the belief is N(0, I), which callers see to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sim2real.contract.belief import MIN_VARIANCE
from training.parts.networks import Mlp


class Gaussian(NamedTuple):
    """Independent Gaussians."""

    mean: Tensor
    """(..., L)"""
    variance: Tensor
    """(..., L)"""

    def sample(self, generator: torch.Generator) -> Tensor:
        """(..., L) a reparameterised draw."""
        noise = torch.randn(self.mean.shape, generator=generator, device=self.mean.device)
        return self.mean + self.variance.sqrt() * noise

    def kl_from_prior(self) -> Tensor:
        """(...) KL(this || N(0, I)) in nats, summed over latent dimensions."""
        terms = self.variance + self.mean.square() - 1.0 - self.variance.log()
        return 0.5 * terms.sum(-1)


def product_of_gaussians(factors: Gaussian) -> Gaussian:
    """(..., N, L) factors to their normalised product (..., L); variances are clamped first."""
    precision = factors.variance.clamp(min=MIN_VARIANCE).reciprocal()
    variance = precision.sum(-2).reciprocal()
    return Gaussian(variance * (factors.mean * precision).sum(-2), variance)


class ContextEncoder(nn.Module):
    """Context rows (..., C) to one Gaussian factor each."""

    row_scale: Tensor

    def __init__(
        self,
        row_size: int,
        hidden_sizes: Sequence[int],
        latent_size: int,
        *,
        generator: torch.Generator,
        row_scale: Tensor | None = None,
    ) -> None:
        """`row_scale` (C,) multiplies every row first: it travels with the exported graph."""
        super().__init__()
        self.latent_size = latent_size
        self.network = Mlp(row_size, hidden_sizes, 2 * latent_size, generator=generator)
        self.register_buffer("row_scale", torch.ones(row_size) if row_scale is None else row_scale)

    def forward(self, rows: Tensor) -> Gaussian:
        mean, pre_variance = self.network(rows * self.row_scale).split(self.latent_size, dim=-1)
        return Gaussian(mean, F.softplus(pre_variance))

    def posterior(self, context: Tensor) -> Gaussian:
        """Context (K, N, C) with N ≥ 1 to one belief per task, (K, L)."""
        return product_of_gaussians(self(context))


class Cell(Protocol):
    """What carries a belief from transition to transition."""

    hidden_size: int

    def step(self, row: Tensor, hidden: Tensor) -> Tensor:
        """Row (B, C), with noise beside it where the cell draws, and hidden (B, H) to the next."""


class RecurrentBelief(nn.Module):
    """A GRU over context rows: its hidden state is the belief, zero at the start of a trial."""

    row_scale: Tensor

    def __init__(
        self,
        row_size: int,
        hidden_size: int,
        *,
        generator: torch.Generator,
        row_scale: Tensor | None = None,
    ) -> None:
        """`row_scale` (C,) multiplies every row first: it travels with the exported graph."""
        super().__init__()
        self.hidden_size = hidden_size
        self.embedding = Mlp(row_size, (), hidden_size, generator=generator)
        self.cell = nn.GRU(hidden_size, hidden_size)
        bound = hidden_size**-0.5
        with torch.no_grad():
            for parameter in self.cell.parameters():
                parameter.uniform_(-bound, bound, generator=generator)
        self.register_buffer("row_scale", torch.ones(row_size) if row_scale is None else row_scale)

    def step(self, row: Tensor, hidden: Tensor) -> Tensor:
        """One transition: row (B, C) and hidden (B, H) to the next hidden (B, H)."""
        return self.sequence(row[None], hidden)[0]

    def sequence(self, rows: Tensor, hidden: Tensor) -> Tensor:
        """Rows (T, B, C) from hidden (B, H): the hidden states after each of them, (T, B, H)."""
        if not len(rows):  # before the only step of a trial there is none
            return hidden[None][:0]
        embedded = torch.relu(self.embedding(rows * self.row_scale))
        hiddens: Tensor = self.cell(embedded, hidden[None])[0]
        return hiddens
