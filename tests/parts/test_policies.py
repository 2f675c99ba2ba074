"""The densities of the policies."""

import math

import numpy as np
import pytest
import torch

from training.parts.policies import (
    DiagonalGaussian,
    DiagonalGaussianPolicy,
    TanhGaussian,
    TanhGaussianPolicy,
    choose,
    tanh_log_det,
)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 0.3), (0.7, 1.0), (-1.5, 0.8)])
def test_s1_density_of_the_tanh_gaussian_integrates_to_one(mean: float, std: float) -> None:
    actions = torch.linspace(-1 + 1e-6, 1 - 1e-6, 400_001, dtype=torch.float64)[:, None]
    distribution = TanhGaussian(
        torch.tensor([mean], dtype=torch.float64),
        torch.tensor([math.log(std)], dtype=torch.float64),
    )
    density = distribution.log_density(torch.atanh(actions)).exp()

    assert abs(torch.trapezoid(density, actions[:, 0]).item() - 1.0) < 2e-3


def test_s2_log_det_equals_autodiff() -> None:
    pre_tanh = torch.linspace(-4, 4, 81, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(torch.tanh(pre_tanh).sum(), pre_tanh)

    torch.testing.assert_close(tanh_log_det(pre_tanh.detach()), slope.log(), atol=1e-9, rtol=0)


def test_s2_log_det_stays_finite_where_tanh_saturates() -> None:
    far = torch.tensor([-50.0, 20.0, 50.0])

    # log(1 - tanh²) tends to log 4 - 2|x|
    torch.testing.assert_close(tanh_log_det(far), math.log(4.0) - 2.0 * far.abs())


def test_sampled_log_density_is_that_of_the_sample_summed_over_elements() -> None:
    distribution = TanhGaussian(torch.tensor([[0.2, -0.4]]), torch.tensor([[-0.5, -1.0]]))
    action, log_density = distribution.sample(torch.Generator().manual_seed(0))
    one_by_one = sum(
        TanhGaussian(distribution.mean[:, i : i + 1], distribution.log_std[:, i : i + 1])
        .log_density(torch.atanh(action[:, i : i + 1]))
        .item()
        for i in range(2)
    )

    assert abs(log_density.item() - one_by_one) < 1e-4


def test_actions_lie_in_the_unit_box_and_the_mode_is_the_tanh_of_the_mean() -> None:
    policy = TanhGaussianPolicy(3, (8,), 2, generator=torch.Generator().manual_seed(0))
    rows = torch.randn(100, 3, generator=torch.Generator().manual_seed(1))
    action, _ = policy(rows).sample(torch.Generator().manual_seed(2))

    assert (action.abs() <= 1.0).all()
    torch.testing.assert_close(policy.mode(rows), torch.tanh(policy(rows).mean))


def test_gaussian_density_and_entropy_agree_with_torch() -> None:
    mean, log_std = torch.tensor([[0.1, -0.2], [0.5, 0.0]]), torch.tensor([-0.5, 0.3])
    reference = torch.distributions.Normal(mean, log_std.exp())
    action = torch.tensor([[0.3, 1.7], [-2.0, 0.4]])

    gaussian = DiagonalGaussian(mean, log_std)
    torch.testing.assert_close(gaussian.log_density(action), reference.log_prob(action).sum(-1))
    torch.testing.assert_close(gaussian.entropy(), reference.entropy().sum(-1)[0])


def test_gaussian_samples_spread_as_their_deviation_says() -> None:
    gaussian = DiagonalGaussian(torch.zeros(20_000, 1), torch.tensor([math.log(0.5)]))
    drawn = gaussian.sample(torch.Generator().manual_seed(0)).numpy()

    assert abs(np.std(drawn) - 0.5) < 0.02


@pytest.mark.parametrize("kind", ["tanh", "plain"])
def test_noise_makes_of_the_mode_what_a_draw_is(kind: str) -> None:
    generator, rows = torch.Generator().manual_seed(0), torch.randn(50, 4)
    policy = (
        TanhGaussianPolicy(4, (16,), 3, generator=generator)
        if kind == "tanh"
        else DiagonalGaussianPolicy(4, (16,), 3, initial_log_std=-0.5, generator=generator)
    )
    noise = torch.randn((50, 3), generator=torch.Generator().manual_seed(5))

    drawn = policy(rows).sample(torch.Generator().manual_seed(5))
    drawn = drawn[0] if kind == "tanh" else drawn

    torch.testing.assert_close(policy.perturbed(rows, noise), drawn)
    torch.testing.assert_close(policy.perturbed(rows, torch.zeros(50, 3)), policy.mode(rows))
    assert (policy.perturbed(rows, noise) - policy.mode(rows)).abs().max() > 0.5


def test_an_action_drawn_without_its_density_is_the_one_drawn_with_it() -> None:
    policy = TanhGaussianPolicy(3, (8,), 2, generator=torch.Generator().manual_seed(0))
    rows = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    sampled, _ = policy(rows).sample(torch.Generator().manual_seed(2))
    quickly = choose(policy, rows, torch.Generator().manual_seed(2))

    np.testing.assert_array_equal(sampled.detach().numpy(), quickly.action)
    assert quickly.log_density is None
