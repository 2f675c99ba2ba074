"""The values that a recording encodes are the ones that a ROS message gets, and ROS agrees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim2real.recording.cdr import encode
from sim2real.recording.ros_message import fill
from tests.recording.strategies import TYPES, messages, zeros

pytest.importorskip("rclpy", reason="ROS 2's Python library is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the parser ROS imports


def ros_class(name: str):
    package, _, message = name.partition("/")
    module = pytest.importorskip(f"{package}.msg", reason=f"{package} is not built or sourced")
    return getattr(module, message)


@pytest.mark.parametrize("name", TYPES)
@given(data=st.data())
@settings(max_examples=25)
def test_ros_reads_our_bytes_as_the_message_that_is_filled(name, data):
    from rclpy.serialization import deserialize_message

    values = data.draw(messages(name))

    assert deserialize_message(encode(name, values), ros_class(name)) == fill(
        ros_class(name)(), values
    )


def test_numbers_of_numpy_are_taken():
    values = zeros("sensor_msgs/JointState") | {
        "header": {"stamp": {"sec": np.int64(3), "nanosec": np.uint32(4)}, "frame_id": "base"},
        "name": ("a", "b"),
        "position": np.array([0.1, -0.2]),
        "velocity": np.array([1.5, 2.5], np.float32),
    }

    message = fill(ros_class("sensor_msgs/JointState")(), values)

    assert (message.header.stamp.sec, message.header.frame_id) == (3, "base")
    assert list(message.position) == [0.1, -0.2]
    assert list(message.velocity) == [1.5, 2.5]
    assert message.name == ["a", "b"]


def test_levels_of_diagnostics_are_bytes_to_ros():
    status = zeros("diagnostic_msgs/DiagnosticStatus") | {"level": 2, "name": "bus"}
    values = zeros("diagnostic_msgs/DiagnosticArray") | {"status": [status]}

    message = fill(ros_class("diagnostic_msgs/DiagnosticArray")(), values)

    assert message.status[0].level == ros_class("diagnostic_msgs/DiagnosticStatus").ERROR


@pytest.mark.parametrize("change", [{"nanosec": None}, {"more": 1}])
def test_exactly_the_fields_have_to_be_given(change):
    values = {"sec": 1, "nanosec": 2} | change
    values = {name: value for name, value in values.items() if value is not None}

    with pytest.raises(ValueError, match="Time: missing"):
        fill(ros_class("builtin_interfaces/Time")(), values)
