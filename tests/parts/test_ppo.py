"""The clipped surrogate and its padding."""

import pytest
import torch

from training.parts import ppo


def test_surrogate_at_the_old_policy_is_minus_the_mean_advantage() -> None:
    log_density, advantage = torch.randn(4, 3), torch.randn(4, 3)

    loss = ppo.clipped_surrogate_loss(
        log_density, log_density, advantage, torch.ones(4, 3), clip_range=0.2
    )

    torch.testing.assert_close(loss, -advantage.mean())


@pytest.mark.parametrize(("ratio", "advantage", "moves"), [
    (1.5, 1.0, False),
    (1.5, -1.0, True),
    (0.5, -1.0, False),
    (0.5, 1.0, True),
])  # fmt: skip
def test_gradient_stops_only_where_the_ratio_already_moved_the_right_way(
    ratio: float, advantage: float, moves: bool
) -> None:
    log_density = torch.tensor([[ratio]]).log().requires_grad_()
    loss = ppo.clipped_surrogate_loss(
        log_density, torch.zeros(1, 1), torch.tensor([[advantage]]), torch.ones(1, 1), 0.2
    )
    (gradient,) = torch.autograd.grad(loss, log_density)

    assert (gradient.abs().item() > 0) == moves


def test_r5_padded_steps_contribute_nothing_to_any_loss() -> None:
    is_valid = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    first = torch.randn(2, 2), torch.randn(2, 2), torch.randn(2, 2)
    second = tuple(values.clone() for values in first)
    for values in second:
        values[1, 1] = 1e6

    for log_density, other, advantage in (first, second):
        advantage = ppo.standardise(advantage, is_valid)
        losses = torch.stack([
            ppo.clipped_surrogate_loss(log_density, other, advantage, is_valid, 0.2),
            ppo.value_regression_loss(log_density, other, is_valid),
        ])  # fmt: skip
        if log_density is first[0]:
            expected = losses
    torch.testing.assert_close(losses, expected)


def test_standardised_advantages_have_zero_mean_and_unit_deviation() -> None:
    is_valid = (torch.arange(40).reshape(20, 2) < 30).float()
    standardised = ppo.standardise(3 + 2 * torch.randn(20, 2), is_valid)

    chosen = standardised[is_valid > 0]
    assert abs(chosen.mean()) < 1e-5
    assert abs(chosen.std(correction=0) - 1) < 1e-4
