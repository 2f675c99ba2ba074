"""The loop on its own thread, in step with the clock: what holds however busy the machine is."""

from __future__ import annotations

import threading
import time

import pytest

from sim2real.hardware.realtime_simulation import RealtimeSimulation
from sim2real.hardware.robot import Phase
from sim2real.hardware.simulated import SimulatedRobot
from sim2real.runtime.bundle import read_bundle
from sim2real.runtime.control_loop import ControlLoop, ControlTick
from sim2real.runtime.safety import Rung
from tests.runtime.scripted_robot import MS, SPEC
from tests.runtime.test_policy_runner import GOAL, LABELS, Watched

PERIOD_NS = 10 * MS


@pytest.mark.realtime
def test_an_episode_on_the_loops_own_thread(exported_bundles):
    runner, ticks, ended = (
        Watched(read_bundle(exported_bundles())),
        list[ControlTick](),
        threading.Event(),
    )
    robot = RealtimeSimulation(SimulatedRobot(SPEC, control_period_s=0.1))

    def on_tick(tick: ControlTick) -> None:
        ticks.append(tick)
        runner.check(time.monotonic_ns())
        if runner.outcomes:
            loop.stand_by()
            ended.set()

    with robot:
        loop = ControlLoop(
            robot,
            rate_hz=100.0,
            answer=lambda state, _cutoff: runner.take(state, time.monotonic_ns()),
            on_tick=on_tick,
        )
        with loop:
            loop.start()
            loop.activate()
            time.sleep(0.15)
            runner.begin_trial(seed=0, labels=LABELS)
            runner.begin_episode(goal=GOAL, seed=0)
            assert ended.wait(60.0)
        assert robot.phase is Phase.READY, "torque is off before the robot is let go of"

    (outcome,) = runner.outcomes
    judged = len(runner.steps) + sum(
        runner.controller.rejections[cause] for cause in ("stale", "duplicate", "reordered")
    )
    assert runner.controller.num_accepted + sum(runner.controller.rejections.values()) == judged
    assert outcome.outcome == "completed" or loop.ladder.rung >= Rung.LIMP
    first = ticks[0].deadline_ns
    for tick in ticks:
        assert tick.deadline_ns == first + tick.number * PERIOD_NS
        assert tick.deadline_ns <= tick.started_ns <= tick.read_done_ns
        if tick.rung is Rung.RUN and tick.written_ns:
            assert tick.reading_ns <= tick.read_done_ns <= tick.written_ns
    skipped = loop.counters["missed"] + loop.counters["busy"]
    assert ticks[-1].number + 1 == len(ticks) + skipped
