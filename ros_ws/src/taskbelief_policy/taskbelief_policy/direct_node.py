"""Driver and policy in one process: the control path outside DDS, for high rates.

The topics carry telemetry, and are those of the two processes, as are the services; a policy that
sees subscribes to `image_raw` in the namespace of its camera's name.

publishes   hand_reading       HandReading      reliable, last 10
publishes   joint_states       JointState       reliable, last 10
publishes   servo_states       ServoStateArray  best effort, last 5
publishes   control_tick       ControlTick      reliable, last 10
publishes   safety_event       SafetyEvent      reliable, latched, last 10
publishes   diagnostics        DiagnosticArray  reliable, last 10
publishes   robot_description  String           reliable, latched, last 1
publishes   belief             TaskBelief       reliable, latched, last 1
publishes   policy_step        PolicyStep       reliable, last 10
publishes   policy_frame       PolicyFrame      reliable, last 10
publishes   episode_start      EpisodeStart     reliable, latched, last 10
publishes   trial_result       TrialResult      reliable, latched, last 10
publishes   bundle_info        BundleInfo       reliable, latched, last 1
subscribes  image_raw          Image            best effort, last 1
serves      place_hand         PlaceHand        bring hand and valve to where an episode starts
serves      recover_servos     RecoverServos    reboot servos that latched an error
serves      hold               Trigger          expect no command until the next one: hold
serves      begin_trial        BeginTrial       forget the task: a new one is on the bench
serves      begin_episode      BeginEpisode     start from where hand and valve are now
serves      end_episode        EndEpisode       end the episode before its last step
serves      freeze_belief      FreezeBelief     let nothing become evidence, or let it again
serves      set_belief         SetBelief        go on from what was remembered about a task
serves      get_belief         GetBelief        all that is carried about the task
serves      reset_belief       Trigger          back to what is believed before any evidence
parameter   bundle             ''               folder of the bundle
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
import time
from collections.abc import Mapping

from sim2real.contract.joint_io import Command
from sim2real.runtime.control_loop import ControlTick, LoopStopped
from sim2real.runtime.hand_state import HandState
from taskbelief_hardware.hand import Hand, robot_spec
from taskbelief_hardware.managed import ManagedNode
from taskbelief_hardware.parameters import declare
from taskbelief_hardware.process import run
from taskbelief_hardware.stamps import Stamps
from taskbelief_hardware.telemetry import HandTelemetry
from taskbelief_policy.interfaces import DIRECT
from taskbelief_policy.policy import Policy


class DirectCommander:
    """The policy, asked on the loop's own thread."""

    def __init__(self, policy: Policy, telemetry: HandTelemetry) -> None:
        self._policy, self._telemetry = policy, telemetry

    def begin(self) -> None:
        """The policy answers what it is asked."""

    def end(self) -> None:
        """The loop asks no more."""

    def tell(self, state: HandState) -> None:
        """Told after the tick, when it delays nothing."""

    def answer(self, state: HandState, _cutoff_ns: int) -> Command | None:
        return self._policy.take(state, time.monotonic_ns())

    def after_tick(self, tick: ControlTick) -> None:
        if tick.state is not None:
            self._telemetry.reading(tick.state)
        self._policy.check(time.monotonic_ns())
        self._policy.flush()

    @property
    def refusals(self) -> Mapping[str, int]:
        return {}


class DirectNode(ManagedNode):
    """See the module."""

    def __init__(self) -> None:
        """Raises `BadInput` for parameters that make no sense."""
        super().__init__("direct")
        parameters = declare(self, DIRECT.parameters)
        spec, stamps = robot_spec(parameters), Stamps(self.get_clock())
        policy = Policy(self, parameters, spec, stamps, let_hold=self._let_hold)
        telemetry = HandTelemetry(self, spec, stamps)
        commander = DirectCommander(policy, telemetry)
        self._hand = Hand(self, parameters, spec, telemetry, commander)
        self.parts = (policy, self._hand)

    def _let_hold(self) -> None:
        loop = self._hand.loop
        if loop is None:
            return
        try:
            loop.stand_by()
        except LoopStopped as error:  # torque is off
            self.get_logger().info(f"the hand need not be held: {error}")


def main() -> None:
    sys.exit(run(DirectNode))


if __name__ == "__main__":
    main()
