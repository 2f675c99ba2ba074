"""ROS 2 started by a process of ours, or one line that says why it cannot be."""

from __future__ import annotations

import os
from collections.abc import Sequence

import rclpy
from rclpy.signals import SignalHandlerOptions

from sim2real.contract.errors import BadInput
from sim2real.ros_environment import require_variables


def start_ros(arguments: Sequence[str] | None = None) -> None:
    """`rclpy.init` without signal handlers; `arguments` are those of the process by default.

    Raises `BadInput` for what it cannot start with: a variable, an argument, a place for its logs.
    """
    require_variables(os.environ)
    given = None if arguments is None else list(arguments)
    try:
        rclpy.init(args=given, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # rclpy has a class of its own for each kind of nonsense
        found = " ".join(str(error).split())
        expected = "arguments and an environment that ROS 2 can start with"
        raise BadInput("ROS 2", "start", found=found, expected=expected) from error
