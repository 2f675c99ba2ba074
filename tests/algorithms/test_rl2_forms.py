"""What must hold for the configured forms of RL²: free episodes, choices, a hypernetwork."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from tests.algorithms.conftest import build
from training.algorithms.learner import deployed_actor
from training.algorithms.rl2 import ERl2, Rl2, Rl2Hypernetwork
from training.families.bernoulli_bandit import BernoulliBanditFamily
from training.families.gridworld import GridworldFamily
from training.parts.trials import Trials, collect_trials
from training.tasks.task import Parameter, Task, TaskFamily
from training.worlds.vector_world import StepResult, choice_made

CHOICES = pytest.mark.parametrize("family", [BernoulliBanditFamily(), GridworldFamily()])


class CostlyLookWorld:
    """Episodes of one step: choose an arm, or look, which costs 1 and shows which arm is right.

    Looking costs 1 on average, and how much exactly is what it shows.
    In the first episode arms pay nothing and show nothing; later the right one pays 0.8, the wrong
    one costs as much.
    """

    observation_size, action_size, episode_length = 1, 3, 1
    has_choices = True
    frame_shape = None

    def __init__(self, num_worlds: int) -> None:
        self.num_worlds = num_worlds

    def reset(self, tasks: Sequence[Task], seed: int) -> np.ndarray:
        self.arm = np.array([task.parameters["arm"][0] for task in tasks], np.float32)
        self.episode = 0
        return self._observed()

    def step(self, action: np.ndarray) -> StepResult:
        choice, applied = choice_made(action, (self.num_worlds, 3))
        paid = 0.8 * (self.episode > 0) * self.arm * np.where(choice == 1, 1.0, -1.0)
        reward = np.where(choice == 0, -1.0 + 0.7 * self.arm, paid).astype(np.float32)
        self.episode += 1
        nothing = np.zeros(self.num_worlds, bool)
        return StepResult(
            observation=self._observed(),
            final_observation=self._observed(),
            reward=reward,
            sparse_reward=reward.copy(),
            success=reward > 0,
            terminated=nothing,
            truncated=~nothing,
            applied_action=applied,
        )

    def close(self) -> None:
        pass

    def _observed(self) -> np.ndarray:
        return np.full((self.num_worlds, 1), float(self.episode > 0), np.float32)


class CostlyLookFamily:
    name = "costly_look"
    further_parameters = ()
    num_distinct_tasks = 2
    parameters = (
        Parameter(name="arm", unit="1", low=(-1.0,), high=(1.0,), changes_dynamics=False),
    )

    def sample(self, rng: np.random.Generator, num_tasks: int) -> list[dict[str, Any]]:
        return [{"arm": (-1.0,)}, {"arm": (1.0,)}]

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> CostlyLookWorld:
        return CostlyLookWorld(num_worlds)


def gradients(learner: Rl2, trials: Trials) -> list[torch.Tensor]:
    """Of the policy's own weights, at the first step of an update."""
    learner.ppo.gradient_step(trials, *learner.ppo.judge(trials))
    return [p.grad.clone() for p in learner.policy.parameters() if p.grad is not None]


def test_e1_exploring_is_neutral_where_it_changes_nothing_that_counts(
    point_robot: TaskFamily,
) -> None:
    learner = build(ERl2, point_robot, gae_lambda=1.0, entropy_weight=0.0)
    trials = learner.collect()
    learner.ppo.value = lambda seen: torch.zeros(*seen.shape[:-1], 1, requires_grad=True)
    counts = (trials.episode > 0).float()

    unpaid = gradients(learner, trials._replace(reward=(1.0 - counts) * trials.reward))
    assert all((gradient == 0).all() for gradient in unpaid)
    paid = gradients(learner, trials._replace(reward=counts * trials.reward))
    assert any((gradient != 0).any() for gradient in paid)


