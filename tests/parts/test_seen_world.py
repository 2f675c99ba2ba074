"""Worlds with a camera as an eye tells of them: which frame is looked at, and what is kept."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from tests.algorithms.conftest import CountingWorld
from tests.algorithms.dot_world import DotWorld
from training.families.registry import FAMILIES
from training.parts.eye import Eye
from training.parts.seen_episodes import parted
from training.parts.seen_world import PlaceEye, SeenWorld, Sight, TellsAngle
from training.tasks.task_set import draw_task_set

SHAPE = DotWorld.frame_shape


def place_eye() -> PlaceEye:
    generator = torch.Generator().manual_seed(1)
    return PlaceEye(SHAPE, num_channels=4, num_features=6, generator=generator)


def told(eye: torch.nn.Module, observation: np.ndarray) -> np.ndarray:
    """What the eye makes of the frames, by a way of its own."""
    measured = observation[:, :2]
    frame = torch.from_numpy(observation[:, 2:].astype(np.uint8).reshape(-1, 16, 16, 3))
    with torch.no_grad():
        return np.concatenate([measured, eye(frame).numpy()], axis=-1)


def test_a_step_that_ends_an_episode_shows_its_own_last_frame_and_the_next_ones_first() -> None:
    eye, plain = place_eye(), DotWorld(3)
    seen = SeenWorld(DotWorld(3), eye, eye.num_features)
    action = np.zeros((3, 2), np.float32)

    np.testing.assert_allclose(seen.reset([], 4), told(eye, plain.reset([], 4)), atol=1e-6)
    num_ends = 0
    for _ in range(2 * DotWorld.episode_length + 1):
        result, raw = seen.step(action), plain.step(action)
        np.testing.assert_allclose(result.observation, told(eye, raw.observation), atol=1e-6)
        final = told(eye, raw.final_observation)
        np.testing.assert_allclose(result.final_observation, final, atol=1e-6)
        np.testing.assert_array_equal(result.reward, raw.reward)
        if result.truncated.any():
            num_ends += 1
            assert np.abs(result.observation - result.final_observation).max() > 1e-3
    assert num_ends == 2


def test_frames_do_not_get_through() -> None:
    eye = place_eye()
    seen = SeenWorld(DotWorld(3), eye, eye.num_features)

    assert seen.frame_shape is None
    assert seen.observation_size == seen.reset([], 0).shape[1] == 2 + 2


def test_what_was_to_be_seen_is_kept_as_bytes_with_where_it_was() -> None:
    eye, plain = place_eye(), DotWorld(3)
    seen, action = SeenWorld(DotWorld(3), eye, 2), np.zeros((3, 2), np.float32)
    seen.reset([], 4)
    seen.step(action)
    raw, angle = [plain.reset([], 5)], [plain.seen_angle()]
    seen.reset([], 5)  # what was before is forgotten
    for _ in range(12):
        seen.step(action)
        raw.append(plain.step(action).observation)
        angle.append(plain.seen_angle())
    looked = seen.taken()

    assert looked.frame.shape == (13, 3, 16, 16, 3) and looked.frame.dtype == np.uint8
    frames = np.stack([parted(each, SHAPE).frame for each in raw])
    np.testing.assert_array_equal(looked.frame, frames)
    np.testing.assert_array_equal(looked.angle, np.stack(angle))


def test_the_error_is_that_of_cosine_and_sine() -> None:
    eye, angle = place_eye(), torch.tensor([0.3, -2.0])
    frame = torch.randint(0, 256, (2, 16, 16, 3), dtype=torch.uint8)
    target = torch.stack([angle.cos(), angle.sin()], -1)

    torch.testing.assert_close(eye.error(frame, angle), (eye(frame) - target).square().mean())


def test_without_a_camera_there_is_nothing_to_look_at() -> None:
    eye = PlaceEye(None, num_channels=4, num_features=6, generator=torch.Generator())
    observation = np.ones((2, 5), np.float32)

    assert eye.num_features == 0 and not list(eye.parameters())
    assert Sight(eye=eye, frame_shape=None)(observation) is observation
    assert eye(torch.zeros(2, 0, 0, 0, dtype=torch.uint8)).shape == (2, 0)
    assert isinstance(eye.eye, Eye)
    assert isinstance(DotWorld(1), TellsAngle) and not isinstance(CountingWorld(1), TellsAngle)


@pytest.mark.parametrize("name", ["valve_turn_pixels", "valve_turn_pixels_varied"])
def test_the_angle_is_that_of_the_valve_that_nobody_measures(name: str) -> None:
    """Against the valve's own encoder, in the same worlds with the valve measured beside."""
    family = FAMILIES[name]
    skill = dataclasses.replace(family.scene.skill, valve_visible=True)
    measured = dataclasses.replace(family, scene=dataclasses.replace(family.scene, skill=skill))
    [*tasks] = draw_task_set(family, seed=0, num_train=1, num_test=3).test
    world, place = measured.make_world(3), skill.layout.slice_of("valve_angle")
    observation, rng = world.reset(tasks, 2), np.random.default_rng(0)
    for _ in range(world.episode_length + 2):
        cos, sin = observation[:, place].T
        off = world.seen_angle() - np.arctan2(sin, cos)
        assert np.abs(np.sin(off)).max() < 2e-3  # a step of the encoder is 0.0015 rad
        observation = world.step(rng.uniform(-1, 1, (3, 9)).astype(np.float32)).observation
