"""What a session tells: to a recording, one file per trial, and to the tally of each episode.

Called on the loop's thread. Recording happens on another one; the end of an episode waits until
everything of it is on disk.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sim2real.contract.robot_spec import RobotSpec
from sim2real.evaluation.header import Header
from sim2real.evaluation.session import Tally
from sim2real.evaluation.tally import TallyKeeper
from sim2real.recording import messages
from sim2real.recording.background import BackgroundRecording
from sim2real.recording.cdr import Values
from sim2real.recording.metadata import RecordingMetadata
from sim2real.recording.repair import finish_recording
from sim2real.recording.writer import PART, SUFFIX, Recording
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.control_loop import ControlTick
from sim2real.runtime.diagnosis import Status
from sim2real.runtime.policy_runner import EpisodeOutcome, EpisodeStart, Step, TrialLabels
from sim2real.runtime.safety import Rung
from sim2real.stop_signal import stop_put_off

HEADER_RECORD = "taskbelief_evaluation"
"""name of the metadata record that says which evaluation a recording belongs to"""
RECORDINGS = "recordings"
"""folder inside that of an evaluation"""


@dataclass(frozen=True, kw_only=True)
class RecordingPlace:
    """Where an evaluation's recordings go, and what they say of themselves."""

    folder: Path
    header: Header
    unit: str = ""
    """whose calibration; empty in simulation"""

    def finish_parts(self) -> None:
        """Give what a killed process left its index and its name."""
        for part in sorted(self.folder.glob(f"*{SUFFIX}{PART}")):
            finish_recording(part)


class SessionRecorder:
    """Tells everything once. `place` None: tallies only."""

    def __init__(self, spec: RobotSpec, bundle: Bundle, place: RecordingPlace | None) -> None:
        self.name = ""
        """of the file of this trial"""
        self._spec, self._bundle, self._place = spec, bundle, place
        self._keeper = TallyKeeper()
        self._recording: BackgroundRecording | None = None
        self._clock_offset_ns = 0
        self._seen: Counter[str] = Counter()

    def begin_trial(self, labels: TrialLabels, clock_ns: int) -> None:
        """A new file; `clock_ns` is now on the clock of the readings."""
        self.close()
        self._keeper.trial_begins()
        self._clock_offset_ns = time.time_ns() - clock_ns
        if self._place is None:
            return
        self.name = free_name(self._place.folder, labels)
        metadata = RecordingMetadata.of(
            self._spec, robot=labels.robot, unit=self._place.unit, bundle=self._bundle
        )
        with stop_put_off():  # or nobody would give the open file its name
            recording = Recording(
                self._place.folder / self.name,
                metadata,
                more={HEADER_RECORD: {"header": self._place.header.to_json()}},
            )
            self._recording = BackgroundRecording(recording)
        self._write("bundle_info", lambda _: messages.bundle_info_message(self._bundle))

    # ---- what the loops tell -------------------------------------------------------------------

    def episode_begins(self, start: EpisodeStart) -> None:
        self._keeper.episode_begins()
        self._write("episode_start", lambda ns: messages.episode_start_message(start, ns))

    def step(self, step: Step) -> None:
        self._keeper.step(step, is_evidence=step.tick.rejection is None)
        self._keeper.rejections({str(cause): n for cause, n in step.rejections.items()})
        stamp_ns = step.tick.reading.stamp_ns
        self._frame(step)
        self._write("policy_step", lambda ns: messages.policy_step_message(step, ns), stamp_ns)
        self._write("belief", lambda ns: messages.belief_message(step, self._bundle, ns), stamp_ns)

    def _frame(self, step: Step) -> None:
        frame, camera = step.tick.frame, self._bundle.manifest.camera
        if frame is not None and camera is not None:
            self._write(
                "policy_frame",
                lambda ns: messages.policy_frame_message(step, frame, camera.name, ns),
                frame.stamp_ns,
            )

    def tick(self, tick: ControlTick) -> None:
        self._keeper.tick(tick)
        state, health = tick.state, tick.health
        if state is not None and health is not None:
            stamp_ns = state.reading.stamp_ns
            self._write(
                "hand_reading",
                lambda ns: messages.hand_reading_message(state, self._spec, ns),
                stamp_ns,
            )
        self._write(
            "control_tick", lambda ns: messages.control_tick_message(tick, ns), tick.started_ns
        )

    def events(self, counts: Counter[str], tick: ControlTick) -> None:
        """What the ladder has counted since the beginning; what is new is an event each."""
        for cause, count in (counts - self._seen).items():
            for _ in range(count):
                self._event(cause, tick)
        self._seen = counts.copy()

    def _event(self, cause: str, tick: ControlTick) -> None:
        reason = tick.decision.reason
        is_reason = reason is not None and reason.cause == cause
        detail = reason.detail if reason is not None and is_reason else str(tick.fault or "")
        joints = reason.joints if reason is not None and is_reason else ()
        self.event(cause, tick.rung, detail=detail, joints=joints, stamp_ns=tick.started_ns)

    def event(
        self,
        cause: str,
        rung: Rung,
        *,
        stamp_ns: int | None = None,
        detail: str = "",
        joints: tuple[str, ...] = (),
    ) -> None:
        self._keeper.event(cause)
        self._write(
            "safety_event",
            lambda ns: messages.safety_event_message(
                self._spec, rung=rung, cause=cause, stamp_ns=ns, detail=detail, joints=joints
            ),
            stamp_ns,
        )

    def diagnostics(self, rows: Sequence[Status]) -> None:
        """How hand and loop are, as a driver node says it."""
        self._write(
            "diagnostics",
            lambda ns: messages.diagnostics_message(
                rows, ns, node="evaluate", hardware_id=self._spec.name
            ),
        )

    def episode_ended(self, outcome: EpisodeOutcome) -> None:
        self._keeper.episode_ends()
        self._write("trial_result", lambda ns: messages.trial_result_message(outcome, ns))

    # ---- what the session asks -----------------------------------------------------------------

    def sync(self) -> None:
        """Wait until everything so far is on disk."""
        if self._recording is not None:
            self._recording.sync()

    def take_tally(self) -> Tally:
        return self._keeper.take()

    def close(self) -> None:
        """The file gets its name."""
        with stop_put_off():  # or it would be nobody's before it is closed
            recording, self._recording = self._recording, None
            if recording is not None:
                recording.close()

    def _write(
        self, topic: str, message: Callable[[int], Values], clock_ns: int | None = None
    ) -> None:
        """Record a message whose moment is `clock_ns` on the clock of the readings; None: now."""
        recording = self._recording  # once: another thread may begin the next trial
        if recording is None:
            return
        now_ns = time.time_ns()
        stamp_ns = now_ns if clock_ns is None else clock_ns + self._clock_offset_ns
        recording.write(topic, message(stamp_ns), now_ns)


def free_name(folder: Path, labels: TrialLabels) -> str:
    """After the trial; numbered where an interrupted one has left a file of it."""
    task = labels.task.replace("/", "-")
    stem = f"{task}.{labels.condition}.{labels.trial}"
    number, name = 1, f"{stem}{SUFFIX}"
    while (folder / name).exists() or (folder / f"{name}{PART}").exists():
        number += 1
        name = f"{stem}.{number}{SUFFIX}"
    return name
