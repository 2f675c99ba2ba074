"""The step that is written out is the step that autograd takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.func import functional_call

from sim2real.contract.normalizer import FrozenNormalizer
from training.parts.deployed_gradient import (
    DeployedParameterPolicy,
    DeployedStep,
    FlatPolicy,
    layer_sizes,
)
from training.parts.inner_loop import log_likelihood_loss, parameters_of
from training.parts.policies import DiagonalGaussianPolicy

NUM_ROWS, NUM_VALID = 40, 31
NORMALIZER = FrozenNormalizer(
    mean=np.array([0.1, -0.2, 0.3], np.float32), std=np.array([0.5, 1.5, 1.0], np.float32), clip=2.0
)


def policy(min_log_std: float | None = -0.6, **options) -> DiagonalGaussianPolicy:
    options = {"activation": "tanh", "bounds_mean": False, **options}
    made = DiagonalGaussianPolicy(
        3,
        (16, 8),
        2,
        initial_log_std=-0.5,
        generator=torch.Generator().manual_seed(0),
        min_log_std=min_log_std,
        **options,
    )
    with torch.no_grad():
        made.network.layers[-1].weight.mul_(50.0)
        made.log_std[0] = -0.7  # below the bound, where one holds: it has no gradient there
    return made


def batch(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    is_valid = torch.zeros(1, NUM_ROWS)
    is_valid[0, torch.randperm(NUM_ROWS, generator=generator)[:NUM_VALID]] = 1.0
    return {
        "observation": torch.randn(1, NUM_ROWS, 3, generator=generator),
        "action": torch.randn(1, NUM_ROWS, 2, generator=generator),
        "advantage": torch.randn(1, NUM_ROWS, generator=generator),
        "is_valid": is_valid,
        "scale": torch.ones(1, 1),
    }


def loss_of(one: DiagonalGaussianPolicy, given: dict[str, torch.Tensor], parameters):
    mean, std = torch.from_numpy(NORMALIZER.mean), torch.from_numpy(NORMALIZER.std)
    rows = ((given["observation"][0] - mean) / std).clamp(-2.0, 2.0)
    density = functional_call(one, parameters, (rows,)).log_density(given["action"][0])
    return log_likelihood_loss(density, given["advantage"][0], given["is_valid"][0])


@pytest.mark.parametrize("min_log_std", [None, -0.6])
def test_ds1_the_gradient_is_that_of_autograd(min_log_std: float | None) -> None:
    one = policy(min_log_std)
    step = DeployedStep(NORMALIZER, one, step_size=0.1, adapts_log_std=True)
    for seed in range(10):
        given = batch(seed)
        loss = loss_of(one, given, parameters_of(one))
        expected = torch.cat([g.flatten() for g in torch.autograd.grad(loss, [*one.parameters()])])
        adapted, _, base = step(step.flat.base, **given)
        found = (base - adapted)[0] / 0.1

        torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-6)
        if min_log_std is not None:
            assert found[0] == 0.0


def test_ds1_the_gradient_is_that_of_finite_differences() -> None:
    one = policy().double()
    given = {name: value.double() for name, value in batch().items()}
    step = DeployedStep(NORMALIZER, one, step_size=1.0, adapts_log_std=True).double()
    adapted, _, base = step(step.flat.base, **given)
    found, eps, at = (base - adapted)[0], 1e-6, 0
    for name, value in parameters_of(one).items():
        for index in range(0, value.numel(), 5):
            losses = []
            for sign in (1.0, -1.0):
                moved = {n: v.detach().clone() for n, v in parameters_of(one).items()}
                moved[name].view(-1)[index] += sign * eps
                losses.append(float(loss_of(one, given, moved)))
            difference = (losses[0] - losses[1]) / (2 * eps)
            assert abs(float(found[at + index]) - difference) <= 1e-6 * max(1.0, abs(difference))
        at += value.numel()


def test_ds2_the_divergence_is_that_of_the_adapted_from_the_base() -> None:
    one, given = policy(), batch()
    step = DeployedStep(NORMALIZER, one, step_size=0.5, adapts_log_std=True)
    adapted, kl, base = step(step.flat.base + 0.05, **given)
    mean, std = torch.from_numpy(NORMALIZER.mean), torch.from_numpy(NORMALIZER.std)
    rows = ((given["observation"][0] - mean) / std).clamp(-2.0, 2.0)

    def distribution(flat: torch.Tensor):
        parts = dict(parameters_of(one))
        values = flat[0].split([part.numel() for part in parts.values()])
        named = {name: v.view(parts[name].shape) for name, v in zip(parts, values, strict=True)}
        return functional_call(one, named, (rows,))

    per_row = distribution(adapted).kl_from(distribution(base))
    expected = per_row[given["is_valid"][0] > 0].mean()
    backwards = distribution(base).kl_from(distribution(adapted))

    torch.testing.assert_close(kl[0, 0], expected, rtol=1e-5, atol=1e-6)
    assert abs(float(expected - backwards[given["is_valid"][0] > 0].mean())) > 1e-3
    torch.testing.assert_close(base, step.flat.base)


def test_ds3_a_scale_shortens_the_step_and_zero_advantages_take_none() -> None:
    step, given = DeployedStep(NORMALIZER, policy(), step_size=0.5, adapts_log_std=True), batch()
    whole, *_ = step(step.flat.base, **given)
    half, *_ = step(step.flat.base, **{**given, "scale": torch.full((1, 1), 0.5)})
    torch.testing.assert_close(half - step.flat.base, 0.5 * (whole - step.flat.base))
    still, kl, _ = step(step.flat.base, **{**given, "advantage": torch.zeros(1, NUM_ROWS)})
    assert torch.equal(still, step.flat.base)
    assert float(kl) == 0.0


def test_ds4_rows_side_by_side_are_rows_one_by_one() -> None:
    one = policy()
    step = DeployedStep(NORMALIZER, one, step_size=0.5, adapts_log_std=True)
    acting = DeployedParameterPolicy(NORMALIZER, one)
    parameters = step.flat.base + 0.1 * torch.randn(3, step.flat.num_parameters)
    given = [batch(seed) for seed in range(3)]
    together = {name: torch.cat([each[name] for each in given]) for name in given[0]}
    observation, noise = torch.randn(3, 3), torch.randn(3, 2)
    for row, outputs in enumerate(zip(*step(parameters, **together), strict=True)):
        for found, expected in zip(outputs, step(parameters[row : row + 1], **given[row])):
            torch.testing.assert_close(found, expected[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(
            acting(observation, parameters, noise)[row],
            acting(observation[row : row + 1], parameters[row : row + 1], noise[row : row + 1])[0],
        )


def test_ds5_it_acts_as_the_policy_that_it_was_made_of() -> None:
    one = policy()
    acting, observation = DeployedParameterPolicy(NORMALIZER, one), torch.randn(5, 3)
    noise = torch.randn(5, 2)
    base = acting.flat.base.expand(5, -1)
    rows = acting.normalize(observation)
    torch.testing.assert_close(acting(observation, base, noise), one.perturbed(rows, noise))
    torch.testing.assert_close(acting(observation, base, 0.0 * noise), one.mode(rows))
    assert layer_sizes(one) == (16, 8)


@pytest.mark.parametrize("options", [{"activation": "relu"}, {"bounds_mean": True}])
def test_a_policy_of_another_form_is_refused(options) -> None:
    with pytest.raises(ValueError, match="tanh layers"):
        FlatPolicy(policy(**options))
