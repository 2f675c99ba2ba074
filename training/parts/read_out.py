"""A recurrent cell whose hidden state is read out as a Gaussian over what the task may be."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from training.parts.deployed import Explores
from training.parts.distributions import DiagonalGaussian
from training.parts.encoders import RecurrentBelief
from training.parts.networks import Mlp

MIN_LOG_VARIANCE, MAX_LOG_VARIANCE = -12.0, 4.0
"""deviations from 0.0025 to 7.4 of numbers about one"""


class GaussianReadOut(nn.Module):
    """Hidden (..., H) to mean and log-variance side by side, (..., 2 D)."""

    def __init__(self, hidden_size: int, size: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.size = size
        # A small layer: the belief begins close to N(0, I).
        self.linear = Mlp(hidden_size, (), 2 * size, generator=generator, output_scale=0.1)

    def forward(self, hidden: Tensor) -> Tensor:
        mean, log_variance = self.linear(hidden).split(self.size, dim=-1)
        return torch.cat([mean, log_variance.clamp(MIN_LOG_VARIANCE, MAX_LOG_VARIANCE)], dim=-1)


class RecurrentGaussian(nn.Module):
    """From transitions to a Gaussian, before the first of them and after each."""

    def __init__(self, cell: RecurrentBelief, size: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.cell = cell
        self.read_out = GaussianReadOut(cell.hidden_size, size, generator=generator)

    def beliefs(self, context: Tensor) -> Tensor:
        """Rows (T, B, C) of whole trials to (T + 1, B, 2 D); the first knows nothing yet."""
        start = context.new_zeros(context.shape[1], self.cell.hidden_size)
        following = self.cell.sequence(context, start)
        read: Tensor = self.read_out(torch.cat([start[None], following]))
        return read


def gaussian_of(read: Tensor) -> DiagonalGaussian:
    """(..., 2 D) mean and log-variance side by side, as a distribution."""
    mean, log_variance = read.chunk(2, dim=-1)
    return DiagonalGaussian(mean, 0.5 * log_variance)


class Scale(nn.Module):
    """From numbers about one to quantities in units, and back; moments (..., 2 D) side by side.

    A quantity is `middle` + `half_range` × its number, or the exponential of that where `is_log`;
    all (D,). Of the latter the moments in units are the median, and the deviation there to first
    order: the two numbers that the Gaussian about the logarithm can be had back from.
    """

    middle: Tensor
    log_half_range: Tensor
    is_log: Tensor

    def __init__(self, middle: Tensor, half_range: Tensor, is_log: Tensor) -> None:
        super().__init__()
        self.register_buffer("middle", middle)
        self.register_buffer("log_half_range", half_range.log())
        self.register_buffer("is_log", is_log.to(middle))

    def in_units(self, moments: Tensor) -> Tensor:
        """Of mean and log-variance of numbers about one."""
        mean, log_variance = moments.chunk(2, dim=-1)
        mean = self.middle + self.log_half_range.exp() * mean
        log_variance = log_variance + 2.0 * self.log_half_range
        logarithm = self.is_log * mean  # zero of the others, whose exponentials nobody needs
        mean = torch.where(self.is_log > 0, logarithm.exp(), mean)
        return torch.cat([mean, log_variance + 2.0 * logarithm], dim=-1)

    def about_one(self, moments: Tensor) -> Tensor:
        """Of what `in_units` gives."""
        mean, log_variance = moments.chunk(2, dim=-1)
        logarithm = torch.where(self.is_log > 0, mean, 1.0).log()
        mean = torch.where(self.is_log > 0, logarithm, mean)
        mean = (mean - self.middle) * torch.exp(-self.log_half_range)
        log_variance = log_variance - 2.0 * (logarithm + self.log_half_range)
        return torch.cat([mean, log_variance], dim=-1)


class InUnits(nn.Module):
    """What is read out, as moments of quantities in units."""

    def __init__(
        self, read_out: nn.Module, middle: Tensor, half_range: Tensor, is_log: Tensor
    ) -> None:
        super().__init__()
        self.read_out, self.scale = read_out, Scale(middle, half_range, is_log)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.scale.in_units(self.read_out(hidden))


class OnUnits(nn.Module):
    """A policy that is handed beliefs in units, over one that was taught without."""

    def __init__(
        self, policy: nn.Module, middle: Tensor, half_range: Tensor, is_log: Tensor
    ) -> None:
        super().__init__()
        self.policy, self.scale = policy, Scale(middle, half_range, is_log)
        self._size = 2 * len(middle)

    def mode(self, rows: Tensor) -> Tensor:
        """(..., A) the likeliest action at observation, mean and log-variance side by side."""
        return self._policy().mode(self._without_units(rows))

    def perturbed(self, rows: Tensor, noise: Tensor) -> Tensor:
        """(..., A) the action that standard normal noise (..., A) makes of it."""
        return self._policy().perturbed(self._without_units(rows), noise)

    def _policy(self) -> Explores:
        policy: Explores = self.policy  # type: ignore[assignment]
        return policy

    def _without_units(self, rows: Tensor) -> Tensor:
        observation, moments = rows[..., : -self._size], rows[..., -self._size :]
        return torch.cat([observation, self.scale.about_one(moments)], dim=-1)


def normal_quantile_of(read: Tensor, truth: Tensor) -> Tensor:
    """(..., D) the probability that the belief (..., 2 D) gives to less than the truth (..., D).

    Its distribution over tasks is uniform exactly where the belief is calibrated.
    """
    belief = gaussian_of(read)
    deviations = (truth - belief.mean) * torch.exp(-belief.log_std)
    return 0.5 * (1.0 + torch.erf(deviations / math.sqrt(2.0)))
