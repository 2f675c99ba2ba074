"""A camera of a hand, as camera drivers publish theirs: image and calibration, frame by frame.

It lives in a namespace of the camera's name and publishes from its start on, whenever there is a
frame: whoever acts on frames sees how old they are.

publishes  image_raw          Image       best effort, last 5
publishes  camera_info        CameraInfo  best effort, last 5
parameter  camera             ''          which camera of the robot, as its cameras.yaml calls it
parameter  source             ''          where frames come from
parameter  at                 ''          port of the emulated hand, or video device
parameter  fovy_rad           0.0         from the top of the picture to its bottom, rad; 0: nobody
                                          knows
parameter  robot_config       ''          path of a robot.yaml; empty: the D'Claw's
parameter  realtime_priority  0           SCHED_FIFO priority of the process; 0: as any other
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from sim2real.contract.camera import camera_named
from sim2real.hardware.cameras import CameraPlace, open_camera
from sim2real.recording.camera_messages import camera_info_message, image_message
from sim2real.recording.ros_message import fill
from taskbelief_hardware.hand import robot_spec
from taskbelief_hardware.interfaces import CAMERA, CAMERA_INFO, IMAGE_RAW
from taskbelief_hardware.parameters import declare
from taskbelief_hardware.process import run
from taskbelief_hardware.stamps import Stamps

LOOKS_PER_PERIOD = 10
"""how often it is looked for a new frame: a tenth of a period is how much older it gets by that"""
JOIN_S = 5.0


class CameraNode(Node):  # type: ignore[misc]
    """See the module."""

    def __init__(self) -> None:
        """Raises `BadInput` for parameters that make no sense, and where no camera is."""
        super().__init__("camera")
        given = declare(self, CAMERA.parameters)
        self._spec = camera_named(robot_spec(given), str(given["camera"]))
        self._fovy_rad = float(given["fovy_rad"])
        place = CameraPlace(kind=str(given["source"]), at=str(given["at"]))
        self._camera, self._stamps = open_camera(self._spec, place), Stamps(self.get_clock())
        self._images: Any = self.create_publisher(Image, IMAGE_RAW.name, IMAGE_RAW.offered)
        self._infos: Any = self.create_publisher(CameraInfo, CAMERA_INFO.name, CAMERA_INFO.offered)
        self._is_over, self.num_frames = threading.Event(), 0
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        """Publish every new frame until it is over."""
        latest: tuple[int, int] | None = None
        while not self._is_over.wait(self._spec.period_s / LOOKS_PER_PERIOD):
            try:
                frame = self._camera.latest()
            except BaseException as error:  # said once; without frames the policy holds the hand
                self._failure = error
                self.get_logger().error(f"no more frames: {error}")
                return
            if frame is None or (frame.sequence, frame.stamp_ns) == latest:
                continue
            latest = frame.sequence, frame.stamp_ns
            stamp_ns = self._stamps.of(frame.stamp_ns)
            self._images.publish(fill(Image(), image_message(frame, self._spec, stamp_ns)))
            info = camera_info_message(self._spec, self._fovy_rad, stamp_ns)
            self._infos.publish(fill(CameraInfo(), info))
            self.num_frames += 1

    def halt(self) -> None:
        """Nothing here moves."""
        self._is_over.set()

    def note_mishap(self, what: str, error: Exception) -> None:
        self.get_logger().error(f"{what}: {error}", throttle_duration_sec=1.0)

    def end(self) -> bool:
        self._is_over.set()
        self._thread.join(JOIN_S)
        self._camera.close()
        self.get_logger().info(f"{self.num_frames} frames of {self._spec.name}")
        return self._failure is None


def main() -> None:
    sys.exit(run(CameraNode))


if __name__ == "__main__":
    main()
