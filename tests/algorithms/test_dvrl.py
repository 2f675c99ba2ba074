"""What must hold for DVRL, property by property; its filter is tested in tests/parts."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from sim2real.contract.transition import Transition
from tests.algorithms.conftest import build
from training.algorithms.dvrl import Dvrl
from training.families.gridworld import GridworldFamily
from training.tasks.task import TaskFamily

make = partial(build, Dvrl)


def filled(family: TaskFamily, **changes: object) -> Dvrl:
    learner: Dvrl = make(family, **changes)
    learner.collect()
    return learner


def test_d1_acting_step_by_step_sees_what_the_update_sees(point_robot: TaskFamily) -> None:
    learner = filled(point_robot)
    batch = learner.sample()
    noise = torch.randn(*batch.reward.shape, learner.filter.noise_size)
    filtered = learner.filter.filtered(batch.context, noise)
    seen = learner.seen(batch, filtered)
    carried = torch.zeros_like(filtered.carried[0])
    for step, rows in enumerate(torch.cat([batch.context, noise], dim=-1)):
        known = torch.cat([batch.observation[step], learner.features(carried)], dim=-1)
        torch.testing.assert_close(seen[step], known, atol=1e-5, rtol=0)
        carried = learner.filter.step(rows, carried)


def test_d2_padding_changes_no_update(counting: TaskFamily) -> None:
    def updated(padding: float) -> list[torch.Tensor]:
        learner = filled(counting, num_trials=6, batch_size=6)
        batch = learner.sample()
        past = batch.is_valid == 0
        assert past.any()
        for values in (batch.observation, batch.context, batch.action, batch.reward):
            values[past] = padding
        learner.gradient_step(batch)
        return [*learner.taught_by_values, *learner.policy.parameters()]

    for one, other in zip(updated(0.0), updated(3.0), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_d7_what_the_actor_learns_reaches_neither_particles_nor_critics(
    point_robot: TaskFamily,
) -> None:
    learner = filled(point_robot, num_gradient_steps=1)
    of_values = [p.clone() for p in learner.taught_by_values]
    steps: list[bool] = []
    step = learner.critic_optimizer.step
    learner.critic_optimizer.step = lambda: steps.append(True)  # type: ignore
    for parameter in learner.taught_by_values:
        parameter.grad = None
    learner.critic_optimizer.zero_grad = lambda: None  # type: ignore
    batch = learner.sample()
    learner.gradient_step(batch)
    taught = [None if p.grad is None else p.grad.clone() for p in learner.taught_by_values]
    assert all(gradient is not None and gradient.any() for gradient in taught[:1])
    assert all(map(torch.equal, of_values, learner.taught_by_values)) and steps and step

    noise = torch.randn(*batch.reward.shape, learner.filter.noise_size)
    seen = learner.seen(batch, learner.filter.filtered(batch.context, noise))
    learner._actor_step(batch, seen.detach())
    for before, parameter in zip(taught, learner.taught_by_values, strict=True):
        assert (parameter.grad is None) == (before is None)
        assert before is None or torch.equal(parameter.grad, before)


def test_d8_trials_are_sampled_whole_from_their_first_step(counting: TaskFamily) -> None:
    batch = filled(counting, num_trials=6, batch_size=30).sample()

    assert (batch.observation[0, :, 1] == 0).all()  # no step has been counted
    falls = batch.observation[0, :, 0].long() % 2 == 1
    assert torch.equal(batch.is_valid.sum(0), torch.where(falls, 6.0, 8.0))


def test_value_is_cut_where_the_trial_ends_and_nowhere_else(counting: TaskFamily) -> None:
    learner = filled(counting, num_trials=6, batch_size=12, discount=0.5)
    batch = learner.sample()
    learner.target = lambda rows: 100.0 + rows[None, ..., 1]  # type: ignore[assignment]
    learner.log_temperature = torch.tensor(-100.0)
    seen = torch.cat([batch.observation, torch.zeros(*batch.reward.shape, 6)], dim=-1)
    beyond = learner.bellman_target(batch, seen) - batch.reward
    length, trial = batch.is_valid.sum(0).long(), torch.arange(12)

    assert (beyond[length - 1, trial] == 0).all()
    assert (beyond[length // 2 - 1, trial] == 50.0).all()  # the next one's own first observation


def test_what_a_trial_draws_depends_on_its_seed_alone(point_robot: TaskFamily) -> None:
    learner = filled(point_robot)
    actor = learner.make_actor(learner.tasks[:2], is_deterministic=True)
    observation, action = np.zeros((2, 2), np.float32), np.zeros((2, 2), np.float32)
    ends = np.zeros(2, bool)
    transition = Transition(observation, action, np.ones(2, np.float32), observation, ends, ends)

    def carried(seed: int) -> torch.Tensor:
        actor.begin_trial(seed)
        assert not actor.hidden.any()
        for _ in range(3):
            actor.observe(transition, np.ones(2, np.float32), ~ends)
        return actor.hidden

    assert torch.equal(carried(3), carried(3))
    assert not torch.equal(carried(3), carried(4))


def test_choices_are_refused() -> None:
    with pytest.raises(ValueError, match="gridworld: its actions are choices"):
        make(GridworldFamily())
