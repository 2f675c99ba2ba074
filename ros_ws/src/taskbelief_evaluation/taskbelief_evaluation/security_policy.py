"""`python -m taskbelief_evaluation.security_policy [NAMESPACE]`: who may say what to whom.

Prints an SROS 2 policy for the nodes of a hand, made from their interfaces, so that it allows what
they do and nothing else. `ros2 security generate_artifacts -p POLICY.xml -k KEYSTORE` makes keys
and signed permissions of it; docs/security.md has the steps.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

from sim2real.contract.camera import load_cameras
from sim2real.contract.robot_spec import load_robot_spec
from taskbelief_evaluation.interfaces import BENCH, EVALUATOR, RECORDER
from taskbelief_hardware.declarations import NodeInterface
from taskbelief_hardware.interfaces import CAMERA, DRIVER
from taskbelief_policy.interfaces import BELIEF, BUNDLE_INFO, DIRECT, EPISODE_START, POLICY

MANAGED = {"driver": DRIVER, "policy": POLICY, "direct": DIRECT}
PLAIN = {"recorder": RECORDER, "evaluator": EVALUATOR, "bench": BENCH}
CONDUCTORS = ("supervisor", "conductor")
"""who takes the managed nodes through their lifecycle"""
PARAMETER_SERVICES = (
    *("describe_parameters", "get_parameter_types", "get_parameters", "list_parameters"),
    *("set_parameters", "set_parameters_atomically", "get_type_description"),
)
LIFECYCLE_SERVICES = (
    *("change_state", "get_state", "get_available_states", "get_available_transitions"),
    "get_transition_graph",
)


def policy(namespace: str = "/", cameras: Sequence[str] = ()) -> ElementTree.Element:
    """One enclave per node, called as the node is; one per camera too."""
    root = ElementTree.Element("policy", version="0.2.0")
    enclaves = ElementTree.SubElement(root, "enclaves")
    lifecycle = [f"{node}/{name}" for node in MANAGED for name in LIFECYCLE_SERVICES]
    for node, interface in MANAGED.items():
        profile = _profile(enclaves, namespace, node)
        _of(profile, interface, cameras)
        _topics(profile, "publish", ["~/transition_event"])
        _services(profile, "reply", [f"~/{name}" for name in LIFECYCLE_SERVICES])
    for node, interface in PLAIN.items():
        _of(_profile(enclaves, namespace, node), interface, cameras)
    for camera in cameras:  # whose node lives in a namespace of its name
        own = f"{namespace.rstrip('/')}/{camera}"
        _topics(_profile(enclaves, own, "camera"), "publish", [t.name for t in CAMERA.publishes])
    evaluator = enclaves.find("enclave/profiles/profile[@node='evaluator']")
    assert evaluator is not None
    _services(evaluator, "request", lifecycle)
    for node in CONDUCTORS:
        profile = _profile(enclaves, namespace, node)
        _services(profile, "request", lifecycle)
        _topics(profile, "subscribe", [t.name for t in (BELIEF, BUNDLE_INFO, EPISODE_START)])
    return root


def _profile(enclaves: ElementTree.Element, namespace: str, node: str) -> ElementTree.Element:
    """What every node may do: log, know the time and its parameters."""
    enclave = ElementTree.SubElement(enclaves, "enclave", path=f"{namespace.rstrip('/')}/{node}")
    profiles = ElementTree.SubElement(enclave, "profiles")
    profile = ElementTree.SubElement(profiles, "profile", ns=namespace, node=node)
    _topics(profile, "publish", ["/rosout", "/parameter_events"])
    _topics(profile, "subscribe", ["/clock", "/parameter_events"])
    _services(profile, "reply", [f"~/{name}" for name in PARAMETER_SERVICES])
    return profile


def _of(profile: ElementTree.Element, interface: NodeInterface, cameras: Sequence[str]) -> None:
    of_cameras = {topic.name for topic in CAMERA.publishes}
    heard = [topic.name for topic in interface.subscribes]
    _topics(profile, "publish", [topic.name for topic in interface.publishes])
    _topics(profile, "subscribe", [name for name in heard if name not in of_cameras])
    seen = [f"{camera}/{name}" for camera in cameras for name in heard if name in of_cameras]
    _topics(profile, "subscribe", seen)
    _services(profile, "reply", [service.name for service in interface.services])
    _services(profile, "request", [service.name for service in interface.calls])


def _topics(profile: ElementTree.Element, verb: str, names: Iterable[str]) -> None:
    _allow(profile, "topic", verb, names)


def _services(profile: ElementTree.Element, verb: str, names: Iterable[str]) -> None:
    _allow(profile, "service", verb, names)


def _allow(profile: ElementTree.Element, kind: str, verb: str, names: Iterable[str]) -> None:
    listed = list(names)
    if listed:
        group = ElementTree.SubElement(profile, f"{kind}s", {verb: "ALLOW"})
        for name in listed:
            ElementTree.SubElement(group, kind).text = name


def main() -> None:
    """See the module."""
    namespace = f"/{sys.argv[1].strip('/')}" if len(sys.argv) > 1 else "/"
    root = policy(namespace, list(load_cameras(load_robot_spec())))
    ElementTree.indent(root)
    print(ElementTree.tostring(root, encoding="unicode"))


if __name__ == "__main__":
    main()
