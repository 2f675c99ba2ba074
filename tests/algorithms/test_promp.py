"""ProMP's properties, by the letters of the collected facts (PM1 to PM5)."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from tests.algorithms.conftest import build
from tests.algorithms.gradient_worlds import (
    BanditFamily,
    doubled,
    flat,
    gradient,
    grown,
    numerical,
)
from training.algorithms.maml import Maml
from training.algorithms.promp import Promp
from training.parts.gradient_adaptation import Stage, policy_gradient_loss
from training.parts.inner_loop import parameters_of
from training.parts.ppo import clipped_surrogate_loss
from training.tasks.task import TaskFamily

make = partial(build, Promp, num_exploration_episodes=3, num_trial_episodes=4)


def test_pm1_where_nothing_has_moved_ratios_are_one_and_nothing_diverges(
    point_robot: TaskFamily,
) -> None:
    learner = make(point_robot)
    *before, after = learner.collect()
    stages = [*before, after._replace(advantage=torch.ones_like(after.advantage))]
    surrogate, divergence = learner.losses(stages, learner.explorers(stages))

    for policy, stage in zip(learner.adaptation.policies(stages), stages, strict=True):
        torch.testing.assert_close(
            policy.log_density(stage.action), stage.log_density, rtol=1e-4, atol=1e-4
        )
    assert surrogate.item() == pytest.approx(-1.0, abs=1e-4)
    assert divergence.item() == 0.0


def test_pm2_its_inner_step_is_mamls(point_robot: TaskFamily) -> None:
    learner = make(point_robot)
    grown(learner.policy)
    stage = learner.collect()[0]
    one = Stage(*(values[0] for values in stage))
    ratio, likelihood = (
        torch.func.grad(policy_gradient_loss(learner.policy, uses_ratio=uses_ratio))(
            parameters_of(learner.policy), one
        )
        for uses_ratio in (True, False)
    )
    start = learner.adaptation.start(3)
    as_maml = learner.config.adaptation(learner.policy, uses_ratio=False)

    torch.testing.assert_close(flat(ratio), flat(likelihood), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(
        flat(learner.adaptation.adapted(start, stage)), flat(as_maml.adapted(start, stage))
    )


def test_pm2_its_derivative_is_another(point_robot: TaskFamily) -> None:
    """What it is for: the same step, but the outer gradient credits exploring."""
    promp, maml = make(point_robot), build(Maml, point_robot, num_exploration_episodes=3,
                                           num_trial_episodes=4)  # fmt: skip
    maml.policy.load_state_dict(promp.policy.state_dict())
    stages = promp.collect()
    weights = [list(learner.policy.parameters()) for learner in (promp, maml)]
    credited = gradient(promp.losses(stages, promp.explorers(stages))[0], weights[0])
    plain = gradient(maml.loss(stages), weights[1])

    assert (credited - plain).norm() > 1e-3 * plain.norm()


@pytest.mark.parametrize(
    ("advantage", "ratio", "has_gradient"),
    [(1.0, 1.5, False), (1.0, 0.5, True), (-1.0, 1.5, True), (-1.0, 0.5, False), (1.0, 1.1, True)],
)
def test_pm3_clipping_stops_what_has_gained_enough(
    point_robot: TaskFamily, advantage: float, ratio: float, has_gradient: bool
) -> None:
    learner = make(point_robot)
    *before, after = learner.collect()
    stages = [
        *before,
        after._replace(
            advantage=torch.full_like(after.advantage, advantage),
            log_density=after.log_density - torch.tensor(ratio).log(),
        ),
    ]
    surrogate, _ = learner.losses(stages, learner.explorers(stages))
    clipped = min(max(ratio, 0.7), 1.3)

    slope = gradient(surrogate, list(learner.policy.parameters())).abs().max()
    assert bool(slope > 1e-6) is has_gradient
    expected = -min(ratio * advantage, clipped * advantage)
    assert surrogate.item() == pytest.approx(expected, abs=1e-3)
    one = torch.ones(1)
    assert float(
        clipped_surrogate_loss(one * torch.tensor(ratio).log(), 0 * one, advantage * one, one, 0.3)
    ) == pytest.approx(expected)


def test_pm4_gradient_through_both_loops_is_that_of_finite_differences(
    point_robot: TaskFamily,
) -> None:
    learner = make(point_robot, hidden_sizes=(3,), inner_learning_rate=0.5)
    grown(learner.policy)
    stages = doubled(learner.collect())
    learner.policy.double()
    before = learner.explorers(stages)
    weights = list(learner.policy.parameters())
    with torch.no_grad():  # off the point where the divergence is flat
        for weight in weights:
            weight.add_(0.02)

    def loss() -> torch.Tensor:
        surrogate, divergence = learner.losses(stages, before)
        return surrogate + 0.3 * divergence

    found, expected = gradient(loss(), weights), numerical(loss, weights, width=1e-6)
    assert (found - expected).norm() < 1e-3 * expected.norm()


def test_pm5_a_large_weight_on_the_divergence_holds_the_policy() -> None:
    moved = {}
    for kl_weight in (0.0, 1e4):
        learner = build(
            Promp,
            BanditFamily(),
            kl_weight=kl_weight,
            num_exploration_episodes=20,
            num_trial_episodes=21,
            num_outer_steps=30,
        )
        stages = learner.collect()
        before = learner.explorers(stages)
        for _ in range(30):
            learner.gradient_step(stages, before)
        moved[kl_weight] = learner.losses(stages, before)[1].item()

    assert moved[1e4] < 0.1 * moved[0.0], moved
