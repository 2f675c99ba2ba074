"""Learned exploration: properties X1 to X7, and what the teacher is paid for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from tests.algorithms.conftest import CountingFamily, build
from training.algorithms.learned_exploration import LearnedExploration
from training.families.registry import FAMILIES
from training.parts.policies import PolicyActor
from training.tasks.task import Parameter, Task
from training.worlds.vector_world import StepResult

TWO_REWARDS = FAMILIES["two_rewards"]


def learner_on(family=TWO_REWARDS, seed=0, **settings):
    return build(LearnedExploration, family, seed=seed, **settings)


def data_of(learner):
    """A D0 for every copy."""
    teacher = PolicyActor(learner.teacher, learner.state.statistics, learner.state.generator)
    return learner.collect(learner.worlds, teacher, seed=3).trials


def teacher_gradient(learner, data, advantage):
    learner.teacher.zero_grad()
    learner.teacher_loss(data, advantage).backward()
    return torch.cat([value.grad.flatten() for value in learner.teacher.parameters()])


def test_x1_without_a_student_step_nothing_is_gained_and_the_teacher_stays():
    """Tasks and starts of both evaluations are the same: not one gain differs from zero."""
    learner = learner_on(FAMILIES["point_robot"], num_copies=3)
    learner.taught = lambda data: learner.student.copies(3)  # the student as it is
    before = [value.clone() for value in learner.teacher.parameters()]
    for progress in (0.0, 0.5):
        assert learner.iterate(progress)["gain"] == 0.0

    assert learner.baseline == 0.0
    assert all(torch.equal(a, b) for a, b in zip(before, learner.teacher.parameters()))


def test_x1_gains_that_d0_does_not_decide_move_the_teacher_nowhere_on_average():
    """Gains drawn at random, with a mean that is the baseline's: no part of the gradient stays."""
    learner = learner_on(num_copies=64, num_episodes=1)
    data, generator = data_of(learner), torch.Generator().manual_seed(0)
    draws = [torch.randn(64, generator=generator) for _ in range(200)]
    gradients = torch.stack([teacher_gradient(learner, data, draw) for draw in draws])
    error = gradients.std(0) / len(draws) ** 0.5

    assert (gradients.mean(0).abs() < 4.5 * error + 1e-9).all()


class LeverWorld:
    """One step; an action above 0.5 pays 1. What is observed is nothing."""

    observation_size = action_size = episode_length = 1
    has_choices = False
    frame_shape = None

    def __init__(self, num_worlds: int) -> None:
        self.num_worlds = num_worlds

    def reset(self, tasks: Sequence[Task], seed: int) -> np.ndarray:
        return np.zeros((self.num_worlds, 1), np.float32)

    def step(self, action: np.ndarray) -> StepResult:
        nothing = np.zeros((self.num_worlds, 1), np.float32)
        paid = (action[:, 0] > 0.5).astype(np.float32)
        ended = np.zeros(self.num_worlds, bool)
        return StepResult(
            nothing, nothing, paid, paid, paid > 0, ended, ~ended, np.clip(action, -1, 1)
        )

    def close(self) -> None:
        pass


class LeverFamily(CountingFamily):
    name = "lever"
    parameters = (
        Parameter(name="level", unit="1", low=(0.0,), high=(1.0,), changes_dynamics=False),
    )

    def sample(self, rng, num_tasks):
        return [{"level": (float(index),)} for index in range(num_tasks)]

    def make_world(self, num_worlds, *, num_threads=1):
        return LeverWorld(num_worlds)


def test_x2_the_teacher_comes_to_do_what_the_student_learns_from():
    learner = learner_on(
        LeverFamily(),
        num_copies=32,
        num_episodes=4,
        num_copy_steps=50,
        num_student_steps=1,
        teacher_learning_rate=0.05,
    )
    reached = [learner.iterate(0.0)["teacher_reached"] for _ in range(30)]

    assert np.mean(reached[:3]) < 0.45
    assert np.mean(reached[-3:]) > 0.55


def test_x3_likelihood_of_d0_is_a_sum_over_all_of_its_steps():
    """One that is made of an episode twice is twice as unlikely in logarithms."""
    learner = learner_on(num_copies=1, num_episodes=2)
    data = data_of(learner)
    both, first = learner.score(data), learner.score(data.of(torch.tensor([0])))
    second = learner.score(data.of(torch.tensor([1])))
    padded = data._replace(is_valid=data.is_valid * torch.tensor([1.0, 0.0]))

    torch.testing.assert_close(both, first + second)
    torch.testing.assert_close(learner.score(padded), first)
    assert len(data.reward) == 20


def test_x4_the_gradient_is_the_mean_of_gains_times_scores():
    learner = learner_on(num_copies=3)
    data, advantage = data_of(learner), torch.tensor([2.0, -1.0, 0.5])
    found = teacher_gradient(learner, data, advantage)
    scores = []
    for copy, score in enumerate(learner.score(data)):
        learner.teacher.zero_grad()
        score.backward(retain_graph=copy < 2)
        scores.append(torch.cat([value.grad.flatten() for value in learner.teacher.parameters()]))
    expected = -(advantage[:, None] * torch.stack(scores)).mean(0)

    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("normalizes", [False, True])
