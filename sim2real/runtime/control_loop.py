"""The loop that owns the hand: read, ask for an answer, judge, write, once every period.

It keeps absolute deadlines on a thread of its own, never on an executor. Torque comes on last and
only by request, and goes off first on every way out: `stop`, an error in the loop, the end of the
interpreter. A failed read, a failed write and an answer that raises are counted, and the safety
ladder decides what follows.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.errors import WorkFailed
from sim2real.contract.joint_io import Command, Reading
from sim2real.hardware.robot import Health, Phase, Robot, RobotFault
from sim2real.runtime.hand_state import HandState
from sim2real.runtime.jobs import JobQueue, QueueClosed
from sim2real.runtime.pacing import Beat, LatencyLog, Pacer
from sim2real.runtime.safety import (
    WRITE_ALLOWANCE_S,
    Decision,
    Rung,
    SafetyLadder,
    SafetyLimits,
    enact,
    goal_was_taken,
)

T = TypeVar("T")

STAGES = ("period", "lateness", "read", "answer", "age", "tick")
"""begin to begin · deadline to begin · begin to reading · reading to its own answer, where one came
in this tick · measured to written, of new commands · begin to end"""
STOP_TIMEOUT_S = 15.0
"""longer than any job takes; whoever hangs for longer has lost the servos to their watchdogs"""


class Answer(Protocol):
    """Whoever knows where the joints shall go."""

    def __call__(self, state: HandState, cutoff_ns: int) -> Command | None:
        """The answer to a reading; None: nothing new. May wait until `cutoff_ns`.

        Called on the loop's thread. What comes later is still used, within its lifespan.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlTick:
    """What one tick did and when, on the host's monotonic clock, in ns."""

    number: int
    """of the tick; deadlines that were skipped are counted too"""
    deadline_ns: int
    """when it should have begun"""
    started_ns: int
    """when it did"""
    reading_ns: int
    """when the servos were measured; 0: reading failed"""
    read_done_ns: int
    """when their answers were in, or reading had failed"""
    written_ns: int
    """when the goals were on the bus; 0: nothing was written"""
    answers_ns: int
    """stamp of the reading that the applied goals answer; 0: nobody's"""
    num_missed: int
    """deadlines skipped before this tick"""
    rung: Rung
    """where on the safety ladder the hand is after this tick"""
    cause: str
    """why it is not RUN; empty if it is"""
    applied_rad: NDArray[np.float64] | None
    """(J,) what was written; None: nothing"""
    state: HandState | None
    """what was measured; None: reading failed"""
    health: Health | None
    """condition of the servos at this reading; None: reading failed"""
    decision: Decision
    """what the ladder said, with reason, detail and joints"""
    fault: RobotFault | None
    """why reading, or else doing what was decided, failed"""


class LoopStopped(WorkFailed):
    """The loop does not run any more, or ended before it could do what was asked."""


class _Written(NamedTuple):
    """The goals that were written last."""

    applied_rad: NDArray[np.float64]
    answers_ns: int


def _nobody(_tick: ControlTick) -> None:
    """Default of `on_tick`."""


