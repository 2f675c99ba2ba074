"""What must hold for VariBAD, property by property."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from tests.algorithms.conftest import build
from training.algorithms.varibad import VariBad
from training.families.gridworld import GridworldFamily
from training.parts.elbo import Steps
from training.parts.read_out import gaussian_of
from training.parts.schedule import set_learning_rate
from training.rules.gridworld import Gridworld, first_belief, updated_belief
from training.tasks.task import TaskFamily

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


def implied(learner: VariBad, read: torch.Tensor) -> torch.Tensor:
    """(..., 3) the chance of every possible goal, as decoded from beliefs (..., 6).

    To be paid in a cell, whatever led there, is to have the goal in it.
    """
    grid = SmallGrid.grid
    place = torch.from_numpy(np.stack([grid.goals % 2, grid.goals // 2], -1)).float() * 2.0 - 1.0
    belief, num_draws = gaussian_of(read), 64
    noise = torch.randn(num_draws, *belief.mean.shape, generator=torch.Generator().manual_seed(0))
    latent = (belief.mean + belief.log_std.exp() * noise)[..., None, :]
    shape = (*latent.shape[:-2], len(place))
    stay = torch.eye(5)[0].expand(*shape, -1)
    at = place.expand(*shape, -1)
    logit = learner.decoder.predicted_reward(
        latent.expand(*shape, -1), Steps(at, stay, torch.zeros(shape), at)
    )
    chance = torch.sigmoid(logit).mean(0)
    return chance / chance.sum(-1, keepdim=True)


@torch.no_grad()
def histories(learner: VariBad) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A hundred trials: what is decoded after them, Bayes' posterior, and what was ruled out."""
    batch = learner.on_belief.sample(100)
    steps = learner.steps_of(batch, lambda values: values)
    decoded = implied(learner, learner.encoder.beliefs(batch.context)[-1])
    belief = first_belief(SmallGrid.grid, 100)
    cells = (0.5 * (steps.next_observation + 1.0) @ torch.tensor([1.0, 2.0])).round().long().numpy()
    for cell, reward in zip(cells, steps.reward.numpy(), strict=True):
        belief = updated_belief(SmallGrid.grid, belief, cell, reward > 0)
    exact = torch.from_numpy(belief).float()
    return decoded, exact, exact == 0


def test_v6_what_was_visited_and_did_not_pay_is_decoded_as_unpaid(taught: VariBad) -> None:
    decoded, _, ruled_out = histories(taught)

    assert ruled_out.any() and not ruled_out.all()
    assert decoded[ruled_out].mean() < 0.06
    assert decoded[~ruled_out].mean() > 0.5


def test_v7_decoded_posterior_is_close_to_bayes(taught: VariBad) -> None:
    """On the small grid, after a second or two of learning; the prior is 0.5 away."""
    decoded, exact, _ = histories(taught)
    distance = 0.5 * (decoded - exact).abs().sum(-1)
    of_prior = 0.5 * (1.0 / 3.0 - exact).abs().sum(-1)

    assert distance.mean() < 0.15 and of_prior.mean() > 0.5
