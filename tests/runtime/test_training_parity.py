"""The robot path repeats the training path vector for vector."""

from __future__ import annotations

import numpy as np
import pytest

from sim2real.contract.joint_io import Command, Reading
from sim2real.contract.transition import Transition
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.controller import Controller
from sim2real.runtime.kinds.gaussian_belief import GaussianBeliefAdaptation
from training.benches.arena import SimulatedArena
from training.export.make_bundle import Draft
from training.export.untrained import untrained_draft, untrained_parts
from training.families.registry import FAMILIES
from training.tasks.task_set import draw_task_set
from training.worlds.claw import ClawScene
from training.worlds.mujoco_world import MujocoWorld
from training.worlds.vector_world import StepResult

SKILLS = (
    "valve_turn",
    "valve_turn_dynamics",
    "valve_screw",
    "valve_turn_full",
    "valve_screw_full",
    "pose_dynamics",
)
SEED = 5


class LoggingScene(ClawScene):
    """A claw that also keeps what its servos reported, as a robot would have returned it."""

    def _reading(self, now):
        reading = super()._reading(now)
        log = self.__dict__.setdefault("log", [])
        log.append(reading)
        return reading


@pytest.fixture(scope="module", params=SKILLS)
def family_name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def draft(family_name) -> Draft:
    parts = untrained_parts(
        FAMILIES[family_name].scene, hidden_sizes=(32, 32), encoder_hidden_sizes=(32, 32)
    )
    return untrained_draft(parts, family_name)


@pytest.fixture(scope="module")
def bundle(draft) -> Bundle:
    return draft.as_bundle()


def first_task(family_name: str):
    return draw_task_set(FAMILIES[family_name], seed=0, num_train=1, num_test=2).test[0]


def logging_scene(family_name: str) -> LoggingScene:
    scene = FAMILIES[family_name].scene
    return LoggingScene(**{name: getattr(scene, name) for name in ClawScene.__dataclass_fields__})


def reading_at(log: Reading, stamp_ns: int, sequence: int) -> Reading:
    """World 0 of a batched reading, with the stamps of a robot."""
    return Reading(
        stamp_ns=stamp_ns,
        sequence=sequence,
        position_rad=log.position_rad[0],
        velocity_rad_s=log.velocity_rad_s[0],
        current_ma=log.current_ma[0],
        object_position_rad=log.object_position_rad[0],
        object_velocity_rad_s=log.object_velocity_rad_s[0],
    )


def test_a_logged_episode_replays_to_equal_observations_actions_and_context_rows(
    family_name, bundle, monkeypatch
):
    scene, task = logging_scene(family_name), first_task(family_name)
    world = MujocoWorld(scene, 1)
    controller = Controller(bundle, scene.spec)
    rows: list[np.ndarray] = []
    observe = GaussianBeliefAdaptation.observe
    monkeypatch.setattr(
        GaussianBeliefAdaptation,
        "observe",
        lambda self, row: (rows.append(row.copy()), observe(self, row))[1],
    )
    period_ns, layout = round(scene.control_period_s * 1e9), bundle.manifest.context.layout
    expected_rows = []
    observation = world.reset([task], SEED)
    start = SimulatedArena(scene, task, 0).begin_episode(SEED)
    controller.begin_trial(seed=SEED)
    controller.begin_episode(goal=start.goal, target_rad=start.target_rad)

    for step in range(scene.episode_length):
        controller.step(reading_at(scene.log[-1], step * period_ns, step))
        tick = controller.latest
        np.testing.assert_allclose(tick.observation, observation[0], atol=1e-6)
        result = world.step(tick.action[None])
        np.testing.assert_allclose(tick.applied_action, result.applied_action[0], atol=1e-6)
        expected_rows.append(layout.row(transition(observation, result)))
        observation = result.observation
    # The world has restarted by itself: its last reading belongs to the next episode.
    last = reading_at(scene.log[-2], scene.episode_length * period_ns, scene.episode_length)
    outcome = controller.end_episode(last)

    assert outcome.reward == pytest.approx(float(result.reward[0]), abs=1e-6)
    assert outcome.is_success == result.success[0]
    np.testing.assert_allclose(outcome.observation, result.final_observation[0], atol=1e-6)
    np.testing.assert_allclose(rows, expected_rows, atol=1e-6)
    assert controller.num_accepted == scene.episode_length


def test_every_value_of_a_skill_is_that_of_training(family_name, bundle, monkeypatch):
    scene, task = logging_scene(family_name), first_task(family_name)
    world, controller = MujocoWorld(scene, 1), Controller(bundle, scene.spec)
    in_training, on_robot = [], []
    measure = type(scene.skill).values

    def values(self, moment):
        found = measure(self, moment)
        (in_training if self is scene.skill else on_robot).append(found)
        return found

    monkeypatch.setattr(type(scene.skill), "values", values)
    period_ns, length = round(scene.control_period_s * 1e9), scene.episode_length
    world.reset([task], SEED)
    start = SimulatedArena(scene, task, 0).begin_episode(SEED)
    controller.begin_trial(seed=SEED)
    controller.begin_episode(goal=start.goal, target_rad=start.target_rad)
    for step in range(length):
        controller.step(reading_at(scene.log[-1], step * period_ns, step))
        world.step(controller.latest.action[None])
    controller.end_episode(reading_at(scene.log[-2], length * period_ns, length))

    assert len(on_robot) == length + 1
    for expected, found in zip(in_training, on_robot, strict=False):  # then the next episode's
        assert found.keys() == expected.keys()
        for name, value in found.items():
            np.testing.assert_allclose(value, expected[name][0], atol=1e-6, err_msg=name)
    if family_name == "valve_screw_full":
        _assert_velocity_of_the_second_half(on_robot, start.goal(0.0), scene)


def _assert_velocity_of_the_second_half(on_robot, goal, scene):
    errors = np.array([values["valve_velocity_error"][0] for values in on_robot])
    halfway, last = on_robot[scene.halfway], on_robot[-1]
    turned = last["valve_progress"] - halfway["valve_progress"]
    seconds = scene.control_period_s * (scene.episode_length - scene.halfway)

    np.testing.assert_array_equal(
        np.isfinite(errors), np.arange(scene.episode_length + 1) > scene.halfway
    )
    np.testing.assert_allclose(errors[-1], turned / seconds - goal, atol=1e-6)


def transition(observation: np.ndarray, result: StepResult) -> Transition:
    return Transition(
        observation=observation[0],
        action=result.applied_action[0],
        reward=result.reward[0],
        next_observation=result.final_observation[0],
        terminated=result.terminated[0],
        truncated=result.truncated[0],
    )


def test_the_simulated_robot_is_the_training_world(family_name):
    scene, task = logging_scene(family_name), first_task(family_name)
    arena = SimulatedArena(scene, task, 0)
    arena.robot.connect()
    arena.robot.activate()
    world, rng = MujocoWorld(scene, 1), np.random.default_rng(0)
    world.reset([task], SEED)
    previous = arena.begin_episode(SEED).target_rad

    for _ in range(scene.episode_length - 1):
        expected, found = scene.log[-1], arena.robot.read()
        for name in ("position_rad", "velocity_rad_s", "current_ma"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name)[0], atol=1e-12)
        assert float(found.object_position_rad) == expected.object_position_rad[0]
        assert float(found.object_velocity_rad_s) == expected.object_velocity_rad_s[0]
        action = rng.uniform(-1, 1, 9).astype(np.float32)
        world.step(action[None])
        previous = scene.action_map.target(action, previous)
        arena.robot.write(Command(stamp_ns=0, position_rad=previous))
