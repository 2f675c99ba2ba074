"""Whatever others ask for and say: who holds torque goes on as it was, and answers every request.

Services, topics and fields are found in the running node and in the definitions, so that the next
one is covered by being there.
"""

from __future__ import annotations

import importlib
import time
from collections import Counter
from typing import Any

import pytest
from rclpy.qos import qos_profile_system_default

from sim2real.contract.errors import BadInput
from sim2real.emulator.bus_server import EmulatedBus
from sim2real.recording.requests import request_rules, require
from sim2real.runtime.bundle import read_bundle
from taskbelief_hardware.interfaces import (
    CONTROL_TICK,
    DIAGNOSTICS,
    HAND_READING,
    JOINT_TARGETS,
    SAFETY_EVENT,
)
from taskbelief_policy.interfaces import END_EPISODE, FREEZE_BELIEF, TRIAL_RESULT
from tests.ros.graph import EMULATED, SPEC, Bench, NodeProcess, patient_robot, targets
from tests.ros.pretended_hand import PretendedHand
from tests.ros.random_messages import RandomMessages

pytestmark = [pytest.mark.realtime, pytest.mark.slow]

NUM_DRAWN = 10_000
SHARE_OF_MESSAGES = 0.3
MAX_UNANSWERED = 8
"""below what a service keeps (10): more of one service at once would be lost by ROS 2 itself"""
LONGEST_S = 600.0
RULES = request_rules(SPEC)


def is_placing(request: Any) -> bool:
    """Whether a hand would do it, if nobody else commanded it at that moment."""
    try:
        require(RULES["PlaceHand"], "place_hand", request)
    except BadInput:
        return False
    return True


LEGITIMATE = {
    "taskbelief_interfaces/srv/PlaceHand": is_placing,
    "lifecycle_msgs/srv/ChangeState": lambda request: (
        request.transition.label in ("deactivate", "shutdown", "active_shutdown")
        or (not request.transition.label and request.transition.id in (4, 7))
    ),
}
"""requests that mean to switch torque off or to move the hand for seconds, by the type of their
service: they are not drawn"""


def interface(name: str) -> Any:
    """The class of "package/srv/Name"."""
    package, folder, kind = name.split("/")
    return getattr(importlib.import_module(f"{package}.{folder}"), kind)


class Stranger:
    """Somebody who asks a node for anything at all."""

    def __init__(self, bench: Bench, node: NodeProcess, seed: int) -> None:
        self.bench, self.node, self.draw = bench, node, RandomMessages(seed)
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self._waiting: list[tuple[str, Any]] = []
        graph = bench.node
        services = graph.get_service_names_and_types_by_node(node.name, "/")
        topics = graph.get_subscriber_names_and_types_by_node(f"{node.name}_loop", "/")
        topics += graph.get_subscriber_names_and_types_by_node(node.name, "/")
        self.clients = {
            name: (kinds[0], graph.create_client(interface(kinds[0]), name))
            for name, kinds in services
        }
        self.publishers = {
            name: graph.create_publisher(interface(kinds[0]), name, qos_profile_system_default)
            for name, kinds in topics
            if not name.endswith(("/parameter_events", "/clock"))
        }
        for _, client in self.clients.values():
            bench.wait_for(client.service_is_ready, "a service of the node")

    def bother(self, number: int) -> None:
        """Ask and say so many things; returns when all has been answered."""
        deadline = time.monotonic() + LONGEST_S
        names, topics = sorted(self.clients), sorted(self.publishers)
        for _ in range(number):
            if topics and self.draw.rng.random() < SHARE_OF_MESSAGES:
                self._say(self.draw.one_of(topics))
            else:
                self._ask(self.draw.one_of(names))
            self._collect(MAX_UNANSWERED, deadline)
        self._collect(0, deadline)

    def _say(self, name: str) -> None:
        publisher = self.publishers[name]
        publisher.publish(self.draw.fill(publisher.msg_type()))
        self.asked[name] += 1

    def _ask(self, name: str) -> None:
        kind, client = self.clients[name]
        request = self.draw.fill(client.srv_type.Request())
        if LEGITIMATE.get(kind, lambda _: False)(request):
            return
        self.asked[name] += 1
        self._waiting.append((name, client.call_async(request)))

    def _collect(self, most: int, deadline: float) -> None:
        while True:
            asked, self._waiting = self._waiting, []
            for name, future in asked:
                if future.done():
                    self.answered[name] += 1
                else:
                    self._waiting.append((name, future))
            if len(self._waiting) <= most:
                return
            assert self.node.process.poll() is None, self.node.log
            waiting = Counter(name for name, _ in self._waiting)
            assert time.monotonic() < deadline, f"no answer: {waiting}; {self.node.log[-3000:]}"
            time.sleep(0.002)

    def check_answers(self) -> None:
        """Every request of every service has been answered, and none of them was left out."""
        for name in self.clients:
            assert self.answered[name] == self.asked[name] > 0, name
        assert all(self.asked[name] > 0 for name in self.publishers)


