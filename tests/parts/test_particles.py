"""What must hold for particle filters, against exact references."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from sim2real.contract.context import ContextLayout
from training.parts.distributions import DiagonalGaussian
from training.parts.particles import (
    LearntModel,
    ParticleFeatures,
    ParticleFilter,
    Particles,
    descended,
    systematic_ancestors,
)


class LinearGaussian(nn.Module):
    """x' = .9 x + noise of deviation .5; y = x' + noise of .7. A row is (y,)."""

    hidden_size, latent_size = 1, 1

    def prior(self, hidden: Tensor, row: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(0.9 * hidden, torch.full_like(hidden, math.log(0.5)))

    def proposal(self, hidden: Tensor, row: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(0.9 * hidden + 0.1, torch.full_like(hidden, math.log(0.6)))

    def log_likelihood(self, hidden: Tensor, latent: Tensor, row: Tensor) -> Tensor:
        density = DiagonalGaussian(latent, torch.full_like(latent, math.log(0.7)))
        return density.log_density(row[..., None, :])

    def following(self, hidden: Tensor, latent: Tensor, row: Tensor) -> Tensor:
        return latent


def kalman(outcomes: list[float]) -> tuple[float, float]:
    """The exact mean in the end, and the log-likelihood of all."""
    mean, variance, total = 0.0, 0.0, 0.0
    for outcome in outcomes:
        mean, variance = 0.9 * mean, 0.81 * variance + 0.25
        spread = variance + 0.49
        total -= 0.5 * ((outcome - mean) ** 2 / spread + math.log(2 * math.pi * spread))
        gain = variance / spread
        mean, variance = mean + gain * (outcome - mean), (1 - gain) * variance
    return mean, total


def run(
    filter_: ParticleFilter, outcomes: list[float], batch: int, seed: int = 0
) -> tuple[Particles, Tensor]:
    rows = torch.tensor(outcomes)[:, None, None].expand(-1, batch, -1)
    noise = torch.randn(
        len(outcomes), batch, filter_.noise_size, generator=torch.Generator().manual_seed(seed)
    )
    filtered = filter_.filtered(rows, noise)
    return filter_.particles(filtered.carried[-1]), filtered.log_likelihood.sum(0)


OUTCOMES = [0.9, 1.7, 1.2, 2.0, 1.4, 1.9, 2.2, 1.6]


def test_pf1_linear_gaussian_systems_are_filtered_as_kalman_does() -> None:
    mean, total = kalman(OUTCOMES)
    particles, likelihood = run(ParticleFilter(LinearGaussian(), 500), OUTCOMES, 64)
    found = (particles.weight * particles.latent[..., 0]).sum(-1).mean()

    assert abs(float(found) - mean) < 0.02 * abs(mean)
    assert abs(float(likelihood.mean()) - total) < 0.02 * abs(total)


def test_pf2_a_particle_has_as_many_descendants_as_its_weight_says() -> None:
    generator = torch.Generator().manual_seed(0)
    log_weight = 2.0 * torch.randn(200, 7, generator=generator)
    ancestors = systematic_ancestors(log_weight, torch.rand(200, 1, generator=generator))
    counts = torch.nn.functional.one_hot(ancestors, 7).sum(-2)
    expected = 7 * log_weight.softmax(-1)

    assert (counts >= (expected - 1e-4).floor()).all()
    assert (counts <= (expected + 1e-4).ceil()).all()


def test_pf3_the_likelihood_is_the_same_with_resampling_and_without() -> None:
    _, total = kalman(OUTCOMES[:4])
    for resamples in (True, False):
        filter_ = ParticleFilter(LinearGaussian(), 20, resamples=resamples)
        _, likelihood = run(filter_, OUTCOMES[:4], 4000)
        assert abs(float((likelihood - total).exp().mean()) - 1.0) < 0.03


def small(num_particles: int = 5) -> tuple[ParticleFilter, ContextLayout]:
    layout = ContextLayout(observation_size=2, action_size=1, uses_next_observation=True)
    generator = torch.Generator().manual_seed(0)
    model = LearntModel(layout, 4, 2, generator=generator)
    return ParticleFilter(model, num_particles), layout


def test_pf4_the_order_of_particles_means_nothing() -> None:
    filter_, _ = small()
    generator = torch.Generator().manual_seed(1)
    features = ParticleFeatures(filter_, 6, generator=generator)
    carried = torch.randn(3, filter_.hidden_size, generator=generator)
    particles, order = filter_.particles(carried), torch.tensor([3, 1, 4, 0, 2])
    other = Particles(*(values[:, order] for values in particles)).packed()

    assert not torch.equal(other, carried)
    torch.testing.assert_close(features(other), features(carried))


def test_pf5_no_gradient_passes_through_ancestors() -> None:
    for resamples, passes in ((True, False), (False, True)):
        filter_, layout = small()
        filter_.resamples = resamples
        carried = torch.randn(3, filter_.hidden_size, requires_grad=True)
        row = torch.randn(3, layout.size + filter_.noise_size)
        filter_.step(row, carried).square().sum().backward()
        assert carried.grad is not None
        gradient = filter_.particles(carried.grad)
        assert bool(gradient.log_weight.any()) is passes
        assert gradient.hidden.any()


def test_ancestors_hand_down_hidden_state_and_latent_together() -> None:
    number = torch.arange(4.0)[None, :, None]
    particles = Particles(number.expand(1, 4, 3), 10 * number, torch.zeros(1, 4))
    found = descended(particles, torch.tensor([[2, 2, 0, 3]]))

    assert found.hidden[0, :, 1].tolist() == [2, 2, 0, 3]
    assert found.latent[0, :, 0].tolist() == [20, 20, 0, 30]
    assert float(1.0 / found.weight.square().sum()) == 4.0  # the effective sample size is K


def test_one_particle_is_the_bound_of_a_sequential_autoencoder_and_more_are_tighter() -> None:
    _, total = kalman(OUTCOMES)
    one = run(ParticleFilter(LinearGaussian(), 1), OUTCOMES, 4000)[1].mean()
    ten = run(ParticleFilter(LinearGaussian(), 10), OUTCOMES, 4000)[1].mean()
    model, previous, by_hand = LinearGaussian(), torch.zeros(1, 1, 1), torch.tensor(0.0)
    noise = torch.randn(
        len(OUTCOMES), 1, 2, generator=torch.Generator().manual_seed(5)
    )  # as `run` draws it
    for outcome, drawn in zip(OUTCOMES, noise, strict=True):
        row, q = torch.tensor([[outcome]]), model.proposal(previous, torch.zeros(1, 1))
        latent = q.mean + q.log_std.exp() * drawn[:, None, :1]
        by_hand = by_hand + (
            model.log_likelihood(previous, latent, row)
            + model.prior(previous, row).log_density(latent)
            - q.log_density(latent)
        )
        previous = latent
    alone = run(ParticleFilter(LinearGaussian(), 1), OUTCOMES, 1, seed=5)[1]

    torch.testing.assert_close(alone[None], by_hand)
    assert float(one) < float(ten) - 0.2 and float(ten) < total


def test_weights_far_apart_stay_finite() -> None:
    filter_ = ParticleFilter(LinearGaussian(), 4)
    _, likelihood = run(filter_, [300.0, -300.0], 8)

    assert np.isfinite(likelihood.numpy()).all()
