"""Densities, entropies and divergences against torch.distributions."""

import pytest
import torch

from training.parts.distributions import Categorical, DiagonalGaussian
from training.parts.policies import CategoricalPolicy, DiagonalGaussianPolicy


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def normal(gaussian: DiagonalGaussian) -> torch.distributions.Distribution:
    independent = torch.distributions.Normal(gaussian.mean, gaussian.log_std.exp())
    return torch.distributions.Independent(independent.expand(gaussian.mean.shape), 1)


@pytest.mark.parametrize("deviation", [(4,), (5, 3, 4)])
def test_n1_divergence_of_gaussians_is_the_closed_form(deviation: tuple[int, ...]) -> None:
    one = DiagonalGaussian(random(5, 3, 4), 0.3 * random(*deviation, seed=1))
    other = DiagonalGaussian(random(5, 3, 4, seed=2), 0.3 * random(*deviation, seed=3))

    expected = torch.distributions.kl_divergence(normal(one), normal(other))
    torch.testing.assert_close(one.kl_from(other), expected)
    torch.testing.assert_close(one.kl_from(one), torch.zeros(5, 3, dtype=torch.float64))


def test_deviations_of_their_own_count_in_density_and_entropy() -> None:
    gaussian = DiagonalGaussian(random(5, 4), 0.3 * random(5, 4, seed=1))
    action = random(5, 4, seed=2)

    torch.testing.assert_close(gaussian.log_density(action), normal(gaussian).log_prob(action))
    torch.testing.assert_close(gaussian.entropy(), normal(gaussian).entropy())


def test_m5_density_of_an_action_is_the_product_over_its_elements() -> None:
    old = DiagonalGaussian(random(6), 0.1 * random(6, seed=1))
    new = DiagonalGaussian(random(6, seed=2), 0.1 * random(6, seed=3))
    action = random(6, seed=4)
    ratio = (new.log_density(action) - old.log_density(action)).exp()
    one_by_one = torch.stack(
        [
            (
                DiagonalGaussian(new.mean[i : i + 1], new.log_std[i : i + 1])
                .log_density(action[i : i + 1])
                .sub(
                    DiagonalGaussian(old.mean[i : i + 1], old.log_std[i : i + 1]).log_density(
                        action[i : i + 1]
                    )
                )
                .exp()
            )
            for i in range(6)
        ]
    )

    torch.testing.assert_close(ratio, one_by_one.prod())


def test_n2_categorical_agrees_with_torch() -> None:
    one, other = Categorical(random(5, 3, 4)), Categorical(random(5, 3, 4, seed=1))
    reference = torch.distributions.Categorical(logits=one.logits)
    choice = torch.tensor([0, 1, 3]).expand(5, 3)

    torch.testing.assert_close(one.log_density(choice), reference.log_prob(choice))
    torch.testing.assert_close(one.entropy(), reference.entropy())
    torch.testing.assert_close(
        one.kl_from(other),
        torch.distributions.kl_divergence(
            reference, torch.distributions.Categorical(logits=other.logits)
        ),
    )


def test_n2_categorical_draws_with_its_chances_from_the_given_generator() -> None:
    chances = torch.tensor([0.1, 0.2, 0.7])
    categorical = Categorical((chances.log() + 5.0).expand(2, 20_000, 3))
    drawn = categorical.sample(torch.Generator().manual_seed(0))
    again = categorical.sample(torch.Generator().manual_seed(0))

    assert drawn.shape == (2, 20_000) and torch.equal(drawn, again)
    share = torch.bincount(drawn.flatten(), minlength=3) / drawn.numel()
    torch.testing.assert_close(share, chances, atol=0.01, rtol=0)
    assert Categorical(torch.zeros(3)).sample(torch.Generator().manual_seed(0)).shape == ()


def test_n3_deviation_stops_at_its_floor() -> None:
    def policy(**settings) -> DiagonalGaussianPolicy:
        generator = torch.Generator().manual_seed(0)
        return DiagonalGaussianPolicy(
            3, (8,), 2, initial_log_std=-3.0, generator=generator, **settings
        )

    rows = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    assert (policy(min_log_std=-1.0)(rows).log_std == -1.0).all()
    assert (policy(min_log_std=-5.0)(rows).log_std == -3.0).all()
    assert (policy()(rows).log_std == -3.0).all()


def test_mean_is_bounded_only_where_asked() -> None:
    bounded, free = (
        DiagonalGaussianPolicy(
            3, (8,), 2, initial_log_std=0.0, generator=torch.Generator().manual_seed(0),
            bounds_mean=bounds, activation="tanh",
        )
        for bounds in (True, False)
    )  # fmt: skip
    with torch.no_grad():
        for policy in (bounded, free):
            policy.network.layers[-1].weight.mul_(1000.0)
    rows = torch.randn(50, 3, generator=torch.Generator().manual_seed(1))

    assert free.mode(rows).abs().max() > 1.0
    torch.testing.assert_close(bounded.mode(rows), torch.tanh(free.mode(rows)))
    assert torch.equal(free(rows).mean, free.mode(rows))


def test_detached_and_expanded_distributions_are_the_same_ones() -> None:
    policy = DiagonalGaussianPolicy(
        3, (8,), 2, initial_log_std=-0.5, generator=torch.Generator().manual_seed(0)
    )
    distribution = policy(torch.randn(4, 3, generator=torch.Generator().manual_seed(1)))
    constant, expanded = distribution.detached(), distribution.expanded()

    assert distribution.mean.requires_grad and distribution.log_std.requires_grad
    assert not constant.mean.requires_grad and not constant.log_std.requires_grad
    assert expanded.log_std.shape == (4, 2)
    assert (distribution.kl_from(constant) == 0).all()
    assert (distribution.kl_from(expanded) == 0).all()


def test_categorical_policy_chooses_the_likeliest() -> None:
    policy = CategoricalPolicy(3, (8,), 5, generator=torch.Generator().manual_seed(0))
    rows = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))

    assert torch.equal(policy.mode(rows), policy(rows).logits.argmax(-1))
    assert policy(rows).entropy().min() > 1.6  # nearly even at first: log 5 is 1.609
