"""The control path's end of DDS: a node of its own, spun by the control loop's thread.

An executor looks at every service, timer and topic of its nodes before each wait. The loop waits
for one topic, so that one topic is all that its executor knows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from taskbelief_hardware.declarations import Topic


class ControlTopic:
    """One subscription. Messages are taken in `wait`, on the thread that calls it."""

    def __init__(self, node: Node, topic: Topic, take: Callable[[Any], None]) -> None:
        """`node` lends its name, namespace and remappings; `take` gets each message."""
        self._node = Node(
            f"{node.get_name()}_loop",
            context=node.context,
            namespace=node.get_namespace(),
            use_global_arguments=False,  # they may give this one the other one's name
            start_parameter_services=False,
            enable_rosout=False,
        )
        name = node.resolve_topic_name(topic.name)
        self._subscription = self._node.create_subscription(topic.type, name, take, topic.requested)
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(self._node)

    def wait(self, timeout_s: float) -> None:
        """Take a message if there is one, waiting up to `timeout_s` for it."""
        self._executor.spin_once(timeout_sec=max(timeout_s, 0.0))

    def wait_until(self, deadline_ns: int, is_enough: Callable[[], bool]) -> None:
        """Take messages until it is enough, or until `deadline_ns` on the monotonic clock."""
        while not is_enough():
            left_s = (deadline_ns - time.monotonic_ns()) * 1e-9
            self.wait(left_s)
            if left_s <= 0.0:
                return

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
