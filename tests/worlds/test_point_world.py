import numpy as np
import pytest

from training.families.point_robot import PointRobot
from training.families.sparse_point_robot import SparsePointRobot
from training.tasks.task import Task


def task_with(goal, family):
    return Task(family=family.name, name="train/0", parameters={"goal": goal})


def test_a_step_moves_by_a_tenth_of_the_action_and_pays_the_distance_of_where_it_ends():
    world = SparsePointRobot().make_world(2)
    family = SparsePointRobot()
    world.reset([task_with((1.0, 0.0), family), task_with((0.0, 1.0), family)], seed=0)
    result = world.step(np.array([[0.5, 0.0], [1.0, -7.0]], np.float32))
    np.testing.assert_allclose(result.observation, [[0.05, 0.0], [0.1, -0.1]], rtol=1e-6)
    np.testing.assert_allclose(result.applied_action, [[0.5, 0.0], [1.0, -1.0]])
    np.testing.assert_allclose(result.reward, [-0.95, -np.hypot(0.1, 1.1)], rtol=1e-6)
    np.testing.assert_array_equal(result.sparse_reward, [0.0, 0.0])
    assert not result.success.any()


def test_the_sparse_reward_is_one_minus_the_distance_inside_the_radius_only():
    family = SparsePointRobot()
    world = family.make_world(1)
    world.reset([task_with((1.0, 0.0), family)], seed=0)
    results = [world.step(np.array([[1.0, 0.0]], np.float32)) for _ in range(9)]
    # after k steps the distance is 1 - k/10: 0.3 after seven (outside), 0.1 after nine (inside)
    assert results[6].sparse_reward[0] == 0.0
    assert not results[6].success[0]
    np.testing.assert_allclose(results[8].reward[0], -0.1, atol=1e-6)
    np.testing.assert_allclose(results[8].sparse_reward[0], 0.9, atol=1e-6)
    assert results[8].success[0]


def test_point_robot_starts_anywhere_in_the_square_and_pays_the_distance():
    family = PointRobot()
    world = family.make_world(200)
    start = world.reset([task_with((0.25, -0.5), family)] * 200, seed=3)
    assert np.abs(start).max() <= 1.0
    assert start.min() < -0.9
    assert start.max() > 0.9
    result = world.step(np.zeros((200, 2), np.float32))
    distance = np.linalg.norm(start - np.array([0.25, -0.5]), axis=1)
    np.testing.assert_allclose(result.reward, -distance, rtol=1e-5)
    np.testing.assert_array_equal(result.sparse_reward, result.reward)
    np.testing.assert_array_equal(result.success, distance <= 0.1)


def test_a_start_does_not_depend_on_the_number_of_worlds():
    family = PointRobot()
    task = task_with((0.0, 0.0), family)
    few = family.make_world(3).reset([task] * 3, seed=5)
    many = family.make_world(7).reset([task] * 7, seed=5)
    np.testing.assert_array_equal(few, many[:3])


def test_goals_of_the_half_circle_are_evenly_spaced_and_shuffled():
    draws = SparsePointRobot().sample(np.random.default_rng(0), 21)
    goals = np.array([draw["goal"] for draw in draws])
    angles = np.arctan2(goals[:, 1], goals[:, 0])
    np.testing.assert_allclose(np.hypot(*goals.T), 1.0)
    np.testing.assert_allclose(np.sort(angles), np.linspace(0.0, np.pi, 21), atol=1e-12)
    assert (np.diff(angles) < 0.0).any()
    other = SparsePointRobot().sample(np.random.default_rng(1), 21)
    assert other != draws


def test_a_world_that_was_not_reset_or_is_closed_refuses_to_step():
    family = PointRobot()
    world = family.make_world(1)
    with pytest.raises(RuntimeError):
        world.step(np.zeros((1, 2), np.float32))
    world.reset([task_with((0.0, 0.0), family)], seed=0)
    world.close()
    with pytest.raises(RuntimeError):
        world.step(np.zeros((1, 2), np.float32))
