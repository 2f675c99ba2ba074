"""Conjugate gradient and the trust-region step, on problems with known answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from training.parts.inner_loop import (
    adapt,
    likelihood_ratio_loss,
    log_likelihood_loss,
    parameters_of,
)
from training.parts.policies import DiagonalGaussianPolicy
from training.parts.trust_region import (
    conjugate_gradient,
    fisher_vector_product,
    trust_region_step,
)


def positive_definite(size: int) -> Tensor:
    root = torch.randn(size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return root @ root.T + torch.eye(size, dtype=torch.float64)


def test_t1_conjugate_gradient_solves_in_as_many_steps_as_there_are_unknowns() -> None:
    matrix, target = positive_definite(8), torch.arange(1.0, 9.0, dtype=torch.float64)
    solution = conjugate_gradient(lambda x: matrix @ x, target, num_iterations=8, tolerance=0.0)

    torch.testing.assert_close(matrix @ solution, target, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(solution, torch.linalg.solve(matrix, target), rtol=1e-6, atol=1e-8)


def test_t1_residuals_of_fewer_steps_shrink_and_a_solved_system_stops() -> None:
    matrix, target = positive_definite(8), torch.ones(8, dtype=torch.float64)
    products = 0

    def product(vector: Tensor) -> Tensor:
        nonlocal products
        products += 1
        return matrix @ vector

    errors = [
        (conjugate_gradient(product, target, num_iterations=n) - torch.linalg.solve(matrix, target))
        .norm()
        .item()
        for n in range(1, 7)
    ]
    assert errors == sorted(errors, reverse=True)
    products = 0
    conjugate_gradient(lambda v: product(v) * 0 + v, target, num_iterations=50)
    assert products == 1
    assert (conjugate_gradient(product, torch.zeros_like(target)) == 0).all()


def quadratic(
    matrix: Tensor, slope: Tensor, start: Tensor
) -> tuple[Tensor, Callable[[], Tensor], Callable[[], Tensor]]:
    """A linear loss, and a divergence that is exactly ½ (x − start)ᵀ A (x − start)."""
    point = start.clone().requires_grad_()

    def kl() -> Tensor:
        moved = point - start
        return 0.5 * moved @ matrix @ moved

    return point, lambda: slope @ point, kl


def test_t2_step_on_a_quadratic_is_the_natural_gradient_at_the_radius() -> None:
    matrix, slope = positive_definite(5), torch.arange(1.0, 6.0, dtype=torch.float64)
    start = torch.ones(5, dtype=torch.float64)
    point, loss, kl = quadratic(matrix, slope, start)
    radius = 0.02
    result = trust_region_step(loss, kl, [point], max_kl=radius * (1 + 1e-9), damping=0.0)

    natural = torch.linalg.solve(matrix, -slope)
    expected = start + natural * torch.sqrt(2 * radius / (natural @ matrix @ natural))
    torch.testing.assert_close(point.detach(), expected, rtol=1e-5, atol=1e-7)
    assert result.is_accepted and result.refusal == ""
    assert result.kl == pytest.approx(radius, rel=1e-4)
    assert result.loss_after == pytest.approx(float(slope @ expected), rel=1e-6)
    assert result.loss_before == float(slope @ start)


def test_t2_products_are_those_of_the_damped_hessian_over_several_parameters() -> None:
    matrix = positive_definite(5)
    first, second = (torch.zeros(n, dtype=torch.float64, requires_grad=True) for n in (2, 3))

    def kl() -> Tensor:
        point = torch.cat([first, second])
        return 0.5 * point @ matrix @ point

    vector = torch.arange(5.0, dtype=torch.float64)
    product = fisher_vector_product(kl, [first, second], damping=0.5)
    torch.testing.assert_close(product(vector), matrix @ vector + 0.5 * vector)


def policy_problem() -> tuple[DiagonalGaussianPolicy, Callable[[], Tensor], Callable[[], Tensor]]:
    """A float32 policy on fixed data: the surrogate and the mean KL(old || now)."""
    generator = torch.Generator().manual_seed(0)
    policy = DiagonalGaussianPolicy(
        3, (16,), 2, initial_log_std=-0.5, generator=generator, activation="tanh"
    )
    observation = torch.randn(200, 3, generator=generator)
    with torch.no_grad():
        old = policy(observation).detached()
        action = old.sample(generator)
        old_density = old.log_density(action)
        advantage = action[:, 0] * observation[:, 0] + 0.1
    valid = torch.ones(200)

    def loss() -> Tensor:
        density = policy(observation).log_density(action)
        return likelihood_ratio_loss(density, old_density, advantage, valid)

    return policy, loss, lambda: old.kl_from(policy(observation)).mean()


@pytest.mark.parametrize("radius", [1e-3, 1e-2, 0.3])
def test_m4_divergence_stays_within_the_radius_and_the_loss_falls(radius: float) -> None:
    policy, loss, kl = policy_problem()
    before = loss().item()
    result = trust_region_step(loss, kl, list(policy.parameters()), max_kl=radius)

    assert result.is_accepted
    assert kl().item() == pytest.approx(result.kl) and radius / 3 < result.kl <= radius
    assert loss().item() == pytest.approx(result.loss_after) and result.loss_after < before


def test_m6_line_search_starts_from_the_surrogate_at_ratio_one() -> None:
    policy, loss, kl = policy_problem()
    before = loss().item()

    assert trust_region_step(loss, kl, list(policy.parameters()), max_kl=0.01).loss_before == before
    assert policy_problem()[2]().item() == 0.0


@pytest.mark.parametrize("reason", ["loss_rises", "not_finite", "too_wide"])
def test_m4_a_refused_step_leaves_every_bit(reason: str) -> None:
    policy, loss, kl = policy_problem()
    before = [parameter.detach().clone() for parameter in policy.parameters()]
    calls = 0

    def worse() -> Tensor:
        nonlocal calls
        calls += 1
        value = loss()
        if calls == 1 or reason == "too_wide":
            return value
        return value + 1.0 if reason == "loss_rises" else value * float("nan")

    def wide() -> Tensor:
        return kl() + (1.0 if reason == "too_wide" else 0.0)

    result = trust_region_step(worse, wide, list(policy.parameters()), max_kl=0.01)

    assert not result.is_accepted and "length" in result.refusal
    assert result.num_backtracks == 15 and result.loss_after == result.loss_before
    assert all(map(torch.equal, policy.parameters(), before))


def test_m4_the_step_is_shortened_until_it_is_acceptable() -> None:
    """A loss that falls only close by: exactly the first length that does better is taken."""
    matrix, start = torch.eye(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    point, _, kl = quadratic(matrix, torch.ones(1, dtype=torch.float64), start)

    def loss() -> Tensor:  # lowest at 0.3, as at 0 again at 0.6; the whole step goes to 1
        return ((point + 0.3).square()).sum()

    result = trust_region_step(loss, kl, [point], max_kl=0.5 * (1 + 1e-9), damping=0.0)

    assert result.is_accepted and result.num_backtracks == 3  # .8³ = .512 < .6 < .8²
    assert point.item() == pytest.approx(-(0.8**3), rel=1e-6)


def test_m8_without_a_gradient_nothing_moves() -> None:
    policy, loss, kl = policy_problem()
    before = [parameter.detach().clone() for parameter in policy.parameters()]
    result = trust_region_step(lambda: 0.0 * loss(), kl, list(policy.parameters()), max_kl=0.01)

    assert not result.is_accepted and "gradient" in result.refusal
    assert all(map(torch.equal, policy.parameters(), before))


def test_m4_radius_holds_for_policies_after_an_inner_step() -> None:
    """MAML's outer step: loss and divergence are of the adapted policies, through the step."""
    generator = torch.Generator().manual_seed(0)
    policy = DiagonalGaussianPolicy(
        3, (8,), 2, initial_log_std=-0.5, generator=generator, activation="tanh"
    ).double()
    data = {
        "observation": torch.randn(4, 50, 3, generator=generator, dtype=torch.float64),
        "action": torch.randn(4, 50, 2, generator=generator, dtype=torch.float64),
        "advantage": torch.randn(4, 50, generator=generator, dtype=torch.float64),
    }
    valid = torch.ones(50, dtype=torch.float64)

    def inner(parameters: dict, batch: dict) -> Tensor:
        distribution = functional_call(policy, parameters, (batch["observation"],))
        return log_likelihood_loss(
            distribution.log_density(batch["action"]), batch["advantage"], valid
        )

    def adapted_distribution():
        own = adapt(inner, parameters_of(policy), [data], 0.2, num_tasks=4)
        return torch.func.vmap(lambda p, rows: functional_call(policy, p, (rows,)).expanded())(
            own, data["observation"]
        )

    old = adapted_distribution().detached()
    old_density = old.log_density(data["action"])

    def loss() -> Tensor:
        density = adapted_distribution().log_density(data["action"])
        return likelihood_ratio_loss(
            density, old_density, data["advantage"], torch.ones_like(density)
        )

    def kl() -> Tensor:
        return old.kl_from(adapted_distribution()).mean()

    parameters = list(policy.parameters())
    vector = torch.randn(
        sum(p.numel() for p in parameters), generator=generator, dtype=torch.float64
    )
    product = fisher_vector_product(kl, parameters, damping=0.0)(vector)
    gradients = []
    for width in (1e-5, -1e-5):
        for parameter, piece in zip(
            parameters, vector.split([p.numel() for p in parameters]), strict=True
        ):
            parameter.data.add_(width * piece.view_as(parameter))
        gradients.append(torch.cat([g.flatten() for g in torch.autograd.grad(kl(), parameters)]))
        for parameter, piece in zip(
            parameters, vector.split([p.numel() for p in parameters]), strict=True
        ):
            parameter.data.sub_(width * piece.view_as(parameter))
    torch.testing.assert_close(product, (gradients[0] - gradients[1]) / 2e-5, rtol=1e-4, atol=1e-6)

    result = trust_region_step(loss, kl, parameters, max_kl=0.01)
    assert result.is_accepted and 0.003 < result.kl <= 0.01
    assert kl().item() == pytest.approx(result.kl)
