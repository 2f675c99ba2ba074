"""The losses of soft actor-critic."""

import math

import pytest
import torch

from training.parts import sac
from training.parts.networks import TwinCritic, frozen_copy, without_weight_gradients


@pytest.mark.parametrize(("offset", "rises"), [(0.5, False), (-0.5, True)])
def test_s3_temperature_rises_exactly_while_entropy_is_below_target(
    offset: float, rises: bool
) -> None:
    target_entropy = -2.0
    log_density = torch.full((64,), -(target_entropy + offset))  # entropy is minus its mean
    log_temperature = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.SGD([log_temperature], lr=0.1)

    sac.temperature_loss(log_temperature, log_density, target_entropy).backward()
    optimizer.step()

    assert (log_temperature.item() > 0.0) == rises


def test_s4_targets_look_beyond_time_limits_and_not_beyond_terminations() -> None:
    reward, next_value = torch.tensor([1.0, 1.0]), torch.tensor([10.0, 10.0])
    terminated = torch.tensor([0.0, 1.0])

    target = sac.bellman_target(reward, terminated, next_value, discount=0.9)

    torch.testing.assert_close(target, torch.tensor([10.0, 1.0]))


def test_s5_targets_move_by_exactly_their_rate() -> None:
    generator = torch.Generator().manual_seed(0)
    source = TwinCritic(3, (8,), generator=generator)
    target = frozen_copy(TwinCritic(3, (8,), generator=generator))
    before = [parameter.clone() for parameter in target.parameters()]

    sac.move_towards(target, source, 0.005)

    for old, new, goal in zip(before, target.parameters(), source.parameters(), strict=True):
        torch.testing.assert_close(new, 0.995 * old + 0.005 * goal)
        assert not new.requires_grad


def test_critic_loss_is_a_mean_over_rows_and_a_sum_over_critics() -> None:
    values, target = torch.tensor([[1.0, 3.0], [2.0, 2.0]]), torch.tensor([1.0, 1.0])

    assert sac.critic_loss(values, target).item() == pytest.approx((0 + 4) / 2 + (1 + 1) / 2)


def test_value_loss_aims_at_the_soft_value() -> None:
    value, action_value = torch.tensor([1.0]), torch.tensor([3.0])

    assert sac.value_loss(value, action_value, torch.tensor([0.5])).item() == pytest.approx(2.25)


def test_actor_prefers_value_and_entropy() -> None:
    low, high = torch.tensor([0.0]), torch.tensor([1.0])

    assert sac.actor_loss(high, low, 0.5) < sac.actor_loss(low, low, 0.5)
    assert sac.actor_loss(low, low, 0.5) < sac.actor_loss(low, high, 0.5)


def test_weights_without_gradients_still_pass_them_to_their_inputs() -> None:
    critic = TwinCritic(3, (8,), generator=torch.Generator().manual_seed(0))
    rows = torch.randn(5, 3, requires_grad=True)
    with without_weight_gradients(critic):
        critic(rows).sum().backward()

    assert rows.grad is not None and rows.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in critic.parameters())
    assert all(parameter.requires_grad for parameter in critic.parameters())


def test_log_temperature_stays_a_log() -> None:
    log_temperature = torch.tensor(math.log(0.2), requires_grad=True)
    loss = sac.temperature_loss(log_temperature, torch.tensor([3.0]), -1.0)

    # -exp(log α)(log π + target) = -0.2 · 2
    assert loss.item() == pytest.approx(-0.4)
