"""Networks as a robot runs them: raw measurements in, the normaliser inside the graph."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from sim2real.contract.context import ContextLayout
from sim2real.contract.normalizer import FrozenNormalizer
from training.parts.encoders import ContextEncoder, RecurrentBelief
from training.parts.running_stats import normalize_rows


class _Normalize(nn.Module):
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


class Deterministic(Protocol):
    """A policy that knows its most likely action."""

    def mode(self, rows: Tensor) -> Tensor: ...


class DeployedPolicy(nn.Module):
    """Observation (B, O) and, where there is one, condition (B, ·) to action (B, A) in [-1, 1]."""

    def __init__(self, normalizer: FrozenNormalizer, policy: nn.Module) -> None:
        """`policy` is a `Deterministic` module that takes both side by side."""
        super().__init__()
        self.normalize = _Normalize(normalizer)
        self.policy = policy

    def forward(self, observation: Tensor, *condition: Tensor) -> Tensor:
        rows = torch.cat([self.normalize(observation), *condition], dim=-1)
        mode: Deterministic = self.policy  # type: ignore[assignment]
        return mode.mode(rows)


class DeployedEncoder(nn.Module):
    """Context row (B, C) to the mean and the variance of its factor, (B, L) each."""

    def __init__(
        self, normalizer: FrozenNormalizer, layout: ContextLayout, encoder: ContextEncoder
    ) -> None:
        super().__init__()
        self.normalize = _Normalize(normalizer)
        self.layout, self.encoder = layout, encoder

    def forward(self, context_row: Tensor) -> tuple[Tensor, Tensor]:
        factor = self.encoder(normalize_rows(context_row, self.layout, self.normalize))
        return factor.mean, factor.variance


class DeployedCell(nn.Module):
    """Context row (B, C) and hidden (B, H) to the next hidden (B, H)."""

    def __init__(
        self, normalizer: FrozenNormalizer, layout: ContextLayout, cell: RecurrentBelief
    ) -> None:
        super().__init__()
        self.normalize = _Normalize(normalizer)
        self.layout, self.cell = layout, cell

    def forward(self, context_row: Tensor, hidden: Tensor) -> Tensor:
        return self.cell.step(normalize_rows(context_row, self.layout, self.normalize), hidden)
