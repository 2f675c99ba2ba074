"""A node that is spun by a thread of its own, while another one waits for what it brings."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import rclpy
from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

JOIN_S = 5.0


@contextlib.contextmanager
def spinning(node: Node) -> Iterator[None]:
    """Spin a node until the block ends, then let go of it and of ROS."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def spin() -> None:
        with contextlib.suppress(ExternalShutdownException, InvalidHandle):
            executor.spin()

    thread = threading.Thread(target=spin, name="executor")
    thread.start()
    try:
        yield
    finally:
        executor.shutdown(JOIN_S)
        thread.join(JOIN_S)
        node.destroy_node()
        rclpy.try_shutdown()
