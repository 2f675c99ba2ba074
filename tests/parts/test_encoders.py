"""The belief's algebra: order, product, emptiness, divergence, batching."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sim2real.contract.belief import GaussianBelief
from training.parts.encoders import (
    ContextEncoder,
    Gaussian,
    RecurrentBelief,
    product_of_gaussians,
)


def make_encoder(row_size: int = 6, latent_size: int = 3) -> ContextEncoder:
    return ContextEncoder(
        row_size, (16, 16), latent_size, generator=torch.Generator().manual_seed(0)
    )


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@given(num_rows=st.integers(2, 64), seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_p1_order_of_context_does_not_matter(num_rows: int, seed: int) -> None:
    encoder, context = make_encoder(), draw(2, num_rows, 6, seed=seed)
    order = torch.randperm(num_rows, generator=torch.Generator().manual_seed(seed))

    straight, shuffled = encoder.posterior(context), encoder.posterior(context[:, order])

    torch.testing.assert_close(straight.mean, shuffled.mean, atol=1e-5, rtol=0)
    torch.testing.assert_close(straight.variance, shuffled.variance, atol=1e-5, rtol=0)


def test_p2_product_of_two_factors_is_the_closed_form() -> None:
    factors = Gaussian(torch.tensor([[1.0], [4.0]]), torch.tensor([[0.5], [0.25]]))

    product = product_of_gaussians(factors)

    # precisions 2 and 4: variance 1/6, mean (2·1 + 4·4)/6
    torch.testing.assert_close(product.variance, torch.tensor([1 / 6]))
    torch.testing.assert_close(product.mean, torch.tensor([3.0]))


def test_p2_posterior_is_surer_than_its_surest_factor() -> None:
    encoder, context = make_encoder(), draw(4, 32, 6)

    assert (encoder.posterior(context).variance <= encoder(context).variance.amin(1)).all()


def test_p2_context_seen_twice_halves_the_variance() -> None:
    encoder, context = make_encoder(), draw(4, 32, 6)

    once, twice = encoder.posterior(context), encoder.posterior(context.repeat(1, 2, 1))

    torch.testing.assert_close(twice.variance, once.variance / 2)
    torch.testing.assert_close(twice.mean, once.mean)


def test_p2_variance_is_clamped_before_its_reciprocal() -> None:
    product = product_of_gaussians(Gaussian(torch.ones(1, 1), torch.zeros(1, 1)))

    torch.testing.assert_close(product.variance, torch.tensor([1e-7]))
    assert torch.isfinite(product.mean).all()


def test_p5_divergence_equals_the_hand_value() -> None:
    belief = Gaussian(
        torch.tensor([[0.0, 2.0], [1.0, 0.0]]), torch.tensor([[1.0, 0.5], [4.0, 1.0]])
    )

    # ½(σ² + μ² − 1 − ln σ²) per dimension, summed over dimensions, one value per task
    first = 0.5 * (0.5 + 4.0 - 1.0 - np.log(0.5))
    second = 0.5 * (4.0 + 1.0 - 1.0 - np.log(4.0))
    torch.testing.assert_close(belief.kl_from_prior(), torch.tensor([first, second]).float())


def test_p5_divergence_agrees_with_torch() -> None:
    mean, variance = draw(5, 3), draw(5, 3, seed=1).exp()
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, variance.sqrt()), torch.distributions.Normal(0.0, 1.0)
    )

    torch.testing.assert_close(Gaussian(mean, variance).kl_from_prior(), expected.sum(-1))


def test_p12_tasks_in_one_batch_equal_tasks_one_by_one() -> None:
    encoder, context = make_encoder(), draw(5, 32, 6)
    together = encoder.posterior(context)

    for task in range(5):
        alone = encoder.posterior(context[task : task + 1])
        torch.testing.assert_close(together.mean[task], alone.mean[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(together.variance[task], alone.variance[0], atol=1e-5, rtol=0)


def test_belief_of_the_robot_equals_the_product_in_training() -> None:
    encoder, context = make_encoder(), draw(3, 20, 6)
    with torch.no_grad():
        factors, product = encoder(context), encoder.posterior(context)
    belief = GaussianBelief.prior(3, (3,))
    for step in range(20):
        belief = belief.observe(factors.mean[:, step].numpy(), factors.variance[:, step].numpy())

    np.testing.assert_allclose(belief.mean, product.mean.numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(belief.variance, product.variance.numpy(), rtol=1e-5)


def test_sample_has_the_mean_and_variance_it_was_drawn_from() -> None:
    belief = Gaussian(torch.full((20_000, 1), 3.0), torch.full((20_000, 1), 0.25))
    drawn = belief.sample(torch.Generator().manual_seed(0))

    assert abs(drawn.mean() - 3.0) < 0.02
    assert abs(drawn.std() - 0.5) < 0.02


def test_row_scale_multiplies_what_the_encoder_sees() -> None:
    generator = torch.Generator().manual_seed(0)
    scaled = ContextEncoder(2, (8,), 1, generator=generator, row_scale=torch.tensor([1.0, 0.01]))
    plain = ContextEncoder(2, (8,), 1, generator=torch.Generator().manual_seed(0))

    torch.testing.assert_close(
        scaled(torch.tensor([[1.0, 100.0]])).mean, plain(torch.tensor([[1.0, 1.0]])).mean
    )


def test_r3_steps_one_by_one_equal_the_sequence() -> None:
    cell = RecurrentBelief(5, 8, generator=torch.Generator().manual_seed(0))
    rows, hidden = draw(12, 4, 5), torch.zeros(4, 8)
    together = cell.sequence(rows, hidden)

    for step in range(12):
        hidden = cell.step(rows[step], hidden)
        torch.testing.assert_close(together[step], hidden, atol=1e-6, rtol=0)
    assert not torch.allclose(together[-1], cell.step(rows[-1], torch.zeros(4, 8)))
