"""Policies: the tanh-Gaussian of soft actor-critic, plain ones for policy gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.parts.actor import Drawn, Memoryless
from training.parts.distributions import Categorical, DiagonalGaussian, OneHotCategorical
from training.parts.networks import Activation, Mlp
from training.parts.running_stats import RunningStats
from training.worlds.vector_world import Float

MIN_LOG_STD, MAX_LOG_STD = -20.0, 2.0
"""standard deviations from 2e-9 to 7.4 before the tanh, as in SAC's own code"""

MakeNetwork = Callable[..., nn.Module]
"""takes what `Mlp` takes: another form of network in its place"""


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

    def draw(self, generator: torch.Generator) -> tuple[Tensor, None]:
        """The action of `sample`, for who only acts: what learns from replay asks no density."""
        noise = torch.randn(self.mean.shape, generator=generator, device=self.mean.device)
        return self.perturbed(noise), None

    def perturbed(self, noise: Tensor) -> Tensor:
        """(..., A) the action that standard normal noise (..., A) makes."""
        return torch.tanh(self.mean + self.log_std.exp() * noise)

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
        distribution: TanhGaussian = self(rows)
        return distribution.perturbed(noise)


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
        activation: Activation = "relu",
        bounds_mean: bool = True,
        min_log_std: float | None = None,
        make_network: MakeNetwork = Mlp,
    ) -> None:
        """`bounds_mean` keeps the mean in (-1, 1); `min_log_std` is as sure as actions may get.

        At that bound the deviation is no longer pushed down, and no gradient brings it back up.
        """
        super().__init__()
        self.bounds_mean, self.min_log_std = bounds_mean, min_log_std
        self.network = make_network(
            input_size,
            hidden_sizes,
            action_size,
            generator=generator,
            output_scale=0.01,
            activation=activation,
        )
        self.log_std = nn.Parameter(torch.full((action_size,), initial_log_std))

    def forward(self, rows: Tensor) -> DiagonalGaussian:
        log_std: Tensor = self.log_std
        if self.min_log_std is not None:
            log_std = log_std.clamp(min=self.min_log_std)
        return DiagonalGaussian(self.mode(rows), log_std)

    def mode(self, rows: Tensor) -> Tensor:
        """(..., A) the deterministic action: the mean."""
        mean: Tensor = self.network(rows)
        return torch.tanh(mean) if self.bounds_mean else mean

    def perturbed(self, rows: Tensor, noise: Tensor) -> Tensor:
        """(..., A) the action that standard normal noise (..., A) makes; the mode for zeros."""
        distribution: DiagonalGaussian = self(rows)
        return distribution.mean + distribution.log_std.exp() * noise


class CategoricalPolicy(nn.Module):
    """(..., I) to one of N actions."""

    def __init__(
        self,
        input_size: int,
        hidden_sizes: Sequence[int],
        num_actions: int,
        *,
        generator: torch.Generator,
        activation: Activation = "relu",
        make_network: MakeNetwork = Mlp,
    ) -> None:
        super().__init__()
        self.network = make_network(
            input_size,
            hidden_sizes,
            num_actions,
            generator=generator,
            output_scale=0.01,
            activation=activation,
        )

    def forward(self, rows: Tensor) -> Categorical:
        return Categorical(self.network(rows))

    def mode(self, rows: Tensor) -> Tensor:
        """(...) int64 the likeliest action."""
        logits: Tensor = self(rows).logits
        return logits.argmax(-1)


class OneHotPolicy(nn.Module):
    """(..., I) to one of N actions, said as worlds whose actions are choices take it."""

    def __init__(self, policy: CategoricalPolicy) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, rows: Tensor) -> OneHotCategorical:
        return OneHotCategorical(self.policy(rows))

    def mode(self, rows: Tensor) -> Tensor:
        """(..., N) the likeliest action."""
        distribution: OneHotCategorical = self(rows)
        return distribution.mode()


class Distribution(Protocol):
    """What an action can be drawn from, with its density where anybody asks for it."""

    def draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor | None]: ...


class Policy(Protocol):
    """Rows to a distribution over actions, or to its most likely one."""

    def __call__(self, rows: Tensor) -> Distribution: ...

    def mode(self, rows: Tensor) -> Tensor: ...


@torch.no_grad()
def choose(policy: Policy, rows: Tensor, generator: torch.Generator | None) -> Drawn:
    """What `policy` does at (W, I) rows: a draw from `generator`, the mode where there is none."""
    if generator is None:
        return Drawn(policy.mode(rows).cpu().numpy())
    action, log_density = policy(rows).draw(generator)
    return Drawn(action.cpu().numpy(), None if log_density is None else log_density.cpu().numpy())


class PolicyActor(Memoryless):
    """Acts by a policy that sees the observation and nothing else."""

    def __init__(
        self, policy: Policy, statistics: RunningStats, generator: torch.Generator | None
    ) -> None:
        """Actions are drawn from `generator`; without one they are the likeliest."""
        self._policy, self._statistics, self._generator = policy, statistics, generator

    def act(self, observation: Float) -> Drawn:
        rows = self._statistics.normalize_raw(observation)
        return choose(self._policy, rows, self._generator)
