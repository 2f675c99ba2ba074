"""E-MAML's additional term: there when it should be, and nothing when it has nothing to say."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from tests.algorithms.conftest import build
from tests.algorithms.gradient_worlds import doubled, gradient, grown, numerical
from training.algorithms.e_maml import EMaml, EMamlConfig, adaptation_credit
from training.algorithms.maml import Maml
from training.parts.gradient_adaptation import Stage
from training.tasks.task import TaskFamily

make = partial(build, EMaml, num_exploration_episodes=3, num_trial_episodes=4)
FORMS = pytest.mark.parametrize("form", ["rewards", "advantages"])


def paid(stage: Stage, *levels: float) -> Stage:
    """The stage with the same rewards in every step of a task: its level."""
    reward = torch.tensor(levels)[:, None, None].expand_as(stage.reward)
    return stage._replace(reward=reward)


@FORMS
def test_e1_tasks_that_do_equally_well_give_exploring_no_gradient(
    point_robot: TaskFamily, form: str
) -> None:
    learner = make(point_robot, exploration_credit=form)
    before, after = learner.collect()
    term = learner.exploration_loss([before, paid(after, 0.5, 0.5, 0.5)])

    assert (gradient(term, list(learner.policy.parameters())) == 0).all()


@FORMS
def test_m10_the_term_is_there_and_prefers_what_went_before_a_better_outcome(
    point_robot: TaskFamily, form: str
) -> None:
    learner = make(point_robot, exploration_credit=form)
    before, after = learner.collect()
    stages = [before, paid(after, 0.0, 1.0, 2.0)]
    credit = adaptation_credit(stages[-1], form, learner.explorer.outer_credit)  # type: ignore[arg-type]
    weights = list(learner.policy.parameters())
    slope = gradient(learner.exploration_loss(stages), weights)

    assert credit[0] < -0.5 and credit[1].abs() < 1e-5 and credit[2] > 0.5
    start = learner.policy(before.observation).log_density(before.action).mean((1, 2))
    expected = gradient(-(credit * start).mean(), weights)
    torch.testing.assert_close(slope, expected, rtol=1e-3, atol=1e-5)
    assert slope.norm() > 1e-3


@FORMS
def test_m10_what_is_lowered_holds_both_terms(point_robot: TaskFamily, form: str) -> None:
    learner = make(point_robot, exploration_credit=form, exploration_weight=3.0)
    maml = build(Maml, point_robot, num_exploration_episodes=3, num_trial_episodes=4)
    maml.policy.load_state_dict(learner.policy.state_dict())
    stages = learner.collect()
    weights, theirs = list(learner.policy.parameters()), list(maml.policy.parameters())
    both = gradient(learner.loss(stages), weights)
    term = gradient(learner.exploration_loss(stages), weights)

    assert term.norm() > 1e-3
    torch.testing.assert_close(
        both, gradient(maml.loss(stages), theirs) + 3.0 * term, rtol=1e-3, atol=1e-5
    )


def test_the_two_forms_differ_where_early_rewards_do(point_robot: TaskFamily) -> None:
    """Early rewards count in no later step's return to go, and as much as others among rewards."""
    learner = make(point_robot)
    after = learner.collect()[-1]
    reward = torch.zeros_like(after.reward)
    reward[0, 0], reward[1, -1] = 1.0, 1.0
    early, late, _ = adaptation_credit(
        after._replace(reward=reward), "rewards", learner.explorer.outer_credit
    )
    torch.testing.assert_close(early, late)
    early, late, _ = adaptation_credit(
        after._replace(reward=reward), "advantages", learner.explorer.outer_credit
    )
    assert late > early + 0.5


def test_credit_of_later_explorers_reaches_back_through_earlier_steps(
    point_robot: TaskFamily,
) -> None:
    learner = make(point_robot, hidden_sizes=(3,), num_inner_steps=2, num_trial_episodes=7)
    grown(learner.policy)
    stages = doubled(learner.collect())
    learner.policy.double()
    weights = list(learner.policy.parameters())
    found = gradient(learner.loss(stages), weights)

    expected = numerical(lambda: learner.loss(stages), weights)
    assert (found - expected).norm() < 1e-3 * expected.norm()


@pytest.mark.parametrize("form", ["e_maml", "e-maml", "none", ""])
def test_m11_a_credit_that_does_not_exist_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match="exploration_credit"):
        EMamlConfig(exploration_credit=form)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="exploration_weight"):
        EMamlConfig(exploration_weight=0.0)