class ControlLoop:
    """Owns a connected robot. All methods but `run_tick` may be called from any thread.

    What they do to the robot is done on the loop's thread, between ticks. Without `start` the loop
    is in lock-step: every call works on the caller's thread, and `run_tick` is one tick.

    `counters` counts by cause: `missed` and `busy` deadlines, `read_CAUSE` and `write_CAUSE`
    faults, `late_answer` (it came after its cutoff), `expired`, `reordered`, `ahead` and
    `misshapen` commands, `answer_failed`, `on_tick_failed`, and `past_lifespan`: commands that were
    on the bus too late, of which there must be none. `errors` holds the latest text by cause.
    `ladder.events` counts what the ladder saw. `latency` has a histogram per stage, see `STAGES`.
    """

    def __init__(
        self,
        robot: Robot,
        *,
        rate_hz: float,
        answer: Answer,
        on_tick: Callable[[ControlTick], None] = _nobody,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        pacer: Pacer | None = None,
    ) -> None:
        """`clock_ns` is the clock of the readings' stamps.

        `pacer` replaces the deadlines of the thread; in lock-step there are none without it.
        """
        self.robot, self.rate_hz = robot, rate_hz
        self.ladder = SafetyLadder(SafetyLimits.of(robot.spec))
        self.counters: Counter[str] = Counter()
        self.errors: dict[str, str] = {}
        self.latency = LatencyLog(STAGES)
        self.failure: BaseException | None = None
        """what ended the thread, if it was not `stop`"""
        self._answer, self._on_tick, self._clock_ns = answer, on_tick, clock_ns
        self._pacer, self._is_paced = pacer or Pacer(1.0 / rate_hz, clock_ns=clock_ns), bool(pacer)
        self._num_joints = len(robot.spec.joints)
        self._written: _Written | None = None
        self._command: Command | None = None
        self._last_started_ns: int | None = None
        self._num_ticks = 0
        self._jobs = JobQueue()
        self._thread: threading.Thread | None = None
        self._is_stopping = self._is_in_tick = self._stands_by = False

    # ---- from any thread -----------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether the loop's thread is at work."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin to tick on a thread. Torque stays as it is. Raises `LoopStopped` if it does."""
        if self._thread is not None:
            raise LoopStopped("the loop has been started already")
        self.failure, self._is_stopping = None, False
        self._jobs.open()
        atexit.register(self.stop)
        self._thread = threading.Thread(target=self._run, name="control loop", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Torque off, then the thread ends. May be called more than once, and in lock-step.

        On the loop's own thread it ends after this tick. Raises `LoopStopped` for what ended the
        loop before, and when it does not end: the robot must then be left to its watchdogs.
        """
        thread = self._thread
        if thread is None:
            self._torque_off()
            return
        self._is_stopping = True
        if thread is threading.current_thread():
            return
        thread.join(timeout_s)
        if thread.is_alive():
            raise LoopStopped(f"the loop does not end within {timeout_s} s: its answer hangs")
        atexit.unregister(self.stop)
        self._thread = None
        if self.failure is not None:
            raise LoopStopped(f"the loop had ended: {self.failure!r}") from self.failure

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def call(self, work: Callable[[], T], *, moves: bool = True) -> T:
        """Do something with the robot between two ticks; returns or raises what it does.

        `moves`: it may change goals, torque or the hand's place. The hand then holds the goals that
        it is found with, until a new command comes. Deadlines that pass meanwhile count as `busy`.
        Raises `LoopStopped` when the loop ends before, and for a move from within a tick.
        """
        return self._on_loop(lambda: self._work(work, moves=moves))

    def activate(self) -> None:
        """Torque on, softly, by explicit request; the hand holds. Raises `RobotFault`."""
        self.call(self._activate, moves=False)

    def deactivate(self) -> None:
        """Torque off, confirmed. Raises `RobotFault` where it is not: the bus is silent then."""
        self.call(self._deactivate, moves=False)

    def stand_by(self) -> None:
        """No command is expected until the next one: hold, and do not call that late.

        Does not wait for the loop: it takes effect in the tick that runs, or in the next one.
        """
        self._stands_by = True

    def recover(self, names: Sequence[str]) -> None:
        """Reboot servos that latched an error; torque is and stays off. Raises `RobotFault`."""
        recovery = self.robot.recovery
        if recovery is None:
            raise RobotFault("not_recoverable", "this robot has no servos to reboot", tuple(names))
        self.call(lambda: recovery.recover(tuple(names)))

    # ---- a tick --------------------------------------------------------------------------------

    def run_tick(self) -> ControlTick:
        """One tick on the caller's thread, in lock-step. On an error torque goes off first."""
        if self._thread is not None:
            raise LoopStopped("the loop ticks on its own thread")
        try:
            if self._is_paced:
                return self._tick(self._pacer.wait())
            now_ns = self._clock_ns()
            return self._tick(Beat(self._num_ticks, now_ns, now_ns, 0))
        except BaseException:
            self._torque_off()
            raise

    def _tick(self, beat: Beat) -> ControlTick:
        self._is_in_tick = True
        try:
            return self._do_tick(beat)
        finally:
            self._is_in_tick = False

    def _do_tick(self, beat: Beat) -> ControlTick:
        self._num_ticks += 1
        self._note_beat(beat)
        reading, health, fault = self._read()
        read_done_ns = self._clock_ns()
        state = command = None
        if reading is not None and health is not None:
            state = self._state(reading, health)
            command = self._ask(state, self._cutoff_ns(beat.started_ns, read_done_ns))
            self.latency.add("read", read_done_ns - beat.started_ns)
            if command is not None and command.stamp_ns == reading.stamp_ns:
                self.latency.add("answer", self._clock_ns() - read_done_ns)
        if self._stands_by:
            self._stands_by = False
            self.ladder.stand_by()
        decision = self.ladder.decide(self._clock_ns(), reading, health, command)
        written_ns, fault = self._enact(decision, fault)
        reason = self.ladder.reason
        tick = ControlTick(
            number=beat.number,
            deadline_ns=beat.deadline_ns,
            started_ns=beat.started_ns,
            reading_ns=0 if reading is None else reading.stamp_ns,
            read_done_ns=read_done_ns,
            written_ns=written_ns,
            answers_ns=0 if self._written is None else self._written.answers_ns,
            num_missed=beat.num_missed,
            rung=self.ladder.rung,
            cause="" if self.ladder.rung is Rung.RUN or reason is None else reason.cause,
            applied_rad=None if self._written is None else self._written.applied_rad,
            state=state,
            health=health,
            decision=decision,
            fault=fault,
        )
        self._tell(tick)
        self.latency.add("tick", self._clock_ns() - beat.started_ns)
        return tick

    def _tell(self, tick: ControlTick) -> None:
        try:
            self._on_tick(tick)
        except Exception as error:
            self._note("on_tick_failed", error)

    def _note_beat(self, beat: Beat) -> None:
        self.counters["missed"] += beat.num_missed
        self.latency.add("lateness", beat.started_ns - beat.deadline_ns)
        if self._last_started_ns is not None:
            self.latency.add("period", beat.started_ns - self._last_started_ns)
        self._last_started_ns = beat.started_ns

    def _read(self) -> tuple[Reading | None, Health | None, RobotFault | None]:
        try:
            return self.robot.read(), self.robot.health(), None
        except RobotFault as fault:
            self._note(f"read_{fault.cause}", fault)
            return None, None, fault

    def _state(self, reading: Reading, health: Health) -> HandState:
        """The reading, and what the servos were told and have taken."""
        is_active = self.robot.phase is Phase.ACTIVE
        applied, answers_ns = None, 0
        if is_active:
            applied = np.asarray(health.goal_position_rad, np.float64)
            if self._written and goal_was_taken(health, self._written.applied_rad):
                # What was written is exact; the servos' registers count in steps.
                applied, answers_ns = self._written
        return HandState(
            reading=reading,
            applied_rad=applied,
            applied_answers_ns=answers_ns,
            is_following=is_active and not self.ladder.is_latched,
        )

    def _cutoff_ns(self, started_ns: int, read_done_ns: int) -> int:
        """Until when an answer is waited for: goals have to be out before the next deadline."""
        period_ns = self._pacer.period_ns
        until_next_ns = started_ns + period_ns - round(WRITE_ALLOWANCE_S * 1e9)
        return max(min(read_done_ns + period_ns // 2, until_next_ns), read_done_ns)

    def _ask(self, state: HandState, cutoff_ns: int) -> Command | None:
        """The answer, if it is one that may be followed."""
        try:
            command = self._answer(state, cutoff_ns)
        except Exception as error:
            self._note("answer_failed", error)
            return None
        if command is None:
            return None
        refusal = self._refusal(command, state.reading)
        if refusal is not None:
            self._note(*refusal)
            return None
        now_ns = self._clock_ns()
        if now_ns > cutoff_ns or command.stamp_ns != state.reading.stamp_ns:
            self.counters["late_answer"] += 1
        if now_ns - command.stamp_ns > self.ladder.lifespan_s(command) * 1e9:
            self.counters["expired"] += 1  # the ladder will not follow it, and call it late
        return command

    def _refusal(self, command: Command, reading: Reading) -> tuple[str, str] | None:
        """Why a command is no answer at all."""
        shape, latest = command.position_rad.shape, self.ladder.command
        if shape != (self._num_joints,):
            return "misshapen", f"shape {shape}, expected ({self._num_joints},)"
        if command.stamp_ns > reading.stamp_ns:
            return "ahead", f"answers {command.stamp_ns}, the newest reading is {reading.stamp_ns}"
        if latest is not None and command.stamp_ns < latest.stamp_ns:
            return "reordered", f"answers {command.stamp_ns}, before it {latest.stamp_ns}"
        return None

    def _enact(self, decision: Decision, fault: RobotFault | None) -> tuple[int, RobotFault | None]:
        """Do it; when goals were written (0: none), and why something failed."""
        self._written, command = None, decision.command
        answers_ns = 0 if command is None else command.stamp_ns
        failed = enact(decision, self.robot, self.ladder, answers_ns)
        if failed is not None:
            self._note(f"write_{failed.cause}", failed)
        if failed is not None or decision.applied_rad is None:
            return 0, fault or failed
        written_ns = self._clock_ns()
        self._written = _Written(decision.applied_rad, answers_ns)
        if command is not None:
            self._note_executed(command, written_ns)
        return written_ns, fault

    def _note_executed(self, command: Command, written_ns: int) -> None:
        age_ns = written_ns - command.stamp_ns
        if command is not self._command:
            self.latency.add("age", age_ns)
        self._command = command
        if age_ns > self.ladder.lifespan_s(command) * 1e9:
            self.counters["past_lifespan"] += 1

    def _note(self, cause: str, error: BaseException | str) -> None:
        self.counters[cause] += 1
        is_text = isinstance(error, (str, RobotFault))
        self.errors[cause] = str(error) if is_text else f"{type(error).__name__}: {error}"

    # ---- jobs ----------------------------------------------------------------------------------

    def _on_loop(self, job: Callable[[], T]) -> T:
        """Run a job on the loop's thread, between ticks, and wait for it."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            try:
                return self._jobs.put(job).result()
            except QueueClosed:
                raise LoopStopped("the loop does not run any more") from self.failure
        if self._is_in_tick:
            return job()
        with self._excused():
            return job()

    @contextlib.contextmanager
    def _excused(self) -> Iterator[None]:
        """The deadlines that pass meanwhile are not missed."""
        self._pacer.pause()
        try:
            yield
        finally:
            self.counters["busy"] += self._pacer.resume()

    def _work(self, work: Callable[[], T], *, moves: bool) -> T:
        if moves and self._is_in_tick:
            raise LoopStopped("within a tick the hand is not moved by others")
        try:
            return work()
        finally:
            if moves:
                self._written = None
                self.ladder.regain(self._clock_ns())
            self._follow_phase()

    def _follow_phase(self) -> None:
        """A job may have switched torque off, closed and opened the bus, or silenced it."""
        if self.robot.phase is Phase.READY:
            self.ladder.torque_is_off()
        elif self.robot.phase is Phase.SILENT and self.ladder.rung is not Rung.SILENT:
            self.ladder.torque_may_be_on("silenced", "torque off was not confirmed")

    def _activate(self) -> None:
        self._written = None
        self.robot.activate()
        try:
            reading = self.robot.read()
        except BaseException:
            self._torque_off()
            raise
        self.ladder.start(self._clock_ns(), reading)

    def _deactivate(self) -> None:
        self._written = None
        if self.robot.phase is not Phase.ACTIVE:
            return
        try:
            self.robot.deactivate()
        except RobotFault as fault:
            self.ladder.torque_may_be_on(fault.cause, str(fault))
            self.robot.quarantine()
            raise
        self.ladder.torque_is_off()

    def _torque_off(self) -> None:
        """What every way out begins with. Where it fails the bus falls silent."""
        try:
            self._deactivate()
        except RobotFault as fault:
            self._note(f"stop_{fault.cause}", fault)
        except BaseException:
            self.robot.quarantine()
            raise

    # ---- the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._pacer.start()
            while not self._is_stopping:
                self._tick(self._pacer.wait())
                if self._jobs and not self._is_stopping:
                    with self._excused():
                        self._jobs.run()
        except BaseException as error:  # shown by `failure` and `stop`; a thread has nobody to tell
            self.failure = error
            self._note("loop_failed", error)
        finally:
            try:
                self._torque_off()
            finally:
                self._jobs.close()
