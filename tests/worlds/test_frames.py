"""Worlds that are seen: an observation ends with what the camera shows of that world."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sim2real.hardware.scenery import SIZES
from training.families.effects import parameters_without_effect
from training.families.valve import VALVE_TURN
from training.families.valve_pixels import (
    LOOKS,
    VALVE_TURN_PIXELS,
    VALVE_TURN_PIXELS_VARIED,
)
from training.tasks.task import Task
from training.worlds.dynamics import VARIATIONS
from training.worlds.vector_world import measured_size
from training.worlds.view import View

FAMILY = VALVE_TURN_PIXELS


def task(**parameters: tuple[float, ...]) -> Task:
    return Task(family=FAMILY.name, name="train/0", parameters=parameters)


def frame(observation: np.ndarray) -> np.ndarray:
    return observation[..., -32 * 32 * 3 :].reshape(*observation.shape[:-1], 32, 32, 3)


def test_an_observation_is_what_is_measured_and_then_the_frame() -> None:
    world = FAMILY.make_world(2)
    observation = world.reset([task(valve_start=(0.6,)), task(valve_start=(-0.8,))], 3)

    assert world.frame_shape == (32, 32, 3)
    assert measured_size(world) == FAMILY.scene.skill.layout.size == 27  # joints alone
    assert observation.shape == (2, 27 + 3072)
    view = View(FAMILY.scene.mj_model, FAMILY.scene.camera)
    for row, start in enumerate((0.6, -0.8)):
        rng = np.random.default_rng([3, row, 0])
        qpos = FAMILY.scene.start(rng, task(valve_start=(start,))).qpos
        np.testing.assert_array_equal(frame(observation)[row], view.frame(qpos))
        valve = qpos[FAMILY.scene.mj_model.joint("valve").qposadr[0]]
        assert valve == pytest.approx(start, abs=0.1)


def test_the_valve_is_in_the_picture_and_in_no_measurement() -> None:
    world = FAMILY.make_world(2)
    still = np.zeros((2, world.action_size), np.float32)
    first = world.reset([task(valve_start=(0.2,))] * 2, 0)
    other = world.reset([task(valve_start=(-0.3,))] * 2, 0)

    np.testing.assert_array_equal(first[:, :27], other[:, :27])
    assert (frame(first) != frame(other)).any()
    result = world.step(still)
    assert result.reward.max() < -0.1  # paid by the valve's own encoder all the same


def test_where_an_episode_ended_the_frame_is_of_its_end_and_then_of_the_next_start() -> None:
    world = FAMILY.make_world(1)
    world.episode_length = 2
    begun = task(valve_start=(0.2,))
    world.reset([begun], 0)
    push = np.full((1, world.action_size), 0.8, np.float32)
    world.step(push)
    result = world.step(push)

    assert result.truncated.all()
    assert (frame(result.final_observation) != frame(result.observation)).any()
    view = View(FAMILY.scene.mj_model, FAMILY.scene.camera)
    start = FAMILY.scene.start(np.random.default_rng([0, 0, 1]), begun)
    np.testing.assert_array_equal(frame(result.observation)[0], view.frame(start.qpos))


def test_every_look_is_a_named_variation_and_changes_the_picture_alone() -> None:
    assert set(LOOKS) == set(SIZES) <= set(VARIATIONS)
    world = FAMILY.make_world(2)
    still = np.zeros((2, world.action_size), np.float32)
    for name in LOOKS:
        changed = task(**{name: VARIATIONS[name].high})
        first = world.reset([task(), changed], 0)
        after = world.step(still).final_observation
        again = world.reset([changed, task()], 0)  # each world has draws of its own
        np.testing.assert_array_equal(first[:, :27], again[:, :27], err_msg=name)
        np.testing.assert_array_equal(after[:, :27], world.step(still).final_observation[:, :27])
        assert (frame(first)[0] != frame(again)[0]).any(), name


@pytest.mark.slow
def test_all_that_the_varied_family_varies_can_be_noticed() -> None:
    assert parameters_without_effect(VALVE_TURN_PIXELS_VARIED) == []


def test_looks_are_of_no_effect_on_who_is_blind() -> None:
    blind = dataclasses.replace(VALVE_TURN, variation_names=("light_level",))

    assert parameters_without_effect(blind) == ["light_level"]
