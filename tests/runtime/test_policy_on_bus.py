"""Loop, runner and driver together on an emulated bus, in its own time: the same in every run."""

from __future__ import annotations

import numpy as np
import pytest

from sim2real.contract.joint_io import Command
from sim2real.emulator.direct_port import DirectPort
from sim2real.emulator.faults import Fault
from sim2real.emulator.line import Line, LineOptions
from sim2real.emulator.plant import Plant
from sim2real.hardware.calibration import load_calibration
from sim2real.hardware.dynamixel.driver import DynamixelRobot
from sim2real.hardware.robot import Phase, RobotFault
from sim2real.runtime.bundle import read_bundle
from sim2real.runtime.control_loop import ControlLoop, ControlTick
from sim2real.runtime.evidence import Rejection
from sim2real.runtime.pacing import Pacer
from sim2real.runtime.safety import Rung
from tests.runtime.scripted_robot import HOME, MS, SPEC
from tests.runtime.test_policy_runner import GOAL, LABELS, Watched


class BusBench:
    """A driver on an emulated line under a control loop, and a policy that answers it."""

    def __init__(self, bundle, rate_hz: float = 100.0) -> None:
        options = LineOptions(baud=SPEC.bus.baud, supply_v=SPEC.servo.nominal_voltage_v)
        self.line = Line(SPEC, Plant(SPEC), options)
        self.robot = DynamixelRobot(
            SPEC,
            load_calibration(SPEC, "emulated"),
            lambda: DirectPort(self.line),
            clock_ns=self.now_ns,
            sleep=self.sleep,
        )
        self.robot.connect()
        self.runner, self.is_silent = Watched(bundle), False
        self.ticks: list[ControlTick] = []
        self.loop = ControlLoop(
            self.robot,
            rate_hz=rate_hz,
            answer=self.answer,
            on_tick=self.on_tick,
            clock_ns=self.now_ns,
            pacer=Pacer(1.0 / rate_hz, clock_ns=self.now_ns, sleep=self.sleep),
        )
        self.loop.activate()

    def now_ns(self) -> int:
        return round(self.line.now * 1e9)

    def sleep(self, seconds: float) -> None:
        self.line.advance_to(self.line.now + seconds)

    def answer(self, state, _cutoff_ns) -> Command | None:
        return None if self.is_silent else self.runner.take(state, self.now_ns())

    def on_tick(self, tick: ControlTick) -> None:
        self.ticks.append(tick)
        self.runner.check(self.now_ns())

    def run(self, seconds: float) -> list[ControlTick]:
        end, first = self.line.now + seconds, len(self.ticks)
        while self.line.now < end:
            self.loop.run_tick()
        return self.ticks[first:]

    def run_episode(self) -> None:
        self.runner.begin_episode(goal=GOAL, seed=0)
        while self.runner.is_running:
            self.loop.run_tick()
        self.loop.stand_by()

    def start(self) -> None:
        """A trial, with the hand at rest at home."""
        self.loop.call(self._go_home)
        self.run(0.2)
        self.runner.begin_trial(seed=0, labels=LABELS)

    def _go_home(self) -> None:
        for _ in range(50):
            self.robot.write(Command(stamp_ns=0, position_rad=HOME))
            self.sleep(0.02)

    @property
    def is_driven(self) -> bool:
        servos = self.line.servos[: len(HOME)]
        return any(servo.torque_is_on and not servo.watchdog_tripped for servo in servos)


@pytest.fixture(scope="module")
def bundle(exported_bundles):
    return read_bundle(exported_bundles())


@pytest.fixture
def bench(bundle) -> BusBench:
    bench = BusBench(bundle)
    bench.start()
    return bench


@pytest.mark.parametrize("rate_hz", [10.0, 100.0])
def test_every_reading_of_an_undisturbed_episode_is_evidence(bundle, rate_hz):
    bench = BusBench(bundle, rate_hz)
    bench.start()
    first = len(bench.ticks)

    bench.run_episode()

    length = bundle.manifest.episode_length
    (outcome,) = bench.runner.outcomes
    assert (outcome.outcome, outcome.num_steps) == ("completed", length)
    assert outcome.num_transitions == length
    ticks = bench.ticks[first:]
    assert not any(tick.decision.is_limited for tick in ticks)
    assert not bench.loop.ladder.events
    assert {name: n for name, n in bench.loop.counters.items() if n and name != "busy"} == {}
    intervals_s = np.diff([step.tick.reading.stamp_ns for step in bench.runner.steps]) * 1e-9
    np.testing.assert_allclose(intervals_s, 0.1, atol=0.002)
    # What the servos hold is what was written, to the count.
    held = [tick.health.goal_position_rad for tick in ticks[1:]]
    written = [tick.applied_rad for tick in ticks[:-1]]
    np.testing.assert_allclose(held, written, atol=SPEC.servo.position_unit_rad)
    assert bench.loop.latency["age"].max < 5 * MS


