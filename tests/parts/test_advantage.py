"""Credit over whole trials, by hand."""

import pytest
import torch

from training.parts.advantage import trial_advantages


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
