"""What must hold for PEARL, property by property; each is a defect that some implementation had."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from sim2real.contract.transition import Transition
from sim2real.evaluation.protocol import Condition, TrialProtocol
from training.algorithms import pearl
from training.algorithms.learner import deployed_actor
from training.algorithms.pearl import Pearl, PearlConfig
from training.evaluation.meta_test import meta_test
from training.parts.encoders import Gaussian
from training.tasks.task import TaskFamily
from training.tasks.task_set import draw_task_set

Make = Callable[..., Pearl]
FORMS = pytest.mark.parametrize("form", ["modern", "reference"])


def stored(learner: Pearl, name: str, task: int) -> torch.Tensor:
    buffer = getattr(learner, name)
    return buffer.rows[task, : buffer.size[task]]


def transitions(learner: Pearl, task: int) -> Any:
    return learner.transition_layout.split(stored(learner, "rl_buffer", task))


def tensors_of(learner: Pearl) -> list[torch.Tensor]:
    return [
        value for module in learner.state.modules.values() for value in module.state_dict().values()
    ]


# ---- the belief ------------------------------------------------------------------------------


def test_p3_belief_without_context_is_exactly_the_prior(
    make_pearl: Make, point_robot: TaskFamily
) -> None:
    learner = make_pearl(point_robot)
    adapter = learner.make_actor(learner.tasks[:3], is_deterministic=True)
    rng = np.random.default_rng(5)
    adapter.begin_trial(5)

    assert (adapter.belief.mean == 0).all() and (adapter.belief.variance == 1).all()
    adapter.begin_episode(np.ones(3, bool))
    np.testing.assert_array_equal(adapter.latent, rng.standard_normal((3, 2)).astype(np.float32))


def test_p3_posterior_phase_without_context_draws_from_the_prior(
    make_pearl: Make, point_robot: TaskFamily
) -> None:
    # The first world of a task starts from the prior anyway; the second could ask for a posterior.
    learner = make_pearl(
        point_robot,
        num_prior_steps=0,
        num_posterior_steps=20,
        num_extra_steps=0,
        worlds_per_task=2,
    )
    learner.encoder_buffer.sample = lambda *_: pytest.fail("inferred a posterior from nothing")  # type: ignore[method-assign]

    learner.collect()


@FORMS
def test_p4_encoder_gets_gradients_from_critic_and_kl_only(
    make_pearl: Make, point_robot: TaskFamily, form: str
) -> None:
    learner = make_pearl(point_robot, form=form, kl_weight=0.0)
    learner.collect_initial_pool()
    batch, context = learner.sample(np.arange(4))
    posterior = learner.encoder.posterior(context)
    latent = posterior.sample(learner.state.generator)[:, None].expand(-1, 8, -1)
    state = torch.cat([batch.observation, latent.detach()], -1)

    learner._actor_step(state)
    assert all(parameter.grad is None for parameter in learner.encoder.parameters())

    learner._judge_step(batch, latent, posterior)
    assert all(parameter.grad.abs().sum() > 0 for parameter in learner.encoder.parameters())


@FORMS
def test_p4_a_gradient_step_hands_the_actor_no_path_to_the_encoder(
    make_pearl: Make, point_robot: TaskFamily, form: str
) -> None:
    learner = make_pearl(point_robot, form=form)
    learner.collect_initial_pool()
    seen = []
    learner._actor_step = lambda state: seen.append(state) or {}  # type: ignore[method-assign]
    learner.gradient_step(*learner.sample(np.arange(4)))

    assert not seen[0].requires_grad


def test_p5_kl_is_summed_over_tasks_and_dimensions(
    make_pearl: Make, point_robot: TaskFamily
) -> None:
    learner = make_pearl(point_robot, kl_weight=0.7)
    learner.collect_initial_pool()
    batch, _ = learner.sample(np.arange(4))
    mean = torch.randn(4, 2, requires_grad=True)
    variance = torch.rand(4, 2).add(0.5).requires_grad_()
    latent = torch.zeros(4, 8, 2)

    learner._judge_step(batch, latent, Gaussian(mean, variance))

    # d/dμ of 0.7 Σ_tasks Σ_dims ½ μ² is 0.7 μ, whatever the number of tasks
    torch.testing.assert_close(mean.grad, 0.7 * mean.detach())
    torch.testing.assert_close(variance.grad, 0.35 * (1 - 1 / variance.detach()))


@FORMS
def test_p6_twin_critics_stay_different(
    make_pearl: Make, point_robot: TaskFamily, form: str
) -> None:
    learner = make_pearl(point_robot, form=form)
    learner.collect_initial_pool()
    rows = torch.randn(32, 6)
    assert not torch.allclose(*learner.critic(rows))
    for _ in range(10):
        learner.gradient_step(*learner.sample(np.arange(4)))

    assert not torch.allclose(*learner.critic(rows))


# ---- collecting ------------------------------------------------------------------------------


def test_p7_buffers_of_a_task_hold_that_task_only(make_pearl: Make, counting: TaskFamily) -> None:
    learner = make_pearl(counting, worlds_per_task=3)
    learner.collect_initial_pool()
    learner.collect()

    for task in range(6):  # the first observation element is the task's level
        assert (transitions(learner, task).observation[:, 0] == task).all()
        assert (stored(learner, "encoder_buffer", task)[:, 0] == task).all()


def test_held_initial_actions_walk_straight_and_differ_between_episodes(
    make_pearl: Make, counting: TaskFamily
) -> None:
    learner = make_pearl(counting, initial_actions="held", num_initial_steps=24)
    learner.policy = None  # type: ignore[assignment]  # nobody asks it
    learner.collect_initial_pool()

    for task in range(0, 6, 2):  # episodes of 4 steps
        episodes = transitions(learner, task).action.reshape(-1, 4)
        assert (episodes == episodes[:, :1]).all()
        assert len(episodes[:, 0].unique()) == len(episodes) == 6
        assert stored(learner, "encoder_buffer", task).shape[0] == 24, "it is context like any"


def test_p7_context_is_the_latest_collection_and_rl_batches_are_everything(
    make_pearl: Make, counting: TaskFamily
) -> None:
    learner = make_pearl(counting, tasks_per_iteration=6, num_extra_steps=12)
    learner.collect_initial_pool()
    pool = learner.rl_buffer.size.copy()
    learner.collect()
    fallen = np.arange(6) % 2 == 1  # their episodes have 3 steps, the others' 4

    def floor(num_steps: int) -> np.ndarray:
        length = np.where(fallen, 3, 4)
        return -(-num_steps // length) * length

    latest = floor(40) + floor(20)
    np.testing.assert_array_equal(learner.encoder_buffer.size, latest)
    np.testing.assert_array_equal(learner.rl_buffer.size, pool + latest + floor(12))


def test_p7_extra_steps_are_no_context(make_pearl: Make, counting: TaskFamily) -> None:
    learner = make_pearl(counting, tasks_per_iteration=6)
    learner.collect()
    before = [stored(learner, "encoder_buffer", task).clone() for task in range(6)]
    learner._phase(np.arange(6), "posterior", 20, is_context=False)

    for task in range(6):
        assert torch.equal(stored(learner, "encoder_buffer", task), before[task])


@pytest.mark.parametrize("worlds_per_task", [1, 3])
def test_p8_every_step_is_stored_and_each_trajectory_whole(
    make_pearl: Make, counting: TaskFamily, worlds_per_task: int
) -> None:
    learner = make_pearl(counting, worlds_per_task=worlds_per_task)
    learner.collect_initial_pool()

    assert learner.rl_buffer.size.sum() == learner.state.num_environment_steps
    for task in range(6):
        length = 3 if task % 2 else 4
        ends = transitions(learner, task).next_observation[:, 1]  # counts the steps
        num_episodes = len(ends) // length
        assert num_episodes * length == len(ends) >= 20
        assert sorted(ends.tolist()) == sorted(list(range(1, length + 1)) * num_episodes)


@pytest.mark.parametrize("worlds_per_task", [1, 3])
def test_p8_what_is_kept_back_until_an_episode_ends_is_stored_as_if_step_by_step(
    make_pearl: Make,
    counting: TaskFamily,
    worlds_per_task: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learners = []
    for at_once in (1, 3, 32):
        monkeypatch.setattr(pearl, "MAX_PENDING_STEPS", at_once)
        learners.append(make_pearl(counting, worlds_per_task=worlds_per_task, num_extra_steps=8))
        learners[-1].collect_initial_pool()
        learners[-1].collect()
    for other in learners[1:]:
        for name in ("rl_buffer", "encoder_buffer"):
            for task in range(6):
                assert torch.equal(stored(other, name, task), stored(learners[0], name, task))
            assert (getattr(other, name).cursor == getattr(learners[0], name).cursor).all()


def test_worlds_that_pad_the_last_group_store_nothing(
    make_pearl: Make, counting: TaskFamily
) -> None:
    learner = make_pearl(counting, num_train=5, tasks_per_iteration=2, worlds_per_task=2)
    learner.collect_initial_pool()

    assert learner.rl_buffer.size.tolist() == [24, 24, 24, 24, 24]  # 20 rounded up to episodes
    assert learner.state.num_environment_steps == learner.rl_buffer.size.sum()


def test_p9_only_true_terminations_are_marked(make_pearl: Make, counting: TaskFamily) -> None:
    learner = make_pearl(counting)
    learner.collect_initial_pool()
    for task in range(6):
        batch = transitions(learner, task)
        expected = (batch.next_observation[:, 1] == 3) & bool(task % 2)
        assert torch.equal(batch.terminated, expected.float())


def test_p10_sparse_reward_is_context_and_dense_reward_is_learnt_from(
    make_pearl: Make, counting: TaskFamily
) -> None:
    learner = make_pearl(counting, uses_sparse_context=True, tasks_per_iteration=6)
    learner.collect_initial_pool()
    learner.collect()
    for task in range(6):
        assert (stored(learner, "encoder_buffer", task)[:, 3] == task).all()
        assert (transitions(learner, task).reward == task + 1000).all()

    rows = []
    adapter = learner.make_actor(learner.tasks[:2], is_deterministic=True)
    encode = learner.encoder.forward
    learner.encoder.forward = lambda row: rows.append(row) or encode(row)  # type: ignore[method-assign]
    observe_one(adapter, reward=1000.0, sparse_reward=7.0)
    assert (rows[0][:, 3] == 7.0).all()


def observe_one(adapter: Any, *, reward: float, sparse_reward: float) -> None:
    zeros = np.zeros((2, 2), np.float32)
    transition = Transition(
        observation=zeros,
        action=zeros[:, :1],
        reward=np.full(2, reward, np.float32),
        next_observation=zeros,
        terminated=np.zeros(2, bool),
        truncated=np.zeros(2, bool),
    )
    adapter.observe(transition, np.full(2, sparse_reward, np.float32), np.ones(2, bool))


def test_context_holds_the_outcome_exactly_where_dynamics_vary(
    make_pearl: Make, counting: TaskFamily, point_robot: TaskFamily
) -> None:
    assert make_pearl(counting).context_layout.uses_next_observation
    assert not make_pearl(point_robot).context_layout.uses_next_observation
    assert make_pearl(point_robot, uses_next_observation=True).context_layout.size == 7


def test_latents_are_held_for_an_episode_and_drawn_anew_for_the_next(
    make_pearl: Make, counting: TaskFamily
) -> None:
    learner = make_pearl(counting, tasks_per_iteration=1)
    held = []
    forward = learner.policy.forward
    learner.policy.forward = lambda rows: held.append(rows[0, 2:].tolist()) or forward(rows)  # type: ignore[method-assign]
    learner._phase(np.array([0]), "prior", 12)

    episodes = [held[start : start + 4] for start in range(0, 12, 4)]
    assert all(latent == episode[0] for episode in episodes for latent in episode)
    assert len({tuple(episode[0]) for episode in episodes}) == 3


def test_first_episode_of_the_posterior_phase_is_from_the_prior_and_the_rest_is_not(
    make_pearl: Make, counting: TaskFamily
) -> None:
    learner = make_pearl(counting, tasks_per_iteration=2, worlds_per_task=3)
    learner.collect_initial_pool()
    inferred = []
    infer = learner.infer
    learner.infer = lambda context: inferred.append(len(context)) or infer(context)  # type: ignore[method-assign]
    learner._phase(np.array([0, 2]), "posterior", 24)

    # two tasks × three worlds, 24 steps in episodes of 4: two rounds; one prior draw per task
    assert inferred == [4, 6]


# ---- improving -------------------------------------------------------------------------------


@FORMS
def test_p12_tasks_in_one_batch_equal_tasks_one_by_one(
    make_pearl: Make, point_robot: TaskFamily, form: str
) -> None:
    learner = make_pearl(point_robot, form=form)
    learner.collect_initial_pool()
    batch, context = learner.sample(np.arange(4))
    latent = learner.encoder.posterior(context).mean[:, None].expand(-1, 8, -1)
    together = learner.critic(torch.cat([batch.observation, batch.action, latent], -1))

    for task in range(4):
        own = learner.encoder.posterior(context[task : task + 1]).mean.expand(8, -1)
        alone = learner.critic(torch.cat([batch.observation[task], batch.action[task], own], -1))
        torch.testing.assert_close(together[:, task], alone, atol=1e-5, rtol=0)


@FORMS
def test_a_target_is_reward_plus_discounted_value(
    make_pearl: Make, point_robot: TaskFamily, form: str
) -> None:
    learner = make_pearl(point_robot, form=form, reward_scale=5.0, initial_temperature=1e-8)
    learner.collect_initial_pool()
    batch, context = learner.sample(np.arange(4))
    latent = learner.encoder.posterior(context).mean.detach()[:, None].expand(-1, 8, -1)
    ends = batch._replace(terminated=torch.ones_like(batch.terminated))

    torch.testing.assert_close(learner._bellman_target(ends, latent), 5.0 * batch.reward)
    value = (learner._bellman_target(batch, latent) - 5.0 * batch.reward) / learner.config.discount
    if form == "reference":
        state = torch.cat([batch.next_observation, latent], -1)
        torch.testing.assert_close(value, learner.value(state)[..., 0], atol=1e-4, rtol=1e-4)
    assert value.abs().max() > 0


def test_p13_equal_seeds_repeat_bit_for_bit_and_others_do_not(
    make_pearl: Make, point_robot: TaskFamily
) -> None:
    def three_iterations(seed: int, global_seed: int) -> list[torch.Tensor]:
        torch.manual_seed(global_seed)
        np.random.seed(global_seed)  # noqa: NPY002 - nothing may depend on it
        learner = make_pearl(point_robot, seed=seed)
        learner.collect_initial_pool()
        for _ in range(3):
            learner.collect()
            learner.improve()
        return [*tensors_of(learner), learner.rl_buffer.rows]

    first, again, other = three_iterations(0, 1), three_iterations(0, 2), three_iterations(1, 1)

    assert all(map(torch.equal, first, again))
    assert not any(map(torch.equal, first[1:5], other[1:5]))  # the first is a constant


def test_p13_tasks_do_not_depend_on_the_training_seed(
    make_pearl: Make, point_robot: TaskFamily
) -> None:
    assert make_pearl(point_robot, seed=0).tasks == make_pearl(point_robot, seed=1).tasks
    test_tasks = draw_task_set(point_robot, seed=0, num_train=6, num_test=4).test
    assert not {t.parameters["goal"] for t in test_tasks} & {
        t.parameters["goal"] for t in make_pearl(point_robot).tasks
    }


def test_p15_posterior_mean_explains_what_distinguishes_the_tasks(
    make_pearl: Make, noisy_level: TaskFamily
) -> None:
    learner = make_pearl(
        noisy_level,
        num_train=30,
        tasks_per_iteration=30,
        num_initial_steps=64,
        worlds_per_task=4,
        meta_batch_size=16,
        context_batch_size=32,
        batch_size=16,
        learning_rate=3e-3,
        kl_weight=0.01,
        discount=0.5,
    )
    learner.collect_initial_pool()
    for _ in range(300):
        tasks = learner.state.rng.integers(30, size=16)
        learner.gradient_step(*learner.sample(tasks))
    context = learner.encoder_buffer.sample(np.arange(30), 64, learner.state.generator)
    level = np.array([task.parameters["level"][0] for task in learner.tasks])
    design = np.c_[learner.infer(context).mean.numpy(), np.ones(30)]
    residual = level - design @ np.linalg.lstsq(design, level, rcond=None)[0]

    assert 1 - residual.var() / level.var() > 0.9


def test_learning_rate_falls_over_the_run_where_asked(
    make_pearl: Make, point_robot: TaskFamily
) -> None:
    falling = make_pearl(point_robot, learning_rate=1e-3, final_learning_rate=1e-4)
    steady = make_pearl(point_robot, learning_rate=1e-3)
    for learner in (falling, steady):
        learner.collect_initial_pool()
        learner.improve(progress=0.5)

    rates = [
        [
            optimizer.param_groups[0]["lr"]
            for optimizer in (each.judge_optimizer, each.actor_optimizer)
        ]
        for each in (falling, steady)
    ]
    assert rates == [[pytest.approx(5.5e-4)] * 2, [1e-3] * 2]


def test_a_bad_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="an iteration with context"):
        PearlConfig(num_prior_steps=0, num_posterior_steps=0)
    with pytest.raises(ValueError, match="discount"):
        PearlConfig(discount=1.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        PearlConfig().discount = 0.5  # type: ignore[misc]


# ---- evaluation ------------------------------------------------------------------------------


def test_p11_trials_start_from_the_prior_and_do_not_influence_each_other(
    make_pearl: Make, point_robot: TaskFamily
) -> None:
    learner = make_pearl(point_robot)
    protocol = TrialProtocol(num_episodes=3, num_trials=2)
    adapted = [Condition.ADAPTED]
    alone = meta_test(
        deployed_actor(learner), point_robot, learner.tasks[:2], protocol, conditions=adapted
    )
    twice = [task for task in learner.tasks[:2] for _ in range(2)]
    used = learner.make_actor(twice, is_deterministic=True)
    for _ in range(5):
        observe_many(used)
    again = meta_test(
        lambda tasks: used, point_robot, learner.tasks[:2], protocol, conditions=adapted
    )

    np.testing.assert_array_equal(
        *(found.episodes[Condition.ADAPTED]["return"] for found in (alone, again))
    )


def observe_many(adapter: Any) -> None:
    ones = np.ones((4, 2), np.float32)
    transition = Transition(ones, ones, ones[:, 0], ones, np.zeros(4, bool), np.zeros(4, bool))
    adapter.observe(transition, ones[:, 0], np.ones(4, bool))


def test_p11_evaluation_acts_by_the_mean_on_the_latent_it_holds(
    make_pearl: Make, point_robot: TaskFamily
) -> None:
    learner = make_pearl(point_robot)
    adapter = learner.make_actor(learner.tasks[:3], is_deterministic=True)
    adapter.begin_trial(0)
    adapter.begin_episode(np.ones(3, bool))
    observation = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    state = torch.from_numpy(np.concatenate([observation, adapter.latent], -1))

    expected = torch.tanh(learner.policy(state).mean).detach().numpy()
    np.testing.assert_array_equal(adapter.act(observation).action, expected)
    np.testing.assert_array_equal(adapter.act(observation).action, expected)


def test_p11_exploration_is_from_the_prior_and_later_episodes_from_the_posterior(
    make_pearl: Make, point_robot: TaskFamily
) -> None:
    learner = make_pearl(point_robot, num_exploration_episodes=2, num_trial_episodes=3)
    adapter = learner.make_actor([learner.tasks[0]] * 4, is_deterministic=True)
    adapter.begin_trial(0)
    for _ in range(500):  # so that the posterior is far surer than the prior
        observe_many(adapter)
    spread = []
    for _ in range(3):
        adapter.begin_episode(np.ones(4, bool))
        spread.append(np.abs(adapter.latent - adapter.belief.mean).max())

    assert spread[0] > 0.5 and spread[1] > 0.5
    assert spread[2] < 0.5


def test_two_contexts_give_two_posteriors(make_pearl: Make, point_robot: TaskFamily) -> None:
    adapter = make_pearl(point_robot).make_actor([None, None], is_deterministic=True)
    zeros = np.zeros((2, 2), np.float32)
    reward = np.array([-1.0, 1.0], np.float32)
    transition = Transition(zeros, zeros, reward, zeros, np.zeros(2, bool), np.zeros(2, bool))
    adapter.observe(transition, reward, np.ones(2, bool))

    assert np.abs(adapter.belief.mean[0] - adapter.belief.mean[1]).max() > 1e-3


def test_steps_behind_an_episodes_end_are_no_evidence(
    make_pearl: Make, point_robot: TaskFamily
) -> None:
    adapter = make_pearl(point_robot).make_actor([None, None], is_deterministic=True)
    ones = np.ones((2, 2), np.float32)
    transition = Transition(ones, ones, ones[:, 0], ones, np.zeros(2, bool), np.zeros(2, bool))
    adapter.observe(transition, ones[:, 0], np.array([True, True]))
    before = adapter.belief
    adapter.observe(transition, ones[:, 0], np.array([True, False]))

    assert (adapter.belief.mean[1] == before.mean[1]).all()
    assert (adapter.belief.variance[1] == before.variance[1]).all()
    assert (adapter.belief.variance[0] < before.variance[0]).all()


def test_exported_modules_take_raw_measurements_and_act_as_the_evaluation_does(
    make_pearl: Make, point_robot: TaskFamily
) -> None:
    learner = make_pearl(point_robot, normalizes_observations=True)
    learner.collect_initial_pool()
    adapter = learner.make_actor(learner.tasks[:3], is_deterministic=True)
    adapter.begin_trial(0)
    adapter.begin_episode(np.ones(3, bool))
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    transition = Transition(
        draw(3, 2), draw(3, 2), draw(3), draw(3, 2), np.zeros(3, bool), np.zeros(3, bool)
    )
    adapter.observe(transition, transition.reward, np.ones(3, bool))
    parts = learner.deployed()
    row = torch.from_numpy(parts.context_layout.row(transition))  # type: ignore[union-attr]
    mean, variance = parts.modules["encoder"](row)
    action = parts.modules["policy"](
        torch.from_numpy(row[:, :2].numpy()), torch.from_numpy(adapter.latent)
    )

    np.testing.assert_allclose(adapter.belief.mean, mean.detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(adapter.belief.variance, variance.detach().numpy(), rtol=1e-5)
    np.testing.assert_allclose(
        adapter.act(row[:, :2].numpy()).action, action.detach().numpy(), atol=1e-6
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_everything_stays_there(make_pearl: Make, point_robot: TaskFamily) -> None:
    learner = make_pearl(point_robot, device="cuda", normalizes_observations=True)
    learner.collect_initial_pool()
    learner.collect()
    learner.improve()

    assert learner.rl_buffer.rows.is_cuda and learner.encoder_buffer.rows.is_cuda
    assert all(tensor.is_cuda for tensor in tensors_of(learner))
    assert not next(learner.deployed().modules["policy"].parameters()).is_cuda
