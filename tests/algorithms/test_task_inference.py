"""What must hold for task inference, property by property."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.algorithms.conftest import NoisyLevelFamily, NoisyLevelWorld, build
from training.algorithms.task_inference import TaskInference, units_of
from training.evaluation.calibration import distance_from_uniform
from training.families.pose_dynamics import POSE_DYNAMICS
from training.families.valve import VALVE_TURN
from training.parts.read_out import Scale, gaussian_of, normal_quantile_of
from training.parts.schedule import set_learning_rate
from training.tasks.task import Parameter, Task, TaskFamily, belief_vector
from training.tasks.task_set import draw_task_set

make = partial(build, TaskInference)


class LevelWorld(NoisyLevelWorld):
    """Tasks say their level alone: none falls."""

    episode_length = 4

    def reset(self, tasks: Sequence[Task], seed: int) -> np.ndarray:
        parameters = [{**task.parameters, "falls": (0.0,)} for task in tasks]
        shown = [Task(family="", name="", parameters=values) for values in parameters]
        return super().reset(shown, seed)


class LevelFamily(NoisyLevelFamily):
    """The reward is the level plus noise; a second parameter shows in nothing at all."""

    name = "level"
    parameters = (
        Parameter(name="level", unit="1", low=(-1.0,), high=(1.0,), changes_dynamics=False),
        Parameter(name="unseen", unit="N", low=(10.0,), high=(30.0,), changes_dynamics=False),
    )

    def sample(self, rng: np.random.Generator, num_tasks: int) -> list[dict[str, Any]]:
        drawn = rng.uniform([-1.0, 10.0], [1.0, 30.0], (num_tasks, 2))
        return [{"level": (float(x),), "unseen": (float(y),)} for x, y in drawn]

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> LevelWorld:
        return LevelWorld(num_worlds)


class Taught(NamedTuple):
    learner: TaskInference
    read: Tensor
    """(T + 1, B, 2 D) beliefs about tasks that none was learnt from"""
    truth: Tensor
    """(B, D)"""


@pytest.fixture(scope="module")
def taught() -> Taught:
    options: dict[str, Any] = {"num_train": 1500, "hidden_size": 16, "num_trials": 1500}
    learner: TaskInference = make(LevelFamily(), **options)
    learner.on_belief.collect(learner._labels)
    for step in range(400):
        set_learning_rate(learner.belief_optimizer, 1e-2, 0.0, step / 400)
        learner.belief_optimizer.zero_grad()
        learner.belief_loss(learner.on_belief.sample(128))["belief_loss"].backward()
        learner.belief_optimizer.step()
    fresh: TaskInference = make(LevelFamily(), seed=1, num_train=400, num_trials=400)
    collected = fresh.on_belief.collector.collect(partial(fresh.make_actor, is_deterministic=False))
    truth = np.stack([belief_vector(fresh.family, task) for task in collected.tasks])
    with torch.no_grad():
        read = learner.encoder.beliefs(collected.trials.context)
    return Taught(learner, read, torch.from_numpy(truth))


def surprise(taught: Taught, moment: int) -> Tensor:
    """() minus the log-likelihood of the truth at a moment of the trial."""
    return -gaussian_of(taught.read[moment]).log_density(taught.truth).mean()


def test_i1_what_the_policy_learns_does_not_reach_the_belief(point_robot: TaskFamily) -> None:
    learner = make(point_robot)
    trials = learner.on_belief.collect(learner._labels)
    before = [p.clone() for p in learner.encoder.parameters()]
    seen = learner.on_belief.with_beliefs(trials)
    learner.on_belief.ppo.gradient_step(seen, *learner.on_belief.ppo.judge(seen))

    assert all(p.grad is None for p in learner.encoder.parameters())
    assert all(map(torch.equal, before, learner.encoder.parameters()))


def test_i2_the_error_of_the_belief_falls_with_evidence(taught: Taught) -> None:
    error = (gaussian_of(taught.read).mean - taught.truth).square()[..., 0].mean(-1)

    assert error[0] == pytest.approx(1.0 / 3.0, abs=0.06)  # of the prior
    assert error[1] < 0.4 * error[0]
    assert error[8] < 0.4 * error[1]


def test_i3_without_evidence_the_belief_is_no_worse_than_the_prior(taught: Taught) -> None:
    of_prior = 2 * (0.5 * np.log(2 * np.pi * np.e / 3.0))  # the best Gaussian of both parameters

    assert surprise(taught, 0) < of_prior + 0.1
    assert surprise(taught, 8) < surprise(taught, 0) - 0.5


def test_i4_the_truth_is_in_nothing_that_acts(point_robot: TaskFamily) -> None:
    learner = make(point_robot)
    learner.iterate(0.0)
    seen: list[Tensor] = []
    learner.policy.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    observation = np.zeros((2, 2), np.float32)
    actions = [
        learner.make_actor(tasks, is_deterministic=True).act(observation).action
        for tasks in (learner.tasks[:2], learner.tasks[2:4])
    ]

    np.testing.assert_array_equal(*actions)
    assert torch.equal(*seen)
    assert seen[0].shape == (2, 2 + 2 * 2)  # an observation, a mean and a log-variance
    batch = learner.on_belief.sample(4)
    labels = batch.others["truth"]
    assert batch.context.shape[-1] == learner.on_belief.layout.size
    assert not torch.isin(labels.flatten(), batch.context.flatten()).any()


def test_i5_the_belief_is_as_wide_as_it_is_wrong(taught: Taught) -> None:
    quantile = normal_quantile_of(taught.read[8], taught.truth)[:, 0]

    assert distance_from_uniform(quantile.numpy()) < 0.1


def test_i6_the_belief_is_drawn_to_the_target_and_the_target_to_nothing(
    point_robot: TaskFamily,
) -> None:
    """Also where what is to be said is itself the word of a network."""
    learner = make(point_robot)
    learner.on_belief.collect(learner._labels)
    batch = learner.on_belief.sample(4)
    target = torch.nn.Linear(2, 2)
    told = batch._replace(others={"truth": target(batch.others["truth"])})
    learner.belief_loss(told)["belief_loss"].backward()

    assert all(p.grad is None for p in target.parameters())
    assert all(p.grad is not None and p.grad.any() for p in learner.encoder.read_out.parameters())
    assert all(p.grad is None for p in learner.policy.parameters())


def test_i7_a_parameter_that_shows_in_nothing_keeps_the_width_of_the_prior(taught: Taught) -> None:
    width = gaussian_of(taught.read).log_std.exp().mean(1)

    assert width[[4, 8], 1].tolist() == pytest.approx([3**-0.5] * 2, rel=0.12)
    assert width[8, 0] < 0.35 * width[0, 0]


def test_trials_without_noise_are_remembered_and_not_what_the_policy_learns_from(
    point_robot: TaskFamily,
) -> None:
    learner = make(point_robot, num_deployed_trials=3, replay_capacity=9)
    trials = learner.on_belief.collect(learner._labels)
    assert trials.is_valid.shape[1] == 6
    assert learner.on_belief.state.num_environment_steps == (6 + 3) * 2 * 20

    columns = learner.on_belief.replay.sample(400, learner.on_belief.state.generator).columns
    kept = torch.unique(columns["context"][0, :, 2:4], dim=0)  # the first actions
    assert len(kept) == 9
    first = trials.observation[0], trials.context[0, :, 2:4]
    played = {tuple(action.tolist()) for action in first[1]}
    further = [action for action in kept if tuple(action.tolist()) not in played]
    assert len(further) == 3 and all(action.abs().max() < 0.1 for action in further)


def test_the_beliefs_rate_falls_with_the_run_and_the_policys_by_its_own_plan(
    point_robot: TaskFamily,
) -> None:
    falling = make(
        point_robot, belief_learning_rate=1e-2, final_belief_learning_rate=1e-4, learning_rate=3e-3
    )
    steady = make(point_robot, belief_learning_rate=1e-2)
    rates = []
    for progress in (0.0, 0.5, 1.0):
        falling.iterate(progress)
        steady.iterate(progress)
        both = (falling, steady)
        rates.append([each.belief_optimizer.param_groups[0]["lr"] for each in both])

    np.testing.assert_allclose(rates, [[1e-2, 1e-2], [5.05e-3, 1e-2], [1e-4, 1e-2]])


def test_every_label_is_counted(point_robot: TaskFamily) -> None:
    learner = make(point_robot)

    assert learner.iterate(0.0)["labelled_steps"] == 6 * 2 * 20
    assert learner.iterate(0.0)["labelled_steps"] == 2 * 6 * 2 * 20


def test_labels_are_those_of_the_trials_task_and_padding_weighs_nothing(
    counting: TaskFamily,
) -> None:
    learner = make(counting, num_trials=12)
    learner.on_belief.collect(learner._labels)
    batch = learner.on_belief.sample(12)
    middle, half_range = units_of(counting).middle, units_of(counting).half_range
    told = middle + half_range * batch.others["truth"][0]
    torch.testing.assert_close(told[:, 0], batch.context[0, :, 0])  # the level is observed

    assert set(batch.length.tolist()) == {6, 8}
    padding = (batch.is_valid == 0)[..., None]
    changed = batch._replace(context=torch.where(padding, 9.0, batch.context))
    for one, other in zip(
        learner.belief_loss(batch).values(), learner.belief_loss(changed).values(), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_what_is_deployed_says_parameters_in_their_units(taught: Taught) -> None:
    deployed = taught.learner.deployed()
    read_out = deployed.settings.read_out  # type: ignore[attr-defined]

    assert [(q.name, q.unit) for q in read_out.quantities] == [("level", "1"), ("unseen", "N")]
    assert read_out.initial_mean == pytest.approx([0.0, 20.0], abs=1.0)
    width = np.exp(0.5 * np.array(read_out.initial_log_variance))
    assert width == pytest.approx([3**-0.5, 10 * 3**-0.5], rel=0.3)


def test_a_scale_has_the_moments_of_units_and_gives_back_those_about_one() -> None:
    """Of a logarithm: the median, and the deviation that a small one of it makes there."""
    units = units_of(VALVE_TURN)
    scale = Scale(units.middle, units.half_range, units.is_log)
    names = [quantity.name for quantity in units.quantities]
    damping, delay = names.index("valve_damping"), names.index("action_delay")
    size = len(names)
    about_one = torch.randn(50, 2 * size).clamp(-2, 2)
    torch.testing.assert_close(scale.about_one(scale.in_units(about_one)), about_one)

    small = torch.cat([torch.full((size,), 0.5), torch.full((size,), 2.0 * np.log(0.01))])
    mean, log_variance = scale.in_units(small).chunk(2)
    sd = (0.5 * log_variance).exp()
    assert mean[delay] == pytest.approx(7.5) and sd[delay] == pytest.approx(0.05)
    assert mean[damping] == pytest.approx(0.05 * 10**0.75, rel=1e-5)  # from 0.05 to 0.5
    drawn = np.random.default_rng(0).normal(0.5, 0.01, 100_000)
    in_units = 0.05 * 10 ** ((drawn + 1.0) / 2.0)
    assert sd[damping] == pytest.approx(in_units.std(), rel=0.02)


def test_a_belief_about_a_logarithm_is_even_about_what_is_drawn_by_it() -> None:
    family = VALVE_TURN
    tasks = draw_task_set(family, seed=0, num_train=0, num_test=2000).test
    vectors = np.stack([belief_vector(family, task) for task in tasks])
    names = [quantity.name for quantity in units_of(family).quantities]

    for name in ("valve_damping", "valve_friction", "fingertip_friction"):
        shares = (vectors[:, names.index(name)] + 1.0) / 2.0
        assert distance_from_uniform(shares.astype(np.float64)) < 0.04


def test_every_element_of_a_parameter_has_a_name() -> None:
    units, size = units_of(POSE_DYNAMICS), sum(p.size for p in POSE_DYNAMICS.parameters)

    assert len({quantity.name for quantity in units.quantities}) == size
    assert len(units.middle) == len(units.half_range) == size
    assert (units.half_range > 0).all()
