"""Everything that a hand's nodes publish, as it crosses the wire: bytes, not yet messages.

Topics reach a node in no particular order, the result of an episode before its last step. They are
handed on in the order in which they were said, by the clock of the host that all nodes are on, a
moment later.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from rclpy.event_handler import QoSMessageLostInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.serialization import deserialize_message

from taskbelief_hardware.declarations import Topic
from taskbelief_policy.interfaces import DIRECT, POLICY

TAPPED: dict[str, Topic] = {topic.name: topic for topic in (*POLICY.publishes, *DIRECT.publishes)}
"""by name; of both topologies, which publish the same"""
Take = Callable[[str, bytes, int], None]
"""topic, serialized message, ns since the epoch at which it was published"""
Lose = Callable[[str, int], None]
"""topic, and how many of its messages never came"""
HELD_NS = 250_000_000
"""how much later than others a message may arrive and still find its place"""
RELEASE_S = 0.02


class _Said(NamedTuple):
    published_ns: int
    number: int
    """of its arrival: what was said at the same moment keeps that order"""
    topic: str
    message: bytes


class Tap:
    """Subscribes to every topic on a node. Calls come on the executor's thread."""

    def __init__(self, node: Node, take: Take, lose: Lose) -> None:
        self.lost: Counter[str] = Counter()
        """messages that never came, by topic, as the middleware counts them"""
        self.num_disordered = 0
        """messages that came too late to be put in order"""
        self._take, self._lose = take, lose
        self._held: list[_Said] = []
        self._numbers = itertools.count()
        self._released_ns = 0
        for topic in TAPPED.values():
            node.create_subscription(
                topic.type,
                topic.name,
                self._taking(topic.name),
                topic.recorded,
                raw=True,
                event_callbacks=SubscriptionEventCallbacks(message_lost=self._losing(topic.name)),
            )
        node.create_timer(RELEASE_S, self._release)

    def drain(self) -> None:
        """Hand on whatever is held: nothing more will come. Not while the node is spun."""
        while self._held:
            self._pass_on(heapq.heappop(self._held))

    @property
    def complaint(self) -> str:
        """What went wrong so far, for a log; empty where nothing did."""
        wrong = [f"{count} {name} never came" for name, count in self.lost.items()]
        if self.num_disordered:
            wrong.append(f"{self.num_disordered} came too late to be put in order")
        return ", ".join(wrong)

    def _taking(self, name: str) -> Callable[[bytes, dict[str, Any]], None]:
        def take(message: bytes, info: dict[str, Any]) -> None:
            published_ns = info["source_timestamp"] or info["received_timestamp"]
            said = _Said(published_ns, next(self._numbers), name, message)
            heapq.heappush(self._held, said)

        return take

    def _release(self) -> None:
        until_ns = time.time_ns() - HELD_NS
        while self._held and self._held[0].published_ns <= until_ns:
            self._pass_on(heapq.heappop(self._held))

    def _pass_on(self, said: _Said) -> None:
        self.num_disordered += said.published_ns < self._released_ns
        self._released_ns = max(self._released_ns, said.published_ns)
        self._take(said.topic, said.message, said.published_ns)

    def _losing(self, name: str) -> Callable[[QoSMessageLostInfo], None]:
        def lose(info: QoSMessageLostInfo) -> None:
            self.lost[name] += info.total_count_change
            self._lose(name, info.total_count_change)

        return lose


def decoded(name: str, message: bytes) -> Any:
    """The message behind the bytes of a topic."""
    return deserialize_message(message, TAPPED[name].type)