def counts(bench: Bench, name: str, heard: list[Any]) -> dict[str, str]:
    """A row of the diagnostics from now on, as values by key."""
    num_heard = len(heard)
    bench.wait_for(lambda: len(heard) > num_heard + 2, "diagnostics")
    row = bench.diagnosis(name, heard)
    return {item.key: item.value for item in row.values}


def number(values: dict[str, str], name: str) -> int:
    return int(values.get(name, "0"))


def test_an_active_driver_goes_on_whatever_is_asked_and_said(bench, tmp_path):
    robot_config, _ = patient_robot(tmp_path)
    with EmulatedBus(SPEC) as bus:
        driver = bench.start("driver", port=bus.port, robot_config=robot_config, **EMULATED)
        assert bench.change(driver, "configure"), driver.log
        ticks, events = bench.listen(CONTROL_TICK), bench.listen(SAFETY_EVENT)
        diagnostics, readings = bench.listen(DIAGNOSTICS), bench.listen(HAND_READING)
        commands = bench.publisher(JOINT_TARGETS)
        assert bench.change(driver, "activate"), driver.log
        hold = lambda reading: commands.publish(  # noqa: E731
            targets(reading, position_rad=list(reading.applied_rad or reading.position_rad))
        )
        bench.node.create_subscription(
            HAND_READING.type, HAND_READING.name, hold, HAND_READING.requested
        )
        bench.wait_for(lambda: ticks and ticks[-1].rung == "run", "commands to be followed")
        before = counts(bench, "driver: control loop", diagnostics)
        num_events, num_ticks = len(events), len(ticks)

        stranger = Stranger(bench, driver, seed=0)
        stranger.bother(NUM_DRAWN)

        stranger.check_answers()
        loop = counts(bench, "driver: control loop", diagnostics)
        requests = counts(bench, "driver: requests", diagnostics)
        say(stranger, loop, requests)
        assert bench.state(driver) == "active", driver.log[-3000:]
        assert all(bus.servo(motor_id).torque_is_on for motor_id in SPEC.motor_ids)
        assert readings[-1].is_following
        rungs = {tick.rung for tick in ticks[num_ticks:]}
        assert rungs <= {"run", "hold"}, [event.detail for event in events[num_events:]]
        assert number(requests, "failed") == 0, driver.log[-3000:]
        for cause in ("busy", "answer_failed", "on_tick_failed", "loop_failed", "past_lifespan"):
            why = loop.get(f"latest {cause}", "")
            assert number(loop, cause) == number(before, cause), f"{cause}: {why}"
        # No request took a deadline (`busy`); those that a loaded machine took are all accounted
        # for, so that the rest were kept where they had been.
        later = ticks[num_ticks:]
        missed = sum(tick.num_missed for tick in later[1:])
        assert later[-1].number - later[0].number == len(later) - 1 + missed
        print(f"{len(later)} ticks, {missed} deadlines missed")


def say(stranger: Stranger, *values: dict[str, str]) -> None:
    """For whoever runs this with -s."""
    print(dict(sorted(stranger.asked.items())), *values, sep="\n")


def test_an_active_policy_goes_on_whatever_is_asked_and_said(bench, tmp_path):
    robot_config, bundle = patient_robot(tmp_path)
    policy = bench.start("policy", bundle=bundle, robot_config=robot_config)
    diagnostics, results = bench.listen(DIAGNOSTICS), bench.listen(TRIAL_RESULT)
    assert bench.change(policy, "configure", "activate"), policy.log
    with PretendedHand(bench, read_bundle(bundle).manifest.control_period_s):
        stranger = Stranger(bench, policy, seed=1)
        stranger.bother(NUM_DRAWN)

        stranger.check_answers()
        requests = counts(bench, "policy: requests", diagnostics)
        say(stranger, counts(bench, "policy: policy", diagnostics), requests)
        assert number(requests, "failed") == 0, policy.log[-3000:]
        assert bench.state(policy) == "active", policy.log[-3000:]
        bench.call(END_EPISODE, reason="the strangers have gone")
        assert bench.call(FREEZE_BELIEF, is_frozen=False).success
        bench.begin_trial()
        num_before = len(results)
        bench.begin_episode()
        bench.wait_for(lambda: len(results) > num_before, "an episode afterwards")
        assert results[-1].outcome == "completed", results[-1].reason
