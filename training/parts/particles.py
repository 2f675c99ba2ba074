"""A particle filter whose model is learnt: a belief that may have several humps.

Igl et al. 2018 (DVRL), https://arxiv.org/abs/1806.02426. A particle is a hidden state and a latent.
With every transition, particles are resampled by their weights, each draws a latent from a proposal
that has seen the transition, and is weighed by how well it explains what came of the action. The
mean weight of a step estimates the likelihood of its outcome; its logarithm, summed over a trial,
is a lower bound of the trial's log-likelihood in expectation.

All that is carried is one vector, zero at the start of a trial, and what is drawn comes from noise
that enters beside the row: a graph without random numbers, in constant time and memory.

Differs from the published code:

* What is made of the particles is a weighted mean of features: it knows no order. (There: a
  recurrent cell over particles in an order that means nothing.)
* Without resampling weights accumulate, so that the bound stays one.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from sim2real.contract.context import ContextLayout
from training.parts.distributions import DiagonalGaussian
from training.parts.networks import Mlp

MIN_LATENT_LOG_STD, MAX_LATENT_LOG_STD = -4.0, 0.5
"""latents stay near one: of larger ones torch and ONNX Runtime round differently by over 1e-5"""
MIN_OUTCOME_LOG_STD, MAX_OUTCOME_LOG_STD = -2.0, 2.0
"""outcomes without noise would otherwise be worth any weight, and float32 not hold it"""
MIN_VARIANCE = 1e-5
"""of particles that agree, as it is read out"""


class Particles(NamedTuple):
    """K particles in each of B trials."""

    hidden: Tensor
    """(B, K, H) what a particle remembers of the trial"""
    latent: Tensor
    """(B, K, Z) what it last drew"""
    log_weight: Tensor
    """(B, K) up to a constant"""

    @property
    def weight(self) -> Tensor:
        """(B, K) sums to one."""
        return self.log_weight.softmax(-1)

    def packed(self) -> Tensor:
        """(B, K (H + Z + 1)) as one vector."""
        return torch.cat(
            [self.hidden.flatten(-2), self.latent.flatten(-2), self.log_weight], dim=-1
        )


def systematic_ancestors(log_weight: Tensor, uniform: Tensor) -> Tensor:
    """(B, K) int64 which particle each one descends from, by weights (B, K).

    One uniform number (B, 1) places a comb of K teeth: a particle of weight w has ⌊K w⌋ or ⌈K w⌉
    descendants. No gradient passes.
    """
    count = log_weight.shape[-1]
    ends = log_weight.detach().softmax(-1).cumsum(-1)
    teeth = (torch.arange(count, device=ends.device) + uniform) / count
    ancestors = (ends[..., None, :] <= teeth[..., None]).sum(-1)
    return ancestors.clamp(max=count - 1)  # the last end may be rounded to less than one


def descended(particles: Particles, ancestors: Tensor) -> Particles:
    """The particles that ancestors (B, K) name, hidden state and latent together, equal weights."""

    def of(values: Tensor) -> Tensor:
        return values.gather(-2, ancestors[..., None].expand_as(values))

    equal = torch.zeros_like(particles.log_weight)
    return Particles(of(particles.hidden), of(particles.latent), equal)


class Model(Protocol):
    """What particles are moved and weighed by; rows (B, C) are those of the transition.

    Everything is per particle: (B, K, ·) in and out.
    """

    hidden_size: int
    latent_size: int

    def prior(self, hidden: Tensor, row: Tensor) -> DiagonalGaussian:
        """Latents before the outcome is known."""

    def proposal(self, hidden: Tensor, row: Tensor) -> DiagonalGaussian:
        """Latents in the light of the outcome."""

    def log_likelihood(self, hidden: Tensor, latent: Tensor, row: Tensor) -> Tensor:
        """(B, K) of the outcome."""

    def following(self, hidden: Tensor, latent: Tensor, row: Tensor) -> Tensor:
        """(B, K, H) what is remembered afterwards."""


class LearntModel(nn.Module):
    """Networks over context rows; an outcome is the reward and, where rows have it, the change."""

    row_scale: Tensor

    def __init__(
        self,
        layout: ContextLayout,
        hidden_size: int,
        latent_size: int,
        *,
        generator: torch.Generator,
        row_scale: Tensor | None = None,
    ) -> None:
        """`row_scale` (C,) multiplies every row first: it travels with the exported graph."""
        super().__init__()
        self.hidden_size, self.latent_size, self.layout = hidden_size, latent_size, layout
        known = layout.observation_size + layout.action_size
        outcome = 1 + layout.observation_size * layout.uses_next_observation
        one_layer, size = (hidden_size,), hidden_size + layout.size
        self._prior = Mlp(hidden_size + known, one_layer, 2 * latent_size, generator=generator)
        self._proposal = Mlp(size, one_layer, 2 * latent_size, generator=generator)
        self._outcome = Mlp(
            hidden_size + latent_size + known, one_layer, 2 * outcome, generator=generator
        )
        self._embedding = Mlp(latent_size + layout.size, (), hidden_size, generator=generator)
        self._cell = nn.GRU(hidden_size, hidden_size)
        bound = hidden_size**-0.5
        with torch.no_grad():
            for parameter in self._cell.parameters():
                parameter.uniform_(-bound, bound, generator=generator)
        scale = torch.ones(layout.size) if row_scale is None else row_scale
        self.register_buffer("row_scale", scale)

    def prior(self, hidden: Tensor, row: Tensor) -> DiagonalGaussian:
        return _latents(self._prior(beside(hidden, self._known(row))))

    def proposal(self, hidden: Tensor, row: Tensor) -> DiagonalGaussian:
        return _latents(self._proposal(beside(hidden, symmetric_log(row * self.row_scale))))

    def log_likelihood(self, hidden: Tensor, latent: Tensor, row: Tensor) -> Tensor:
        predicted = self._outcome(beside(torch.cat([hidden, latent], -1), self._known(row)))
        mean, log_std = predicted.chunk(2, dim=-1)
        log_std = log_std.clamp(MIN_OUTCOME_LOG_STD, MAX_OUTCOME_LOG_STD)
        return DiagonalGaussian(mean, log_std).log_density(self._outcome_of(row)[..., None, :])

    def following(self, hidden: Tensor, latent: Tensor, row: Tensor) -> Tensor:
        embedded = torch.relu(self._embedding(beside(latent, symmetric_log(row * self.row_scale))))
        flat = hidden.reshape(1, -1, self.hidden_size)
        moved: Tensor = self._cell(embedded.reshape(1, -1, self.hidden_size), flat)[1]
        return moved.reshape(hidden.shape)

    def _known(self, row: Tensor) -> Tensor:
        """(B, ·) what was known when the action was chosen."""
        known = self.layout.observation_size + self.layout.action_size
        return (row * self.row_scale)[..., :known]

    def _outcome_of(self, row: Tensor) -> Tensor:
        """(B, ·) what it led to: the reward as scaled, and the change of the observation."""
        size = self.layout.observation_size
        start = size + self.layout.action_size
        scaled = row * self.row_scale
        outcome = [scaled[..., start : start + 1]]
        if self.layout.uses_next_observation:
            outcome.append(scaled[..., start + 1 : start + 1 + size] - scaled[..., :size])
        return symmetric_log(torch.cat(outcome, dim=-1))


def symmetric_log(values: Tensor) -> Tensor:
    """Near zero as they are, far away as logarithms: log-likelihoods that float32 holds."""
    return values.sign() * values.abs().log1p()


def beside(of_particles: Tensor, of_trial: Tensor) -> Tensor:
    """(B, K, ·) with (B, ·) beside every particle."""
    repeated = of_trial[..., None, :].expand(*of_particles.shape[:-1], -1)
    return torch.cat([of_particles, repeated], dim=-1)


def _latents(read: Tensor) -> DiagonalGaussian:
    mean, log_std = read.chunk(2, dim=-1)
    return DiagonalGaussian(mean, log_std.clamp(MIN_LATENT_LOG_STD, MAX_LATENT_LOG_STD))


class Filtered(NamedTuple):
    """A trial seen by particles, (T, B, ·)."""

    carried: Tensor
    """(T, B, S) the particles after every transition, packed"""
    log_likelihood: Tensor
    """(T, B) estimates of the log-likelihood of every outcome, given those before"""


class ParticleFilter(nn.Module):
    """Moves K particles by a model; what it carries is one vector per trial."""

    def __init__(self, model: Model, num_particles: int, *, resamples: bool = True) -> None:
        super().__init__()
        self.model, self.num_particles, self.resamples = model, num_particles, resamples
        self.hidden_size = num_particles * (model.hidden_size + model.latent_size + 1)
        """S, of all that is carried"""
        self.noise_size = num_particles * model.latent_size + 1
        """standard normal numbers with every transition: latents, and one for the ancestors"""

    def particles(self, carried: Tensor) -> Particles:
        """Of vectors (..., S)."""
        count, model = self.num_particles, self.model
        sizes = [count * model.hidden_size, count * model.latent_size, count]
        hidden, latent, log_weight = carried.split(sizes, dim=-1)
        return Particles(
            hidden.unflatten(-1, (count, -1)), latent.unflatten(-1, (count, -1)), log_weight
        )

    def step(self, row: Tensor, carried: Tensor) -> Tensor:
        """Row with noise beside it (B, C + N) and carried (B, S) to what is carried next (B, S)."""
        row, noise = row[..., : -self.noise_size], row[..., -self.noise_size :]
        return self.moved(self.particles(carried), row, noise)[0].packed()

    def filtered(self, rows: Tensor, noise: Tensor) -> Filtered:
        """Rows (T, B, C) of whole trials, with noise (T, B, N)."""
        particles = self.particles(rows.new_zeros(rows.shape[1], self.hidden_size))
        carried, likelihoods = list[Tensor](), list[Tensor]()
        for row, drawn in zip(rows, noise, strict=True):
            particles, log_likelihood = self.moved(particles, row, drawn)
            carried.append(particles.packed())
            likelihoods.append(log_likelihood)
        return Filtered(torch.stack(carried), torch.stack(likelihoods))

    def moved(self, particles: Particles, row: Tensor, noise: Tensor) -> tuple[Particles, Tensor]:
        """The particles after a transition, and (B,) the log-likelihood of its outcome."""
        model = self.model
        if self.resamples:
            uniform = 0.5 * (1.0 + torch.erf(noise[..., -1:] / math.sqrt(2.0)))
            ancestors = systematic_ancestors(particles.log_weight, uniform)
            particles = descended(particles, ancestors)
        before = particles.log_weight.log_softmax(-1)
        proposal = model.proposal(particles.hidden, row)
        normal = noise[..., :-1].unflatten(-1, (self.num_particles, -1))
        latent = proposal.mean + proposal.log_std.exp() * normal
        # Of the noise, not of the latent: no difference of large numbers is taken.
        standard = DiagonalGaussian(torch.zeros_like(normal), torch.zeros_like(normal))
        density = standard.log_density(normal) - proposal.log_std.sum(-1)
        log_weight = (
            before
            + model.prior(particles.hidden, row).log_density(latent)
            + model.log_likelihood(particles.hidden, latent, row)
            - density
        )
        total = log_weight.logsumexp(-1)
        hidden = model.following(particles.hidden, latent, row)
        return Particles(hidden, latent, log_weight - total[..., None]), total


class ParticleFeatures(nn.Module):
    """Carried (..., S) to a weighted mean of features (..., F): any order of particles is alike."""

    def __init__(self, filter_: ParticleFilter, size: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self._particles_of, self.carried_size = filter_.particles, filter_.hidden_size
        model = filter_.model
        self.features = Mlp(model.hidden_size + model.latent_size, (), size, generator=generator)

    def forward(self, carried: Tensor) -> Tensor:
        particles = self._particles_of(carried)
        rows = torch.cat([particles.hidden, particles.latent], dim=-1)
        weighted = particles.weight[..., None] * torch.relu(self.features(rows))
        return weighted.sum(-2)


class ParticleMoments(nn.Module):
    """Carried (..., S) to mean and log-variance of the latents side by side, (..., 2 Z)."""

    def __init__(self, filter_: ParticleFilter) -> None:
        super().__init__()
        self._particles_of = filter_.particles

    def forward(self, carried: Tensor) -> Tensor:
        particles = self._particles_of(carried)
        weight = particles.weight[..., None]
        mean = (weight * particles.latent).sum(-2)
        variance = (weight * (particles.latent - mean[..., None, :]).square()).sum(-2)
        return torch.cat([mean, variance.clamp(min=MIN_VARIANCE).log()], dim=-1)
