"""What must hold for VariBAD, property by property."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from tests.algorithms.conftest import build
from training.algorithms.varibad import VariBad
from training.evaluation.decoded_posterior import Posteriors, posteriors
from training.families.gridworld import GridworldFamily
from training.parts.read_out import gaussian_of
from training.parts.schedule import set_learning_rate
from training.tasks.task import TaskFamily
from training.worlds.gridworld import Gridworld

make = partial(build, VariBad)


def remembered(learner: VariBad, num_trials: int = 6) -> Any:
    learner.on_belief.collect()
    return learner.on_belief.sample(num_trials)


def test_v1_the_belief_at_a_trials_start_is_the_learnt_first_one_whatever_came_before(
    point_robot: TaskFamily,
) -> None:
    learner = make(point_robot)
    learner.iterate(0.0)
    seen: list[torch.Tensor] = []
    learner.policy.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    first = learner.encoder.read_out(torch.zeros(8))
    actor = learner.make_actor(learner.tasks[:2], is_deterministic=False)
    world = point_robot.make_world(2)
    for tasks in (learner.tasks[:2], learner.tasks[2:4]):
        seen.clear()
        observation = world.reset(tasks, 0)
        actor.begin_trial(0)
        for _ in range(3):
            result = world.step(actor.act(observation).action)
            actor.observe(result.transition(observation), result.reward, np.ones(2, bool))
            observation = result.observation
        torch.testing.assert_close(seen[0][:, 2:], first.expand(2, -1))
        assert not torch.allclose(seen[1][:, 2:], seen[0][:, 2:])
    assert first.abs().max() > 0  # learnt, not assumed


def test_v1_acting_and_learning_see_the_same_beliefs(point_robot: TaskFamily) -> None:
    learner = make(point_robot)
    trials = learner.on_belief.collect()
    judged, _, _ = learner.on_belief.ppo.judge(learner.on_belief.with_beliefs(trials))

    torch.testing.assert_close(judged, trials.log_density, atol=1e-4, rtol=0)


def test_v2_the_first_belief_has_to_explain_rewards_still_to_come(point_robot: TaskFamily) -> None:
    learner = make(point_robot, num_beliefs=0, num_decoded_steps=0, context_reward_scale=0.5)
    batch = remembered(learner)
    read = learner.encoder.beliefs(batch.context)
    steps = learner.steps_of(batch, lambda values: values)
    torch.testing.assert_close(steps.reward, 0.5 * batch.context[..., 4])
    latent = gaussian_of(read).mean.detach().requires_grad_()
    explained: list[torch.Tensor] = []
    learner._drawn = lambda beliefs: latent  # type: ignore[method-assign]
    learner.decoder.error = (  # type: ignore[method-assign]
        lambda latent, steps, of=learner.decoder.error: (
            explained.append(of(latent, steps)),
            explained[-1],
        )[1]
    )
    loss = learner.belief_loss(batch)["reconstruction_loss"]
    (of_each,) = torch.autograd.grad(loss, explained[0])

    # Forty steps, and the beliefs before, between and after them, in six trials: all pairs alike.
    assert of_each.shape == (41, 40, 6)
    torch.testing.assert_close(of_each, torch.full_like(of_each, 1.0 / (41 * 6)))


def test_v3_trials_seen_twice_have_the_same_loss(point_robot: TaskFamily) -> None:
    learner = make(point_robot, num_beliefs=0, num_decoded_steps=0)
    learner._drawn = lambda read: gaussian_of(read).mean  # type: ignore[method-assign]
    batch = remembered(learner)
    twice = type(batch)(
        *(torch.cat([values, values], dim=1) for values in batch[:3]), others=batch.others
    )

    for name, value in learner.belief_loss(batch).items():
        torch.testing.assert_close(learner.belief_loss(twice)[name], value, msg=name)


def test_v5_what_the_policy_learns_does_not_reach_the_belief(point_robot: TaskFamily) -> None:
    learner = make(point_robot)
    trials = learner.on_belief.collect()
    before = [p.clone() for p in learner.encoder.parameters()]
    policy = [p.clone() for p in learner.policy.parameters()]
    seen = learner.on_belief.with_beliefs(trials)
    learner.on_belief.ppo.gradient_step(seen, *learner.on_belief.ppo.judge(seen))

    assert all(p.grad is None for p in learner.encoder.parameters())
    assert all(map(torch.equal, before, learner.encoder.parameters()))
    assert not all(map(torch.equal, policy, learner.policy.parameters()))
    ours = {id(p) for p in learner.on_belief.ppo.parameters}
    assert not ours & {id(p) for p in learner.encoder.parameters()}


def test_next_states_are_decoded_exactly_where_dynamics_vary(
    point_robot: TaskFamily, counting: TaskFamily
) -> None:
    assert make(point_robot).decoder.state is None
    assert make(counting).decoder.state is not None


def test_no_decoded_step_joins_two_episodes_and_padding_is_nothing(counting: TaskFamily) -> None:
    """X-B3, and trials of different lengths: odd tasks fall early."""
    learner = make(counting, num_beliefs=0, num_decoded_steps=0, num_trials=12)
    batch = remembered(learner, 12)
    steps = learner.steps_of(batch, lambda values: values)
    counted = steps.next_observation[..., 1] - steps.observation[..., 1]
    assert set(batch.length.tolist()) == {6, 8}
    assert (counted[batch.is_valid > 0] == 1).all()

    learner._drawn = lambda read: gaussian_of(read).mean  # type: ignore[method-assign]
    loss = learner.belief_loss(batch)["belief_loss"]
    padding = (batch.is_valid == 0)[..., None]
    changed = batch._replace(
        context=torch.where(padding, 3.0, batch.context),
        next_observation=torch.where(padding, 5.0, batch.next_observation),
    )
    torch.testing.assert_close(learner.belief_loss(changed)["belief_loss"], loss)


class SmallGrid(GridworldFamily):
    """Two by two cells, three of which may be the goal; one episode of six steps."""

    grid = Gridworld(size=2, start_size=1, episode_length=6, num_episodes=1)
    num_distinct_tasks = 3


@pytest.fixture(scope="module")
def taught() -> VariBad:
    """A belief and a decoder that learnt from random walks on the small grid."""
    learner: VariBad = make(
        SmallGrid(),
        num_trial_episodes=1,
        hidden_size=16,
        latent_size=2,
        decoder_hidden_sizes=(32,),
        num_trials=300,
        replay_capacity=300,
        has_binary_rewards=True,
        pays_for_outcome=True,
        kl_weight=0.05,
        num_beliefs=4,
        num_decoded_steps=0,
    )
    learner.on_belief.collect()
    set_learning_rate(learner.belief_optimizer, 2e-2, None, 0.0)
    for _ in range(500):
        learner.belief_optimizer.zero_grad()
        learner.belief_loss(learner.on_belief.sample(64))["belief_loss"].backward()
        learner.belief_optimizer.step()
    return learner


def walked(learner: VariBad) -> Posteriors:
    """A hundred random walks of any length."""
    return posteriors(learner, SmallGrid(), num_histories=100, seed=0, walk="random")


def test_v6_what_was_visited_and_did_not_pay_is_decoded_as_unpaid(taught: VariBad) -> None:
    decoded, exact = walked(taught)
    ruled_out = exact == 0

    assert ruled_out.any() and not ruled_out.all()
    assert decoded[ruled_out].mean() < 0.06
    assert decoded[~ruled_out].mean() > 0.5


def test_v7_decoded_posterior_is_close_to_bayes(taught: VariBad) -> None:
    """On the small grid, after a second or two of learning; the prior is 0.4 away."""
    found = walked(taught)

    assert found.distance.mean() < 0.15 and found.distance_of_prior.mean() > 0.4


def test_v7_both_posteriors_are_distributions_over_the_same_history(taught: VariBad) -> None:
    found = walked(taught)
    again = walked(taught)

    for decoded, exact in zip(found, again, strict=True):
        np.testing.assert_array_equal(decoded, exact)
        np.testing.assert_allclose(decoded.sum(-1), 1.0, rtol=1e-6)
        assert decoded.shape == (100, 3) and (decoded >= 0).all()
    is_found = found.exact.max(-1) == 1.0
    assert found.distance[is_found].mean() < found.distance_of_prior[is_found].mean() - 0.4
