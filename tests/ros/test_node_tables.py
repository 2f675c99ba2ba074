"""What the nodes say about themselves is what they do, and both ends of a topic agree."""

from __future__ import annotations

import ast
import importlib
from itertools import chain
from pathlib import Path

import pytest
from rclpy.qos import QoSCompatibility, ReliabilityPolicy, qos_check_compatible

from sim2real.recording.topics import TOPICS
from taskbelief_hardware.interfaces import (
    CAMERA,
    CAMERA_INFO,
    DRIVER,
    IMAGE_RAW,
    JOINT_TARGETS,
    promised_targets,
)
from taskbelief_policy.interfaces import DIRECT, POLICY

NODES = {
    "taskbelief_hardware.driver_node": DRIVER,
    "taskbelief_hardware.camera_node": CAMERA,
    "taskbelief_policy.policy_node": POLICY,
    "taskbelief_policy.direct_node": DIRECT,
}
ALL = {
    topic.name: topic for node in NODES.values() for topic in chain(node.publishes, node.subscribes)
}


@pytest.mark.parametrize("module", NODES)
def test_a_nodes_docstring_has_the_table_of_its_interfaces(module):
    assert NODES[module].table() in importlib.import_module(module).__doc__


@pytest.mark.parametrize("topic", ALL.values(), ids=lambda topic: topic.name)
def test_whoever_asks_and_whoever_records_gets_what_is_offered(topic):
    for requested in (topic.requested, topic.recorded):
        compatibility, reason = qos_check_compatible(topic.offered, requested)
        assert compatibility == QoSCompatibility.OK, reason


def test_a_recorder_misses_nothing_that_is_sent_reliably():
    for topic in ALL.values():
        assert topic.recorded.reliability is topic.offered.reliability
        assert topic.recorded.durability is topic.offered.durability


def test_promised_targets_reach_whoever_asks_for_no_promise():
    compatibility, _ = qos_check_compatible(promised_targets(0.05), JOINT_TARGETS.requested)
    assert compatibility == QoSCompatibility.OK
    assert promised_targets(0.05).lifespan.nanoseconds == 100_000_000


def test_recordings_and_nodes_name_the_same_topics():
    # A camera's images are not recorded, but which of them a policy saw.
    assert set(ALL) - {IMAGE_RAW.name, CAMERA_INFO.name} == set(TOPICS)
    for name, recorded in TOPICS.items():
        topic = ALL[name]
        package = topic.type.__module__.split(".")[0]
        assert recorded.type == f"{package}/{topic.type.__name__}"
        assert recorded.depth == topic.offered.depth
        assert recorded.is_reliable == (topic.offered.reliability is ReliabilityPolicy.RELIABLE)
        assert recorded.is_latched == (topic.offered.durability.name == "TRANSIENT_LOCAL")


def test_one_process_offers_what_two_do():
    def names(*groups):
        return {item.name for item in chain(*groups)}

    assert names(DIRECT.services) == names(DRIVER.services, POLICY.services)
    control_path = {"joint_targets"}
    assert names(DIRECT.publishes) == names(DRIVER.publishes, POLICY.publishes) - control_path
    assert names(DIRECT.parameters) == names(DRIVER.parameters, POLICY.parameters)


def test_names_are_relative():
    for node in NODES.values():
        for item in chain(node.publishes, node.subscribes, node.services):
            assert item.name.isidentifier()


@pytest.mark.parametrize("module", NODES)
def test_nodes_know_neither_torch_nor_training(module):
    """They wire; what could be tested without ROS is elsewhere."""
    package = importlib.import_module(module.split(".")[0])
    for path in package.__path__:
        for file in sorted(Path(path).glob("*.py")):
            for statement in ast.walk(ast.parse(file.read_text())):
                names = [alias.name for alias in getattr(statement, "names", [])]
                module_name = getattr(statement, "module", None) or ""
                for name in (*names, module_name):
                    assert name.split(".")[0] not in ("torch", "training"), file
