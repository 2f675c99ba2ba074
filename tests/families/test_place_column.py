"""Where in an observation of a family the two numbers stand that say where things are."""

from __future__ import annotations

import numpy as np

from training.families.claw import place_column
from training.families.registry import FAMILIES
from training.tasks.task_set import draw_task_set


def test_on_the_claw_it_is_the_valves_angle_and_elsewhere_the_first_number() -> None:
    family = FAMILIES["valve_turn_one_way"]
    column = place_column(family)
    world = family.make_world(3)
    tasks = draw_task_set(family, seed=0, num_train=3, num_test=0).train
    observation = world.reset(tasks, seed=0)
    cosine, sine = observation[:, column : column + 2].T
    np.testing.assert_allclose(cosine**2 + sine**2, 1.0, atol=1e-5)
    assert (np.abs(np.arctan2(sine, cosine)) <= 0.1 + 1e-3).all()  # where valves start
    assert np.ptp(sine) > 0.0
    assert place_column(FAMILIES["walled_point_robot"]) == 0


def test_one_way_is_one_way() -> None:
    tasks = draw_task_set(FAMILIES["valve_turn_one_way"], seed=0, num_train=50, num_test=0).train
    angles = np.array([task.parameters["target_angle"][0] for task in tasks])
    assert (angles > 0.0).all()
    tasks = draw_task_set(FAMILIES["valve_turn"], seed=0, num_train=50, num_test=0).train
    angles = np.array([task.parameters["target_angle"][0] for task in tasks])
    assert (angles > 0.0).any() and (angles < 0.0).any()