def test_e2_rewards_of_free_episodes_are_seen_and_not_learnt_from(point_robot: TaskFamily) -> None:
    learner, plain = build(ERl2, point_robot), build(Rl2, point_robot)
    trials = learner.collect()
    free = trials.episode < 1
    dearer = trials._replace(reward=torch.where(free, trials.reward - 5.0, trials.reward))

    for one, other in zip(learner.ppo.judge(trials), learner.ppo.judge(dearer), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert not torch.allclose(plain.ppo.judge(trials)[1], plain.ppo.judge(dearer)[1])
    size = learner.context_layout.observation_size + learner.context_layout.action_size
    torch.testing.assert_close(trials.context[..., size], trials.reward)
    assert (trials.context[..., size][free] != 0).all()


def test_what_is_learnt_from_is_the_reward_that_was_asked_for(point_robot: TaskFamily) -> None:
    dense, sparse = (
        build(Rl2, point_robot, training_reward=reward) for reward in ("dense", "sparse")
    )
    trials = dense.collect()
    paid = trials._replace(sparse_reward=trials.sparse_reward + trials.episode)

    def differ(learner: Rl2) -> list[bool]:
        judged = zip(learner.ppo.judge(trials), learner.ppo.judge(paid), strict=True)
        return [not torch.equal(one, other) for one, other in judged]

    assert differ(sparse) == [False, True, True]  # densities, advantages, targets
    assert differ(dense) == [False, False, False]


def test_e3_where_looking_costs_more_than_it_pays_only_free_episodes_look() -> None:
    family = CostlyLookFamily()
    returns = {}
    for learner_type in (ERl2, Rl2):
        learner = build(
            learner_type,
            family,
            num_trials=64,
            learning_rate=2e-2,
            final_learning_rate=2e-2,
            hidden_size=16,
            entropy_weight=0.02,
            discount=1.0,
        )
        for _ in range(40):
            learner.iterate(0.0)
        trials = collect_trials(
            family.make_world(2),
            learner.tasks,
            deployed_actor(learner)(learner.tasks),
            num_episodes=2,
            seed=0,
            device=torch.device("cpu"),
        )
        returns[learner_type] = trials.reward.mean(1).tolist()

    assert returns[ERl2] == pytest.approx([-1.0, 0.8])
    assert returns[Rl2] == pytest.approx([0.0, 0.0])


def test_a_trial_of_free_episodes_only_is_refused(point_robot: TaskFamily) -> None:
    with pytest.raises(ValueError, match="num_free_episodes: found 2, expected fewer than"):
        build(ERl2, point_robot, num_free_episodes=2)


@CHOICES
@pytest.mark.parametrize("learner_type", [Rl2, ERl2, Rl2Hypernetwork])
def test_choices_are_learnt_from_as_they_were_drawn(
    learner_type: type[Rl2], family: TaskFamily
) -> None:
    learner = build(learner_type, family)
    trials = learner.collect()

    assert set(trials.action.unique().tolist()) == {0.0, 1.0}
    assert (trials.action.sum(-1) == 1).all()
    torch.testing.assert_close(trials.log_density, learner.ppo.judge(trials)[0])
    assert all(np.isfinite(value) for value in learner.iterate(0.0).values())
    size = learner.context_layout.observation_size
    rows = trials.context[..., size : size + learner.context_layout.action_size]
    torch.testing.assert_close(rows, trials.action)


@CHOICES
def test_a_policy_of_choices_says_that_it_is_for_no_robot(
    family: TaskFamily, point_robot: TaskFamily
) -> None:
    assert "choices" in build(Rl2, family).why_not_deployable
    assert build(Rl2, point_robot).why_not_deployable == ""


def test_hidden_state_generates_the_policy(
    point_robot: TaskFamily, make_rl2: Callable[..., Rl2]
) -> None:
    learner = build(Rl2Hypernetwork, point_robot, learning_rate=1e-2)
    rows = torch.randn(2, 10, generator=torch.Generator().manual_seed(0))
    rows[1, :2] = rows[0, :2]
    first = learner.policy.mode(rows)
    assert torch.equal(first[0], first[1])
    learner.iterate(0.0)

    after = learner.policy.mode(rows)
    assert not torch.equal(after[0], after[1])
    one, other = make_rl2(point_robot).policy.mode(rows)
    assert not torch.equal(one, other)
