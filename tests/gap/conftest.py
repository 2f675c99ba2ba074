"""Motions made by hand and by the simulated robot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sim2real.contract.joint_io import Command
from sim2real.contract.robot_spec import RobotSpec, load_robot_spec
from sim2real.gap.motion import Float, Motion, PairKey
from sim2real.gap.side import Side, read_side
from sim2real.hardware.simulated import SimulatedRobot
from sim2real.runtime.bundle import read_bundle
from tests.gap.recorded import record_evaluation, record_script

KEY = PairKey(task="test/0", condition="adapted", trial=0, episode=0, seed=0)


@pytest.fixture(scope="session")
def spec() -> RobotSpec:
    return load_robot_spec()


@pytest.fixture(scope="session")
def simulated_folder(exported_bundles, tmp_path_factory) -> Path:
    """An evaluation of a policy with random weights and a script, all in simulation."""
    folder = tmp_path_factory.mktemp("gap") / "simulated"
    record_evaluation(folder, read_bundle(exported_bundles()), "simulated")
    record_script(folder / "recordings" / "script.mcap", "simulated")
    return folder


@pytest.fixture(scope="session")
def emulated_folder(exported_bundles, tmp_path_factory) -> Path:
    """The same on an emulated hand, in its own time."""
    folder = tmp_path_factory.mktemp("gap") / "emulated"
    record_evaluation(folder, read_bundle(exported_bundles()), "emulated")
    record_script(folder / "recordings" / "script.mcap", "emulated")
    return folder


@pytest.fixture(scope="session")
def simulated_side(simulated_folder) -> Side:
    return read_side(simulated_folder)


@pytest.fixture(scope="session")
def emulated_side(emulated_folder) -> Side:
    return read_side(emulated_folder)


def tracked(
    goal: Callable[[Float], Float], *, delay_s: float, period_s: float, num_readings: int
) -> Motion:
    """One joint that repeats `goal` of time exactly, `delay_s` later. Goals come finely."""
    time_s = np.arange(num_readings) * period_s
    goal_time_s = np.arange(-1.0, time_s[-1], period_s / 50)
    nothing = np.zeros((num_readings, 1))
    return Motion(
        key=KEY,
        time_s=time_s,
        position_rad=goal(time_s - delay_s)[:, None],
        velocity_rad_s=nothing,
        object_position_rad=nothing[:, 0],
        object_velocity_rad_s=nothing[:, 0],
        goal_time_s=goal_time_s,
        goal_rad=goal(goal_time_s)[:, None],
    )


def wander(spec: RobotSpec, rng: np.random.Generator, num_steps: int, period_s: float) -> Float:
    """(num_steps, J) goals that walk at random around home, as a policy's do."""
    steps = rng.uniform(-2.0, 2.0, (num_steps, len(spec.joints))) * period_s
    goals = spec.joint_array("home_rad") + np.cumsum(steps, axis=0)
    return np.clip(goals, spec.joint_array("lower_rad"), spec.joint_array("upper_rad"))


def simulated_motion(
    spec: RobotSpec, goals: Float, mj_model, *, period_s: float = 0.1, seed: int = 0
) -> Motion:
    """What a simulated robot makes of (G, J) goals, one per control period."""
    robot = SimulatedRobot(spec, control_period_s=period_s, mj_model=mj_model)
    with robot:
        robot.activate()
        robot.place(spec.joint_array("home_rad"), 0.0, np.random.default_rng(seed))
        held, readings = robot.target_rad, [robot.read()]
        for goal in goals:
            robot.write(Command(stamp_ns=readings[-1].stamp_ns, position_rad=goal))
            readings.append(robot.read())
    time_s = np.array([(r.stamp_ns - readings[0].stamp_ns) * 1e-9 for r in readings])
    return Motion(
        key=KEY._replace(seed=seed),
        time_s=time_s,
        position_rad=np.stack([r.position_rad for r in readings]),
        velocity_rad_s=np.stack([r.velocity_rad_s for r in readings]),
        object_position_rad=np.stack([r.object_position_rad for r in readings]),
        object_velocity_rad_s=np.stack([r.object_velocity_rad_s for r in readings]),
        goal_time_s=np.concatenate([[-period_s], time_s[:-1]]),
        goal_rad=np.concatenate([held[None], goals]),
    )
