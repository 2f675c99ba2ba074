"""MAESN's properties, by the letters of the collected facts (A1 to A9)."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from tests.algorithms.conftest import build
from tests.algorithms.gradient_worlds import BanditFamily, doubled, flat, gradient, numerical
from training.algorithms.learner import deployed_actor
from training.algorithms.maesn import Collected, Maesn
from training.parts.distributions import DiagonalGaussian
from training.parts.latent_adaptation import (
    TaskLatents,
    divergence_from_prior,
    episode_credit,
    latent_step,
)
from training.parts.trials import collect_trials
from training.tasks.task import TaskFamily

make = partial(build, Maesn, num_exploration_episodes=4, num_trial_episodes=5)


def collected_of(learner: Maesn, *tasks: int) -> Collected:
    return learner.collect(torch.tensor(tasks))


def test_a1_an_inner_step_moves_the_latents_of_its_tasks_and_nothing_else(
    point_robot: TaskFamily,
) -> None:
    learner = make(point_robot)
    before = {name: value.clone() for name, value in learner.policy.state_dict().items()}
    latents = {name: value.clone() for name, value in learner.latents.state_dict().items()}
    collected = collected_of(learner, 1, 4, 5)
    own = learner.latents.of(collected.tasks)
    adapted = learner.adaptation.adapted(own, collected.stages[0])

    assert set(adapted) == {"mean", "log_std"}
    for name in adapted:
        assert ((adapted[name] - own[name]).abs() > 0).all()
    assert all(
        torch.equal(value, before[name]) for name, value in learner.policy.state_dict().items()
    )
    assert all(
        torch.equal(value, latents[name]) for name, value in learner.latents.state_dict().items()
    )


def test_a1_an_outer_step_leaves_the_latents_of_other_tasks_to_the_bit(
    point_robot: TaskFamily,
) -> None:
    learner = make(point_robot)
    latents = {name: value.clone() for name, value in learner.latents.state_dict().items()}
    figures = learner.outer_step(collected_of(learner, 1, 4, 5))

    assert figures["accepted"] == 1
    for name in ("mean", "log_std"):
        now, others = learner.latents.state_dict()[name], [0, 2, 3]
        assert torch.equal(now[others], latents[name][others])
        assert (now[[1, 4, 5]] != latents[name][[1, 4, 5]]).any(1).all()


def test_a2_a_latent_holds_for_an_episode_and_is_drawn_anew_for_the_next(
    point_robot: TaskFamily, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = make(point_robot)
    shown: list[Tensor] = []
    forward = learner.policy.forward
    monkeypatch.setattr(
        learner.policy, "forward", lambda rows: (shown.append(rows[:, 0, 2:]), forward(rows))[1]
    )
    tasks = learner.tasks[:3]
    actor = deployed_actor(learner)(tasks)
    collect_trials(
        point_robot.make_world(3), tasks, actor, num_episodes=6, seed=0, device=torch.device("cpu")
    )
    latents = torch.stack(shown).unflatten(0, (6, 20))  # (episode, step, world, latent)

    assert (latents == latents[:, :1]).all()
    drawn = latents[:4, 0].flatten(1)
    assert all((drawn[a] != drawn[b]).all() for a in range(4) for b in range(a))
    assert torch.equal(latents[4], latents[5])  # the adapted mean from then on
    torch.testing.assert_close(latents[4, 0], actor.own["mean"])


def test_a3_score_and_reparameterised_gradients_agree_on_a_quadratic() -> None:
    """E[-(z - c)²] of z ~ N(μ, σ²): -2 (μ - c) by the mean, -2 σ² by the log-deviation."""
    mean, deviation, goal, num = 0.3, 0.6, 1.0, 400_000
    own = {
        "mean": torch.full((1, 1), mean, dtype=torch.float64),
        "log_std": torch.full((1, 1), math.log(deviation), dtype=torch.float64),
    }
    noise = torch.randn(1, num, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    latent = own["mean"][:, None] + own["log_std"][:, None].exp() * noise
    worth = -(latent[..., 0] - goal).square()
    moved = latent_step(own, latent, worth - worth.mean(), torch.ones(2, 1, dtype=torch.float64))

    assert float(moved["mean"] - own["mean"]) == pytest.approx(-2 * (mean - goal), rel=0.02)
    assert float(moved["log_std"] - own["log_std"]) == pytest.approx(-2 * deviation**2, rel=0.03)


def test_a4_divergence_is_that_of_the_latents_before_adapting(point_robot: TaskFamily) -> None:
    learner = make(point_robot, kl_weight=2.0)
    collected = collected_of(learner, 0, 2, 3)
    own = learner.latents.of(collected.tasks)
    variance = (2 * own["log_std"]).exp()
    expected = 0.5 * (variance + own["mean"].square() - 1 - variance.log()).sum(1)
    torch.testing.assert_close(divergence_from_prior(own), expected)
    torch.testing.assert_close(learner.prior_divergence(collected), expected.mean())
    # What adapting makes of them plays no part: the step sizes decide that.
    sizes, mean = [learner.latents.raw_step_size], [learner.latents.mean]
    assert (gradient(learner.prior_divergence(collected), sizes) == 0).all()
    assert gradient(learner.prior_divergence(collected), mean).norm() > 0
    with_it = gradient(learner.loss(collected), mean)
    learner = make(point_robot, kl_weight=0.0)
    without = gradient(learner.loss(collected), [learner.latents.mean])
    rows = torch.zeros(6, 2)
    rows[collected.tasks] = 2.0 * own["mean"].detach() / 3
    torch.testing.assert_close(with_it - without, rows.flatten(), rtol=1e-3, atol=1e-4)


def test_a5_step_sizes_get_the_gradient_of_finite_differences(point_robot: TaskFamily) -> None:
    learner = make(point_robot, hidden_sizes=(3,))
    collected = collected_of(learner, 0, 1, 2)
    collected = Collected(collected.tasks, doubled(collected.stages))
    learner.policy.double(), learner.latents.double()
    weights = [learner.latents.raw_step_size, learner.latents.log_std]
    found = gradient(learner.loss(collected), weights)
    expected = numerical(lambda: learner.loss(collected), weights)
    of_sizes = gradient(learner.loss(collected), [learner.latents.raw_step_size])

    assert (found - expected).norm() < 1e-3 * expected.norm()
    assert (of_sizes != 0).all()


def test_a6_the_closed_form_is_what_autograd_finds() -> None:
    generator = torch.Generator().manual_seed(0)
    own = {
        name: torch.randn(3, 2, generator=generator, requires_grad=True)
        for name in ("mean", "log_std")
    }
    latent, credit = torch.randn(3, 7, 2, generator=generator), torch.randn(3, 7)
    sizes = torch.tensor([[0.5, 0.7], [0.2, 0.4]])
    density = DiagonalGaussian(own["mean"][:, None], own["log_std"][:, None]).log_density(latent)
    slopes = torch.autograd.grad((density * credit).mean(1).sum(), list(own.values()))
    moved = latent_step(own, latent, credit, sizes)

    for (name, value), slope, size in zip(own.items(), slopes, sizes, strict=True):
        torch.testing.assert_close(moved[name], value + size * slope)


def test_a7_a_task_that_is_there_twice_counts_twice(point_robot: TaskFamily) -> None:
    learner = make(point_robot, kl_weight=0.5)
    once = collected_of(learner, 0, 1, 2)

    def batch(*rows: int) -> Collected:
        index = torch.tensor(rows)
        stages = [type(stage)(*(values[index] for values in stage)) for stage in once.stages]
        return Collected(once.tasks[index], stages)

    weights = [*learner.policy.parameters(), *learner.latents.parameters()]
    twice = gradient(learner.loss(batch(0, 0, 1)), weights)
    first, second = (gradient(learner.loss(batch(row)), weights) for row in (0, 1))
    torch.testing.assert_close(twice, (2 * first + second) / 3, rtol=1e-3, atol=1e-5)
    adapted = learner.adaptation.adapted(
        learner.latents.of(once.tasks[[0, 0]]), batch(0, 0).stages[0]
    )
    assert torch.equal(adapted["mean"][0], adapted["mean"][1])  # stepped once, and alike


def test_a7_no_task_is_drawn_twice_while_there_are_others(point_robot: TaskFamily) -> None:
    learner = make(point_robot)
    drawn = [learner.explorer.draw().tolist() for _ in range(20)]

    assert all(len(set(tasks)) == 3 for tasks in drawn)
    assert {index for tasks in drawn for index in tasks} == set(range(6))


@pytest.mark.parametrize("initial", [0.01, 0.5, 3.0])
def test_a8_step_sizes_begin_as_told_and_stay_positive(initial: float) -> None:
    latents = TaskLatents(
        2, 3, initial_step_size=initial, generator=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(latents.step_sizes(), torch.full((2, 3), initial))
    with torch.no_grad():
        latents.raw_step_size.sub_(20.0)

    assert (latents.step_sizes() > 0).all()


def test_a9_episodes_are_compared_with_each_other_and_leaving_one_out_is_the_same() -> None:
    advantage = torch.randn(3, 6, generator=torch.Generator().manual_seed(0)) * 5 + 2
    credit = episode_credit(advantage)
    others = (advantage.sum(1, keepdim=True) - advantage) / 5
    left_out = advantage - others
    torch.testing.assert_close(credit.mean(1), torch.zeros(3), rtol=0, atol=1e-6)
    torch.testing.assert_close(credit.square().mean(1), torch.ones(3))
    torch.testing.assert_close(left_out / left_out.square().mean(1, keepdim=True).sqrt(), credit)
    assert (episode_credit(torch.full((2, 4), 7.0)) == 0).all()
    assert (episode_credit(torch.ones(2, 1)) == 0).all()


def test_a9_the_credit_is_the_advantage_at_the_first_step(point_robot: TaskFamily) -> None:
    learner = make(point_robot)
    collected = collected_of(learner, 0, 1, 2)
    stage = collected.stages[0]
    own = learner.latents.of(collected.tasks)
    later = stage._replace(
        advantage=torch.cat([stage.advantage[:, :1], stage.advantage[:, 1:] + 9.0], dim=1)
    )

    assert torch.equal(
        flat(learner.adaptation.adapted(own, later)), flat(learner.adaptation.adapted(own, stage))
    )
    reverse = stage._replace(advantage=-stage.advantage)
    there, back = (learner.adaptation.adapted(own, each)["mean"] for each in (stage, reverse))
    torch.testing.assert_close(there - own["mean"], own["mean"] - back, rtol=1e-3, atol=1e-6)


def test_new_tasks_begin_at_the_prior_and_adapt_towards_what_paid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a policy that does what its latent says, the latent moves to the side of the goal."""
    learner = build(
        Maesn, BanditFamily(), latent_size=1, num_exploration_episodes=20, num_trial_episodes=21
    )
    monkeypatch.setattr(learner.policy, "mode", lambda rows: rows[..., 1:])
    tasks = learner.tasks[:2] * 5
    actor = deployed_actor(learner)(tasks)
    assert (actor.own["mean"] == 0).all() and (actor.own["log_std"] == 0).all()
    trials = collect_trials(
        BanditFamily().make_world(10),
        tasks,
        actor,
        num_episodes=21,
        seed=0,
        device=torch.device("cpu"),
    )
    goals = torch.tensor([task.parameters["goal"][0] for task in tasks])
    returns = trials.episode_sums(trials.reward, 21)

    assert (torch.sign(actor.own["mean"][:, 0]) == torch.sign(goals)).all()
    assert (actor.own["log_std"] < 0).all()  # far draws did worse
    assert (returns[:, -1] > returns[:, :-1].mean(1)).all()


@pytest.mark.parametrize("inner_steps_on", ["training_reward", "adaptation_reward"])
def test_outer_steps_learn_from_the_training_reward_and_inner_ones_from_what_was_chosen(
    inner_steps_on: str,
) -> None:
    """In the bandit both rewards are told apart by their values: the sparse one is 0 or 1."""
    rewards = {"training_reward": "dense", "adaptation_reward": "sparse"}
    learner = build(Maesn, BanditFamily(), **rewards, inner_steps_on=inner_steps_on)
    stages = collected_of(learner, 0, 1, 2).stages
    is_sparse = [bool(((stage.reward == 0) | (stage.reward == 1)).all()) for stage in stages]

    assert is_sparse == [inner_steps_on == "adaptation_reward", False]
