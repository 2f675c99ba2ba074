"""What must hold for RL², property by property."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from sim2real.evaluation.protocol import Condition, TrialProtocol
from training.algorithms.learner import deployed_actor
from training.algorithms.rl2 import Rl2, Rl2Config
from training.evaluation.meta_test import meta_test
from training.tasks.task import Parameter, Task, TaskFamily
from training.worlds.vector_world import StepResult

Make = Callable[..., Rl2]


class LastRewardWorld:
    """Episodes of three steps. Which arm is right shows only in an episode's *last* reward.

    The last action picks an arm by its sign, and the last reward of the episode tells whether it
    was the right one; nothing else depends on the task.
    """

    observation_size, action_size, episode_length = 1, 1, 3
    has_choices = False
    frame_shape = None

    def __init__(self, num_worlds: int) -> None:
        self.num_worlds = num_worlds

    def reset(self, tasks: Sequence[Task], seed: int) -> np.ndarray:
        self.arm = np.array([task.parameters["arm"][0] for task in tasks], np.float32)
        self.count = 0
        return self._observed()

    def step(self, action: np.ndarray) -> StepResult:
        self.count += 1
        is_last = self.count == 3
        reward = np.sign(action[:, 0]) * self.arm * is_last
        final = self._observed()
        self.count = 0 if is_last else self.count
        nothing = np.zeros(self.num_worlds, bool)
        return StepResult(
            observation=self._observed(),
            final_observation=final,
            reward=reward.astype(np.float32),
            sparse_reward=reward.astype(np.float32),
            success=reward > 0,
            terminated=nothing,
            truncated=nothing | is_last,
            applied_action=np.clip(action, -1, 1),
        )

    def close(self) -> None:
        pass

    def _observed(self) -> np.ndarray:
        return np.full((self.num_worlds, 1), self.count / 3, np.float32)


class LastRewardFamily:
    name = "last_reward"
    num_distinct_tasks = 2
    further_parameters = ()
    parameters = (
        Parameter(name="arm", unit="1", low=(-1.0,), high=(1.0,), changes_dynamics=False),
    )

    def sample(self, rng: np.random.Generator, num_tasks: int) -> list[dict[str, Any]]:
        return [{"arm": (-1.0,)}, {"arm": (1.0,)}]

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> LastRewardWorld:
        return LastRewardWorld(num_worlds)


def test_r1_last_reward_of_the_first_episode_decides_the_second(make_rl2: Make) -> None:
    family = LastRewardFamily()
    learner = make_rl2(
        family,
        hidden_size=16,
        num_trials=64,
        num_minibatches=2,
        num_epochs=4,
        learning_rate=5e-3,
        final_learning_rate=5e-3,
    )
    for _ in range(40):
        trials = learner.collect()
        learner.ppo.improve(trials, progress=0.0)
    protocol = TrialProtocol(num_episodes=2, num_trials=4)
    result = meta_test(deployed_actor(learner), family, learner.tasks, protocol)

    returns = result.episodes[Condition.ADAPTED]["return"]
    assert returns[:, :, 1].min() == 1.0  # right in every trial
    assert returns[:, :, 0].mean() == 0.0  # a guess
    # This cell moves on in the episode that is frozen here, so the wrong belief is worth a guess.
    assert result.last(Condition.WRONG_TASK, "return").mean() <= 0.0
    assert result.last(Condition.FROZEN_PRIOR, "return").mean() == 0.0


def test_r2_reward_in_the_second_episode_only_credits_the_first(
    make_rl2: Make, point_robot: TaskFamily
) -> None:
    learner = make_rl2(point_robot, gae_lambda=1.0)
    trials = learner.collect()
    reward = torch.zeros_like(trials.reward)
    reward[30] = torch.arange(6.0)  # trials differ in the second episode alone
    learner.ppo.value = lambda state: torch.zeros(*state.shape[:-1], 1)  # type: ignore[assignment]
    _, advantage, _ = learner.ppo.judge(trials._replace(reward=reward))

    assert (advantage[:20, 5] > advantage[:20, 0] + 0.5).all()


def test_r3_beliefs_while_collecting_equal_those_of_the_update(
    make_rl2: Make, point_robot: TaskFamily
) -> None:
    learner = make_rl2(point_robot)
    carried = []
    step = learner.cell.step
    learner.cell.step = lambda row, hidden: carried.append(hidden) or step(row, hidden)  # type: ignore[method-assign]
    trials = learner.collect()

    beliefs = learner.beliefs(trials)
    torch.testing.assert_close(torch.stack(carried), beliefs, atol=1e-5, rtol=0)


def test_r4_belief_is_zero_at_a_trials_start_and_survives_the_end_of_an_episode(
    make_rl2: Make,
    point_robot: TaskFamily,
) -> None:
    learner = make_rl2(point_robot)
    trials = learner.collect()
    beliefs = learner.beliefs(trials)

    assert (beliefs[0] == 0).all()
    assert beliefs[20].abs().min() > 0  # the second episode's first step
    fresh = learner.cell.step(trials.context[19], torch.zeros(6, 8))
    assert not torch.allclose(beliefs[20], fresh)


def test_last_reward_and_episode_end_reach_the_belief(
    make_rl2: Make, point_robot: TaskFamily
) -> None:
    learner = make_rl2(point_robot)
    trials = learner.collect()
    reward, ends = trials.context[..., 4], trials.context[..., 5]

    torch.testing.assert_close(reward, trials.reward)
    assert ends[19].all() and ends[39].all() and ends.sum() == 2 * 6
    changed = trials.context.clone()
    changed[19, :, 4] += 1.0
    assert not torch.allclose(
        learner.beliefs(trials)[20], learner.beliefs(trials._replace(context=changed))[20]
    )


def test_r5_steps_behind_a_trials_end_change_no_update(
    make_rl2: Make, counting: TaskFamily
) -> None:
    """Odd tasks fall early, so their trials are padded; the padding's content is arbitrary."""

    def updated(padding: float) -> list[torch.Tensor]:
        learner = make_rl2(counting)
        trials = learner.collect()
        invalid = trials.is_valid == 0
        assert invalid.any()
        trials.reward[invalid] = padding
        trials.observation[invalid] = padding
        trials.action[invalid] = padding
        trials.context[invalid] = padding
        learner.ppo.improve(trials, progress=0.0)
        return list(learner.ppo.parameters)

    for one, other in zip(updated(0.0), updated(7.0), strict=True):
        torch.testing.assert_close(one, other, atol=1e-7, rtol=0)


