"""Worlds whose actions are choices play by the rules of the exact values."""

from __future__ import annotations

import numpy as np
import pytest

from training.families.bernoulli_bandit import BernoulliBanditFamily
from training.families.gridworld import GridworldFamily
from training.rules.bernoulli_bandit import posterior_mean
from training.rules.gridworld import first_belief, updated_belief
from training.tasks.task import Task
from training.tasks.task_set import draw_task_set


def bandit_tasks(num_tasks: int) -> list[Task]:
    family = BernoulliBanditFamily()
    return list(draw_task_set(family, seed=0, num_train=num_tasks, num_test=0).train)


def grid_tasks() -> list[Task]:
    return list(draw_task_set(GridworldFamily(), seed=0, num_train=21, num_test=0).train)


@pytest.mark.parametrize("family", [BernoulliBanditFamily(), GridworldFamily()])
def test_largest_element_is_the_choice_and_is_what_was_applied(family):
    world = family.make_world(2)
    tasks = draw_task_set(family, seed=0, num_train=2, num_test=0).train[:2]
    world.reset(tasks, 0)
    action = np.full((2, world.action_size), -0.5, np.float32)
    action[0, 1] = -0.4  # all of them negative, and equals in the other world
    applied = world.step(action).applied_action

    assert world.has_choices
    np.testing.assert_array_equal(applied, np.eye(world.action_size)[[1, 0]])


def test_always_the_best_arm_earns_what_it_pays():
    family, num_tasks = BernoulliBanditFamily(), 4000
    tasks = bandit_tasks(num_tasks)
    world = family.make_world(num_tasks)
    world.reset(tasks, 3)
    arms = np.array([task.parameters["arms"] for task in tasks], np.float32)
    results = [world.step(arms) for _ in range(20)]
    total = np.sum([result.reward for result in results], axis=0)

    assert set(np.unique([result.reward for result in results])) == {0.0, 1.0}
    assert all(result.success.all() for result in results)
    assert abs(total.mean() - 20 * arms.max(-1).mean()) < 5 * total.std() / num_tasks**0.5


def test_bayes_rule_on_the_worlds_rows_plays_as_well_as_its_exact_value():
    """Greedy by counts of applied choices and rewards: 12.365 from the prior."""
    family, num_tasks = BernoulliBanditFamily(), 4000
    world = family.make_world(num_tasks)
    world.reset(bandit_tasks(num_tasks), 0)
    counts = np.zeros((num_tasks, 2, 2), np.int64)
    total = np.zeros(num_tasks)
    for _ in range(20):
        result = world.step(posterior_mean(family.bandit, counts).astype(np.float32))
        pulled = result.applied_action.astype(np.int64)
        paid = result.reward.astype(np.int64)[:, None]
        counts += np.stack([pulled * paid, pulled * (1 - paid)], -1)
        total += result.reward

    assert abs(total.mean() - 12.3654) < 5 * total.std() / num_tasks**0.5


def test_v8_walks_leave_no_belief_on_cells_that_did_not_pay():
    """A hundred random histories, from what the world shows alone."""
    family, rng = GridworldFamily(), np.random.default_rng(0)
    grid, tasks = family.grid, grid_tasks() * 5
    world = family.make_world(len(tasks))
    world.reset(tasks, 0)
    goals = np.array([task.parameters["goal"] for task in tasks], np.int64) @ [1, grid.size]
    belief = first_belief(grid, len(tasks))
    visited = np.zeros((len(tasks), grid.size**2), bool)
    for _ in range(grid.episode_length):
        result = world.step(rng.uniform(-1, 1, (len(tasks), 5)).astype(np.float32))
        place = (result.final_observation + 1.0) / 2.0 * (grid.size - 1)
        cell = (place @ [1, grid.size]).round().astype(np.int64)
        assert (result.success == (cell == goals)).all()
        assert (result.success == (result.reward == grid.goal_reward)).all()
        belief = updated_belief(grid, belief, cell, result.success)
        visited[np.arange(len(tasks)), cell] = True

    is_found = visited[np.arange(len(tasks)), goals]
    assert is_found.any() and not is_found.all()
    np.testing.assert_allclose(belief.sum(-1), 1.0)
    np.testing.assert_array_equal(belief[is_found].max(-1), 1.0)
    assert (belief[~is_found][visited[~is_found][:, grid.goals]] == 0).all()
    assert (belief[np.arange(len(tasks)), np.searchsorted(grid.goals, goals)] > 0).all()


def test_every_goal_of_the_paper_is_a_task():
    goals = {task.parameters["goal"] for task in grid_tasks()}

    assert len(goals) == 21
    assert not goals & {(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)}
