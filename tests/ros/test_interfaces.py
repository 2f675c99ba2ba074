"""Our messages and services as ROS built them: nothing is lost between two processes."""

from __future__ import annotations

import importlib
import re
import string

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message

from tests.test_interface_definitions import MESSAGES, SERVICES

PACKAGE = "taskbelief_interfaces"


def interface(folder: str, name: str):
    return getattr(importlib.import_module(f"{PACKAGE}.{folder}"), name)


TYPES = [interface("msg", path.stem) for path in MESSAGES]
TYPES += [
    getattr(interface("srv", path.stem), part)
    for path in SERVICES
    for part in ("Request", "Response")
]


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_every_value_survives_serialisation(kind):
    rng = np.random.default_rng(0)
    for _ in range(20):
        message = filled(kind, rng)

        assert deserialize_message(serialize_message(message), kind) == message


def test_a_service_answers_over_the_middleware(ros):
    get_belief = interface("srv", "GetBelief")
    answer = filled(get_belief.Response, np.random.default_rng(1))
    node = ros.create_node("belief_owner")
    node.create_service(get_belief, "get_belief", lambda _request, _response: answer)
    client = node.create_client(get_belief, "get_belief")
    assert client.wait_for_service(timeout_sec=20)

    future = client.call_async(get_belief.Request())
    ros.spin_until_future_complete(node, future, timeout_sec=20)

    assert future.result() == answer
    node.destroy_node()


def filled(kind, rng: np.random.Generator):
    """A message of random values, from what its class says of its fields."""
    fields = kind.get_fields_and_field_types()
    return kind(**{name: random_value(field, rng) for name, field in fields.items()})


def random_value(kind: str, rng: np.random.Generator):
    if element := re.fullmatch(r"sequence<(.+)>", kind):
        return [random_value(element[1], rng) for _ in range(rng.integers(4))]
    if "/" in kind:
        package, name = kind.split("/")
        return filled(getattr(importlib.import_module(f"{package}.msg"), name), rng)
    if kind == "string":
        return "".join(rng.choice(list(string.printable + "αµ°"), rng.integers(9)))
    if kind in ("double", "float"):
        return float(rng.standard_normal(dtype="f4" if kind == "float" else "f8"))
    if kind == "boolean":
        return bool(rng.integers(2))
    limits = np.iinfo(kind)
    return int(rng.integers(limits.min, limits.max, dtype=kind, endpoint=True))