def test_placing_the_hand_is_busy_and_leaves_it_where_it_is(bundle):
    bench = BusBench(bundle)
    bench.run(0.1)
    bench.loop.counters.clear()

    bench.loop.call(bench._go_home)
    ticks = bench.run(0.2)

    assert bench.loop.counters["missed"] == 0
    assert 95 <= bench.loop.counters["busy"] <= 105  # for a second
    for tick in ticks:
        np.testing.assert_allclose(tick.applied_rad, HOME, atol=SPEC.servo.position_unit_rad)
        assert (tick.rung, tick.cause) == (Rung.HOLD, "no_command")
    assert not bench.loop.ladder.events


def test_lost_goals_cost_the_transition_and_no_trust(bundle):
    bench = BusBench(bundle, rate_hz=50.0)
    bench.start()
    bench.runner.begin_episode(goal=GOAL, seed=0)
    while len(bench.runner.steps) < 5:
        bench.loop.run_tick()
    bench.run(0.07)
    # The next command takes effect 40 ms after its reading, which is too late.
    bench.line.inject(Fault(kind="drop_goal_write", duration_s=0.05))
    while bench.runner.is_running:
        bench.loop.run_tick()

    (outcome,) = bench.runner.outcomes
    assert outcome.outcome == "completed"
    assert outcome.num_transitions == bundle.manifest.episode_length - 1
    assert bench.runner.controller.rejections[Rejection.FILTERED] == 1


def test_a_failed_reading_is_nobodys_turn(bench):
    bench.runner.begin_episode(goal=GOAL, seed=0)
    bench.run(0.45)
    before = bench.runner.controller.num_accepted
    bench.line.inject(Fault(kind="mute_servo", servo=21, duration_s=0.15))
    ticks = bench.run(0.5)

    failed = [tick for tick in ticks if tick.state is None]
    assert failed
    assert bench.loop.counters["read_silent"] == len(failed)
    assert all(tick.rung <= Rung.HOLD for tick in ticks)
    assert bench.runner.is_running
    assert bench.runner.controller.num_accepted > before
    assert bench.runner.steps[-1].tick.applied_action is not None


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(kind="unplugged"), "no reading"),
        (Fault(kind="dead_servo", servo=21), "no reading"),
        (Fault(kind="overload", servo=21), "not followed"),
        (Fault(kind="torque_lost", servo=21), "not followed"),
    ],
)
def test_a_hand_that_fails_ends_the_episode_and_nothing_drives_it_any_more(bench, fault, reason):
    bench.runner.begin_episode(goal=GOAL, seed=0)
    bench.run(0.45)
    bench.line.inject(fault)
    bench.run(1.5)

    (outcome,) = bench.runner.outcomes
    assert outcome.outcome == "fault"
    assert reason in outcome.reason
    assert bench.loop.ladder.rung >= Rung.TORQUE_OFF
    assert not bench.is_driven


def test_a_silent_policy_is_held_then_limp_then_without_torque(bench):
    bench.runner.begin_episode(goal=GOAL, seed=0)
    bench.run(0.45)
    bench.is_silent = True
    ticks = bench.run(0.8)

    assert list(dict.fromkeys(tick.rung for tick in ticks)) == [
        Rung.RUN,
        Rung.HOLD,
        Rung.LIMP,
        Rung.TORQUE_OFF,
    ]
    assert bench.robot.phase is Phase.READY
    assert not bench.is_driven
    bench.is_silent = False
    bench.run(0.05)
    assert bench.runner.outcomes[0].outcome == "fault"
    bench.loop.activate()
    bench.runner.begin_episode(goal=GOAL, seed=1)
    assert any(tick.rung is Rung.RUN for tick in bench.run(0.3))


def test_a_servo_with_an_error_is_recovered_on_request_only(bench):
    bench.run(0.1)
    bench.line.inject(Fault(kind="overload", servo=21))
    bench.run(0.5)
    assert bench.loop.ladder.reason.cause == "hardware_error"
    with pytest.raises(RobotFault, match="hardware_error"):
        bench.loop.activate()

    bench.loop.recover(bench.loop.ladder.reason.joints)

    assert not bench.is_driven
    bench.loop.activate()
    assert bench.run(0.1)[-1].rung is Rung.HOLD


@pytest.mark.parametrize("way", ["stop", "error", "interrupt"])
def test_no_way_out_leaves_torque_on(bench, way):
    bench.runner.begin_episode(goal=GOAL, seed=0)
    bench.run(0.45)
    assert bench.is_driven

    if way == "stop":
        bench.loop.stop()
    else:
        error = KeyboardInterrupt() if way == "interrupt" else ZeroDivisionError("a bug")

        def fail(*_):
            raise error

        bench.loop.ladder.decide = fail
        with pytest.raises(type(error)):
            bench.loop.run_tick()

    assert not bench.is_driven
    assert bench.robot.phase is Phase.READY
