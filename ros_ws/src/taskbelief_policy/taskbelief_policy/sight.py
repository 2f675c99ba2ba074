"""The part of a node that looks through a camera: the newest image of its topic.

Best effort and one deep: an image that was overtaken is of no use, and waiting for one that was
lost would make the next one old. A group of its own takes images in while a service works.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from sensor_msgs.msg import Image

from sim2real.contract.camera import CameraSpec, Frame
from sim2real.recording.camera_messages import frame_of_image
from taskbelief_hardware.interfaces import IMAGE_RAW
from taskbelief_hardware.managed import ManagedNode
from taskbelief_hardware.stamps import Stamps


class Sight:
    """Images of one camera, while there is one."""

    def __init__(self, node: ManagedNode, stamps: Stamps) -> None:
        self._node, self._stamps = node, stamps
        self._group = MutuallyExclusiveCallbackGroup()
        self._subscription: Any = None
        self._frame: Frame | None = None

    def open(self, camera: CameraSpec) -> None:
        """Look through the camera of that name, in whose namespace its driver publishes."""
        self.close()
        topic = replace(IMAGE_RAW, name=f"{camera.name}/{IMAGE_RAW.name}")
        self._subscription = self._node.create_subscription(
            topic.type, topic.name, self._take, topic.requested, callback_group=self._group
        )

    @property
    def is_open(self) -> bool:
        return self._subscription is not None

    def latest(self) -> Frame | None:
        """The newest image; None before the first."""
        return self._frame

    def close(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = self._frame = None

    def _take(self, message: Image) -> None:
        said = message.header.stamp
        taken_ns = self._stamps.monotonic(said.sec * 1_000_000_000 + said.nanosec)
        self._frame = frame_of_image(message, taken_ns)
