"""An evaluation's session in this process: control loop and policy side by side, no wire between.

The simulated hand ticks in lock-step on the caller's thread, an emulated or a real one in real time
on the loop's own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from sim2real.contract.joint_io import Command
from sim2real.contract.robot_spec import RobotSpec
from sim2real.evaluation.hand import Hand
from sim2real.evaluation.recorder import RecordingPlace, SessionRecorder
from sim2real.evaluation.session import EpisodeFault, EpisodePlan, Tally
from sim2real.hardware.robot import RobotFault
from sim2real.placing import HandPlacer, load_reset_config
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.control_loop import ControlLoop, ControlTick, LoopStopped
from sim2real.runtime.diagnosis import HandDiagnosis
from sim2real.runtime.hand_state import HandState
from sim2real.runtime.kinds.kind import Memory
from sim2real.runtime.policy_runner import (
    NOT_FOLLOWED,
    EpisodeOutcome,
    PolicyRunner,
    Step,
    TrialLabels,
)

SLACK_S = 5.0
"""how much longer than its steps an episode may take before it counts as lost"""
POLL_S = 0.05


class DirectSession:
    """A `Session` over a hand that is connected and active; see `open_direct`."""

    def __init__(
        self,
        hand: Hand,
        bundle: Bundle,
        spec: RobotSpec,
        place: RecordingPlace | None = None,
        on_step: Callable[[Step], None] = lambda _: None,
    ) -> None:
        self._hand, self._bundle, self._watch = hand, bundle, on_step
        self.recorder = SessionRecorder(spec, bundle, place)
        self._placer = HandPlacer(spec, load_reset_config(spec))
        self.runner = PolicyRunner(
            bundle,
            spec,
            on_step=self._on_step,
            on_episode_end=self._on_episode_end,
            on_episode_start=self.recorder.episode_begins,
        )
        self.loop = ControlLoop(
            hand.robot,
            rate_hz=hand.rate_hz,
            answer=self._answer,
            on_tick=self._on_tick,
            clock_ns=hand.clock_ns,
            pacer=hand.pacer,
        )
        self._outcome: EpisodeOutcome | None = None
        self._has_ended = threading.Event()
        self._may_stand_by = False
        """no command is to be expected any more"""
        self._diagnosis = HandDiagnosis(spec)
        self._tick: ControlTick | None = None
        self._num_ended = 0
        """episodes of the trial"""

    # ---- on the loop's thread ------------------------------------------------------------------

    def _answer(self, state: HandState, cutoff_ns: int) -> Command | None:
        if self._placer.is_moving:
            return self._placer.answer(state, cutoff_ns)
        camera = self._hand.camera
        if camera is not None and self.runner.is_running:
            state = replace(state, frame=camera.latest())
        return self.runner.take(state, self._hand.clock_ns())

    def _on_tick(self, tick: ControlTick) -> None:
        self.runner.check(self._hand.clock_ns())
        if self._may_stand_by:
            self._may_stand_by = False
            self.loop.stand_by()
        self.recorder.events(self.loop.ladder.events, tick)
        self.recorder.tick(tick)
        self._tick = tick

    def _on_step(self, step: Step) -> None:
        self.recorder.step(step)
        self._watch(step)

    def _on_episode_end(self, outcome: EpisodeOutcome) -> None:
        # The loop is told by its own thread: this may be another one that holds the runner's lock.
        self._may_stand_by = True
        if outcome.outcome == "fault" and self.loop.ladder.is_latched:
            more = outcome.reason.removeprefix(NOT_FOLLOWED)  # what the policy knows of it
            outcome = replace(outcome, reason=f"{self._why_stopped()}{more}")
        self._tell(outcome)

    def _tell(self, outcome: EpisodeOutcome) -> None:
        self.recorder.diagnostics(self._diagnosis.look(self.loop, self._tick, {}))
        self.recorder.episode_ended(outcome)
        self._outcome = outcome
        self._has_ended.set()

    def _why_stopped(self) -> str:
        reason = self.loop.ladder.reason
        if reason is None:
            return "the hand was stopped"
        where = f" [{', '.join(reason.joints)}]" if reason.joints else ""
        return f"{reason.cause}{where}: {reason.detail}"

    # ---- the session ---------------------------------------------------------------------------

    def begin_trial(self, *, seed: int, labels: TrialLabels, first_episode: int = 0) -> None:
        self.recorder.begin_trial(labels, self._hand.clock_ns())
        self.runner.is_frozen = False
        self.runner.begin_trial(seed=seed, first_episode=first_episode, labels=labels)
        self._num_ended = first_episode

    @property
    def memory(self) -> Memory:
        return self.runner.memory

    @memory.setter
    def memory(self, memory: Memory) -> None:
        self.runner.memory = memory

    @property
    def is_frozen(self) -> bool:
        return self.runner.is_frozen

    @is_frozen.setter
    def is_frozen(self, is_frozen: bool) -> None:
        self.runner.is_frozen = is_frozen

    @property
    def recording(self) -> str:
        return self.recorder.name

    def take_tally(self) -> Tally:
        return self.recorder.take_tally()

    def run_episode(self, plan: EpisodePlan) -> EpisodeOutcome:
        self._outcome = None
        self._has_ended.clear()
        try:
            self._put(plan)
            self.runner.begin_episode(goal=plan.goal, seed=plan.seed)
            self._await_end()
        except RobotFault as fault:
            self._give_up(plan, fault.cause, str(fault))
        except LoopStopped as stopped:
            self._give_up(plan, "loop_stopped", str(stopped))
        outcome = self._outcome
        assert outcome is not None
        self._num_ended += 1
        failure = self.loop.errors.get("on_tick_failed")
        if outcome.outcome != "completed" or failure is not None:
            self._make_safe()
            self.recorder.sync()
            cause = outcome.reason.partition(" ")[0].rstrip(":") if failure is None else "recording"
            raise EpisodeFault(cause, failure or outcome.reason, outcome)
        self.runner.adapt()
        self.recorder.sync()
        return outcome

    def _put(self, plan: EpisodePlan) -> None:
        """Hand and object to where the episode starts."""
        placing = self._hand.robot.placing
        if placing is None:
            self._placer.place(self.loop, plan.joint_rad, plan.valve_rad)
        else:
            self.loop.call(lambda: placing.place(plan.joint_rad, plan.valve_rad, plan.noise))

    def _await_end(self) -> None:
        """Until the episode has ended, in time or out of it."""
        manifest = self._bundle.manifest
        longest_s = manifest.episode_length * manifest.control_period_s + SLACK_S
        if self._hand.is_paced and self._hand.pacer is None:
            deadline = time.monotonic() + longest_s
            while not self._has_ended.wait(POLL_S) and time.monotonic() < deadline:
                if not self.loop.is_running:
                    raise LoopStopped(f"the control loop has ended: {self.loop.failure!r}")
        else:
            for _ in range(round(longest_s * self._hand.rate_hz)):
                if self._has_ended.is_set():
                    break
                self.loop.run_tick()
        if self.runner.is_running:
            self.runner.end_episode("it did not end in time")

    def _give_up(self, plan: EpisodePlan, cause: str, reason: str) -> None:
        """An episode that did not begin, or lost its loop: torque off, then the record of it."""
        self._make_safe()
        if self.runner.is_running:
            self.runner.end_episode(reason)
        if self._outcome is None:
            self._tell(_nothing_done(self.runner, self._num_ended, plan.seed, reason))
        self.recorder.sync()
        raise EpisodeFault(cause, reason, self._outcome)

    def _make_safe(self) -> None:
        """Torque off, or a silent bus: then the servos' own watchdogs act."""
        try:
            self.loop.deactivate()
        except (RobotFault, LoopStopped):
            return  # either the bus is silent, or torque went off as the loop ended


