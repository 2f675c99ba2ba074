"""MAML's properties, by the letters of the collected facts (M1 to M9, M11)."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch.func import functional_call

from tests.algorithms.conftest import build
from tests.algorithms.gradient_worlds import (
    BanditFamily,
    doubled,
    flat,
    gradient,
    grown,
    numerical,
)
from training.algorithms.learner import deployed_actor
from training.algorithms.maml import Maml, MamlConfig
from training.parts.distributions import DiagonalGaussian
from training.parts.gradient_adaptation import (
    ParameterAdaptation,
    Stage,
    mean_over_tasks,
    surrogate_loss,
)
from training.parts.inner_loop import MetaGradient, likelihood_ratio_loss, of_task
from training.parts.ppo import masked_mean
from training.parts.trials import collect_trials
from training.tasks.task import TaskFamily

make = partial(build, Maml, num_exploration_episodes=3, num_trial_episodes=4)


def with_step_size(learner: Maml, step_size: float, **settings: Any) -> ParameterAdaptation:
    return ParameterAdaptation(learner.policy, step_size=step_size, uses_ratio=False, **settings)


def test_m1_meta_gradient_is_that_of_finite_differences_and_not_the_first_order_one(
    point_robot: TaskFamily,
) -> None:
    learner = make(point_robot, hidden_sizes=(3,), num_inner_steps=2, num_trial_episodes=7)
    grown(learner.policy)
    stages = doubled(learner.collect())
    learner.policy.double()
    weights = list(learner.policy.parameters())
    learner.adaptation = with_step_size(learner, 0.5)
    meta_gradient = gradient(learner.loss(stages), weights)
    expected = numerical(lambda: learner.loss(stages), weights)
    learner.adaptation = with_step_size(learner, 0.5, meta_gradient=MetaGradient.FIRST_ORDER)
    first_order = gradient(learner.loss(stages), weights)

    assert (meta_gradient - expected).norm() < 1e-3 * expected.norm()
    assert (first_order - expected).norm() > 0.05 * expected.norm()


def test_m2_without_an_inner_step_it_is_a_trust_region_on_all_tasks(
    point_robot: TaskFamily,
) -> None:
    learner = make(point_robot)
    learner.adaptation = with_step_size(learner, 0.0)
    stages = learner.collect()
    weights, last = list(learner.policy.parameters()), stages[-1]
    plain = mean_over_tasks(
        likelihood_ratio_loss,
        learner.policy(last.observation).log_density(last.action),
        last.log_density,
        last.advantage,
        last.is_valid,
    )

    torch.testing.assert_close(learner.loss(stages), plain)
    torch.testing.assert_close(
        gradient(learner.loss(stages), weights), gradient(plain, weights), rtol=1e-4, atol=1e-6
    )


def test_m3_each_task_adapts_as_if_it_were_alone_and_explores_with_what_came_out(
    point_robot: TaskFamily,
) -> None:
    learner = make(point_robot, inner_learning_rate=1.0)
    grown(learner.policy)
    before, after = learner.collect()
    own = learner.adaptation.adapted(learner.adaptation.start(3), before)

    for task in range(3):
        alone = Stage(*(values[task : task + 1] for values in before))
        expected = of_task(learner.adaptation.adapted(learner.adaptation.start(1), alone), 0)
        torch.testing.assert_close(flat(of_task(own, task)), flat(expected))
        policy = functional_call(learner.policy, expected, (after.observation[task],))
        torch.testing.assert_close(
            policy.log_density(after.action[task]), after.log_density[task], rtol=1e-4, atol=1e-4
        )
    assert not torch.allclose(own["log_std"][0], own["log_std"][1])


@pytest.mark.parametrize("max_kl", [1e-3, 1e-2])
def test_m4_adapted_policies_stay_within_the_radius_and_get_better(
    point_robot: TaskFamily, max_kl: float
) -> None:
    learner = make(point_robot, max_kl=max_kl)
    stages = learner.collect()
    with torch.no_grad():
        before, loss = learner.adaptation.policies(stages)[-1].detached(), learner.loss(stages)
    figures = learner.outer_step(stages)
    with torch.no_grad():
        moved = before.kl_from(learner.adaptation.policies(stages)[-1])
        kl = mean_over_tasks(masked_mean, moved, stages[-1].is_valid)

        assert figures["accepted"] == 1 and max_kl / 3 < kl <= max_kl * 1.001
        torch.testing.assert_close(kl, figures["kl"], rtol=1e-3, atol=1e-6)
        assert learner.loss(stages) < loss


def test_m5_densities_are_summed_over_the_elements_of_an_action() -> None:
    generator = torch.Generator().manual_seed(0)
    old, new = (
        DiagonalGaussian(torch.randn(1, 5, 1, 6, generator=generator), torch.zeros(6))
        for _ in range(2)
    )
    action, ones = old.sample(generator), torch.ones(1, 5, 1)
    stage = Stage(
        ones, ones, ones, action, old.log_density(action), ones, torch.randn(1, 5, 1), is_valid=ones
    )
    single = torch.exp(-0.5 * ((action - new.mean) ** 2 - (action - old.mean) ** 2))

    torch.testing.assert_close(
        surrogate_loss(new, stage), -(single.prod(-1) * stage.advantage).mean()
    )


def test_m6_line_search_starts_from_the_surrogate_at_ratio_one(point_robot: TaskFamily) -> None:
    learner = make(point_robot)
    *before, after = learner.collect()
    worth = torch.tensor([0.5, 1.0, 3.0])[:, None, None].expand_as(after.advantage)
    stages = [*before, after._replace(advantage=worth)]

    assert learner.loss(stages).item() == pytest.approx(-1.5, abs=1e-4)
    assert float(learner.outer_step(stages)["policy_loss"]) == pytest.approx(-1.5, abs=1e-4)


def test_m7_an_inner_step_makes_the_next_episodes_better() -> None:
    learner = build(
        Maml,
        BanditFamily(),
        tasks_per_iteration=6,
        num_exploration_episodes=20,
        num_trial_episodes=21,
        initial_log_std=-1.0,
        inner_learning_rate=0.05,
    )
    figures = [learner.iterate(0.0) for _ in range(12)][-4:]

    gains = [each["train_return"] - each["train_return_before"] for each in figures]
    assert min(gains) > 0.05, gains


def test_m8_without_advantages_nothing_adapts(point_robot: TaskFamily) -> None:
    learner = make(point_robot)
    stage = learner.collect()[0]
    nothing = stage._replace(advantage=torch.zeros_like(stage.advantage))
    start = learner.adaptation.start(3)

    for name, value in learner.adaptation.adapted(start, nothing).items():
        assert torch.equal(value, start[name])


@pytest.mark.parametrize("adapts_log_std", [True, False])
def test_m9_deviations_adapt_only_where_they_may(
    point_robot: TaskFamily, adapts_log_std: bool
) -> None:
    learner = make(point_robot, adapts_log_std=adapts_log_std)
    tasks = learner.tasks[:2]
    actor = deployed_actor(learner)(tasks)
    worlds = point_robot.make_world(2)
    settings: dict[str, Any] = {"num_episodes": 3, "seed": 0, "device": torch.device("cpu")}
    collect_trials(worlds, tasks, actor, **settings)

    assert torch.equal(actor.own["log_std"][0], learner.policy.log_std) is not adapts_log_std
    assert not torch.equal(
        actor.own["network.layers.0.weight"][0], learner.policy.network.layers[0].weight
    )


@pytest.mark.parametrize("form", ["second-order", "none", ""])
def test_m11_a_form_that_does_not_exist_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match="meta_gradient"):
        MamlConfig(meta_gradient=form)  # type: ignore[arg-type]


def test_m11_both_forms_of_the_meta_gradient_are_what_they_say(point_robot: TaskFamily) -> None:
    found = {}
    for form in ("second_order", "first_order"):
        learner = make(point_robot, meta_gradient=form, inner_learning_rate=0.5)
        grown(learner.policy)
        weights = list(learner.policy.parameters())
        found[form] = gradient(learner.loss(learner.collect()), weights)

    assert (found["second_order"] - found["first_order"]).norm() > 0.02 * found[
        "first_order"
    ].norm()


def test_trials_without_an_adapted_episode_are_refused(point_robot: TaskFamily) -> None:
    with pytest.raises(ValueError, match="num_trial_episodes: found 3, expected more than the 3"):
        make(point_robot, num_trial_episodes=3)


def test_a_mean_has_no_score() -> None:
    """Why exploration needs noise: by the mean, the mean never moves."""
    mean = torch.zeros(2, requires_grad=True)
    density = DiagonalGaussian(mean, torch.zeros(2)).log_density(mean.detach())

    assert math.isclose(float(torch.autograd.grad(density, mean)[0].abs().sum()), 0.0)
