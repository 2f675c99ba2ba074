"""The driver: a lifecycle node that owns a hand's servos and follows commands that come by topic.

publishes   hand_reading       HandReading      reliable, last 10
publishes   joint_states       JointState       reliable, last 10
publishes   servo_states       ServoStateArray  best effort, last 5
publishes   control_tick       ControlTick      reliable, last 10
publishes   safety_event       SafetyEvent      reliable, latched, last 10
publishes   diagnostics        DiagnosticArray  reliable, last 10
publishes   robot_description  String           reliable, latched, last 1
subscribes  joint_targets      JointTargets     reliable, last 1
serves      place_hand         PlaceHand        bring hand and valve to where an episode starts
serves      recover_servos     RecoverServos    reboot servos that latched an error
serves      hold               Trigger          expect no command until the next one: hold
parameter   robot              ''               which kind of robot
parameter   port               ''               serial port of the hand; none where it is simulated
parameter   unit               'emulated'       whose calibration to use; a serial robot's own has
                                                to be given
parameter   rate_hz            100.0            readings per second, Hz; a whole multiple of the
                                                policy's rate
parameter   patience_s         0.0              how much later than usual servos may answer, s, on a
                                                busy machine
parameter   robot_config       ''               path of a robot.yaml; empty: the D'Claw's
parameter   realtime_priority  0                SCHED_FIFO priority of the process; 0: as any other
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from taskbelief_interfaces.msg import JointTargets

from sim2real.contract.joint_io import Command
from sim2real.recording.received import targets_of
from sim2real.runtime.control_loop import ControlTick
from sim2real.runtime.hand_state import HandState
from sim2real.runtime.target_inbox import TargetInbox
from taskbelief_hardware.control_topics import ControlTopic
from taskbelief_hardware.hand import Hand, robot_spec
from taskbelief_hardware.interfaces import DRIVER, JOINT_TARGETS
from taskbelief_hardware.managed import ManagedNode
from taskbelief_hardware.parameters import declare
from taskbelief_hardware.process import run
from taskbelief_hardware.stamps import Stamps
from taskbelief_hardware.telemetry import HandTelemetry


class TopicCommander:
    """Publishes a reading, and waits for the targets that answer it."""

    def __init__(self, node: ManagedNode, inbox: TargetInbox, telemetry: HandTelemetry) -> None:
        self._inbox, self._telemetry = inbox, telemetry
        self._topic = ControlTopic(node, JOINT_TARGETS, self._offer)

    def begin(self) -> None:
        self._inbox.open()

    def end(self) -> None:
        self._inbox.close()

    def tell(self, state: HandState) -> None:
        self._telemetry.reading(state)

    def answer(self, state: HandState, cutoff_ns: int) -> Command | None:
        stamp_ns = state.reading.stamp_ns
        if self._inbox.is_due(state.reading):
            self._topic.wait_until(cutoff_ns, lambda: self._inbox.is_answered(stamp_ns))
        else:
            self._topic.wait(0.0)  # what comes late is followed; what nobody may send is counted
        return self._inbox.take()

    def after_tick(self, tick: ControlTick) -> None:
        """All has been said by then."""

    @property
    def refusals(self) -> Mapping[str, int]:
        return dict(self._inbox.counts)

    def _offer(self, message: JointTargets) -> None:
        self._inbox.offer(targets_of(message))


class DriverNode(ManagedNode):
    """See the module."""

    def __init__(self) -> None:
        """Raises `BadInput` for parameters that make no sense."""
        super().__init__("driver")
        parameters = declare(self, DRIVER.parameters)
        spec = robot_spec(parameters)
        telemetry = HandTelemetry(self, spec, Stamps(self.get_clock()))
        inbox = TargetInbox(spec.joint_names, longest_life_s=spec.safety.limp_after_s)
        commander = TopicCommander(self, inbox, telemetry)
        self.parts = (Hand(self, parameters, spec, telemetry, commander),)


def main() -> None:
    sys.exit(run(DriverNode))


if __name__ == "__main__":
    main()
