"""Rewards, successes and falls of the walking families, recomputed from MuJoCo step by step."""

import copy
from dataclasses import dataclass

import mujoco
import numpy as np
import pytest

from training.families.registry import FAMILIES
from training.tasks.task import Task
from training.worlds.locomotion import load_model

SEED = 11
FORCES = "cfrc_ext"


@dataclass
class Step:
    """One control step of one simulation run with mj_step alone."""

    qpos: np.ndarray
    next_qpos: np.ndarray
    next_qvel: np.ndarray
    forces: np.ndarray
    """external wrench on every body at the start of the last physics step"""
    com: np.ndarray
    next_com: np.ndarray
    """centre of mass as mj_step leaves it, from within its last physics step"""
    control: np.ndarray
    duration: float


def simulate(family, task, actions, physics_steps):
    """The control steps of one world, from the same start, without the world."""
    scene = family.make_scene()
    start = scene.start(np.random.default_rng([SEED, 0, 0]), task)
    mj_model = scene.mj_model
    mj_data = mujoco.MjData(mj_model)
    mj_data.qpos[:], mj_data.qvel[:] = start.qpos, start.qvel
    mujoco.mj_forward(mj_model, mj_data)
    steps = []
    com = mj_data.subtree_com[0].copy()
    for action in actions:
        qpos = mj_data.qpos.copy()
        mj_data.ctrl[:] = action * mj_model.actuator_ctrlrange[:, 1]
        for _ in range(physics_steps):
            peek = copy.copy(mj_data)
            mujoco.mj_step(mj_model, mj_data)
        mujoco.mj_forward(mj_model, peek)
        mujoco.mj_rnePostConstraint(mj_model, peek)
        next_com = mj_data.subtree_com[0].copy()
        steps.append(
            Step(
                qpos=qpos,
                next_qpos=mj_data.qpos.copy(),
                next_qvel=mj_data.qvel.copy(),
                forces=peek.cfrc_ext.copy(),
                com=com,
                next_com=next_com,
                control=mj_data.ctrl.copy(),
                duration=physics_steps * mj_model.opt.timestep,
            )
        )
        com = next_com
    return steps


def both_ways(name, parameters, num_steps, physics_steps):
    """The steps as simulated here and the results of the world, for the same random actions."""
    family = FAMILIES[name]
    task = Task(family=name, name="test/0", parameters=parameters)
    world = family.make_world(1)
    world.reset([task], SEED)
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1.0, 1.0, (num_steps, world.action_size)).astype(np.float32)
    results = [world.step(action[None]) for action in actions]
    return simulate(family, task, actions.astype(np.float64), physics_steps), results


def assert_rewards(expected, results):
    np.testing.assert_allclose([r.reward[0] for r in results], expected, rtol=1e-5, atol=1e-6)


def test_half_cheetah_dir_pays_speed_along_the_direction():
    steps, results = both_ways("half_cheetah_dir", {"direction": (-1.0,)}, 30, 5)
    speeds = [-(s.next_qpos[0] - s.qpos[0]) / 0.05 for s in steps]
    expected = [v - 0.05 * np.sum(s.control**2) for v, s in zip(speeds, steps, strict=True)]
    assert_rewards(expected, results)
    assert [bool(r.success[0]) for r in results] == [v >= 0.5 for v in speeds]
    assert 0 < sum(v >= 0.5 for v in speeds) < len(speeds)


def test_half_cheetah_vel_pays_for_meeting_the_speed():
    steps, results = both_ways("half_cheetah_vel", {"velocity": (0.7,)}, 60, 5)
    errors = [abs((s.next_qpos[0] - s.qpos[0]) / 0.05 - 0.7) for s in steps]
    expected = [-e - 0.05 * np.sum(s.control**2) for e, s in zip(errors, steps, strict=True)]
    assert_rewards(expected, results)
    assert [bool(r.success[0]) for r in results] == [e <= 0.2 for e in errors]
    assert any(e <= 0.2 for e in errors)


def ant_contact_cost(step):
    return 0.0005 * np.sum(np.clip(step.forces, -1.0, 1.0) ** 2)


def test_ant_dir_pays_speed_along_the_direction_and_being_upright():
    direction = (0.6, -0.8)
    steps, results = both_ways("ant_dir", {"direction": direction}, 40, 5)
    end = next(i for i, s in enumerate(steps) if not 0.2 <= s.next_qpos[2] <= 1.0)
    assert [bool(r.terminated[0]) for r in results[: end + 1]] == [False] * end + [True]
    expected = [
        np.dot(s.next_qpos[:2] - s.qpos[:2], direction) / 0.05
        + 1.0
        - 0.5 * np.sum(s.control**2)
        - ant_contact_cost(s)
        for s in steps[: end + 1]
    ]
    assert max(ant_contact_cost(s) for s in steps[: end + 1]) > 0.001
    assert_rewards(expected, results[: end + 1])


