"""The filter of a trial's latent model as others take it: as a cell, as a read-out, under a policy.

A moment is taken in together with what led to it, so that what is remembered between two of them is
what the last one left behind: see `training.parts.trial_latent_model`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.parts.policies import TanhGaussian, TanhGaussianPolicy
from training.parts.trial_latent_model import Belief, TrialLatentModel


class Filter(nn.Module):
    """Context rows move a memory: seen, done, paid, and whether the episode ended there."""

    def __init__(self, model: TrialLatentModel) -> None:
        super().__init__()
        self.model, self.hidden_size = model, model.memory_size

    def step(self, row: Tensor, hidden: Tensor) -> Tensor:
        """Row (B, S + A + 2) and memory (B, M) to the memory of the moment to come."""
        sizes = self.model.sizes
        seen, done, ended = row.split([sizes.seen, sizes.action + 1, 1], dim=-1)
        z2 = self.model.believed(seen, hidden).z2.mean
        return torch.cat([z2, done, 1.0 - ended], dim=-1)


class Expectation(nn.Module):
    """What a memory lets expect of the moment to come, before it is seen."""

    def __init__(self, model: TrialLatentModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, hidden: Tensor) -> Tensor:
        """Memories (B, M) to mean and log-variance of both parts, (B, 2 (L1 + L2))."""
        belief = self.model.expected_belief(hidden)
        mean = torch.cat([part.mean for part in belief], dim=-1)
        return torch.cat([mean, *(2.0 * part.log_std for part in belief)], dim=-1)


class OnBelief(nn.Module):
    """A policy on what is measured, and what is believed with the moment it acts in taken in."""

    def __init__(self, model: TrialLatentModel, policy: TanhGaussianPolicy) -> None:
        super().__init__()
        self.model, self.policy = model, policy

    def state(self, rows: Tensor) -> Tensor:
        """Moments and memories side by side, (B, S + M), to what the policy goes by."""
        sizes = self.model.sizes
        seen, memory = rows.split([sizes.seen, self.model.memory_size], dim=-1)
        belief: Belief = self.model.believed(seen, memory)
        return torch.cat([seen[..., : sizes.measured], belief.state], dim=-1)

    def forward(self, rows: Tensor) -> TanhGaussian:
        chosen: TanhGaussian = self.policy(self.state(rows))
        return chosen

    def mode(self, rows: Tensor) -> Tensor:
        """(B, A) the deterministic action."""
        return self.policy.mode(self.state(rows))

    def perturbed(self, rows: Tensor, noise: Tensor) -> Tensor:
        """(B, A) the action that standard normal noise (B, A) makes of it."""
        return self.policy.perturbed(self.state(rows), noise)
