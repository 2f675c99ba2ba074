"""A goal is data, and says the same as the rules that training draws it from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.skills.goal import GoalSignal
from training.worlds.goals import SwingingPose


def test_a_fixed_goal_stays_where_it_is():
    goal = GoalSignal.fixed([0.3, -1.0])

    assert goal.size == 2
    for elapsed_s in (0.0, 0.1, 7.0):
        np.testing.assert_array_equal(goal(elapsed_s), [0.3, -1.0])


@given(seed=st.integers(0, 1000), elapsed_s=st.floats(0, 10))
def test_a_swinging_goal_is_the_one_of_training(seed, elapsed_s):
    rule = SwingingPose(
        centre_low_rad=(-0.4,) * 9,
        centre_high_rad=(0.4,) * 9,
        max_amplitude_rad=0.3,
        min_frequency_rad_s=0.5,
        max_frequency_rad_s=4.0,
    )
    carried = rule.draw(np.random.default_rng(seed), None)

    goal = GoalSignal(
        centre=carried["goal_centre"],
        amplitude=carried["goal_amplitude"],
        frequency_rad_s=carried["goal_frequency"],
    )

    rows = {name: value[None] for name, value in carried.items()}
    np.testing.assert_array_equal(goal(elapsed_s), rule.at(rows, np.array([elapsed_s]))[0])


def test_a_goal_does_not_change_with_the_arrays_it_was_made_of():
    centre = np.zeros(2)
    goal = GoalSignal(centre=centre)
    centre[:] = 1.0

    np.testing.assert_array_equal(goal(0.0), [0.0, 0.0])
    with pytest.raises(ValueError, match="read-only"):
        goal.centre[0] = 1.0


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"centre": np.zeros(0)}, "centre"),
        ({"centre": np.zeros((2, 1))}, "centre"),
        ({"centre": np.array([np.nan])}, "centre"),
        ({"centre": np.zeros(2), "amplitude": np.zeros(3)}, "amplitude"),
        ({"centre": np.zeros(2), "frequency_rad_s": np.array([1.0, np.inf])}, "frequency_rad_s"),
    ],
)
def test_what_is_no_goal_is_refused(fields, named):
    with pytest.raises(ValueError, match=named):
        GoalSignal(**fields)
