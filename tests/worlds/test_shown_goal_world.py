"""What is shown after a guess, what pays, and what a guesser who goes by pay alone comes to."""

from __future__ import annotations

import numpy as np
import pytest

from training.families.shown_goal import ShownGoal, most_by_returns
from training.tasks.task_set import draw_task_set

TASKS = draw_task_set(ShownGoal(), seed=3, num_train=4000, num_test=0).train


@pytest.fixture
def world():
    world = ShownGoal().make_world(len(TASKS))
    world.reset(TASKS, 0)
    return world


def goals():
    return np.array([task.parameters["goal"] for task in TASKS], np.float32)


def test_every_guess_is_shown_the_goal_and_only_a_right_one_is_paid(world):
    right, wrong = world.step(goals()), [world.step(goals()) for _ in range(4)]

    np.testing.assert_array_equal(right.final_observation, goals())
    assert (right.sparse_reward == 1.0).all()
    assert not np.concatenate([step.sparse_reward for step in wrong]).any()  # the guess was made
    assert not np.concatenate([step.reward for step in wrong]).any()
    missed = world.step(-np.sign(goals()))
    np.testing.assert_array_equal(missed.final_observation, goals())
    assert not missed.sparse_reward.any()
    assert (missed.reward < 0.0).all()


def test_what_is_seen_before_a_guess_says_nothing(world):
    assert not world.reset(TASKS, 0).any()
    *_, last = [world.step(np.zeros((len(TASKS), 2), np.float32)) for _ in range(5)]
    assert last.truncated.all()
    assert not last.observation.any()


def test_guesses_on_a_grid_stay_below_the_bound_and_come_near_it(world):
    """The best for whoever goes by pay alone: disks that do not overlap, and no goal remembered."""
    places = [np.array([x, y], np.float32) for x in (-0.6, 0.0, 0.6) for y in (-0.3, 0.3)]
    is_met = np.zeros(len(TASKS), bool)
    for place in places:
        world.reset(TASKS, 0)
        is_met |= world.step(np.tile(place, (len(TASKS), 1))).success
    share = is_met.mean()
    assert 0.75 * most_by_returns(5) < share <= most_by_returns(5) + 3.0 * (0.05 / 4000) ** 0.5
    assert most_by_returns(20) == pytest.approx(21 * np.pi * 0.01 / 4.0)
