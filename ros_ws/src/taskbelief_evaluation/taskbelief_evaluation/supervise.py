"""`supervise GRAPH`: brings a graph up in order, watches it, and takes it down, torque first.

GRAPH is the JSON of `sim2real.bringup.graph.Graph`. Whatever ends it, torque goes off: told to stop
(SIGINT, SIGTERM) it stops the driver before all others; a required node's death and a transition
that fails do the same; and when it is killed itself, the kernel sends every node SIGTERM.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rclpy.node import Node

from sim2real.bringup.graph import EmulatorSpec, Graph, NodeSpec
from sim2real.bringup.names import Taken, taken
from sim2real.bringup.processes import Child, Died, EmulatedHand, node_command
from sim2real.bringup.truth import Truth
from sim2real.contract.errors import BadInput
from sim2real.stop_signal import StopSignal, stop_signal
from taskbelief_evaluation.belief_echo import BeliefEcho
from taskbelief_evaluation.calls import POLL_S, Caller, CallFailed
from taskbelief_evaluation.spinning import spinning
from taskbelief_evaluation.tap import TAPPED
from taskbelief_hardware.starting import start_ros

DONE, FAILED, BAD_INPUT = 0, 1, 2
DISCOVERY_S = 2.5
"""how long nodes that run already may take to be seen: with 1 s they were missed once in four times
beside two busy processes and one of real-time priority"""
NOTE_S = 4.0
"""how long an evaluation may take to write down what has died"""


class Told(Exception):
    """Somebody wants it to stop."""


class Supervisor:
    """The processes of a graph, from the first start to the last end. A context manager."""

    def __init__(
        self,
        graph: Graph,
        environment: dict[str, str],
        logs: Path | None,
        stop: StopSignal,
        truth: Truth,
    ) -> None:
        self._graph, self._environment, self._logs = graph, environment, logs
        self._hand: EmulatedHand | None = None
        self._children: list[tuple[NodeSpec, Child]] = []
        self._stop, self._truth = stop, truth
        self._names = contextlib.ExitStack()

    def bring_up(self, caller: Caller) -> None:
        """Start everything and take it through its transitions.

        Raises `Died` or `CallFailed` with the reason, `Told` when it is to stop.
        """
        began = time.monotonic()
        self._take_names()
        if self._graph.emulator is not None:
            self._start_hand(self._graph.emulator)
        time.sleep(max(began + DISCOVERY_S - time.monotonic(), 0.0))
        self._refuse_twins(caller.node_names())
        for node in self._graph.nodes:
            self._start(node)
        for step in self._graph.transitions:
            caller.change_state(step.node, step.label)
            say(f"{step.node}: {step.label} done")

    def check(self) -> None:
        """Raise `Died` if something that is needed has ended, `Told` if all shall."""
        if self._stop.is_given:
            raise Told
        if self._hand is not None and self._hand.child.exit_code is not None:
            raise Died(self._hand.child.ending)
        for node, child in self._children:
            if child.exit_code is not None and node.is_required and not node.is_main:
                raise Died(child.ending)

    def watch(self) -> int:
        """Until the main node ends (its exit code) or something else does (`check`'s errors)."""
        while True:
            self.check()
            for node, child in self._children:
                if node.is_main and child.exit_code is not None:
                    return FAILED if child.exit_code < 0 else child.exit_code
            time.sleep(POLL_S)

    def _take_names(self) -> None:
        try:
            self._names.enter_context(taken([node.full_name for node in self._graph.nodes]))
        except Taken as error:
            raise _twin(str(error)) from None
        except OSError as error:
            expected = "a folder that can be written, for the locks of nodes' names"
            found, remedy = str(error.strerror), "set XDG_RUNTIME_DIR"
            raise BadInput(
                str(error.filename), "folder", found=found, expected=expected, remedy=remedy
            ) from None

    def _refuse_twins(self, running: set[str]) -> None:
        """Two nodes of one name would both answer, and neither hand do as it is told."""
        for node in self._graph.nodes:
            if node.full_name in running:
                raise _twin(node.full_name)

    def _start_hand(self, spec: EmulatorSpec) -> None:
        self._hand = EmulatedHand(spec, environment=self._environment, log=self._log("hand"))
        place = self._hand.await_port(self.check)
        self._truth.dynamics = place.get("dynamics", {})
        say(f"emulated hand: {place['port']}, {place['baud']} bit/s, servos {place['ids']}")

    def _start(self, node: NodeSpec) -> None:
        child = Child(
            node.full_name,
            node_command(node, self._environment),
            environment=self._environment,
            log=None if node.is_main else self._log(node.name),
        )
        self._children.append((node, child))
        say(f"{node.full_name}: {node.package}/{node.executable}, process {child.pid}")

    def _log(self, name: str) -> Path | None:
        return None if self._logs is None else self._logs / f"{name}.log"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Driver first: it switches torque off before it ends. Nodes were listed in that order.

        Whoever uses the hand is told before that: to stop (SIGINT), or that something it needs has
        died (SIGTERM), which it shall write down as a fault.
        """
        main = [child for node, child in self._children if node.is_main]
        for child in main:
            child.signal(signal.SIGINT if self._stop.is_given else signal.SIGTERM)
        for child in [child for node, child in self._children if not node.is_main]:
            child.stop()
        for child in main:
            child.wait(NOTE_S)
            child.stop()
        if self._hand is not None:
            self._hand.stop()
        self._names.close()


def _twin(name: str) -> BadInput:
    return BadInput(
        "ROS 2 graph",
        name,
        found=f"it runs already in domain {os.environ.get('ROS_DOMAIN_ID', '0')}",
        expected="nobody of that name",
        remedy="choose another --namespace, or another ROS_DOMAIN_ID",
    )


def say(text: str) -> None:
    """To whoever watches."""
    print(text, flush=True)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("graph", help="a graph as JSON")
    parser.add_argument("--show", choices=("nothing", "belief"), default="nothing")
    parser.add_argument("--logs", type=Path, help="folder for what the nodes say; else: here")
    options, ros_arguments = parser.parse_known_args()
    try:
        graph = Graph.from_json(options.graph)
        truth = Truth(graph)
        start_ros(ros_arguments)
    except BadInput as error:
        print(f"supervise: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    node = Node("supervisor", namespace=graph.nodes[0].namespace)
    if options.show == "belief":
        BeliefEcho(node, say, truth.of)
    with (
        stop_signal() as stop,
        spinning(node),
        Supervisor(graph, dict(os.environ), options.logs, stop, truth) as supervisor,
    ):
        code = _run(supervisor, node, graph)
    sys.exit(code)


def _run(supervisor: Supervisor, node: Node, graph: Graph) -> int:
    began = time.monotonic()
    try:
        supervisor.bring_up(Caller(node, supervisor.check))
        if graph.transitions:
            namespace = graph.nodes[0].namespace or "/"
            say(f"up after {time.monotonic() - began:.1f} s, torque is on; Ctrl-C stops it")
            say(f"topics in {namespace}: {', '.join(TAPPED)}")
        return supervisor.watch()
    except Told:
        say("stopping: torque off first")
        return DONE
    except (Died, CallFailed, BadInput) as error:
        print(f"{error}: shutting down, torque off first", file=sys.stderr, flush=True)
        return BAD_INPUT if isinstance(error, BadInput) else FAILED


if __name__ == "__main__":
    main()
