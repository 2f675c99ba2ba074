"""Records a hand's topics into an MCAP file, from its start until SIGINT or SIGTERM.

The file is named after the moment and lies in `folder`. While it grows it is called NAME.mcap.part,
and what is older than a second survives the death of this process. Messages that never came are
counted, in the file and at the end.

subscribes  joint_targets      JointTargets     reliable, last 1
subscribes  belief             TaskBelief       reliable, latched, last 1
subscribes  policy_step        PolicyStep       reliable, last 10
subscribes  policy_frame       PolicyFrame      reliable, last 10
subscribes  episode_start      EpisodeStart     reliable, latched, last 10
subscribes  trial_result       TrialResult      reliable, latched, last 10
subscribes  bundle_info        BundleInfo       reliable, latched, last 1
subscribes  diagnostics        DiagnosticArray  reliable, last 10
subscribes  hand_reading       HandReading      best effort, last 5
subscribes  joint_states       JointState       reliable, last 10
subscribes  servo_states       ServoStateArray  best effort, last 5
subscribes  control_tick       ControlTick      reliable, last 10
subscribes  safety_event       SafetyEvent      reliable, latched, last 10
subscribes  robot_description  String           reliable, latched, last 1
parameter   folder             ''               folder for recordings; has to be given
parameter   robot              ''               which kind of robot
parameter   unit               'emulated'       whose calibration to use; a serial robot's own has
                                                to be given
parameter   robot_config       ''               path of a robot.yaml; empty: the D'Claw's
parameter   realtime_priority  0                SCHED_FIFO priority of the process; 0: as any other
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from rclpy.node import Node

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import DCLAW, load_robot_spec
from sim2real.recording.writer import SUFFIX
from taskbelief_evaluation.interfaces import RECORDER
from taskbelief_evaluation.recorder import Recorder
from taskbelief_evaluation.tap import Tap
from taskbelief_hardware.parameters import declare
from taskbelief_hardware.process import run


class RecorderNode(Node):  # type: ignore[misc]
    """One recording of one robot's topics."""

    def __init__(self) -> None:
        super().__init__("recorder")
        given = declare(self, RECORDER.parameters)
        config = str(given["robot_config"])
        spec = load_robot_spec(Path(config) if config else DCLAW)
        self._recorder = Recorder(
            spec,
            robot=str(given["robot"]),
            unit=str(given["unit"]),
            namespace=self.get_namespace(),
        )
        name = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S")
        self._path = Path(str(given["folder"])) / f"{name}{SUFFIX}"
        self._recorder.begin(self._path)
        self._tap = Tap(self, self._recorder.take, self._recorder.lose)

    def halt(self) -> None:
        """Nothing here moves."""

    def end(self) -> bool:
        """Finish the file, and say what is in it."""
        self._tap.drain()
        try:
            self._recorder.close()
        except BadInput as error:
            self.get_logger().error(str(error))
            return False
        count = sum(self._recorder.counts.values())
        self.get_logger().info(f"{count} messages in {self._path}")
        if self._tap.complaint:
            self.get_logger().warning(self._tap.complaint)
        return True


def main() -> None:
    """Run the node."""
    sys.exit(run(RecorderNode))
