"""The evidence lower bound: what it sums, what it averages, and what a belief is measured from."""

from __future__ import annotations

import math

import pytest
import torch

from training.parts.distributions import DiagonalGaussian
from training.parts.elbo import (
    Decoder,
    Steps,
    chained_kl,
    over_beliefs,
    pick,
    reconstruction,
)
from training.parts.encoders import RecurrentBelief
from training.parts.policies import DiagonalGaussianPolicy
from training.parts.read_out import (
    InUnits,
    OnUnits,
    RecurrentGaussian,
    gaussian_of,
    normal_quantile_of,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def read(*beliefs: tuple[float, float]) -> torch.Tensor:
    """(T, 1, 2) one trial's beliefs over one dimension, as mean and variance."""
    return torch.tensor([[[mean, math.log(variance)]] for mean, variance in beliefs])


def test_v4_every_belief_is_measured_from_the_one_before_it():
    kl = chained_kl(read((0.0, 1.0), (1.0, 1.0), (1.0, 1.0), (3.0, 0.25)))[:, 0]
    third = DiagonalGaussian(torch.tensor([3.0]), torch.tensor([0.5]).log())
    expected = third.kl_from(DiagonalGaussian(torch.tensor([1.0]), torch.zeros(1)))

    torch.testing.assert_close(kl, torch.tensor([0.0, 0.5, 0.0, float(expected)]))


def test_v4_the_first_belief_is_measured_from_the_standard_normal():
    kl = chained_kl(read((2.0, 1.0), (2.0, 1.0)))[:, 0]

    torch.testing.assert_close(kl, torch.tensor([2.0, 0.0]))


def test_all_places_weigh_alike_and_those_past_the_end_nothing():
    picked = pick(torch.tensor([2, 4]), 0, generator())

    torch.testing.assert_close(
        picked.weight, torch.tensor([[0.5, 0.25], [0.5, 0.25], [0.0, 0.25], [0.0, 0.25]])
    )
    values = torch.arange(8.0).view(4, 2)
    torch.testing.assert_close(picked.of(values), values)


def test_drawn_places_lie_in_their_trial_and_estimate_its_sum():
    length = torch.tensor([3, 40])
    picked = pick(length, 4000, generator())
    values = torch.arange(40.0)[:, None].expand(-1, 2)
    sums = reconstruction(picked.of(values)[None], picked, length)[0]

    assert picked.place[:, 0].unique().tolist() == [0, 1, 2]
    assert picked.place[:, 1].max() < 40
    torch.testing.assert_close(sums, torch.tensor([3.0, 780.0]), rtol=0.03, atol=0)


def test_v3_a_batch_seen_twice_has_the_same_loss():
    error, length = torch.rand(5, 6, 3, generator=generator()), torch.tensor([6, 2, 4])
    twice = error.repeat(1, 1, 2), length.repeat(2)

    def loss(error: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        steps, beliefs = (
            pick(length, 0, generator()),
            pick(torch.full_like(length, 5), 0, generator()),
        )
        return over_beliefs(reconstruction(error, steps, length), beliefs)

    torch.testing.assert_close(loss(error, length), loss(*twice))
    by_hand = torch.stack([error[:, :6, 0].sum(1), error[:, :2, 1].sum(1), error[:, :4, 2].sum(1)])
    torch.testing.assert_close(loss(error, length), by_hand.mean())


@pytest.mark.parametrize("has_binary_rewards", [False, True])
def test_decoder_says_minus_the_likelihood_of_every_step_under_every_latent(has_binary_rewards):
    decoder = Decoder(
        latent_size=2,
        observation_size=3,
        action_size=1,
        hidden_sizes=(8,),
        has_binary_rewards=has_binary_rewards,
        pays_for_outcome=False,
        decodes_state=True,
        generator=generator(),
    )
    steps = Steps(
        *(torch.randn(4, 5, size, generator=generator(size)) for size in (3, 1)),
        torch.randn(4, 5, generator=generator(7)),
        torch.randn(4, 5, 3, generator=generator(8)),
    )
    latent = torch.randn(6, 5, 2, generator=generator(9))
    error = decoder.error(latent, steps)

    one = Steps(*(values[3, 2] for values in steps))
    predicted = decoder.predicted_reward(latent[1, 2], one)
    state = decoder.state(torch.cat([latent[1, 2], one.observation, one.action]))
    if has_binary_rewards:
        chance = torch.sigmoid(predicted)
        of_reward = -torch.log(chance if one.reward > 0 else 1.0 - chance)
    else:
        of_reward = 0.5 * (predicted - one.reward) ** 2
    of_state = 0.5 * (one.observation + state - one.next_observation).square().sum()
    assert error.shape == (6, 4, 5)
    torch.testing.assert_close(error[1, 3, 2], of_reward + of_state)


def test_a_belief_in_units_is_the_same_belief_and_the_policy_does_the_same():
    cell = RecurrentBelief(4, 6, generator=generator())
    encoder = RecurrentGaussian(cell, 2, generator=generator(1))
    middle, half_range = torch.tensor([0.3, -50.0]), torch.tensor([0.1, 20.0])
    is_log = torch.zeros(2)
    policy = DiagonalGaussianPolicy(7, (8,), 2, initial_log_std=0.0, generator=generator(2))
    hidden = torch.randn(5, 6, generator=generator(3))
    plain, in_units = (
        encoder.read_out(hidden),
        InUnits(encoder.read_out, middle, half_range, is_log)(hidden),
    )
    one, other = gaussian_of(plain), gaussian_of(in_units)
    observed = torch.randn(5, 3, generator=generator(4))
    on_units = OnUnits(policy, middle, half_range, is_log)
    noise = torch.randn(5, 2, generator=generator(5))

    torch.testing.assert_close(other.mean, middle + half_range * one.mean)
    torch.testing.assert_close(other.log_std.exp(), half_range * one.log_std.exp())
    rows = torch.cat([observed, in_units], -1), torch.cat([observed, plain], -1)
    torch.testing.assert_close(on_units.mode(rows[0]), policy.mode(rows[1]), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        on_units.perturbed(rows[0], noise), policy.perturbed(rows[1], noise), atol=1e-5, rtol=0
    )


def test_quantiles_of_draws_from_the_belief_are_uniform():
    belief = torch.cat([torch.tensor([2.0, -1.0]), torch.tensor([0.25, 4.0]).log()])
    drawn = gaussian_of(belief.expand(20_000, 4)).sample(generator())
    quantile = normal_quantile_of(belief, drawn).sort(0).values
    expected = torch.linspace(0, 1, 20_000)[:, None].expand(-1, 2)

    torch.testing.assert_close(quantile, expected, atol=0.02, rtol=0)
