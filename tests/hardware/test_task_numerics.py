"""A task's delay and encoder noise are the same thing on every robot that a bundle may meet."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import mujoco
import numpy as np
import pytest

from sim2real.contract.joint_io import Command
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.emulator.line import Line, LineOptions
from sim2real.emulator.motion import TICK_RAD
from sim2real.emulator.plant import Plant
from sim2real.gap.motion import Motion, PairKey
from sim2real.gap.replay import replay
from sim2real.hardware.physics_model import load_physics_model
from sim2real.hardware.simulated import SimulatedRobot
from sim2real.hardware.task_numerics import TaskNumerics
from training.benches.emulate import dynamics_of
from training.families.valve import VALVE_TURN
from training.gap.unknowns import with_dynamics
from training.tasks.task import Task
from training.worlds.mujoco_world import MujocoWorld
from training.worlds.scene import Moment

SPEC = load_robot_spec()
HOME = SPEC.joint_array("home_rad")
UNIT = SPEC.servo.position_unit_rad
NOISE = (0.02, 0.05)
NUM_READINGS = 400
NUM_JOINTS = len(HOME)
STEP_RAD = 0.1


def task(**parameters: tuple[float, ...]) -> Task:
    goal = {"target_angle": (0.5,)}
    return Task(family="valve_turn", name="test/0", parameters=goal | parameters)


def model_of(some: Task):
    return with_dynamics(load_physics_model(SPEC), some.parameters)


def emulated(some: Task) -> Line:
    return Line(
        SPEC, Plant(SPEC, dynamics=dynamics_of(some)), LineOptions(baud=1_000_000, supply_v=12.0)
    )


# ---- what a hand at rest reports, (N, J + 1) rad: joints, valve -------------------------------


def reported_in_training(some: Task, joint_rad: np.ndarray, valve_rad: float) -> np.ndarray:
    assert valve_rad == 0.0, "where this world starts"
    at_home = dataclasses.replace(
        SPEC,
        joints=tuple(
            dataclasses.replace(joint, home_rad=float(angle))
            for joint, angle in zip(SPEC.joints, joint_rad)
        ),
    )
    scene = dataclasses.replace(
        VALVE_TURN.scene, spec=at_home, start_joint_spread_rad=0.0, start_valve_spread_rad=0.0
    )
    world = MujocoWorld(scene, NUM_READINGS)
    parts = scene.skill.layout.unpack(world.reset([some] * NUM_READINGS, 1).astype(np.float64))
    world.close()
    valve = np.arctan2(parts["valve_angle"][:, 1], parts["valve_angle"][:, 0])
    return np.column_stack([parts["joint_position"], valve])


def reported_in_simulation(some: Task, joint_rad: np.ndarray, valve_rad: float) -> np.ndarray:
    found, rng = [], np.random.default_rng(2)
    with SimulatedRobot(SPEC, control_period_s=0.1, mj_model=model_of(some)) as robot:
        for _ in range(NUM_READINGS):
            robot.place(joint_rad, valve_rad, rng)
            reading = robot.read()
            found.append([*reading.position_rad, float(reading.object_position_rad)])
    return np.array(found)


def reported_on_the_bus(some: Task, joint_rad: np.ndarray, valve_rad: float) -> np.ndarray:
    line, found = emulated(some), []
    line.plant.data.qpos[[line.plant.model.joint(n).qposadr[0] for n in SPEC.joint_names]] = (
        joint_rad
    )
    line.plant.data.qpos[line.plant.model.joint("valve").qposadr[0]] = valve_rad
    for _ in range(NUM_READINGS):
        line.measure()
        found.append(line.memory["present_position"][: NUM_JOINTS + 1].astype(np.float64))
    return (np.array(found) - 2048.0) * TICK_RAD


REPORTED: dict[str, Callable[[Task, np.ndarray, float], np.ndarray]] = {
    "training": reported_in_training,
    "simulated": reported_in_simulation,
    "emulated": reported_on_the_bus,
}


def two_sample_distance(one: np.ndarray, other: np.ndarray) -> float:
    """The Kolmogorov–Smirnov statistic: the largest difference of the two distributions."""
    points = np.sort(np.concatenate([one, other]))
    below = [np.searchsorted(np.sort(x), points, side="right") / len(x) for x in (one, other)]
    return float(np.abs(below[0] - below[1]).max())


@pytest.fixture(scope="module")
def noises() -> dict[str, np.ndarray]:
    noisy = task(observation_noise=NOISE)
    truth = np.array([*HOME, 0.0])
    return {name: report(noisy, HOME, 0.0) - truth for name, report in REPORTED.items()}


@pytest.mark.parametrize("robot", REPORTED)
def test_noise_is_uniform_with_the_half_width_that_the_task_states(noises, robot):
    for half_width, noise in (
        (NOISE[0], noises[robot][:, :-1].ravel()),
        (NOISE[1], noises[robot][:, -1]),
    ):
        assert np.abs(noise).max() <= half_width + UNIT / 2.0 + 1e-6
        assert np.abs(noise).max() > 0.95 * half_width
        deviation = half_width / np.sqrt(3.0)
        assert noise.std() == pytest.approx(deviation, rel=4.0 / np.sqrt(noise.size))
        assert abs(noise.mean()) < 4.0 * deviation / np.sqrt(noise.size)


@pytest.mark.parametrize("pair", [("training", "simulated"), ("training", "emulated")])
def test_noise_is_distributed_alike_on_every_robot(noises, pair):
    one, other = (noises[name][:, :-1].ravel() for name in pair)

    # 0.1 %: 1.95 sqrt(2 / n). A Gaussian with the half-width for its deviation is 0.16 away.
    assert two_sample_distance(one, other) < 1.95 * np.sqrt(2.0 / len(one))


@pytest.mark.parametrize("robot", REPORTED)
def test_noise_is_drawn_for_each_encoder_and_each_measurement(noises, robot):
    related = np.corrcoef(noises[robot].T) - np.eye(NUM_JOINTS + 1)
    repeated = [np.corrcoef(column[:-1], column[1:])[0, 1] for column in noises[robot].T]

    assert np.abs(related).max() < 4.5 / np.sqrt(NUM_READINGS)
    assert np.abs(repeated).max() < 4.5 / np.sqrt(NUM_READINGS)


@pytest.mark.parametrize("robot", REPORTED)
@pytest.mark.parametrize("part", [0.2, 0.4, 0.6, 0.8])
def test_encoders_report_the_nearest_step(robot, part):
    nearest = np.round(HOME / UNIT) * UNIT
    found = REPORTED[robot](task(), nearest + part * UNIT, 0.0)[0, :-1]

    np.testing.assert_allclose(found, nearest + round(part) * UNIT, atol=1e-6)


def test_the_servos_own_loop_sees_no_noise():
    line = emulated(task(observation_noise=NOISE))
    still = emulated(task())
    for each in (line, still):
        for servo in each.servos[:NUM_JOINTS]:
            servo.write(64, b"\x01")
        each.advance_to(0.5)

    np.testing.assert_array_equal(line.plant.angles_rad, still.plant.angles_rad)


# ---- delay: physics steps until a goal has its first effect -----------------------------------


def steps_in_training(some: Task) -> int:
    start = VALVE_TURN.scene.start(np.random.default_rng(0), some)
    now = Moment(
        qpos=start.qpos[None],
        qvel=start.qvel[None],
        fields={},
        carried={name: np.asarray(value)[None] for name, value in start.carried.items()},
        generators=[],
    )
    control = VALVE_TURN.scene.command(np.full((1, NUM_JOINTS), 0.3), now).control[0]
    actuators = [VALVE_TURN.scene.mj_model.actuator(name).id for name in SPEC.joint_names]
    return int(np.argmax((control[:, actuators] != start.carried["target"]).all(axis=1)))


def steps_in_simulation(some: Task) -> int:
    currents = []
    for goal in (HOME, HOME + STEP_RAD):
        with SimulatedRobot(SPEC, control_period_s=0.1, mj_model=model_of(some)) as robot:
            robot.activate()
            robot.aim(Command(stamp_ns=0, position_rad=HOME))
            robot.advance(40)
            robot.aim(Command(stamp_ns=0, position_rad=goal))
            path = []
            for _ in range(40):
                robot.advance(1)
                path.append(robot.read().current_ma)
            currents.append(np.array(path))
    return int(np.argmax((currents[0] != currents[1]).any(axis=1)))


def steps_on_the_bus(some: Task) -> int:
    line = emulated(some)
    servo = line.servos[0]
    servo.write(64, b"\x01")
    line.advance_to(0.25)
    servo.write(116, (2048 + 50).to_bytes(4, "little"))
    for step in range(40):
        line.advance_to(line.next_step_at)
        if servo["position_trajectory"] == 2048 + 50:
            return step
    raise AssertionError("the goal never arrived")


def steps_in_a_replay(some: Task) -> int:
    model = model_of(some)
    dt, count = float(model.opt.timestep), 60
    moved = []
    for goal in (HOME, HOME + STEP_RAD):
        motion = Motion(
            key=PairKey("test/0", "adapted", 0, 0, 0),
            time_s=np.arange(count) * dt,
            position_rad=np.tile(HOME, (count, 1)),
            velocity_rad_s=np.zeros((count, NUM_JOINTS)),
            object_position_rad=np.zeros(count),
            object_velocity_rad_s=np.zeros(count),
            goal_time_s=np.array([0.0, 20 * dt]),
            goal_rad=np.stack([HOME, goal]),
        )
        moved.append(replay([motion], [model], SPEC)[0].position_rad)
    differs = np.abs(moved[1] - moved[0]).max(axis=1) > 1e-4
    return int(np.argmax(differs)) - 20 - 1


DELAYS = {
    "training": steps_in_training,
    "simulated": steps_in_simulation,
    "emulated": steps_on_the_bus,
    "replay": steps_in_a_replay,
}


@pytest.mark.parametrize("delay", [0, 1, 4, 10])
@pytest.mark.parametrize("robot", DELAYS)
def test_a_goal_arrives_after_as_many_steps_as_the_task_states(robot, delay):
    assert DELAYS[robot](task(action_delay=(float(delay),))) == delay


def test_a_replay_shows_where_the_hand_is_not_what_it_reports():
    quiet, noisy = (
        replay([motion], [model_of(some)], SPEC)[0].position_rad
        for motion, some in (
            (at_rest(), task()),
            (at_rest(), task(observation_noise=NOISE)),
        )
    )

    np.testing.assert_array_equal(quiet, noisy)


def at_rest() -> Motion:
    return Motion(
        key=PairKey("test/0", "adapted", 0, 0, 0),
        time_s=np.arange(5) * 0.1,
        position_rad=np.tile(HOME, (5, 1)),
        velocity_rad_s=np.zeros((5, NUM_JOINTS)),
        object_position_rad=np.zeros(5),
        object_velocity_rad_s=np.zeros(5),
        goal_time_s=np.zeros(1),
        goal_rad=HOME[None],
    )


def test_a_model_that_states_nothing_has_neither():
    bare = mujoco.MjModel.from_xml_string("<mujoco/>")

    assert TaskNumerics.of(bare) == TaskNumerics(delay_steps=0, noise_rad=(0.0, 0.0))
