"""Credit over whole trials and within episodes, by hand."""

import pytest
import torch

from training.parts.advantage import (
    discounted_returns,
    episode_advantages,
    linear_baseline_values,
    standardise_per_task,
    trial_advantages,
)


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None]


def test_advantages_equal_the_hand_computation() -> None:
    reward, value, is_valid = column(1.0, 2.0, 3.0), column(0.5, 1.0, 1.5), column(1.0, 1.0, 1.0)
    errors = [1 + 0.9 * 1.0 - 0.5, 2 + 0.9 * 1.5 - 1.0, 3 - 1.5]
    last = errors[2]
    middle = errors[1] + 0.9 * 0.8 * last
    first = errors[0] + 0.9 * 0.8 * middle

    advantage = trial_advantages(reward, value, is_valid, discount=0.9, gae_lambda=0.8)

    torch.testing.assert_close(advantage, column(first, middle, last))


def test_r2_reward_of_the_second_episode_credits_actions_of_the_first() -> None:
    episode_length = 5
    reward = torch.zeros(2 * episode_length, 1)
    reward[episode_length + 2] = 1.0

    advantage = trial_advantages(
        reward, torch.zeros_like(reward), torch.ones_like(reward), discount=0.99, gae_lambda=0.95
    )

    assert (advantage[:episode_length] > 0).all()
    assert advantage[0].item() == pytest.approx((0.99 * 0.95) ** (episode_length + 2))


def test_r5_padding_changes_no_advantage() -> None:
    reward, value = torch.rand(6, 1), torch.rand(6, 1)
    is_valid = column(1.0, 1.0, 1.0, 1.0, 0.0, 0.0)
    short = trial_advantages(reward[:4], value[:4], is_valid[:4], discount=0.9, gae_lambda=0.8)
    reward[4:], value[4:] = 1e6, -1e6

    padded = trial_advantages(reward, value, is_valid, discount=0.9, gae_lambda=0.8)

    torch.testing.assert_close(padded[:4], short)
    assert (padded[4:] == 0).all()


def test_g1_credit_within_episodes_stops_at_their_ends_and_looks_beyond_time_limits_only() -> None:
    reward, value = column(1.0, 2.0, 3.0, 4.0), column(0.5, 1.0, 1.5, 2.0)
    final_value = column(90.0, 7.0, 90.0, 9.0)  # 90: read nowhere
    is_last, terminated = column(0.0, 1.0, 0.0, 1.0), column(0.0, 0.0, 0.0, 1.0)
    cut = 2 + 0.9 * 7 - 1.0  # a time limit: value lies beyond
    ended = 4 - 2.0  # terminated: none does
    expected = column(
        1 + 0.9 * 1.0 - 0.5 + 0.9 * 0.8 * cut, cut, 3 + 0.9 * 2.0 - 1.5 + 0.9 * 0.8 * ended, ended
    )

    advantage = episode_advantages(
        reward,
        value,
        final_value,
        is_last,
        terminated,
        torch.ones_like(reward),
        discount=0.9,
        gae_lambda=0.8,
    )

    torch.testing.assert_close(advantage, expected)


def test_g1_padding_holds_anything_without_changing_credit_within_episodes() -> None:
    reward, value, is_last = torch.rand(5, 1), torch.rand(5, 1), column(0, 0, 1.0, 0, 0)
    settings = {"discount": 0.9, "gae_lambda": 0.8}
    nothing, is_valid = torch.zeros(5, 1), column(1.0, 1, 1, 0, 0)
    clean = episode_advantages(reward, value, value, is_last, nothing, is_valid, **settings)
    reward[3:], value[3:] = float("nan"), float("inf")

    spoilt = episode_advantages(reward, value, value, is_last, nothing, is_valid, **settings)

    assert torch.equal(spoilt, clean)
    assert (spoilt[3:] == 0).all()


def test_g2_returns_by_hand_over_trials_and_within_episodes() -> None:
    reward, is_valid = column(1.0, 2.0, 4.0, 100.0), column(1.0, 1.0, 1.0, 0.0)
    ends = column(0.0, 1.0, 1.0, 0.0)

    over_trials = discounted_returns(reward, torch.ones_like(reward), is_valid, discount=0.5)
    within_episodes = discounted_returns(reward, 1 - ends, is_valid, discount=0.5)

    torch.testing.assert_close(over_trials, column(1 + 0.5 * (2 + 0.5 * 4), 2 + 0.5 * 4, 4, 0))
    torch.testing.assert_close(within_episodes, column(1 + 0.5 * 2, 2, 4, 0))


def test_lambda_of_one_makes_advantages_returns_minus_values() -> None:
    reward, value, valid = torch.rand(6, 2), torch.rand(6, 2), torch.ones(6, 2)
    returns = discounted_returns(reward, valid, valid, discount=0.9)

    advantage = trial_advantages(reward, value, valid, discount=0.9, gae_lambda=1.0)

    torch.testing.assert_close(advantage, returns - value)


def test_g3_each_tasks_advantages_are_standardised_by_themselves_and_without_padding() -> None:
    generator = torch.Generator().manual_seed(0)
    advantage = torch.randn(7, 6, generator=generator) * torch.tensor([1, 1, 1, 50, 50, 50]) + 3
    is_valid = torch.ones(7, 6)
    is_valid[4:, ::2] = 0
    spoilt = torch.where(is_valid > 0, advantage, 1e6)

    scaled = standardise_per_task(spoilt, is_valid, 2)

    assert (scaled[is_valid == 0] == 0).all()
    for columns in (slice(0, 3), slice(3, 6)):
        valid = scaled[:, columns][is_valid[:, columns] > 0]
        assert abs(valid.mean()) < 1e-5 and abs(valid.std(correction=0) - 1) < 1e-5
    assert (standardise_per_task(torch.full((3, 4), 2.0), torch.ones(3, 4), 2) == 0).all()


def test_g4_baseline_of_a_task_is_fitted_on_its_own_valid_steps() -> None:
    step = torch.arange(30)[:, None].expand(30, 4)
    observation = torch.randn(30, 4, 2, generator=torch.Generator().manual_seed(0))
    slope = torch.tensor([1.0, 1.0, -3.0, -3.0])
    returns = slope * observation[..., 0] + 0.1 * step
    is_valid = torch.ones(30, 4)
    is_valid[20:, 1] = 0
    spoilt = torch.where(is_valid > 0, returns, 1e6)

    values = linear_baseline_values(observation, step, spoilt, is_valid, num_tasks=2)

    torch.testing.assert_close(values, returns * is_valid, atol=1e-2, rtol=1e-3)
    with pytest.raises(RuntimeError):
        linear_baseline_values(observation, step, spoilt, is_valid, num_tasks=3)
