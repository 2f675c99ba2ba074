"""REINFORCE on problems whose gradients are known."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from tests.algorithms.conftest import build
from tests.algorithms.gradient_worlds import BanditFamily, gradient
from training.algorithms.reinforce import Reinforce
from training.parts.distributions import DiagonalGaussian
from training.parts.gradient_adaptation import Credit
from training.tasks.task import TaskFamily

make = partial(build, Reinforce, num_exploration_episodes=3, num_trial_episodes=4)
GOAL, DEVIATION, MEAN = 0.7, 0.5, 0.2


def bandit_scores(num: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rewards of a quadratic bandit's draws, and the draws' scores of mean and log-deviation."""
    generator = torch.Generator().manual_seed(seed)
    mean = torch.full((num, 1), MEAN, requires_grad=True)
    log_std = torch.full((num, 1), math.log(DEVIATION), requires_grad=True)
    policy = DiagonalGaussian(mean, log_std)
    action = policy.sample(generator)
    scores = torch.autograd.grad(policy.log_density(action).sum(), [mean, log_std])
    return -(action[:, 0] - GOAL).square(), scores[0][:, 0], scores[1][:, 0]


def is_mean(samples: Tensor, expected: float) -> bool:
    """Within three standard errors."""
    error = samples.std() / math.sqrt(len(samples))
    return bool((samples.mean() - expected).abs() < 3.0 * error)


def test_rf1_gradient_of_a_quadratic_bandit_is_the_known_one() -> None:
    reward, of_mean, of_log_std = bandit_scores(100_000, seed=0)

    assert is_mean(reward * of_mean, -2.0 * (MEAN - GOAL))
    assert is_mean(reward * of_log_std, -2.0 * DEVIATION**2)


def test_rf1_loss_points_where_the_reward_rises() -> None:
    """On a bandit: towards each task's goal; with advantages per task, by the same amount."""
    learner = build(
        Reinforce,
        BanditFamily(),
        num_train=2,
        tasks_per_iteration=1,
        num_exploration_episodes=400,
        num_trial_episodes=401,
    )
    for _ in range(4):
        stage = learner.collect_episodes()
        toward = torch.sign((stage.reward * stage.action[..., 0]).mean() - stage.reward.mean()
                            * stage.action.mean())  # fmt: skip
        slope = gradient(learner.policy_loss(stage), [learner.policy.network.layers[-1].bias])
        assert torch.sign(-slope[0]) == toward


def test_rf2_rewards_to_go_and_whole_returns_have_the_same_expectation() -> None:
    """Two independent steps: what the first one paid is nothing that the second could change."""
    first, second = bandit_scores(100_000, seed=1), bandit_scores(100_000, seed=2)
    reward = torch.stack([first[0], second[0]])
    credit = Credit(discount=1.0, gae_lambda=1.0)
    to_go = credit.returns(reward, torch.ones_like(reward))
    whole = reward.sum(0)

    assert torch.equal(to_go[1], second[0]) and torch.equal(to_go[0], whole)
    difference = whole * second[1] - to_go[1] * second[1]
    assert is_mean(difference, 0.0)
    assert (to_go[1] * second[1]).std() < (whole * second[1]).std()


def test_rf3_a_baseline_leaves_the_expected_gradient() -> None:
    reward, of_mean, of_log_std = bandit_scores(100_000, seed=3)
    baseline = -(DEVIATION**2) - (MEAN - GOAL) ** 2

    assert is_mean(baseline * of_mean, 0.0) and is_mean(baseline * of_log_std, 0.0)
    assert ((reward - baseline) * of_mean).std() < (reward * of_mean).std()


def test_rf3_the_learner_subtracts_it(point_robot: TaskFamily) -> None:
    """Paying every step more changes no advantage, but for what the fit leaves."""
    learner = make(point_robot)
    stage, credit = learner.collect_episodes(), learner.explorer.outer_credit
    assert stage.advantage.mean((1, 2)).abs().max() < 1e-4
    returns = credit.returns(stage.reward.transpose(0, 1).flatten(1), torch.ones(20, 9))
    raw = returns.unflatten(1, (3, 3)).transpose(0, 1)
    scaled = (raw - raw.mean((1, 2), keepdim=True)) / raw.std((1, 2), keepdim=True)
    assert (stage.advantage - scaled).abs().max() > 0.2  # not the returns alone


def test_rf4_steps_that_did_not_happen_count_for_nothing(counting: TaskFamily) -> None:
    learner = make(counting)
    stage = learner.collect_episodes()
    assert (stage.is_valid == 0).any()  # odd tasks end after three of four steps
    spoilt = stage._replace(
        advantage=torch.where(stage.is_valid > 0, stage.advantage, 1e6),
        action=torch.where(stage.is_valid[..., None] > 0, stage.action, 1e3),
    )
    weights = list(learner.policy.parameters())
    assert torch.equal(
        gradient(learner.policy_loss(stage), weights),
        gradient(learner.policy_loss(spoilt), weights),
    )
    credit = learner.explorer.outer_credit
    reward = torch.tensor([[1.0], [1.0], [9e9]])
    is_valid = torch.tensor([[1.0], [1.0], [0.0]])
    expected = torch.tensor([[1.0 + credit.discount], [1.0], [0.0]])
    torch.testing.assert_close(credit.returns(reward, is_valid), expected)


def test_it_learns_what_all_tasks_have_in_common() -> None:
    learner = build(
        Reinforce,
        BanditFamily(),
        tasks_per_iteration=6,
        num_exploration_episodes=20,
        num_trial_episodes=21,
        learning_rate=0.05,
    )
    figures = [learner.iterate(0.0)["train_return"] for _ in range(30)]

    assert sum(figures[-5:]) / 5 > figures[0] + 0.3, figures  # surer, about the middle
