"""Laws of the Gaussian belief: product, order, prior, constant time."""

from __future__ import annotations

import numpy as np
import pytest

from sim2real.contract.belief import MIN_VARIANCE, GaussianBelief


def factors(count: int, latent_size: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(count)
    mean = rng.normal(size=(count, latent_size)).astype(np.float32)
    return mean, rng.uniform(0.05, 3.0, size=(count, latent_size)).astype(np.float32)


def observe_all(mean: np.ndarray, variance: np.ndarray) -> GaussianBelief:
    belief = GaussianBelief.prior(mean.shape[-1])
    for row_mean, row_variance in zip(mean, variance, strict=True):
        belief = belief.observe(row_mean, row_variance)
    return belief


def test_empty_context_is_exactly_the_prior():
    belief = GaussianBelief.prior(5, (3,))

    np.testing.assert_array_equal(belief.mean, np.zeros((3, 5)))
    np.testing.assert_array_equal(belief.variance, np.ones((3, 5)))
    np.testing.assert_array_equal(belief.kl_from_prior(), np.zeros(3))


def test_two_factors_match_the_closed_form():
    mean, variance = factors(2)

    belief = observe_all(mean, variance)

    v0, v1 = variance.astype(np.float64)
    np.testing.assert_allclose(belief.variance, v0 * v1 / (v0 + v1))
    np.testing.assert_allclose(belief.mean, (mean[0] * v1 + mean[1] * v0) / (v0 + v1))


def test_running_sums_equal_the_batch_product_after_10000_transitions():
    mean, variance = factors(10_000)

    belief = observe_all(mean, variance)

    precision = 1.0 / variance.astype(np.float64)
    np.testing.assert_allclose(belief.variance, 1.0 / precision.sum(0), atol=1e-5, rtol=1e-9)
    expected = (mean * precision).sum(0) / precision.sum(0)
    np.testing.assert_allclose(belief.mean, expected, atol=1e-5, rtol=1e-9)
    assert belief.num_transitions == 10_000


def test_order_does_not_matter():
    mean, variance = factors(50)
    order = np.random.default_rng(0).permutation(50)

    shuffled, straight = observe_all(mean[order], variance[order]), observe_all(mean, variance)

    np.testing.assert_allclose(shuffled.mean, straight.mean, atol=1e-12)
    np.testing.assert_allclose(shuffled.variance, straight.variance, atol=1e-12)


def test_every_factor_sharpens_and_a_duplicated_context_halves_the_variance():
    mean, variance = factors(20)

    belief = observe_all(mean, variance)
    doubled = observe_all(np.tile(mean, (2, 1)), np.tile(variance, (2, 1)))

    assert (belief.variance <= variance.min(axis=0)).all()
    np.testing.assert_allclose(doubled.variance, belief.variance / 2)


def test_a_factor_is_never_surer_than_the_clamp():
    zeros = np.zeros(2, np.float32)

    belief = GaussianBelief.prior(2).observe(zeros + 3, zeros)

    np.testing.assert_allclose(belief.variance, MIN_VARIANCE)
    np.testing.assert_allclose(belief.mean, 3.0)


def test_kl_equals_the_hand_value():
    # KL(N(1, 4) || N(0, 1)) = (4 + 1 - 1 - ln 4) / 2, twice for two dimensions.
    belief = GaussianBelief.prior(2).observe(np.ones(2), np.full(2, 4.0))

    np.testing.assert_allclose(belief.kl_from_prior(), 4.0 - np.log(4.0))


def test_samples_follow_mean_and_variance_and_the_generator():
    belief = GaussianBelief.prior(1, (20_000,)).observe(
        np.full((20_000, 1), 2.0), np.full((20_000, 1), 0.25)
    )

    sample = belief.sample(np.random.default_rng(3))

    assert sample.dtype == np.float32
    assert sample.mean() == pytest.approx(2.0, abs=0.02)
    assert sample.std() == pytest.approx(0.5, abs=0.02)
    np.testing.assert_array_equal(sample, belief.sample(np.random.default_rng(3)))


def test_an_update_leaves_the_earlier_belief_as_it_was():
    before = GaussianBelief.prior(2)

    before.observe(np.ones(2), np.ones(2))

    np.testing.assert_array_equal(before.precision, np.zeros(2))
    assert before.num_transitions == 0
