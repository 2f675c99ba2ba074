"""Everything that a hand's nodes publish, as it crosses the wire: bytes, not yet messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from rclpy.event_handler import QoSMessageLostInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from taskbelief_hardware.declarations import Topic
from taskbelief_policy.interfaces import DIRECT, POLICY

TAPPED: dict[str, Topic] = {topic.name: topic for topic in (*POLICY.publishes, *DIRECT.publishes)}
"""by name; of both topologies, which publish the same"""
Take = Callable[[str, bytes, int], None]
"""topic, serialized message, ns since the epoch at which it came"""


class Tap:
    """Subscribes to every topic on a node and hands on what comes, on the executor's thread."""

    def __init__(self, node: Node, take: Take) -> None:
        self.lost: Counter[str] = Counter()
        """messages that never came, by topic, as the middleware counts them"""
        self._take = take
        for topic in TAPPED.values():
            node.create_subscription(
                topic.type,
                topic.name,
                self._taking(topic.name),
                topic.recorded,
                raw=True,
                event_callbacks=SubscriptionEventCallbacks(message_lost=self._losing(topic.name)),
            )

    def _taking(self, name: str) -> Callable[[bytes, dict[str, Any]], None]:
        def take(message: bytes, info: dict[str, Any]) -> None:
            self._take(name, message, info["received_timestamp"])

        return take

    def _losing(self, name: str) -> Callable[[QoSMessageLostInfo], None]:
        def lose(info: QoSMessageLostInfo) -> None:
            self.lost[name] += info.total_count_change

        return lose


def decoded(name: str, message: bytes) -> Any:
    """The message behind the bytes of a topic."""
    return deserialize_message(message, TAPPED[name].type)
