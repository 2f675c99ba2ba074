"""The part of a node that owns a bundle and the belief: runner, services, topics.

Steps are told to the topics after their command is out. What the runner tells while it works is
kept until `flush`, which its callers call when nothing waits for them any more.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from taskbelief_interfaces.srv import (
    BeginEpisode,
    BeginTrial,
    EndEpisode,
    FreezeBelief,
    GetBelief,
    SetBelief,
)

from sim2real.contract.joint_io import Command
from sim2real.contract.robot_spec import RobotSpec
from sim2real.hardware.robot import RobotFault
from sim2real.recording.messages import (
    belief_message,
    bundle_info_message,
    diagnostics_message,
    episode_start_message,
    memory_fields,
    policy_frame_message,
    policy_step_message,
    trial_result_message,
)
from sim2real.recording.received import goal_of, memory_of
from sim2real.recording.requests import request_rules
from sim2real.recording.ros_message import fill
from sim2real.runtime.bundle import Bundle
from sim2real.runtime.diagnosis import Level, Status, policy_statuses, requests_status
from sim2real.runtime.hand_state import HandState
from sim2real.runtime.kinds.kind import Memory
from sim2real.runtime.pacing import Histogram
from sim2real.runtime.policy_runner import (
    EpisodeOutcome,
    EpisodeStart,
    NotNow,
    PolicyRunner,
    Step,
    TrialLabels,
)
from sim2real.runtime.verify import load_bundle
from taskbelief_hardware.interfaces import DIAGNOSTICS
from taskbelief_hardware.managed import ManagedNode
from taskbelief_hardware.parameters import Value
from taskbelief_hardware.stamps import Stamps
from taskbelief_hardware.telemetry import Publications
from taskbelief_policy.interfaces import (
    BEGIN_EPISODE,
    BEGIN_TRIAL,
    BELIEF,
    BUNDLE_INFO,
    END_EPISODE,
    EPISODE_START,
    FREEZE_BELIEF,
    GET_BELIEF,
    POLICY_FRAME,
    POLICY_STEP,
    RESET_BELIEF,
    SET_BELIEF,
    TRIAL_RESULT,
)
from taskbelief_policy.sight import Sight

DIAGNOSTICS_PERIOD_S = 1.0


class Policy:
    """One bundle on one robot; `Part` of a node."""

    def __init__(
        self,
        node: ManagedNode,
        parameters: Mapping[str, Value],
        spec: RobotSpec,
        stamps: Stamps,
        *,
        let_hold: Callable[[], None],
    ) -> None:
        """`let_hold` is called at the end of an episode: no command is to be expected any more."""
        self.runner: PolicyRunner | None = None
        self._node, self._spec, self._stamps = node, spec, stamps
        self._folder, self._let_hold = Path(str(parameters["bundle"])), let_hold
        self._out = Publications(
            node,
            (
                BELIEF,
                POLICY_STEP,
                POLICY_FRAME,
                EPISODE_START,
                TRIAL_RESULT,
                BUNDLE_INFO,
                DIAGNOSTICS,
            ),
        )
        self._pending: deque[Callable[[], None]] = deque()
        self._latched = Status(name="bundle", level=Level.OK, message="never configured")
        self._compute = Histogram()
        self._prior: Memory = {}
        self._sight = Sight(node, stamps)
        self._is_active = False
        node.create_timer(DIAGNOSTICS_PERIOD_S, self._look_around)
        self._serve()

    # ---- transitions ---------------------------------------------------------------------------

    def configure(self) -> None:
        bundle = load_bundle(self._folder, self._spec)
        if bundle.manifest.camera is not None:
            self._sight.open(bundle.manifest.camera)
        self.runner = PolicyRunner(
            bundle,
            self._spec,
            on_step=lambda step: self._later(lambda: self._tell_step(step, bundle)),
            on_episode_start=lambda start: self._later(lambda: self._tell_start(start)),
            on_episode_end=lambda outcome: self._later(lambda: self._tell_end(outcome)),
        )
        self._prior = self.runner.memory
        self._out.publish(BUNDLE_INFO, bundle_info_message(bundle))
        name = f"{bundle.manifest.name} {bundle.digest}"
        self._latched = Status(name="bundle", level=Level.OK, message=name)

    def activate(self) -> None:
        self._is_active = True

    def deactivate(self) -> None:
        self._is_active = False
        self._abort("the policy was deactivated")

    def cleanup(self) -> None:
        self._is_active = False
        self._abort("the policy was cleaned up")
        self.runner = None
        self._sight.close()

    def halt(self) -> None:
        self._is_active = False
        self._abort("the process ends")

    def latch(self, cause: str, reason: str) -> None:
        self._latched = Status(
            name="bundle", level=Level.ERROR, message=reason, values={"cause": cause}
        )

    def _abort(self, reason: str) -> None:
        """End the episode if one runs."""
        runner = self.runner
        if runner is not None and runner.is_running:
            try:
                runner.end_episode(reason)
            except NotNow:
                self._node.get_logger().info("the episode ended by itself")
        self.flush()

    # ---- on the thread that the readings come on -----------------------------------------------

    @property
    def bundle(self) -> Bundle:
        """The one that is loaded. Raises `RobotFault` where none is."""
        return self._ready_runner().bundle

    def take(self, state: HandState, now_ns: int) -> Command | None:
        """Answer a reading; None where the policy has nothing to say. See `PolicyRunner.take`."""
        runner = self.runner
        if self._sight.is_open:
            state, now_ns = replace(state, frame=self._sight.latest()), time.monotonic_ns()
        return None if runner is None else runner.take(state, now_ns)

    def refuse(self, cause: str) -> None:
        """Count a reading that cannot be answered."""
        if self.runner is not None:
            self.runner.counters[cause] += 1

    def check(self, now_ns: int) -> None:
        """To be called every now and then; see `PolicyRunner.check`."""
        runner = self.runner
        if runner is not None:
            runner.check(now_ns)

    def flush(self) -> None:
        """Publish what has been told since; on any thread, with nothing waiting."""
        while self._pending:
            try:
                tell = self._pending.popleft()
            except IndexError:  # another thread has just taken the last one
                return
            tell()

    def _later(self, tell: Callable[[], None]) -> None:
        self._pending.append(tell)

    def _tell_step(self, step: Step, bundle: Bundle) -> None:
        stamp_ns = self._stamps.of(step.tick.reading.stamp_ns)
        self._compute.add(round(step.compute_s * 1e9))
        frame, camera = step.tick.frame, bundle.manifest.camera
        if frame is not None and camera is not None:
            taken_ns = self._stamps.of(frame.stamp_ns)
            values = policy_frame_message(step, frame, camera.name, taken_ns)
            self._out.publish(POLICY_FRAME, values)
        self._out.publish(POLICY_STEP, policy_step_message(step, stamp_ns))
        self._out.publish(BELIEF, belief_message(step, bundle, stamp_ns))

    def _tell_start(self, start: EpisodeStart) -> None:
        self._out.publish(EPISODE_START, episode_start_message(start, self._stamps.now()))

    def _tell_end(self, outcome: EpisodeOutcome) -> None:
        """First the hand: whoever hears of the result may want to place it."""
        self._let_hold()
        self._out.publish(TRIAL_RESULT, trial_result_message(outcome, self._stamps.now()))

    # ---- on the executor's threads -------------------------------------------------------------

    def _look_around(self) -> None:
        rows, runner = [self._latched, requests_status(self._node.mishaps)], self.runner
        if runner is not None:
            rows += policy_statuses(runner, self._compute)
        values = diagnostics_message(
            rows,
            self._stamps.now(),
            node=self._node.get_name(),
            hardware_id=self._spec.name,
        )
        self._out.publish(DIAGNOSTICS, values)

    def _ready_runner(self) -> PolicyRunner:
        if self.runner is None:
            raise RobotFault("not_configured", "no bundle is loaded")
        return self.runner

    def _acting_runner(self) -> PolicyRunner:
        if not self._is_active:
            raise RobotFault("not_active", "activate the policy first")
        return self._ready_runner()

    # ---- services ------------------------------------------------------------------------------

    def _serve(self) -> None:
        rules = request_rules(self._spec)
        for service, work in (
            (BEGIN_TRIAL, self._begin_trial),
            (BEGIN_EPISODE, self._begin_episode),
            (END_EPISODE, self._end_episode),
            (FREEZE_BELIEF, self._freeze_belief),
            (SET_BELIEF, self._set_belief),
            (GET_BELIEF, self._get_belief),
            (RESET_BELIEF, self._reset_belief),
        ):
            self._node.serve(service, rules[service.type.__name__], work)

    def _begin_trial(self, request: BeginTrial.Request, _response: Any) -> str:
        labels = TrialLabels(
            robot=request.robot,
            task=request.task,
            condition=request.condition,
            trial=request.trial,
        )
        first = request.first_episode
        self._ready_runner().begin_trial(seed=request.seed, first_episode=first, labels=labels)
        return ""

    def _begin_episode(self, request: BeginEpisode.Request, response: BeginEpisode.Response) -> str:
        start = self._acting_runner().begin_episode(goal=goal_of(request), seed=request.seed)
        response.episode, response.num_steps = start.episode, start.num_steps
        return ""

    def _end_episode(self, request: EndEpisode.Request, _response: Any) -> str:
        self._ready_runner().end_episode(request.reason)
        self.flush()
        return ""

    def _freeze_belief(self, request: FreezeBelief.Request, _response: Any) -> str:
        self._ready_runner().is_frozen = request.is_frozen
        return "frozen" if request.is_frozen else "open to evidence"

    def _set_belief(self, request: SetBelief.Request, _response: Any) -> str:
        self._ready_runner().memory = memory_of(request)
        return ""

    def _get_belief(self, _request: Any, response: GetBelief.Response) -> str:
        memory = memory_fields(self._ready_runner().memory)
        fill(response, {"success": True, "message": "", **memory})
        return ""

    def _reset_belief(self, _request: Any, _response: Any) -> str:
        self._ready_runner().memory = self._prior
        return "back to the prior"
