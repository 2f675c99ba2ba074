"""The line with two rewards and the points before a wall: what blocks, and what is paid where."""

from __future__ import annotations

import numpy as np
import pytest

from training.families.registry import FAMILIES
from training.tasks.task import Task
from training.worlds.walled_point_world import WalledPointWorld, WallScene


def walked(family, parameters, action, num_steps):
    """Results of holding one action."""
    world = FAMILIES[family].make_world(1)
    world.reset([Task(family=family, name="train/0", parameters=parameters)], 0)
    return [world.step(np.array([action], np.float32)) for _ in range(num_steps)]


def test_the_far_end_of_the_line_pays_ten_times_the_near_place():
    right = walked("two_rewards", {"shift": (0.0,)}, [1.0], 10)
    left = walked("two_rewards", {"shift": (0.0,)}, [-1.0], 10)

    assert [round(float(step.reward[0]), 3) for step in right[:4]] == [0.1, 0.1, 0.0, 0.0]
    assert [float(step.reward[0]) for step in left[4:]] == [0.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert left[-1].success.all() and not any(step.success.any() for step in right)


@pytest.mark.parametrize(
    ("before", "after", "is_met"),
    [
        ((0.0, 0.0), (0.2, 0.0), True),
        ((0.2, -0.5), (0.0, -0.5), True),  # from behind, too
        ((0.0, 0.2), (0.2, 0.2), False),
        ((0.0, 0.1), (0.2, 0.3), False),  # meets its line at 0.2, above the top
        ((0.0, 0.1), (0.2, 0.15), True),  # at 0.125, below it
        ((0.0, 0.0), (0.05, 0.0), False),
    ],
)
def test_a_step_meets_the_wall_where_its_line_does(before, after, is_met):
    world = WalledPointWorld(WallScene(wall_x_m=0.1, wall_top_m=0.15), 1)
    rows = (np.array([place], np.float32) for place in (before, after))

    assert world.crosses_wall(*rows).tolist() == [is_met]


def test_straight_ahead_is_the_wall_and_up_and_right_is_the_goal():
    goal = {"goal": (0.45, 0.45)}
    straight = walked("walled_point_robot", goal, [1.0, 0.0], 15)
    round_it = walked("walled_point_robot", goal, [1.0, 1.0], 15)

    assert all(step.final_observation[0, 0] < 0.1 for step in straight)
    assert not any(step.success.any() for step in straight)
    assert round_it[-1].success.all() and round_it[-1].reward[0] == 1.0
