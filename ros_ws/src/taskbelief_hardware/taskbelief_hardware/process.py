"""A node as a process: from its arguments to its exit code, with torque off on every way out.

The executor has threads of its own; the main thread waits for a signal. rclpy's own handlers would
shut the context down at once, and nothing could be said any more about how torque went off.

Exit codes: 0 after SIGINT or SIGTERM, 2 for arguments that make no sense, 1 for whatever else.
"""

from __future__ import annotations

import inspect
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence

import rclpy
from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.utilities import remove_ros_args

from sim2real.contract.errors import BadInput
from sim2real.runtime.realtime import hurry_process
from sim2real.stop_signal import StopSignal, stop_signal
from taskbelief_hardware.interfaces import REALTIME_PRIORITY
from taskbelief_hardware.managed import ManagedNode
from taskbelief_hardware.starting import start_ros

SWITCH_INTERVAL_S = 0.0005
"""how long the executor's thread may keep the interpreter while the loop's wants it: by default it
is 5 ms, a control period"""
NUM_THREADS = 2
"""one for what takes its time, one for transitions meanwhile; the control path needs neither"""
JOIN_S = 5.0
AFTER_MISHAP_S = 0.01
"""an executor that fails again and again leaves the loop its processor"""


def run(make_node: Callable[[], ManagedNode], arguments: Sequence[str] | None = None) -> int:
    """Run a node until SIGINT or SIGTERM; the process's exit code."""
    given = sys.argv if arguments is None else [sys.argv[0], *arguments]
    try:
        others = remove_ros_args(given)[1:]
    except Exception as error:  # rclpy has a class of its own for each kind of nonsense
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    if others:
        return _explain(make_node, others)
    # A hand is nobody's business on the network, unless somebody says how far nodes shall talk.
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with stop_signal() as stop:
        try:
            start_ros(given)
        except BadInput as error:
            print(error, file=sys.stderr)
            return 2
        try:
            return _serve(make_node, stop)
        finally:
            rclpy.try_shutdown()


def _serve(make_node: Callable[[], ManagedNode], stop: StopSignal) -> int:
    try:
        node = make_node()
        priority = node.get_parameter(REALTIME_PRIORITY.name).value
        if priority:
            hurry_process(priority)
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    executor = MultiThreadedExecutor(NUM_THREADS)
    executor.add_node(node)
    failures: list[BaseException] = []

    def spin() -> None:
        while True:
            try:
                executor.spin()
                return
            except (ExternalShutdownException, InvalidHandle):
                return
            except Exception as error:
                # Of a timer, a future, a request that could not even be read. Who holds torque
                # goes on: ending here would end the loop and all that watches over it.
                node.note_mishap("executor", error)
                time.sleep(AFTER_MISHAP_S)
            except BaseException as error:
                traceback.print_exc()
                failures.append(error)
                return

    thread = threading.Thread(target=spin, name="executor")
    thread.start()
    stop.wait(lambda: not thread.is_alive())
    node.halt()
    executor.shutdown(JOIN_S)
    thread.join(JOIN_S)
    is_well = node.end() and not failures and not thread.is_alive()
    node.destroy_node()
    return 0 if is_well else 1


def _explain(make_node: Callable[[], ManagedNode], others: Sequence[str]) -> int:
    """`--help`, or arguments that a node does not take."""
    asked = list(others) in (["-h"], ["--help"])
    about = inspect.getdoc(inspect.getmodule(make_node)) or ""
    if asked:
        print(about)
        return 0
    print(f"found {' '.join(others)}, expected nothing but --ros-args ...", file=sys.stderr)
    return 2
