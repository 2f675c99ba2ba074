"""A robot's frames are those of training, and its features what the exported eye makes of them."""

from __future__ import annotations

import numpy as np
import pytest

from sim2real.contract.joint_io import Command
from sim2real.runtime.controller import Controller
from tests.algorithms.conftest import build
from training.algorithms.rl2_pixels import Rl2Pixels
from training.benches.arena import SimulatedArena
from training.export.untrained import untrained_draft, untrained_parts
from training.families.registry import FAMILIES
from training.tasks.task_set import draw_task_set
from training.worlds.mujoco_world import MujocoWorld

pytest.importorskip("training.families.valve_pixels", reason="no family has to be seen")
SEEN = ("valve_turn_pixels", "valve_turn_pixels_varied")
SEED = 5


@pytest.fixture(scope="module", params=SEEN)
def family(request):
    return FAMILIES[request.param]


@pytest.fixture(scope="module")
def task(family):
    return draw_task_set(family, seed=0, num_train=1, num_test=2).test[0]


def parted(scene, observation):
    """Measurements and frame of what a world with a camera returns."""
    size = scene.skill.layout.size
    frame = observation[size:].reshape(scene.camera.shape)
    return observation[:size], frame.astype(np.uint8)


def test_a_robot_sees_and_does_what_training_sees_and_does(family, task):
    scene = family.scene
    parts = untrained_parts(scene, hidden_sizes=(32, 32), encoder_hidden_sizes=(32, 32))
    bundle = untrained_draft(parts, family.name).as_bundle()
    arena, world = SimulatedArena(scene, task, 0), MujocoWorld(scene, 1)
    controller = Controller(bundle, scene.spec)
    arena.robot.connect()
    arena.robot.activate()
    observation = world.reset([task], SEED)
    start = arena.begin_episode(SEED)
    controller.begin_trial(seed=SEED)
    controller.begin_episode(goal=start.goal, target_rad=start.target_rad)
    frames = []

    for _ in range(scene.episode_length - 1):
        frame, reading = arena.frame(), arena.robot.read()
        measured, seen = parted(scene, observation[0])
        np.testing.assert_array_equal(frame.pixels, seen)
        command = controller.step(reading, reading.stamp_ns, frame)
        tick = controller.latest
        np.testing.assert_allclose(tick.observation[: measured.size], measured, atol=1e-6)
        assert np.abs(tick.observation[measured.size :]).max() <= 1.0
        arena.robot.write(Command(stamp_ns=0, position_rad=command.position_rad))
        observation = world.step(tick.action[None]).observation
        frames.append(seen)

    assert len({frame.tobytes() for frame in frames}) > len(frames) // 2


def test_a_robot_believes_what_training_believes():
    """Two episodes: eye, recurrent cell and policy of a bundle against the learner's actor."""
    family = FAMILIES["valve_turn_pixels_varied"]
    scene, task = family.scene, draw_task_set(family, seed=0, num_train=1, num_test=1).test[0]
    learner = build(Rl2Pixels, family, normalizes_observations=True, num_trials=2)
    learner.collect()  # the graphs hold statistics
    bundle = untrained_draft(learner.deployed(), family.name).as_bundle()
    arena, world = SimulatedArena(scene, task, 0), MujocoWorld(scene, 1)
    controller = Controller(bundle, scene.spec)
    actor = learner.make_actor([task], is_deterministic=True)
    arena.robot.connect()
    arena.robot.activate()
    controller.begin_trial(seed=SEED)

    for seed in (SEED, SEED + 1):
        observation, start = world.reset([task], seed), arena.begin_episode(seed)
        controller.begin_episode(goal=start.goal, target_rad=start.target_rad)
        for _ in range(scene.episode_length):
            frame, reading = arena.frame(), arena.robot.read()
            command = controller.step(reading, reading.stamp_ns, frame)
            tick = controller.latest
            action = actor.act(observation).action
            np.testing.assert_allclose(tick.action, action[0], atol=1e-5)
            arena.robot.write(Command(stamp_ns=0, position_rad=command.position_rad))
            result = world.step(tick.action[None])
            transition = result.transition(observation)
            actor.observe(transition, result.sparse_reward, np.ones(1, bool))
            observation = result.observation
        reading = arena.robot.read()
        controller.end_episode(reading, reading.stamp_ns, arena.frame())
        hidden = controller.memory["hidden"]
        np.testing.assert_allclose(hidden, actor.hidden[0].numpy(), atol=1e-5)
        assert np.abs(hidden).max() > 0.01
    assert controller.num_accepted == 2 * scene.episode_length
