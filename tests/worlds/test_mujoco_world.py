from dataclasses import replace

import numpy as np
import pytest

from training.families.registry import FAMILIES
from training.tasks.task import Task
from training.worlds.mujoco_world import MujocoWorld

FORWARDS = Task(family="half_cheetah_dir", name="train/1", parameters={"direction": (1.0,)})


def test_an_unstable_simulation_truncates_its_episode_and_stays_finite(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo logs its warning to a file where it runs
    scene = FAMILIES["half_cheetah_dir"].make_scene()

    def exploding_if_lucky(rng, size):
        return np.full(size, 1e9 if rng.uniform() < 0.5 else 0.0)

    world = MujocoWorld(replace(scene, draw_start_velocity=exploding_if_lucky), 16)
    first = world.reset([FORWARDS] * 16, 0)
    exploding = first[:, -1] > 1e8
    assert 0 < exploding.sum() < 16
    result = world.step(np.zeros((16, world.action_size), np.float32))
    np.testing.assert_array_equal(result.truncated, exploding)
    assert not result.terminated.any()
    assert world.num_diverged == exploding.sum()
    for value in result:
        assert np.isfinite(value).all()
    np.testing.assert_array_equal(result.final_observation[exploding], first[exploding])


def test_an_episode_may_not_start_unstable(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scene = FAMILIES["half_cheetah_dir"].make_scene()
    broken = replace(scene, draw_start_velocity=lambda rng, size: np.full(size, 1e12))
    with pytest.raises(RuntimeError, match=r"unstable"):
        MujocoWorld(broken, 1).reset([FORWARDS], 0)


def test_episodes_of_a_world_start_apart_and_so_do_seeds_and_worlds():
    world = FAMILIES["half_cheetah_dir"].make_world(2)
    world.episode_length = 1
    starts = [world.reset([FORWARDS] * 2, 0)]
    action = np.zeros((2, world.action_size), np.float32)
    starts += [world.step(action).observation for _ in range(2)]
    starts.append(world.reset([FORWARDS] * 2, 1))
    rows = np.concatenate(starts)
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_how_an_episode_starts_does_not_depend_on_when_the_last_one_ended():
    """World 1 falls alone, or is cut off together with world 0: its second episode is the same."""
    family = FAMILIES["hopper_params"]
    parameters = {p.name: (0.0,) * p.size for p in family.parameters}
    task = Task(family=family.name, name="train/0", parameters=parameters)
    starts, ended_together = [], []
    for episode_length in (3, 200):
        world = family.make_world(2)
        world.episode_length = episode_length
        world.reset([task] * 2, 4)
        action = np.array([[0.0] * 3, [1.0] * 3], np.float32)
        ended = np.zeros(2, bool)
        while not ended[1]:
            result = world.step(action)
            ended = result.terminated | result.truncated
        starts.append(result.observation[1])
        ended_together.append(bool(ended[0]))
    assert ended_together == [True, False]
    np.testing.assert_array_equal(starts[0], starts[1])


def test_a_task_is_compiled_once():
    family = FAMILIES["hopper_params"]
    world = family.make_world(2)
    tasks = [
        Task(family=family.name, name=f"train/{i}", parameters=draw)
        for i, draw in enumerate(family.sample(np.random.default_rng(0), 2))
    ]
    again = Task(family=family.name, name="test/5", parameters=dict(tasks[0].parameters))
    assert world.model_of(tasks[0]) is world.model_of(again)
    assert world.model_of(tasks[0]) is not world.model_of(tasks[1])


def test_constants_derived_from_a_task_are_derived_again():
    family = FAMILIES["hopper_params"]
    task = Task(
        family=family.name,
        name="train/0",
        parameters=family.sample(np.random.default_rng(0), 1)[0],
    )
    mj_model = family.make_world(1).model_of(task)
    np.testing.assert_allclose(mj_model.body_subtreemass[0], mj_model.body_mass.sum())
    assert mj_model.body_mass.sum() != family.make_scene().mj_model.body_mass.sum()


def test_worlds_and_threads_are_counted_from_one():
    scene = FAMILIES["half_cheetah_dir"].make_scene()
    with pytest.raises(ValueError, match=r"0 worlds"):
        MujocoWorld(scene, 0)
    with pytest.raises(ValueError, match=r"0 threads"):
        MujocoWorld(scene, 1, num_threads=0)
