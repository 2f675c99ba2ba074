"""Our CDR bytes mean to others what was put in; what does not fit is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.records import Schema
from mcap_ros2.decoder import DecoderFactory

from sim2real.recording.cdr import encode
from sim2real.recording.schemas import Field, fields, full_name, schema
from tests.recording.strategies import TYPES, messages, zeros


def decoded(name: str, data: bytes):
    """As Foxglove's own library reads it, from the schema that a recording carries."""
    text = Schema(id=1, name=full_name(name), encoding="ros2msg", data=schema(name).encode())
    decode = DecoderFactory().decoder_for("cdr", text)
    assert decode is not None
    return plain(name, decode(data))


def plain(name: str, found) -> dict:
    return {
        field: [plain_value(kind, value) for value in getattr(found, field)]
        if kind.is_array
        else plain_value(kind, getattr(found, field))
        for field, kind in fields(name).items()
    }


def plain_value(kind: Field, value):
    return plain(kind.type, value) if kind.is_message else value


@pytest.mark.parametrize("name", TYPES)
@given(data=st.data())
@settings(max_examples=25)
def test_another_library_reads_what_was_written(name, data):
    values = data.draw(messages(name))

    assert decoded(name, encode(name, values)) == values


def test_arrays_of_numpy_are_taken_as_they_are():
    name = "sensor_msgs/JointState"
    values = {
        "header": {"stamp": {"sec": np.int64(3), "nanosec": np.uint32(4)}, "frame_id": "base"},
        "name": ("a", "b"),
        "position": np.array([0.1, -0.2]),
        "velocity": np.array([1.5, 2.5], np.float32),
        "effort": [],
    }

    found = decoded(name, encode(name, values))

    assert found["position"] == [0.1, -0.2]
    assert found["velocity"] == [1.5, 2.5]
    assert found["effort"] == []
    assert found["header"]["stamp"] == {"sec": 3, "nanosec": 4}


HEADER = {"stamp": {"sec": 0, "nanosec": 0}, "frame_id": ""}


@pytest.mark.parametrize(
    ("name", "change", "named"),
    [
        ("builtin_interfaces/Time", {"sec": 1}, "missing ['nanosec']"),
        ("std_msgs/String", {"data": "", "more": 1}, "unknown ['more']"),
        ("builtin_interfaces/Time", {"sec": 1.5, "nanosec": 0}, "Time.sec"),
        ("builtin_interfaces/Time", {"sec": 0, "nanosec": -1}, "Time.nanosec"),
        ("std_msgs/Header", {**HEADER, "stamp": {"sec": 2**31, "nanosec": 0}}, "stamp: builtin"),
        ("std_msgs/String", {"data": 7}, "String.data"),
        ("std_msgs/String", {"data": None}, "String.data"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(name, change, named):
    with pytest.raises(ValueError, match=r"Time|String|Header") as refusal:
        encode(name, change)

    assert named in str(refusal.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("memory_sizes", [1.5]),
        ("memory_sizes", [-1]),
        ("memory_sizes", [2**32]),
        ("goal_centre", np.zeros((2, 2))),
        ("goal_centre", 1.0),
        ("is_frozen", 1),
        ("trial", True + 0.5),
        ("target_rad", ["a"]),
    ],
)
def test_no_value_is_bent_into_its_field(field, value):
    name = "taskbelief_interfaces/EpisodeStart"
    good = zeros(name)
    encode(name, good)

    with pytest.raises(ValueError, match=f"EpisodeStart.{field}: "):
        encode(name, good | {field: value})
