"""Run a script on a hand, through the control loop and the safety ladder, and record it."""

from __future__ import annotations

import threading
import time

from sim2real.contract.errors import WorkFailed
from sim2real.contract.joint_io import Command
from sim2real.contract.robot_spec import RobotSpec
from sim2real.evaluation.hand import Hand
from sim2real.evaluation.session import EpisodePlan
from sim2real.gap.excitation import Excitation, Script
from sim2real.placing import HandPlacer, load_reset_config
from sim2real.recording import messages
from sim2real.recording.background import BackgroundRecording
from sim2real.runtime.control_loop import ControlLoop, ControlTick
from sim2real.runtime.hand_state import HandState

SLACK_S = 5.0
"""how much longer than its script a run may take before it counts as lost"""
POLL_S = 0.05


class ExcitationStopped(WorkFailed):
    """The script did not come to its end; torque is off."""


class _ScriptedHand:
    """The answers of a script, and what is recorded of it."""

    def __init__(
        self, hand: Hand, spec: RobotSpec, script: Script, recording: BackgroundRecording
    ) -> None:
        self._hand, self._spec, self._script, self._recording = hand, spec, script, recording
        self._placer = HandPlacer(spec, load_reset_config(spec))
        self._clock_offset_ns = time.time_ns() - hand.clock_ns()
        self._excitation: Excitation | None = None
        self._start_ns = 0
        self._is_running = False
        self.has_ended = threading.Event()
        self.loop = ControlLoop(
            hand.robot,
            rate_hz=hand.rate_hz,
            answer=self._answer,
            on_tick=self._on_tick,
            clock_ns=hand.clock_ns,
            pacer=hand.pacer,
        )

    def run(self, start: EpisodePlan) -> None:
        """Put the hand where the script starts, and run it."""
        placing = self._hand.robot.placing
        if placing is None:
            self._placer.place(self.loop, start.joint_rad, start.valve_rad)
        else:
            self.loop.call(lambda: placing.place(start.joint_rad, start.valve_rad, start.noise))
        home = self._spec.joint_array("home_rad")
        longest_s = Excitation(self._spec, self._script, home).duration_s + SLACK_S
        self._is_running = True
        if self._hand.is_paced and self._hand.pacer is None:
            deadline = time.monotonic() + longest_s
            while not self.has_ended.wait(POLL_S):
                self._require_going(time.monotonic() < deadline and self.loop.is_running)
        else:
            for _ in range(round(longest_s * self._hand.rate_hz)):
                if self.has_ended.is_set():
                    return
                self.loop.run_tick()
                self._require_going(True)
            self._require_going(self.has_ended.is_set())

    def _require_going(self, is_in_time: bool) -> None:
        ladder, failure = self.loop.ladder, self.loop.errors.get("on_tick_failed")
        if failure is not None:
            raise ExcitationStopped(f"nothing is recorded any more: {failure}")
        if ladder.is_latched and ladder.reason is not None:
            raise ExcitationStopped(f"{ladder.reason.cause}: {ladder.reason.detail}")
        if not is_in_time:
            raise ExcitationStopped(f"it did not end in time; the loop: {self.loop.failure!r}")

    def _answer(self, state: HandState, cutoff_ns: int) -> Command | None:
        if self._placer.is_moving:
            return self._placer.answer(state, cutoff_ns)
        if not self._is_running or self.has_ended.is_set():
            return None
        reading = state.reading
        if self._excitation is None:
            self._excitation = Excitation(self._spec, self._script, reading.position_rad)
            self._start_ns = reading.stamp_ns
        elapsed_s = (reading.stamp_ns - self._start_ns) * 1e-9
        if elapsed_s >= self._excitation.duration_s:
            self.has_ended.set()
            self.loop.ladder.stand_by()
            return None
        goal = self._excitation.goal(elapsed_s)
        return Command(stamp_ns=reading.stamp_ns, position_rad=goal)

    def _on_tick(self, tick: ControlTick) -> None:
        if self._excitation is None or tick.state is None:
            return
        state, now_ns, offset_ns = tick.state, time.time_ns(), self._clock_offset_ns
        stamp_ns = state.reading.stamp_ns + offset_ns
        reading = messages.hand_reading_message(state, self._spec, stamp_ns)
        self._recording.write("hand_reading", reading, now_ns)
        self._recording.write(
            "control_tick",
            messages.control_tick_message(tick, tick.started_ns + offset_ns),
            now_ns,
        )


def excite(
    hand: Hand,
    spec: RobotSpec,
    script: Script,
    start: EpisodePlan,
    recording: BackgroundRecording,
) -> None:
    """Connect the hand, switch torque on, run the script; torque goes off first on every way out.

    `start` says where hand and object are put. Raises `ExcitationStopped` when the safety ladder
    stops it or it does not end, `RobotFault` where the hand cannot be made ready.
    """
    scripted = _ScriptedHand(hand, spec, script, recording)
    with hand.robot, scripted.loop as loop:
        if hand.is_paced and hand.pacer is None:
            loop.start()
        loop.activate()
        scripted.run(start)
