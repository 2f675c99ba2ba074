"""Models of tasks: made once while they are kept, made equal again afterwards."""

from __future__ import annotations

import copy

import mujoco
import numpy as np
import pytest

from training.families.registry import FAMILIES
from training.tasks.task import Task
from training.worlds.task_models import TaskModels


@pytest.fixture(scope="module")
def family():
    return FAMILIES["valve_turn_pixels_varied"]


@pytest.fixture(scope="module")
def tasks(family):
    draws = family.sample(np.random.default_rng(0), 5)
    return [
        Task(family=family.name, name=f"train/{i}", parameters=draw) for i, draw in enumerate(draws)
    ]


def saved(mj_model: mujoco.MjModel) -> bytes:
    buffer = np.zeros(mujoco.mj_sizeModel(mj_model), np.uint8)
    mujoco.mj_saveModel(mj_model, None, buffer)
    return buffer.tobytes()


def test_no_more_than_so_many_are_kept_and_they_are_those_asked_for_last(family, tasks):
    models = TaskModels(family.scene, num_kept=3)
    first = models.model_of(tasks[0])
    for task in tasks[1:3]:
        models.model_of(task)
    assert models.model_of(tasks[0]) is first
    second = models.model_of(tasks[1])
    models.model_of(tasks[3])
    assert len(models) == 3
    assert models.model_of(tasks[0]) is first and models.model_of(tasks[1]) is second


@pytest.mark.parametrize("name", ["valve_turn_pixels_varied", "hopper_params"])
def test_made_again_it_is_the_same_to_the_bit_whatever_was_made_before(name):
    """A hopper's masses differ, and with them what MuJoCo derives."""
    family = FAMILIES[name]
    scene = family.scene if name.startswith("valve") else family.make_scene()
    tasks = [
        Task(family=name, name="train/0", parameters=draw)
        for draw in family.sample(np.random.default_rng(0), 5)
    ]
    models = TaskModels(scene, num_kept=1)
    for task in [*tasks, *tasks[::-1]]:
        alone = copy.copy(scene.mj_model)
        scene.apply(alone, task)
        mujoco.mj_setConst(alone, mujoco.MjData(alone))
        assert saved(models.model_of(task)) == saved(alone)


def test_what_is_seen_belongs_to_the_task(family, tasks):
    models = TaskModels(family.scene, num_kept=1)
    frames = {task.name: models.view_of(task).frame(models.view_of(task).home) for task in tasks}
    assert len({frame.tobytes() for frame in frames.values()}) == len(tasks)
    again = models.view_of(tasks[0])
    np.testing.assert_array_equal(again.frame(again.home), frames[tasks[0].name])


def test_worlds_that_meet_many_tasks_hold_few_models():
    family = FAMILIES["hopper_params"]
    draws = family.sample(np.random.default_rng(0), 300)
    world = family.make_world(1)
    for draw in draws:
        world.reset([Task(family=family.name, name="train/0", parameters=draw)], 0)
    assert len(world._models) < len(draws)
