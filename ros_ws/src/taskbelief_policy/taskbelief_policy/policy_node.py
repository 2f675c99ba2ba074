"""The policy: a lifecycle node that answers a hand's readings and publishes what it believes.

A policy that sees subscribes to `image_raw` in the namespace of its camera's name.

publishes   joint_targets      JointTargets     reliable, last 1
publishes   belief             TaskBelief       reliable, latched, last 1
publishes   policy_step        PolicyStep       reliable, last 10
publishes   policy_frame       PolicyFrame      reliable, last 10
publishes   episode_start      EpisodeStart     reliable, latched, last 10
publishes   trial_result       TrialResult      reliable, latched, last 10
publishes   bundle_info        BundleInfo       reliable, latched, last 1
publishes   diagnostics        DiagnosticArray  reliable, last 10
subscribes  hand_reading       HandReading      best effort, last 5
subscribes  image_raw          Image            best effort, last 1
serves      begin_trial        BeginTrial       forget the task: a new one is on the bench
serves      begin_episode      BeginEpisode     start from where hand and valve are now
serves      end_episode        EndEpisode       end the episode before its last step
serves      freeze_belief      FreezeBelief     let nothing become evidence, or let it again
serves      set_belief         SetBelief        go on from what was remembered about a task
serves      get_belief         GetBelief        all that is carried about the task
serves      reset_belief       Trigger          back to what is believed before any evidence
calls       hold               Trigger          expect no command until the next one: hold
parameter   bundle             ''               folder of the bundle
parameter   robot_config       ''               path of a robot.yaml; empty: the D'Claw's
parameter   realtime_priority  0                SCHED_FIFO priority of the process; 0: as any other
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from std_srvs.srv import Trigger
from taskbelief_interfaces.msg import HandReading, JointTargets

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import RobotSpec
from sim2real.recording.messages import joint_targets_message
from sim2real.recording.received import hand_state_of
from sim2real.recording.requests import reading_rules, require
from sim2real.recording.ros_message import fill
from taskbelief_hardware.control_topics import ControlTopic
from taskbelief_hardware.hand import robot_spec
from taskbelief_hardware.interfaces import HAND_READING, HOLD, JOINT_TARGETS, promised_targets
from taskbelief_hardware.managed import ManagedNode
from taskbelief_hardware.parameters import declare
from taskbelief_hardware.process import run
from taskbelief_hardware.stamps import Stamps
from taskbelief_policy.interfaces import POLICY
from taskbelief_policy.policy import Policy

LONGEST_WAIT_S = 0.02
"""without a reading: how often it is looked whether one is missing"""
JOIN_S = 5.0


class ReadingLoop:
    """The thread that waits for readings and answers them; `Part` of a node."""

    def __init__(self, node: ManagedNode, policy: Policy, spec: RobotSpec, stamps: Stamps) -> None:
        self._node, self._policy = node, policy
        self._spec, self._stamps, self._rules = spec, stamps, reading_rules(spec)
        self._topic = ControlTopic(node, HAND_READING, self._take)
        self._is_stopping = False
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._alarm = node.create_guard_condition(self._step_down)

    def configure(self) -> None:
        self._period_s = self._policy.bundle.manifest.control_period_s
        self._targets: Any = self._node.create_lifecycle_publisher(
            JOINT_TARGETS.type, JOINT_TARGETS.name, promised_targets(self._period_s)
        )
        self._failure, self._is_stopping = None, False
        self._thread = threading.Thread(target=self._run, name="policy loop", daemon=True)
        self._thread.start()

    def activate(self) -> None:
        """The policy acts by itself."""

    def deactivate(self) -> None:
        if self._failure is not None:
            raise self._failure

    def cleanup(self) -> None:
        self.halt()
        if self._thread is not None:
            self._node.destroy_lifecycle_publisher(self._targets)
        self._thread = None

    def halt(self) -> None:
        self._is_stopping = True
        if self._thread is not None:
            self._thread.join(JOIN_S)

    def latch(self, cause: str, reason: str) -> None:
        """The policy keeps it."""

    def _run(self) -> None:
        try:
            while not self._is_stopping:
                self._topic.wait(LONGEST_WAIT_S)
                self._policy.check(time.monotonic_ns())
                self._policy.flush()
        except BaseException as error:
            self._failure = error
            self._alarm.trigger()

    def _take(self, message: HandReading) -> None:
        now_ns = time.monotonic_ns()
        try:
            require(self._rules, HAND_READING.name, message)
            if message.reading_ns > now_ns:
                ahead = f"{(message.reading_ns - now_ns) * 1e-9:.3f} s from now"
                raise BadInput(HAND_READING.name, "reading_ns", found=ahead, expected="the past")
        except BadInput as refusal:
            self._policy.refuse(f"bad_{refusal.field}")
            found = f"a reading is refused: {refusal}"
            self._node.get_logger().error(found, throttle_duration_sec=1.0)
            return
        command = self._policy.take(hand_state_of(message), now_ns)
        if command is not None:
            values = joint_targets_message(
                command, self._spec, self._stamps.now(), period_s=self._period_s
            )
            self._targets.publish(fill(JointTargets(), values))
        self._policy.flush()

    def _step_down(self) -> None:
        self._node.step_down(f"the policy's loop has ended: {self._failure}")


class PolicyNode(ManagedNode):
    """See the module."""

    def __init__(self) -> None:
        """Raises `BadInput` for parameters that make no sense."""
        super().__init__("policy")
        parameters = declare(self, POLICY.parameters)
        spec, stamps = robot_spec(parameters), Stamps(self.get_clock())
        self._hold: Any = self.create_client(HOLD.type, HOLD.name)
        policy = Policy(self, parameters, spec, stamps, let_hold=self._let_hold)
        self.parts = (policy, ReadingLoop(self, policy, spec, stamps))

    def _let_hold(self) -> None:
        """Tell the driver. One that is gone has switched torque off by itself."""
        if not self._hold.service_is_ready():
            self.get_logger().warning("no driver to tell that the episode has ended")
            return
        self._hold.call_async(Trigger.Request()).add_done_callback(self._note_answer)

    def _note_answer(self, future: Any) -> None:
        answer = future.result()
        if not answer.success:
            self.get_logger().warning(f"the driver does not hold: {answer.message}")


def main() -> None:
    sys.exit(run(PolicyNode))


if __name__ == "__main__":
    main()