def test_ant_goal_pays_the_distance_along_the_axes():
    goal = (1.5, -1.0)
    steps, results = both_ways("ant_goal", {"goal": goal}, 20, 5)
    expected = [
        -np.abs(s.next_qpos[:2] - goal).sum() - 0.1 * np.sum(s.control**2) - ant_contact_cost(s)
        for s in steps
    ]
    assert_rewards(expected, results)
    assert not any(r.success[0] for r in results)


def test_ant_goal_succeeds_within_half_a_metre():
    steps, results = both_ways("ant_goal", {"goal": (0.3, 0.3)}, 20, 5)
    distances = [np.linalg.norm(s.next_qpos[:2] - (0.3, 0.3)) for s in steps]
    assert [bool(r.success[0]) for r in results] == [d <= 0.5 for d in distances]
    assert any(r.success[0] for r in results)


def test_humanoid_dir_pays_the_speed_of_the_centre_of_mass():
    direction = (-0.6, 0.8)
    steps, results = both_ways("humanoid_dir", {"direction": direction}, 15, 5)
    expected = [
        1.25 * np.dot(s.next_com[:2] - s.com[:2], direction) / 0.015
        + 5.0
        - 0.1 * np.sum(s.control**2)
        - min(5e-7 * np.sum(s.forces**2), 10.0)
        for s in steps
    ]
    assert np.abs(steps[0].control).max() <= 0.4
    assert not any(r.terminated[0] for r in results)
    assert_rewards(expected, results)


@pytest.mark.parametrize(
    ("name", "is_upright"),
    [
        ("walker_params", lambda z, angle: 0.8 < z < 2.0 and abs(angle) < 1.0),
        ("hopper_params", lambda z, angle: z > 0.7 and abs(angle) < 0.2),
    ],
)
def test_runners_are_paid_for_speed_until_they_fall(name, is_upright):
    family = FAMILIES[name]
    nominal = {p.name: (0.0,) * p.size for p in family.parameters}
    steps, results = both_ways(name, nominal, 100, 4)
    end = next(i for i, r in enumerate(results) if r.terminated[0])
    expected = [
        (s.next_qpos[0] - s.qpos[0]) / s.duration + 1.0 - 0.001 * np.sum(s.control**2)
        for s in steps[: end + 1]
    ]
    assert_rewards(expected, results[: end + 1])
    upright = [is_upright(*s.next_qpos[1:3]) for s in steps[: end + 1]]
    assert upright == [True] * end + [False]
    assert not any(r.truncated[0] for r in results[: end + 1])
    np.testing.assert_allclose(
        results[end].final_observation[0],
        np.concatenate([steps[end].next_qpos[1:], np.clip(steps[end].next_qvel, -10, 10)]),
        rtol=1e-5,
    )


@pytest.mark.parametrize("name", ["walker_params", "hopper_params"])
def test_every_element_of_a_body_parameter_changes_the_model(name):
    family = FAMILIES[name]
    world = family.make_world(1)
    nominal = {p.name: (0.0,) * p.size for p in family.parameters}
    bases = {"body_mass": 1.5, "body_inertia": 1.5, "dof_damping": 1.3, "geom_friction": 1.5}
    before = world.model_of(Task(family=name, name="a", parameters=nominal))
    for parameter in family.parameters:
        original = getattr(before, parameter.name)
        assert np.count_nonzero(original) == parameter.size
        for element in range(parameter.size):
            exponents = np.zeros(parameter.size)
            exponents[element] = 2.0
            task = Task(
                family=name,
                name="b",
                parameters={**nominal, parameter.name: tuple(exponents)},
            )
            ratio = getattr(world.model_of(task), parameter.name)[original != 0.0]
            ratio = ratio / original[original != 0.0]
            expected = np.ones(parameter.size)
            expected[element] = bases[parameter.name] ** 2.0
            np.testing.assert_allclose(ratio, expected)


@pytest.mark.filterwarnings("ignore:compiler attribute 'settotalmass'")
@pytest.mark.parametrize(
    "file_name",
    ["half_cheetah.xml", "ant.xml", "humanoid.xml", "walker2d_v5.xml", "hopper.xml"],
)
def test_models_are_gymnasiums_own(file_name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo logs its warning to a file where it runs
    import gymnasium

    ours = load_model(file_name)
    folder = gymnasium.__file__.replace("__init__.py", "envs/mujoco/assets/")
    theirs = mujoco.MjModel.from_xml_path(folder + file_name)
    for name in ("body_mass", "body_inertia", "dof_damping", "dof_invweight0", "geom_friction"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
    assert ours.opt.timestep == theirs.opt.timestep
    np.testing.assert_array_equal(ours.actuator_ctrlrange, theirs.actuator_ctrlrange)