def test_x5_densities_are_those_of_the_teacher_that_acted(normalizes, monkeypatch):
    """Of its weights, and of the statistics that it saw by."""
    learner, seen = learner_on(normalizes_observations=normalizes), []
    teacher_loss = learner.teacher_loss
    with torch.no_grad():  # a teacher that looks at where it is
        learner.teacher.network.layers[-1].weight.mul_(300.0)

    def noted(data, advantage):
        seen.append((learner.score(data).detach(), learner._by_copy(data.log_density).sum(1)))
        return teacher_loss(data, advantage)

    monkeypatch.setattr(learner, "teacher_loss", noted)
    for progress in (0.0, 0.3, 0.6):
        learner.iterate(progress)

    assert len(seen) == 3
    for now, acted in seen:
        torch.testing.assert_close(now, acted, rtol=1e-4, atol=1e-3)


@pytest.mark.slow
def test_x6_the_far_mode_is_visited_more_and_more():
    """Ten seeds are in docs/results/learned_exploration.md; one that moves shows that it works."""
    learner = learner_on(
        num_copies=16, num_episodes=4, num_copy_steps=50, hidden_sizes=(32, 32), batch_size=128
    )
    figures = [learner.iterate(0.0) for _ in range(15)]

    assert figures[0]["teacher_reached"] < 0.2
    assert np.mean([each["teacher_reached"] for each in figures[-3:]]) > 0.5


def test_x7_what_copies_become_follows_from_d0_alone():
    """Neither the replay, nor another copy's data, nor any draw has a part in it."""
    learner = learner_on(num_copies=3)
    data = data_of(learner)
    once = learner.taught(data).state_dict()
    learner.store(data)
    torch.rand(7, generator=learner.state.generator)
    again = learner.taught(data).state_dict()
    of_first = torch.arange(len(data.reward[0])) < learner.config.num_episodes
    others = data._replace(reward=torch.where(of_first, data.reward, 5.0))
    with_others = learner.taught(others).state_dict()

    for name, value in once.items():
        assert torch.equal(value, again[name])
        torch.testing.assert_close(value[0], with_others[name][0])
    assert not torch.equal(
        once["critic.layers.0.weight"][1], with_others["critic.layers.0.weight"][1]
    )


def test_a_copy_learns_what_the_student_itself_would():
    """Parameters (K, ...) and a sum over K: the steps of one are the steps of many."""
    learner = learner_on(num_copies=3)
    data = data_of(learner)
    copies = learner.taught(data)
    alone = learner_on(num_copies=1, num_copy_steps=learner.config.num_copy_steps)
    alone.student.load_state_dict(learner.student.state_dict())
    second = torch.arange(len(data.reward[0])) // learner.config.num_episodes == 1
    single = alone.taught(data.of(second))

    for one, many in zip(single.parameters(), copies.parameters(), strict=True):
        torch.testing.assert_close(one[0], many[1])


def test_the_students_policy_step_leaves_the_critic_alone():
    learner = learner_on()
    data = data_of(learner)
    batch, weight = learner.batch_of_copies(data)
    students = learner.student.copies(learner.config.num_copies)
    students.loss(batch, weight, discount=0.9)["policy_loss"].backward()

    assert all(value.grad is None for value in students.critic.parameters())
    assert all(value.grad is not None for value in students.policy.parameters())
    assert all(value.grad is None for value in students.target_critic.parameters())


def test_noise_of_a_fixed_width_takes_as_many_steps_and_stores_as_many():
    taught, noisy = (learner_on(explorer=explorer) for explorer in ("teacher", "noise"))
    for learner in (taught, noisy):
        learner.iterate(0.0)

    assert taught.state.num_environment_steps == noisy.state.num_environment_steps
    assert taught.replay.size == noisy.replay.size


def test_the_student_is_deployed_and_the_teacher_is_not(point_robot):
    learner = learner_on(point_robot)
    learner.iterate(0.0)
    observation = torch.rand(5, 2)

    assert learner.why_not_deployable == ""
    torch.testing.assert_close(
        learner.deployed().modules["policy"](observation), learner.student.policy(observation)
    )


def test_visits_are_those_of_the_first_iteration_and_of_the_last():
    learner = learner_on(FAMILIES["point_robot"])
    learner.iterate(0.0)
    first = {name: value.clone() for name, value in learner.visits.numbers.items()}
    learner.iterate(0.5)
    now = learner.visits.numbers
    steps = learner.worlds.num_worlds * learner.worlds.episode_length

    for who in ("teacher", "student"):
        assert torch.equal(now[f"visits/{who}/early"], first[f"visits/{who}/early"])
        assert not torch.equal(now[f"visits/{who}/late"], first[f"visits/{who}/late"])
    assert now["visits/teacher/late"].sum() == steps
