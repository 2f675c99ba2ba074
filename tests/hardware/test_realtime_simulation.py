"""The simulated robot whose time is the host's."""

from __future__ import annotations

import numpy as np
import pytest

from sim2real.contract.joint_io import Command
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.realtime_simulation import MAX_LAG_S, RealtimeSimulation
from sim2real.hardware.robot import Phase
from sim2real.hardware.simulated import SimulatedRobot

SPEC = load_robot_spec()
HOME = SPEC.joint_array("home_rad")
START_NS = 10**15


class Clock:
    def __init__(self) -> None:
        self.now_ns = START_NS

    def __call__(self) -> int:
        return self.now_ns

    def wait(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


def simulated() -> SimulatedRobot:
    return SimulatedRobot(SPEC, control_period_s=0.05)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def robot(clock):
    with RealtimeSimulation(simulated(), clock) as robot:
        robot.activate()
        yield robot


def command(position_rad) -> Command:
    return Command(stamp_ns=0, position_rad=np.asarray(position_rad, float))


def test_readings_bear_the_hosts_time_and_are_a_step_old_at_most(robot, clock):
    for wait_s in (0.05, 0.0137, 0.001, 0.0002):
        clock.wait(wait_s)
        reading = robot.read()
        age_s = (clock.now_ns - reading.stamp_ns) * 1e-9
        assert 0.0 <= age_s < robot.simulated.timestep_s
        assert robot.health().stamp_ns == reading.stamp_ns


def test_a_period_at_once_or_in_pieces_is_the_same_motion(clock):
    """What the clock drives is what a command drives: both simulate the same steps."""
    with simulated() as stepped, RealtimeSimulation(simulated(), clock) as driven:
        stepped.activate()
        driven.activate()
        for period in range(10):
            target = command(HOME + 0.02 * (period + 1))
            stepped.write(target)
            driven.write(target)
            for _ in range(4):
                clock.wait(0.0125)
                reading = driven.read()
            np.testing.assert_array_equal(reading.position_rad, stepped.read().position_rad)


def test_time_passes_without_commands_and_without_torque(robot, clock):
    clock.wait(0.1)
    first = robot.read()
    robot.deactivate()
    clock.wait(0.1)
    second = robot.read()
    assert robot.phase is Phase.READY
    assert second.sequence > first.sequence
    assert second.stamp_ns - first.stamp_ns == 100_000_000


def test_no_time_no_new_measurement(robot, clock):
    clock.wait(0.05)
    assert robot.read().sequence == robot.read().sequence


def test_torque_comes_on_where_the_joints_are_now(clock):
    with RealtimeSimulation(simulated(), clock) as robot:
        robot.simulated.place(HOME + 0.3, 0.0, np.random.default_rng(0))
        robot.deactivate()
        clock.wait(0.2)  # limp, the hand sinks
        robot.activate()
        goal = robot.health().goal_position_rad
        np.testing.assert_array_equal(goal, robot.read().position_rad)


def test_time_that_the_host_slept_through_is_given_up(robot, clock, monkeypatch):
    clock.wait(3600.0)
    advance, simulated_steps = robot.simulated.advance, []
    monkeypatch.setattr(
        robot.simulated, "advance", lambda n: (simulated_steps.append(n), advance(min(n, 10)))
    )
    before = robot.read()
    assert sum(simulated_steps) * robot.simulated.timestep_s < MAX_LAG_S
    assert clock.now_ns - before.stamp_ns < MAX_LAG_S * 1e9
    clock.wait(0.05)
    assert robot.read().stamp_ns - before.stamp_ns == 50_000_000
