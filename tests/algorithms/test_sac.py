"""SAC over tasks: what the views show, what is learnt from, and that it repeats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from training.algorithms.sac import Sac
from training.tasks.task import TaskFamily, task_vector

Make = Callable[..., Sac]


def stored(learner: Sac) -> Any:
    return learner.layout.split(learner.buffer.rows[0, : learner.buffer.size[0]])


def test_oracle_sees_the_true_task_and_robust_sees_none(
    make_sac: Make, point_robot: TaskFamily
) -> None:
    oracle, robust = make_sac(point_robot, view="oracle"), make_sac(point_robot)
    oracle.collect(40)
    robust.collect(40)

    true = {task_vector(point_robot, task).tobytes() for task in oracle.tasks}
    shown = stored(oracle).observation[:, 2:].numpy()
    assert {row.tobytes() for row in shown} <= true
    np.testing.assert_array_equal(stored(oracle).next_observation[:, 2:], shown)
    assert stored(robust).observation.shape[-1] == 2


def test_oracle_is_told_the_task_of_each_world(make_sac: Make, point_robot: TaskFamily) -> None:
    learner = make_sac(point_robot, view="oracle")
    observation = np.zeros((2, 2), np.float32)
    forward, backward = learner.tasks[:2], learner.tasks[1::-1]

    np.testing.assert_allclose(
        learner.make_actor(forward, is_deterministic=True).act(observation).action,
        learner.make_actor(backward, is_deterministic=True).act(observation).action[::-1],
        atol=1e-7,
    )


def test_evidence_changes_nothing(make_sac: Make, point_robot: TaskFamily) -> None:
    adapter = make_sac(point_robot).make_actor([None, None], is_deterministic=True)
    observation = np.ones((2, 2), np.float32)
    before = adapter.act(observation).action
    adapter.observe(None, observation[:, 0], np.ones(2, bool))  # type: ignore[arg-type]
    adapter.exchange_beliefs(np.array([1, 0]))

    np.testing.assert_array_equal(adapter.act(observation).action, before)


def test_every_step_is_stored_and_only_terminations_are_marked(
    make_sac: Make, counting: TaskFamily
) -> None:
    learner = make_sac(counting)
    learner.collect(60)
    batch = stored(learner)

    assert learner.buffer.size[0] == learner.state.num_environment_steps >= 60
    falls = batch.observation[:, 0].long() % 2 == 1
    assert torch.equal(batch.terminated, (falls & (batch.next_observation[:, 1] == 3)).float())


def test_s4_value_beyond_a_time_limit_counts(make_sac: Make, counting: TaskFamily) -> None:
    learner = make_sac(counting, discount=0.9, initial_temperature=1e-9)
    learner.collect(60)
    batch = stored(learner)
    following = batch.next_observation
    target = learner.heads.bellman_target(batch.reward, batch.terminated, following, following)
    falls = batch.observation[:, 0].long() % 2 == 1
    fell = falls & (batch.next_observation[:, 1] == 3)
    ran_out_of_time = batch.next_observation[:, 1] == 4

    assert fell.any() and ran_out_of_time.any()
    torch.testing.assert_close(target[fell], batch.reward[fell])
    assert (target != batch.reward)[ran_out_of_time].all()


def test_equal_seeds_repeat_bit_for_bit(make_sac: Make, point_robot: TaskFamily) -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        learner = make_sac(point_robot, seed=seed, view="oracle")
        for _ in range(2):
            learner.collect(40)
            learner.improve()
        return list(learner.policy.parameters())

    assert all(map(torch.equal, weights(0), weights(0)))
    assert not any(map(torch.equal, weights(0), weights(1)))


def test_learning_rate_falls_over_the_run_where_asked(
    make_sac: Make, point_robot: TaskFamily
) -> None:
    rates = []
    for final in (None, 1e-4):
        learner = make_sac(point_robot, learning_rate=1e-3, final_learning_rate=final)
        learner.collect(60)
        learner.improve(progress=0.5)
        optimizers = (learner.heads.critic_optimizer, learner.heads.actor_optimizer)
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in optimizers])

    assert rates == [[1e-3] * 2, [pytest.approx(5.5e-4)] * 2]


@pytest.mark.slow
def test_oracle_learns_to_reach_the_goal(make_sac: Make, point_robot: TaskFamily) -> None:
    learner = make_sac(
        point_robot,
        view="oracle",
        hidden_sizes=(32, 32),
        num_worlds=20,
        batch_size=128,
        learning_rate=3e-3,
        discount=0.8,
        initial_temperature=0.1,
        num_gradient_steps=150,
    )
    before = learner.collect(800).mean_return
    for _ in range(4):
        learner.improve()
        after = learner.collect(800).mean_return

    assert after > 0.6 * before  # both are negative


def test_exported_policy_acts_as_the_evaluation_does(
    make_sac: Make, point_robot: TaskFamily
) -> None:
    learner = make_sac(point_robot, view="oracle", normalizes_observations=True)
    learner.collect(40)
    parts = learner.deployed()
    observation = np.random.default_rng(0).normal(size=(2, 2)).astype(np.float32)
    vectors = torch.from_numpy(learner.task_vectors(learner.tasks[:2]))
    action = parts.modules["policy"](torch.from_numpy(observation), vectors)

    np.testing.assert_allclose(
        learner.make_actor(learner.tasks[:2], is_deterministic=True).act(observation).action,
        action.detach(),
        atol=1e-6,
    )
