"""`conduct GRAPH`: takes the nodes of a running graph through their lifecycle, in order.

For launch files, which start the processes themselves. Ends with 0 when all are active, with 1 and
the reason when one refuses: whoever launched it shuts everything down then.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rclpy.node import Node
from rclpy.utilities import remove_ros_args

from sim2real.bringup.graph import EmulatorSpec, Graph
from sim2real.bringup.processes import EMULATOR_S
from sim2real.contract.errors import BadInput
from sim2real.stop_signal import stop_signal
from taskbelief_evaluation.calls import POLL_S, Caller, CallFailed
from taskbelief_evaluation.spinning import spinning
from taskbelief_hardware.starting import start_ros


class Told(Exception):
    """It is to stop."""


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("graph", help="a graph as JSON")
    given = parser.parse_args(remove_ros_args(sys.argv)[1:]).graph
    try:
        graph = Graph.from_json(given)
        start_ros()
    except BadInput as error:
        print(f"conduct: {error}", file=sys.stderr)
        sys.exit(2)
    with stop_signal() as stop:

        def check() -> None:
            if stop.is_given:
                raise Told

        node = Node("conductor", namespace=graph.nodes[0].namespace)
        with spinning(node):
            code = _conduct(graph, Caller(node, check))
    sys.exit(code)


def _conduct(graph: Graph, caller: Caller) -> int:
    try:
        if graph.emulator is not None:
            _await_hand(graph.emulator, caller)
        for step in graph.transitions:
            caller.change_state(step.node, step.label)
    except CallFailed as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    except Told:
        return 0
    return 0


def _await_hand(spec: EmulatorSpec, caller: Caller) -> None:
    """Until the emulated hand's port is there."""
    deadline = time.monotonic() + EMULATOR_S
    while not Path(spec.link).exists():
        caller.check()
        if time.monotonic() > deadline:
            raise CallFailed(f"no emulated hand at {spec.link} after {EMULATOR_S:g} s")
        time.sleep(POLL_S)
