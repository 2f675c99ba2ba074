"""Records a hand's topics into an MCAP file, from its start until SIGINT or SIGTERM.

The file is named after the moment and lies in `folder`. While it grows it is called NAME.mcap.part,
and what is older than a second survives the death of this process. Messages that never came are
counted and said at the end.

{interface}
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
        self._tap = Tap(self, self._recorder.take)

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
        if self._tap.lost:
            lost = ", ".join(f"{name} {number}" for name, number in self._tap.lost.items())
            self.get_logger().warning(f"lost: {lost}")
        return True


def main() -> None:
    """Run the node."""
    sys.exit(run(RecorderNode))
