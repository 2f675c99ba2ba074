"""Networks as a robot runs them: raw measurements in, the normaliser inside the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from sim2real.contract.context import ContextLayout
from sim2real.contract.normalizer import FrozenNormalizer
from training.parts.decoders import PromisedValue, RewardDecoder
from training.parts.encoders import Cell, ContextEncoder
from training.parts.networks import frozen_copy
from training.parts.running_stats import normalize_rows


class Normalize(nn.Module):
    """`FrozenNormalizer.normalize` as a module, so that it is exported with the weights."""

    mean: Tensor
    std: Tensor

    def __init__(self, normalizer: FrozenNormalizer) -> None:
        super().__init__()
        self.clip = normalizer.clip
        self.register_buffer("mean", torch.from_numpy(normalizer.mean))
        self.register_buffer("std", torch.from_numpy(normalizer.std))

    def forward(self, observation: Tensor) -> Tensor:
        return ((observation - self.mean) / self.std).clamp(-self.clip, self.clip)


class Explores(Protocol):
    """A policy that knows its most likely action, and how it explores around it."""

    def mode(self, rows: Tensor) -> Tensor:
        """(B, A) the most likely action."""

    def perturbed(self, rows: Tensor, noise: Tensor) -> Tensor:
        """(B, A) the action that standard normal `noise` (B, A) makes of it; the mode for zeros."""


class DeployedPolicy(nn.Module):
    """Observation (B, O) and, where there are some, conditions (B, ·) to action (B, A).

    The action lies in [-1, 1]; with noise, which is the last input, a policy without a tanh at its
    end may leave that, and the action map clips as training's worlds do.
    """

    def __init__(
        self, normalizer: FrozenNormalizer, policy: nn.Module, *, takes_noise: bool = False
    ) -> None:
        """`policy` is an `Explores` module that takes observation and conditions side by side."""
        super().__init__()
        self.normalize, self.takes_noise = Normalize(normalizer), takes_noise
        self.policy = policy

    def forward(self, observation: Tensor, *others: Tensor) -> Tensor:
        conditions, noise = (others[:-1], others[-1:]) if self.takes_noise else (others, ())
        rows = torch.cat([self.normalize(observation), *conditions], dim=-1)
        policy: Explores = self.policy  # type: ignore[assignment]
        return policy.perturbed(rows, *noise) if noise else policy.mode(rows)


class DeployedEncoder(nn.Module):
    """Context row (B, C) to the mean and the variance of its factor, (B, L) each."""

    def __init__(
        self, normalizer: FrozenNormalizer, layout: ContextLayout, encoder: ContextEncoder
    ) -> None:
        super().__init__()
        self.normalize = Normalize(normalizer)
        self.layout, self.encoder = layout, encoder

    def forward(self, context_row: Tensor) -> tuple[Tensor, Tensor]:
        factor = self.encoder(normalize_rows(context_row, self.layout, self.normalize))
        return factor.mean, factor.variance


class DeployedCell(nn.Module):
    """Context row (B, C) and hidden (B, H) to the next hidden (B, H).

    Noise, where the cell takes some, enters beside the context row; a read-out gives mean and
    log-variance, (B, D) each, of the next hidden.
    """

    def __init__(
        self,
        normalizer: FrozenNormalizer,
        layout: ContextLayout,
        cell: Cell,
        read_out: nn.Module | None = None,
    ) -> None:
        """`read_out` maps hidden (B, H) to mean and log-variance side by side, (B, 2 D)."""
        super().__init__()
        self.normalize = Normalize(normalizer)
        self.layout, self.cell, self.read_out = layout, cell, read_out

    def forward(
        self, context_row: Tensor, hidden: Tensor, *noise: Tensor
    ) -> Tensor | tuple[Tensor, ...]:
        rows = normalize_rows(context_row, self.layout, self.normalize)
        hidden = self.cell.step(torch.cat([rows, *noise], dim=-1) if noise else rows, hidden)
        if self.read_out is None:
            return hidden
        return hidden, *self.read_out(hidden).chunk(2, dim=-1)


class DeployedDecoder(nn.Module):
    """Context row (B, C) and M latents (B, M L) to predicted less paid reward, (B, M)."""

    def __init__(
        self, normalizer: FrozenNormalizer, layout: ContextLayout, decoder: RewardDecoder
    ) -> None:
        super().__init__()
        self.normalize = Normalize(normalizer)
        self.layout, self.decoder = layout, decoder

    def forward(self, context_row: Tensor, latents: Tensor) -> Tensor:
        rows = normalize_rows(context_row, self.layout, self.normalize)
        latents = latents.unflatten(-1, (-1, self.decoder.latent_size))
        rows = rows[:, None].expand(-1, latents.shape[1], -1)
        misfit: Tensor = self.decoder(rows, latents) - rows[..., self.decoder.reward_at]
        return misfit


class DeployedCritic(nn.Module):
    """Observation (B, O) and M latents (B, M L) to what each of them promises, (B, M)."""

    def __init__(
        self, normalizer: FrozenNormalizer, layout: ContextLayout, value: PromisedValue
    ) -> None:
        """Context rows are not looked at."""
        super().__init__()
        self.normalize, self.value = Normalize(normalizer), value

    def forward(self, observation: Tensor, latents: Tensor) -> Tensor:
        latents = latents.unflatten(-1, (-1, self.value.latent_size))
        seen = self.normalize(observation)[:, None].expand(-1, latents.shape[1], -1)
        promised: Tensor = self.value(seen, latents)
        return promised


def on_robot(
    role: str, normalizer: FrozenNormalizer, layout: ContextLayout | None, network: nn.Module
) -> nn.Module:
    """A copy of the network of that role, on the host, that takes raw measurements.

    Raises `ValueError` for a network that takes context rows where there is no layout of them.
    """
    copy = frozen_copy(network).cpu()
    if role == "eye":
        return copy
    if role == "policy":
        return DeployedPolicy(normalizer, copy)
    if layout is None:
        raise ValueError(f"{role}: a network that takes context needs its layout")
    wrappers: Mapping[str, Callable[..., nn.Module]]
    wrappers = {
        "encoder": DeployedEncoder,
        "recurrent": DeployedCell,
        "decoder": DeployedDecoder,
        "critic": DeployedCritic,
    }
    return wrappers[role](normalizer, layout, copy)
