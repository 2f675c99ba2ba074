"""The simulated claw: the gait turns the valve, stiffer valves turn less, delays and noise bite."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.families.registry import FAMILIES
from training.tasks.task import Task
from training.tasks.task_set import draw_task_set
from training.worlds.scene import Moment

TURN = FAMILIES["valve_turn"]
NOMINAL = {"target_angle": (0.5,), "valve_damping": (0.1,), "valve_friction": (0.02,)}
STEPS = 12


def task(**parameters: tuple[float, ...]) -> Task:
    return Task(family="valve_turn", name="test/0", parameters=NOMINAL | parameters)


def rollout(tasks: list[Task], actions: np.ndarray, *, num_threads: int = 1, seed: int = 3):
    world = TURN.make_world(len(tasks), num_threads=num_threads)
    first = world.reset(tasks, seed)
    results = [world.step(np.repeat(action[None], len(tasks), axis=0)) for action in actions]
    world.close()
    return first, results


def random_actions(steps: int = STEPS) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (steps, 9)).astype(np.float32)


def observations(results) -> np.ndarray:
    return np.stack([result.final_observation for result in results])


@pytest.mark.parametrize(
    "change",
    [
        {"valve_damping": (0.5,)},
        {"valve_friction": (0.15,)},
        {"valve_inertia": (0.01,)},
        {"servo_stiffness": (0.5, 0.5, 0.5)},
        {"weak_finger": (0.0, 1.0, 1.0)},
        {"action_delay": (10.0,)},
        {"observation_noise": (0.02, 0.05)},
        {"mount_offset": (0.01, -0.01, 0.01)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_dynamics_show_in_what_the_robot_measures(change):
    _, results = rollout([task(), task(**change)], random_actions())

    seen = observations(results)

    assert not np.array_equal(seen[:, 0], seen[:, 1])


def test_a_hidden_goal_shows_in_the_reward_alone():
    _, results = rollout([task(), task(target_angle=(-0.9,))], random_actions())

    # The two worlds start differently; the same world with another goal does not.
    _, other = rollout([task(target_angle=(-0.9,)), task()], random_actions())
    np.testing.assert_array_equal(observations(results), observations(other))
    assert any((a.reward != b.reward).any() for a, b in zip(results, other, strict=True))


def test_a_delayed_action_arrives_later_by_its_delay():
    scene = TURN.scene
    carried = {
        "target": np.zeros((2, 9)),
        "delay": np.array([0.0, 7.0]),
        "elapsed_s": np.zeros(2),
        "halfway_s": np.full(2, np.inf),
        "valve_halfway": np.zeros(2),
    }
    now = Moment(
        qpos=np.zeros((2, 10)), qvel=np.zeros((2, 10)), fields={}, carried=carried, generators=[]
    )

    command = scene.command(np.full((2, 9), 0.5), now)

    moved = (command.control != 0).any(axis=2)
    assert moved[0].all()
    assert not moved[1, :7].any()
    assert moved[1, 7:].all()


def test_what_was_applied_is_what_the_limits_left_over():
    world = TURN.make_world(1)
    world.reset([task()], 0)
    desired = np.ones((1, 9), np.float32)

    applied = np.stack([world.step(desired).applied_action[0] for _ in range(40)])

    # Every target has reached its upper limit by now: nothing more is applied.
    np.testing.assert_allclose(applied[-1], 0.0, atol=1e-6)
    assert (applied[0] > 0.5).any()


@pytest.mark.parametrize("num_threads", [2, 3])
def test_rollouts_do_not_depend_on_the_number_of_threads(num_threads):
    tasks = list(draw_task_set(TURN, seed=0, num_train=5, num_test=1).train)

    first, one = rollout(tasks, random_actions())
    other_first, many = rollout(tasks, random_actions(), num_threads=num_threads)

    np.testing.assert_array_equal(first, other_first)
    np.testing.assert_array_equal(observations(one), observations(many))


def test_control_period_must_be_a_whole_number_of_physics_steps():
    import dataclasses

    odd = dataclasses.replace(TURN.scene, control_period_s=0.0513)

    with pytest.raises(ValueError, match="whole number of physics steps"):
        odd.physics_steps  # noqa: B018


def test_start_and_goal_are_where_the_family_says():
    world = TURN.make_world(64)
    tasks = list(draw_task_set(TURN, seed=1, num_train=64, num_test=1).train)
    first = world.reset(tasks, 0)
    parts = TURN.scene.skill.layout.unpack(first)

    angle = np.arctan2(parts["valve_angle"][:, 1], parts["valve_angle"][:, 0])
    assert np.abs(angle).max() <= TURN.scene.start_valve_spread_rad + 0.06
    targets = np.array([t.parameters["target_angle"][0] for t in tasks])
    assert (np.sign(targets) < 0).any()
    assert (np.sign(targets) > 0).any()
    assert math.isclose(np.abs(targets).min(), TURN.goal.low, abs_tol=0.1)


@pytest.mark.parametrize("family", ["pose_dynamics", "valve_turn_dynamics"])
def test_visible_goals_are_drawn_anew_in_every_episode(family):
    world = FAMILIES[family].make_world(1)
    tasks = list(draw_task_set(FAMILIES[family], seed=0, num_train=1, num_test=1).train)
    term = "pose_error" if family == "pose_dynamics" else "valve_error"
    layout = FAMILIES[family].scene.skill.layout
    starts = [layout.unpack(world.reset(tasks, seed))[term] for seed in range(3)]

    assert np.ptp(np.stack(starts), axis=0).max() > 0.1