def _nothing_done(runner: PolicyRunner, episode: int, seed: int, reason: str) -> EpisodeOutcome:
    """Of an episode that could not begin."""
    labels, belief = runner.labels, runner.controller.belief
    assert labels is not None
    return EpisodeOutcome(
        bundle_name=runner.bundle.manifest.name,
        bundle_digest=runner.bundle.digest,
        robot=labels.robot,
        task=labels.task,
        condition=labels.condition,
        trial=labels.trial,
        episode=episode,
        episode_seed=seed,
        total_reward=0.0,
        is_success=False,
        success_fraction=0.0,
        num_steps=0,
        num_transitions=belief.num_transitions,
        kl_from_prior=belief.kl_from_prior,
        outcome="fault",
        reason=reason,
    )


@contextmanager
def open_direct(
    hand: Hand,
    bundle: Bundle,
    spec: RobotSpec,
    place: RecordingPlace | None = None,
    *,
    may_recover: bool = False,
    on_step: Callable[[Step], None] = lambda _: None,
) -> Iterator[DirectSession]:
    """Connect a hand, switch torque on, run a policy on it; torque goes off first on every way out.

    `may_recover`: servos that have latched an error are rebooted. Raises `EpisodeFault` when the
    hand cannot be made ready, `BadInput` where it is not the one that is described.
    """
    robot = hand.robot
    session = DirectSession(hand, bundle, spec, place, on_step)
    try:
        _connect(hand, may_recover=may_recover)
        if hand.is_paced and hand.pacer is None:
            session.loop.start()
        session.loop.activate()
    except RobotFault as fault:
        session.loop.stop()
        robot.close()
        raise EpisodeFault(fault.cause, str(fault)) from fault
    except BaseException:
        session.loop.stop()
        robot.close()
        raise
    try:
        yield session
    finally:
        _leave(session)


def _connect(hand: Hand, *, may_recover: bool) -> None:
    robot = hand.robot
    robot.connect()
    robot.read()
    is_latched = robot.health().hardware_error != 0
    if may_recover and is_latched.any() and robot.recovery is not None:
        names = robot.spec.joint_names
        robot.recovery.recover(tuple(name for name, bad in zip(names, is_latched) if bad))


def _leave(session: DirectSession) -> None:
    """Torque off, then everything else, whatever goes wrong."""
    try:
        session.loop.stop()
    except LoopStopped as stopped:
        raise EpisodeFault("loop_stopped", str(stopped)) from stopped
    finally:
        session.loop.robot.close()
        session.recorder.close()
