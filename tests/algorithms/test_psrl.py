"""Posterior sampling as a learner: whose process, held how long, learned from what."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sim2real.contract.transition import Transition
from sim2real.evaluation.protocol import Condition, TrialProtocol
from tests.algorithms.conftest import CountingFamily, build
from training.algorithms.learner import TrainingSetup, deployed_actor
from training.algorithms.psrl import Psrl, PsrlActor, PsrlConfig, Table
from training.evaluation.meta_test import meta_test
from training.exact.bandit_values import policy_value
from training.exact.posterior import Prior
from training.families.registry import FAMILIES
from training.recipes.tabular import psrl_bernoulli_bandit, psrl_gridworld
from training.tasks.task_set import draw_task_set
from training.worlds.bernoulli_bandit import thompson

BANDIT, GRID = FAMILIES["bernoulli_bandit"], FAMILIES["gridworld"]


def learner_of(recipe, num_test_tasks):
    family = FAMILIES[recipe.family]
    tasks = draw_task_set(family, seed=0, num_train=21, num_test=num_test_tasks)
    setup = TrainingSetup(
        family=family, task_set=tasks, seed=0, device=torch.device("cpu"), num_trial_episodes=4
    )
    return Psrl(recipe.config, setup), family, tasks.test


@pytest.mark.slow
def test_on_the_bandit_it_is_thompson_sampling():
    learner, family, tasks = learner_of(psrl_bernoulli_bandit(), 2000)
    protocol = TrialProtocol(num_episodes=1, num_trials=10, seed=0)
    made = meta_test(
        deployed_actor(learner), family, tasks, protocol, conditions=[Condition.ADAPTED]
    )
    # The tasks' own arms stand beside the prior: their part of the error is worked out.
    known = np.array([max(task.parameters["arms"]) for task in tasks])
    earned = made.last(Condition.ADAPTED, "return")
    regret = (20 * known - earned).mean()
    value = 20 * 2 / 3 - regret

    assert value == pytest.approx(
        policy_value(BANDIT.bandit, lambda c: thompson(BANDIT.bandit, c)), rel=0.01
    )


def actor_of(num_worlds=3, *, horizon=4, held_steps=None, pays_for_outcome=False, prior=None):
    """Of a world with two choices and a single number to observe, in five cells."""
    table = Table(
        cells=5, num_elements=1, moves=np.eye(2, dtype=np.float32), horizon=held_steps or horizon
    )
    prior = prior or Prior(transition=np.where(np.arange(6) == 5, 0.0, np.ones((6, 2, 6))))
    actor = PsrlActor(table, prior, num_worlds, pays_for_outcome=pays_for_outcome)
    actor.begin_trial(0)
    return actor


def step(actor, observation, next_observation, reward=0.0, terminated=False, running=True):
    """One step of all worlds from and to the same place; what was chosen."""
    size = actor.counts.transitions.shape[0]
    rows = [np.full((size, 1), place, np.float32) for place in (observation, next_observation)]
    action = actor.act(rows[0]).action
    paid = np.full(size, reward, np.float32)
    transition = Transition(
        observation=rows[0],
        action=action,
        reward=paid,
        next_observation=rows[1],
        terminated=np.full(size, terminated),
        truncated=np.zeros(size, bool),
    )
    actor.observe(transition, paid, np.full(size, running))
    return action.argmax(-1)


@pytest.mark.parametrize(("held_steps", "times"), [(None, 1), (2, 2), (1, 4)])
def test_b4_one_sample_is_held_for_an_episode_or_its_steps(held_steps, times, monkeypatch):
    drawn = []
    sampled_model = Prior.sampled_model
    monkeypatch.setattr(
        Prior, "sampled_model", lambda *given: (drawn.append(1), sampled_model(*given))[1]
    )
    actor = actor_of(held_steps=held_steps)
    for _ in range(3):
        actor.begin_episode(np.ones(3, bool))
        for _ in range(4):
            step(actor, 0.0, 0.0)

    assert len(drawn) == 3 * times


def test_b1_counts_are_what_happened_where_it_counted():
    actor = actor_of()
    actor.begin_episode(np.ones(3, bool))
    chosen = step(actor, -1.0, 1.0, reward=2.0)
    step(actor, 1.0, -1.0, running=False)
    world = np.arange(3)

    assert actor.counts.transitions.sum() == 3.0
    assert (actor.counts.transitions[world, 0, chosen, 4] == 1.0).all()
    assert (actor.counts.reward_sum[world, 0, chosen] == 2.0).all()


def test_nothing_is_expected_behind_the_end_of_a_task():
    """Once the end was seen, a process may end there; before, it never does."""
    actor = actor_of(num_worlds=400)
    actor.begin_episode(np.ones(400, bool))
    before = actor._prior.sampled_model(actor.counts, np.random.default_rng(0))
    for _ in range(50):
        step(actor, -1.0, 0.0, reward=1.0, terminated=True)
    after = actor._prior.sampled_model(actor.counts, np.random.default_rng(0))
    assert (before.transition[:, :5, :, 5] == 0.0).all()
    assert after.transition[:, 0, :, 5].max(-1).mean() > 0.7  # in 25 steps or more of one choice
    policy = actor._sampled_policy(np.ones(400, bool))

    assert policy.shape == (400, 4, 6, 2)
    assert (policy[:, :, 5] == 0.5).all()  # nothing to choose between


def test_rewards_of_the_state_reached_are_known_whatever_led_there():
    sure = Prior(transition=np.where(np.arange(6) == 5, 0.0, np.full((6, 2, 6), 1e-3)))
    choices = {}
    for pays_for_outcome in (False, True):
        actor = actor_of(500, horizon=1, pays_for_outcome=pays_for_outcome, prior=sure)
        everyone = np.arange(500)
        actor.counts.transitions[everyone, 2, 0, 2] = 1e6  # staying in 2 pays 2 a step
        actor.counts.reward_sum[everyone, 2, 0] = actor._paid[:, 2] = 2e6
        # From 1, a choice leads to 2, the other to 0; so seldom that its own reward is unknown.
        actor.counts.transitions[everyone, 1, 0, 2] = actor.counts.transitions[
            everyone, 1, 1, 0
        ] = 0.1
        choices[pays_for_outcome] = actor._sampled_policy(np.ones(500, bool))[:, 0, 1, 0].mean()

    assert choices[True] > 0.7 and choices[False] == pytest.approx(0.5, abs=0.1)


def test_transitions_of_all_tasks_count_only_where_dynamics_do_not_vary():
    alike, varied = build(Psrl, GRID), build(Psrl, CountingFamily())
    for learner in (alike, varied):
        learner.iterate(0.0)

    assert alike.transitions.sum() == alike.state.num_environment_steps
    assert varied.transitions.sum() == 0.0


def test_cells_are_those_of_the_grid_and_what_lies_beyond_is_in_the_outermost():
    grid = FAMILIES["gridworld"].grid
    table = Table.of(GRID.make_world(1), PsrlConfig())
    cells = np.arange(grid.size**2)
    place = np.stack([cells % grid.size, cells // grid.size], -1)
    observation = (2.0 * place / (grid.size - 1) - 1.0).astype(np.float32)

    np.testing.assert_array_equal(table.state(observation), cells)
    np.testing.assert_array_equal(table.state(3.0 * observation)[[0, -1]], cells[[0, -1]])


def test_a_table_too_large_is_refused(point_robot):
    with pytest.raises(ValueError, match="cells: 17 of 2 elements are 289 states"):
        build(Psrl, point_robot, cells=17)


def test_walking_is_learned_in_training_and_goals_in_a_trial():
    learner, family, tasks = learner_of(psrl_gridworld(), 21)
    protocol = TrialProtocol(num_episodes=16, num_trials=4, seed=0)

    def returns():
        actor = deployed_actor(learner)
        return meta_test(actor, family, tasks, protocol, conditions=[Condition.ADAPTED]).last(
            Condition.ADAPTED, "return"
        )

    untrained = returns()
    for _ in range(10):
        learner.iterate(0.0)
    trained = returns()

    assert trained.mean() > untrained.mean() + 4.0


def test_equal_seeds_of_a_trial_choose_equally_and_others_do_not():
    def chosen(seed):
        actor = actor_of(50)
        actor.begin_trial(seed)
        actor.begin_episode(np.ones(50, bool))
        return [step(actor, 0.0, 0.0).tolist() for _ in range(4)]

    assert chosen(0) == chosen(0)
    assert chosen(0) != chosen(1)


def test_it_says_why_no_robot_runs_it(point_robot):
    learner = build(Psrl, point_robot)
    assert "few and known" in learner.why_not_deployable
    with pytest.raises(TypeError, match="few and known"):
        learner.deployed()


def test_beliefs_are_exchanged_whole():
    actor = actor_of(2)
    actor.begin_episode(np.ones(2, bool))
    step(actor, 0.0, 0.5, reward=1.0)
    actor.counts.transitions[1] *= 0.0
    actor._paid[1] *= 0.0
    actor.exchange_beliefs(np.array([1, 0]))

    assert actor.counts.transitions.sum((1, 2, 3)).tolist() == [0.0, 1.0]
    assert actor._paid.sum(1).tolist() == [0.0, 1.0]
