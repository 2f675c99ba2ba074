"""Measures a graph's control loop from its ticks while one episode follows the other.

It waits until the policy takes a trial, runs episodes for `seconds`, and writes what the ticks said
to the JSON file `out`. Ticks between two episodes do not count, nor does the first moment of each.

subscribes  control_tick     ControlTick   reliable, last 10
subscribes  trial_result     TrialResult   reliable, latched, last 10
calls       begin_trial      BeginTrial    forget the task: a new one is on the bench
calls       begin_episode    BeginEpisode  start from where hand and valve are now
parameter   seconds          20.0          how long, s
parameter   period_s         0.1           the policy's, s
parameter   out              ''            JSON file to write
parameter   camera           ''            whose frames are counted; empty: none
parameter   camera_period_s  0.05          its period, s
"""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from rclpy.node import Node

from sim2real.contract.errors import BadInput
from sim2real.runtime.frame_figures import FrameFigures
from sim2real.runtime.loop_figures import LoopFigures
from taskbelief_evaluation.calls import DISCOVERY_S, POLL_S, Caller, CallFailed
from taskbelief_evaluation.interfaces import BENCH
from taskbelief_evaluation.spinning import spinning
from taskbelief_hardware.declarations import Service
from taskbelief_hardware.interfaces import CONTROL_TICK, IMAGE_RAW
from taskbelief_hardware.parameters import declare
from taskbelief_hardware.starting import start_ros
from taskbelief_policy.interfaces import BEGIN_EPISODE, BEGIN_TRIAL, TRIAL_RESULT

SETTLE_S = 0.5
"""of each episode, until the first commands have come"""
LIFESPAN_PERIODS = 2
"""of a policy's commands"""


class BenchNode(Node):  # type: ignore[misc]
    """Ticks and results, as they come."""

    def __init__(self) -> None:
        super().__init__("bench")
        given = declare(self, BENCH.parameters)
        self.seconds, self.out = float(given["seconds"]), Path(str(given["out"]))
        self.figures = LoopFigures(LIFESPAN_PERIODS * float(given["period_s"]))
        self.counts_from_s = float("inf")
        """when ticks begin to count, on the monotonic clock"""
        self.results: list[Any] = []
        self.frames = FrameFigures(float(given["camera_period_s"]))
        self._sees = bool(given["camera"])
        if self._sees:
            name = f"{given['camera']}/{IMAGE_RAW.name}"
            self.create_subscription(IMAGE_RAW.type, name, self._image, IMAGE_RAW.recorded)
        self.create_subscription(
            CONTROL_TICK.type, CONTROL_TICK.name, self._tick, CONTROL_TICK.recorded
        )
        self.create_subscription(
            TRIAL_RESULT.type, TRIAL_RESULT.name, self._result, TRIAL_RESULT.requested
        )

    def _tick(self, tick: Any) -> None:
        if tick.started_ns * 1e-9 >= self.counts_from_s:
            self.figures.take(tick)

    def _image(self, image: Any) -> None:
        if time.monotonic() >= self.counts_from_s:
            stamp = image.header.stamp
            self.frames.take(stamp.sec * 1_000_000_000 + stamp.nanosec)

    def document(self) -> dict[str, Any]:
        """What is written."""
        found = self.figures.as_dict()
        return self.frames.into(found) if self._sees else found

    def _result(self, result: Any) -> None:
        self.counts_from_s = float("inf")
        self.figures.pause()
        self.frames.pause()
        self.results.append(result)


def main() -> None:
    """Run the node."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        start_ros()
        node = BenchNode()
    except BadInput as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(2)
    try:
        with spinning(node):
            _measure(node)
    except CallFailed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _measure(node: BenchNode) -> None:
    caller = Caller(node)
    labels = {"robot": "emulated", "task": "none", "condition": "adapted"}
    _ask_until_active(caller, BEGIN_TRIAL, **labels)
    _ask_until_active(caller, BEGIN_EPISODE, goal_centre=[0.0])
    end_s = time.monotonic() + node.seconds
    while time.monotonic() < end_s:
        node.counts_from_s = time.monotonic() + SETTLE_S
        while not node.results and time.monotonic() < end_s:
            time.sleep(POLL_S)
        if node.results and node.results[0].outcome != "completed":
            break
        if node.results:
            node.results.clear()
            _ask_until_active(caller, BEGIN_EPISODE, goal_centre=[0.0])
    node.counts_from_s = float("inf")
    fault = node.results[0].reason if node.results else ""
    document = {**node.document(), "fault": fault}
    node.out.write_text(json.dumps(document), encoding="utf-8")


def _ask_until_active(caller: Caller, service: Service, **values: Any) -> None:
    """A graph that comes up is not active yet."""
    deadline = time.monotonic() + 2 * DISCOVERY_S
    while True:
        try:
            caller.ask(service.type, service.name, service.type.Request(**values))
            return
        except CallFailed:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)
