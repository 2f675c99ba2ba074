"""What the tests of recordings share: sessions on a simulated hand, recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.simulated import SimulatedRobot
from sim2real.recording import messages
from sim2real.recording.metadata import RecordingMetadata
from sim2real.recording.reader import read_recording
from sim2real.recording.records import Raw, records
from sim2real.recording.writer import Recording
from sim2real.runtime.bundle import Bundle, read_bundle
from sim2real.runtime.control_loop import ControlLoop, ControlTick
from sim2real.runtime.hand_state import HandState
from sim2real.runtime.policy_runner import (
    EpisodeOutcome,
    EpisodeStart,
    PolicyRunner,
    Step,
    TrialLabels,
)
from sim2real.skills.goal import GoalSignal

SPEC = load_robot_spec()
EPOCH_NS = 1_700_000_000 * 10**9


@pytest.fixture(scope="session")
def metadata() -> RecordingMetadata:
    return RecordingMetadata.of(SPEC, robot="emulated", unit="emulated")


@dataclass(kw_only=True)
class Session:
    """A policy on a simulated hand in lock-step; keeps what it tells, and records it."""

    bundle: Bundle
    recording: Recording
    loop: ControlLoop
    runner: PolicyRunner
    robot: SimulatedRobot
    states: list[HandState] = field(default_factory=list)
    ticks: list[ControlTick] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    starts: list[EpisodeStart] = field(default_factory=list)
    outcomes: list[EpisodeOutcome] = field(default_factory=list)
    num_trials: int = 0
    is_heard: Callable[[HandState], bool] = lambda _: True
    """whether a reading gets to the policy"""
    delay_ns: Callable[[HandState], int] = lambda _: 0
    """how long it takes to get there"""

    def begin_trial(self, *, condition: str = "adapted", seed: int = 7, first: int = 0) -> None:
        labels = TrialLabels(
            robot="simulated", task="test/0", condition=condition, trial=self.num_trials
        )
        self.num_trials += 1
        self.runner.begin_trial(seed=seed, first_episode=first, labels=labels)

    def run_episode(self, seed: int, *, until: int | None = None) -> None:
        """`until` cuts the episode off after so many steps."""
        rng = np.random.default_rng(seed)
        goal = GoalSignal.fixed(rng.uniform(-1.0, 1.0, self.runner.controller.skill.goal_size))
        self.runner.begin_episode(goal=goal, seed=seed)
        before = len(self.steps)
        while self.runner.is_running:
            self.ticks.append(self.loop.run_tick())
            if until is not None and len(self.steps) - before >= until:
                self.runner.end_episode("enough")
        self.loop.stand_by()
        for _ in range(3):
            self.ticks.append(self.loop.run_tick())

    def close(self) -> None:
        self.loop.stop()
        self.robot.close()
        self.recording.close()


@pytest.fixture(scope="session")
def recorded(exported_bundles, tmp_path_factory) -> Session:
    """Two trials of two episodes, the hand read five times a step; closed, not to be changed."""
    bundle = read_bundle(exported_bundles())
    made = _session(bundle, 5, tmp_path_factory.mktemp("recorded") / "a.mcap")
    for trial in range(2):
        made.begin_trial(seed=trial)
        made.run_episode(10 + trial)
        made.run_episode(20 + trial)
    made.close()
    return made


def rewrite(source: Path, target: Path, change: Callable[[list[Raw]], list[Raw]]) -> Path:
    """A recording with its messages changed, left out or in another order."""
    found = [record for record in records(source) if isinstance(record, Raw)]
    with Recording(target, read_recording(source).metadata) as recording:
        for record in change(found):
            topic = record.channel.topic.removeprefix("/")
            recording.write_cdr(topic, record.message.data, record.message.log_time)
    return target


@pytest.fixture
def session(exported_bundles, tmp_path) -> Callable[..., Session]:
    """A session of a bundle; `readings_per_step` is how often the hand is read."""
    opened: list[Session] = []

    def open_session(
        folder: Path | None = None, *, readings_per_step: int = 1, path: Path | None = None
    ) -> Session:
        bundle = read_bundle(folder or exported_bundles())
        made = _session(bundle, readings_per_step, path or tmp_path / "session.mcap")
        opened.append(made)
        return made

    yield open_session
    for one in opened:
        one.close()


def _session(bundle: Bundle, readings_per_step: int, path: Path) -> Session:
    period_s = bundle.manifest.control_period_s / readings_per_step
    robot = SimulatedRobot(SPEC, control_period_s=period_s)
    recording = Recording(path, RecordingMetadata.of(SPEC, robot="simulated", bundle=bundle))

    def record(topic: str, values, ns: int) -> None:
        recording.write(topic, values, EPOCH_NS + ns)

    def on_step(step: Step) -> None:
        session.steps.append(step)
        ns = EPOCH_NS + step.tick.reading.stamp_ns
        record("policy_step", messages.policy_step_message(step, ns), robot.now_ns())
        record("belief", messages.belief_message(step, bundle, ns), robot.now_ns())

    def on_start(start: EpisodeStart) -> None:
        session.starts.append(start)
        record("episode_start", messages.episode_start_message(start, EPOCH_NS), robot.now_ns())

    def on_end(outcome: EpisodeOutcome) -> None:
        session.outcomes.append(outcome)
        record("trial_result", messages.trial_result_message(outcome, EPOCH_NS), robot.now_ns())

    def on_tick(tick: ControlTick) -> None:
        ns = EPOCH_NS + tick.started_ns
        record("control_tick", messages.control_tick_message(tick, ns), robot.now_ns())
        if tick.state is not None:
            session.states.append(tick.state)
            values = messages.hand_reading_message(tick.state, SPEC, ns)
            record("hand_reading", values, robot.now_ns())

    runner = PolicyRunner(
        bundle, SPEC, on_step=on_step, on_episode_start=on_start, on_episode_end=on_end
    )
    loop = ControlLoop(
        robot,
        rate_hz=1.0 / period_s,
        answer=lambda state, _cutoff: (
            runner.take(state, robot.now_ns() + session.delay_ns(state))
            if session.is_heard(state)
            else None
        ),
        on_tick=on_tick,
        clock_ns=robot.now_ns,
    )
    session = Session(bundle=bundle, recording=recording, loop=loop, runner=runner, robot=robot)
    record("bundle_info", messages.bundle_info_message(bundle), 0)
    robot.connect()
    loop.activate()
    return session
