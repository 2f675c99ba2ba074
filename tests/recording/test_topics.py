"""What is recorded is what the nodes publish, with the quality of service that they offer."""

from __future__ import annotations

import pytest
import yaml

from sim2real.recording.schemas import full_name
from sim2real.recording.topics import TOPICS, Topic, offered_qos_profiles

FOR_EVER_NS = 9_223_372_036_854_775_807


def profile(topic: Topic) -> dict:
    (found,) = yaml.safe_load(offered_qos_profiles(topic))
    return found


def test_names_are_relative_and_types_known():
    for name, topic in TOPICS.items():
        assert name.isidentifier()
        assert full_name(topic.type).count("/msg/") == 1


@pytest.mark.parametrize("is_reliable", [True, False])
@pytest.mark.parametrize("is_latched", [True, False])
def test_policies_are_the_numbers_of_the_middleware(is_reliable, is_latched):
    qos = pytest.importorskip("rclpy.qos", reason="ROS 2's Python library is not installed")

    found = profile(Topic(type="", depth=7, is_reliable=is_reliable, is_latched=is_latched))

    assert found["depth"] == 7
    assert qos.HistoryPolicy(found["history"]) is qos.HistoryPolicy.KEEP_LAST
    assert (qos.ReliabilityPolicy(found["reliability"]) is qos.ReliabilityPolicy.RELIABLE) == (
        is_reliable
    )
    assert (qos.DurabilityPolicy(found["durability"]) is qos.DurabilityPolicy.TRANSIENT_LOCAL) == (
        is_latched
    )
    assert qos.LivelinessPolicy(found["liveliness"]) is qos.LivelinessPolicy.AUTOMATIC
    for name in ("deadline", "lifespan", "liveliness_lease_duration"):
        assert found[name]["sec"] * 10**9 + found[name]["nsec"] == FOR_EVER_NS
    assert found["avoid_ros_namespace_conventions"] is False


def test_the_nodes_publish_all_of_it_and_offer_what_is_written_down():
    reason = "the ROS workspace is not built"
    policy = pytest.importorskip("taskbelief_policy.interfaces", reason=reason)
    published = {
        topic.name: topic for topic in (*policy.POLICY.publishes, *policy.DIRECT.publishes)
    }

    assert published.keys() == TOPICS.keys()
    for name, topic in TOPICS.items():
        found, offered = profile(topic), published[name].offered
        message = published[name].type
        assert topic.type == f"{message.__module__.split('.')[0]}/{message.__name__}"
        assert found["depth"] == offered.depth
        assert found["reliability"] == offered.reliability
        assert found["durability"] == offered.durability