def test_every_trial_has_all_its_episodes(make_rl2: Make, counting: TaskFamily) -> None:
    learner = make_rl2(counting, num_trials=12)
    trials = learner.collect()
    returns = trials.episode_sums(trials.reward, 2).numpy()
    steps = trials.is_valid.sum(0)

    falls = trials.observation[0, :, 0].long() % 2 == 1
    assert torch.equal(steps, torch.where(falls, 6.0, 8.0))
    assert learner.state.num_environment_steps == steps.sum()
    level = trials.observation[0, :, 0].numpy()
    np.testing.assert_allclose(returns[:, 1], (level + 1000) * np.where(falls, 3, 4))


def test_equal_seeds_repeat_bit_for_bit(make_rl2: Make, point_robot: TaskFamily) -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        learner = make_rl2(point_robot, seed=seed, normalizes_observations=True)
        for _ in range(2):
            trials = learner.collect()
            learner.ppo.improve(trials, progress=0.0)
        return list(learner.ppo.parameters)

    assert all(map(torch.equal, weights(0), weights(0)))
    assert not any(map(torch.equal, weights(0)[:3], weights(1)[:3]))


def test_belief_moves_only_where_the_episode_still_runs(
    make_rl2: Make, point_robot: TaskFamily
) -> None:
    learner = make_rl2(point_robot)
    adapter = learner.make_actor(learner.tasks[:2], is_deterministic=True)
    trials = learner.collect()
    row = trials.context[0, :2].numpy()
    transition = _transition(row)
    adapter.observe(transition, transition.reward, np.array([True, False]))

    assert adapter.hidden[0].abs().min() > 0
    assert (adapter.hidden[1] == 0).all()
    adapter.exchange_beliefs(np.array([1, 0]))
    assert (adapter.hidden[0] == 0).all()


def _transition(row: np.ndarray) -> Any:
    from sim2real.contract.transition import Transition

    ends = np.zeros(len(row), bool)
    return Transition(row[:, :2], row[:, 2:4], row[:, 4], row[:, :2], ends, ends)


def test_exported_modules_act_as_the_evaluation_does(
    make_rl2: Make, point_robot: TaskFamily
) -> None:
    learner = make_rl2(point_robot, normalizes_observations=True)
    trials = learner.collect()
    adapter = learner.make_actor(learner.tasks[:2], is_deterministic=True)
    transition = _transition(trials.context[0, :2].numpy())
    adapter.observe(transition, transition.reward, np.ones(2, bool))
    row = learner.context_layout.row(transition)
    parts = learner.deployed()
    hidden = parts.modules["recurrent"](torch.from_numpy(row), torch.zeros(2, 8))
    action = parts.modules["policy"](torch.from_numpy(transition.observation), hidden)

    torch.testing.assert_close(adapter.hidden, hidden)
    np.testing.assert_allclose(
        adapter.act(transition.observation).action, action.detach().numpy(), atol=1e-6
    )


def test_a_bad_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="divisor of num_trials"):
        Rl2Config(num_trials=10, num_minibatches=4)
