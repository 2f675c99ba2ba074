"""Recordings are read as they are: of one robot or two, ours or foreign, whole or torn off."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer

from sim2real.contract.errors import BadInput
from sim2real.recording.cdr import encode
from sim2real.recording.reader import read_recording
from sim2real.recording.schemas import full_name, schema
from sim2real.recording.writer import Recording
from tests.recording.strategies import zeros

TEXT = "std_msgs/String"


def write_texts(path, metadata, count: int) -> None:
    """Flushed after every ten."""
    with Recording(path, metadata) as recording:
        for number in range(count):
            recording.write("robot_description", {"data": f"number {number}"}, 100 + number)
            if number % 10 == 9:
                recording.flush()


def texts(path) -> list[str]:
    return [item.message.data for item in read_recording(path).messages("robot_description")]


def test_what_is_there_is_counted(tmp_path, metadata):
    path = tmp_path / "a.mcap"
    with Recording(path, metadata) as recording:
        recording.write("robot_description", {"data": ""}, 30)
        recording.write("control_tick", zeros("taskbelief_interfaces/ControlTick"), 20)
        recording.write("control_tick", zeros("taskbelief_interfaces/ControlTick"), 40)

    found = read_recording(path)

    assert found.counts == {"robot_description": 1, "control_tick": 2}
    assert found.types["control_tick"] == "taskbelief_interfaces/msg/ControlTick"
    assert (found.start_ns, found.end_ns) == (20, 40)
    assert found.is_whole
    assert [item.topic for item in found.messages()] == [
        "robot_description",
        "control_tick",
        "control_tick",
    ]
    assert [item.log_ns for item in found.messages("control_tick")] == [20, 40]
    with pytest.raises(BadInput, match="topics: found 'only robot_description, control_tick'"):
        found.columns("belief")


def chunks(path) -> tuple[list[int], int]:
    """Where the pieces that were flushed end, and where all messages do."""
    with path.open("rb") as file:
        found = make_reader(file).get_summary().chunk_indexes
    last = found[-1]
    after = last.chunk_start_offset + last.chunk_length + last.message_index_length
    return [one.chunk_start_offset + one.chunk_length for one in found], after + DATA_END_BYTES


DATA_END_BYTES = 13


@given(share=st.floats(0.0, 1.0))
@settings(max_examples=60)
def test_wherever_a_file_is_torn_off_the_rest_is_read(tmp_path_factory, metadata, share):
    path = tmp_path_factory.mktemp("torn") / "a.mcap"
    write_texts(path, metadata, 40)
    content, (ends, after) = path.read_bytes(), chunks(path)
    cut = 8 + round(share * (len(content) - 8))

    path.write_bytes(content[:cut])

    kept = 10 * sum(end <= cut for end in ends)
    assert texts(path) == [f"number {number}" for number in range(kept)]
    assert read_recording(path).is_whole == (cut >= after)


@given(share=st.floats(0.0, 1.0), bit=st.integers(0, 7))
@settings(max_examples=60)
def test_no_damage_is_read_as_something_else(tmp_path_factory, metadata, share, bit):
    path = tmp_path_factory.mktemp("bad") / "a.mcap"
    write_texts(path, metadata, 40)
    content, (_, after) = bytearray(path.read_bytes()), chunks(path)
    first = content.index(b"zstd")
    content[first + round(share * (after - first))] ^= 1 << bit
    path.write_bytes(content)

    numbers = [int(text.removeprefix("number ")) for text in texts(path)]

    assert numbers == sorted(set(numbers))
    assert set(numbers) <= set(range(40))


def test_zeros_after_a_loss_of_power_are_its_end(tmp_path, metadata):
    path = tmp_path / "a.mcap"
    write_texts(path, metadata, 40)
    content, (ends, _) = path.read_bytes(), chunks(path)
    for cut in (ends[1], ends[2] - 20):
        path.write_bytes(content[:cut] + bytes(5000))

        assert len(texts(path)) == 20
        assert not read_recording(path).is_whole


@pytest.mark.parametrize("content", [b"", b"SQLite format 3", b"\x89MCAP0"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "a.mcap").write_bytes(content)
    with pytest.raises(BadInput, match="expected an MCAP file"):
        read_recording(tmp_path / "a.mcap")
    with pytest.raises(BadInput, match="No such file"):
        read_recording(tmp_path / "b.mcap")
    with pytest.raises(BadInput, match="Is a directory"):
        read_recording(tmp_path)


def foreign(path, *channels: tuple[str, str, str], compression=CompressionType.NONE) -> None:
    """A file of another program: topic, message and encoding; one message of each."""
    with path.open("wb") as file:
        writer = Writer(file, compression=compression)
        writer.start(profile="ros2")
        for number, (topic, name, encoding) in enumerate(channels):
            kind = writer.register_schema(full_name(name), "ros2msg", schema(name).encode())
            channel = writer.register_channel(topic, encoding, kind)
            writer.add_message(channel, number, encode(name, zeros(name)), number)
        writer.finish()


TICK = "taskbelief_interfaces/ControlTick"
COMPRESSIONS = [CompressionType.NONE, CompressionType.LZ4, CompressionType.ZSTD]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_recording_of_another_program_is_read(tmp_path, compression):
    path = tmp_path / "a.mcap"
    topics = ("/robot1/control_tick", TICK, "cdr"), ("/diagnostics", TEXT, "cdr")
    foreign(path, *topics, compression=compression)

    found = read_recording(path)

    assert found.metadata is None
    assert found.namespace == "/robot1/"
    assert found.counts == {"control_tick": 1}


def test_of_two_robots_one_is_picked(tmp_path):
    path = tmp_path / "a.mcap"
    foreign(path, ("/left/control_tick", TICK, "cdr"), ("/right/hand/control_tick", TICK, "cdr"))

    with pytest.raises(BadInput, match=r"found .*left.*right.*--namespace left"):
        read_recording(path)
    assert read_recording(path, "left").counts == {"control_tick": 1}
    right = read_recording(path, "/right/hand")
    assert [item.log_ns for item in right.messages("control_tick")] == [1]
    with pytest.raises(BadInput, match="namespace: found '/middle/'"):
        read_recording(path, "middle")


def test_another_encoding_is_refused_when_it_is_asked_for(tmp_path):
    path = tmp_path / "a.mcap"
    foreign(path, ("/control_tick", TICK, "cdr"), ("/extra", TEXT, "json"))

    found = read_recording(path)

    assert len(list(found.messages("control_tick"))) == 1
    with pytest.raises(BadInput, match="topic /extra: found 'json with schema ros2msg'"):
        list(found.messages("extra"))


def test_metadata_of_ours_that_does_not_fit_is_refused(tmp_path):
    path = tmp_path / "a.mcap"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start(profile="ros2")
        writer.add_metadata("taskbelief", {"robot": "emulated"})
        writer.finish()

    with pytest.raises(BadInput, match=r"metadata taskbelief\.bundle_name: found 'nothing'"):
        read_recording(path)


# ---- columns -----------------------------------------------------------------------------------


def columns(path, metadata, topic: str, *messages: dict):
    with Recording(path, metadata) as recording:
        for number, message in enumerate(messages):
            recording.write(topic, message, number)
    return read_recording(path).columns(topic)


def test_numbers_texts_and_stamps_are_columns(tmp_path, metadata):
    header = {"stamp": {"sec": 2, "nanosec": 3}, "frame_id": "base"}
    first = zeros(TICK) | {"header": header, "rung": "run", "applied_rad": [1.0, 2.0]}
    second = zeros(TICK) | {"rung": "hold", "number": 2**63 - 1}

    found = columns(tmp_path / "a.mcap", metadata, "control_tick", first, second)

    assert found["header.stamp"].tolist() == [2 * 10**9 + 3, 0]
    assert found["header.frame_id"].tolist() == ["base", ""]
    assert found["rung"].tolist() == ["run", "hold"]
    assert found["number"].tolist() == [0, 2**63 - 1]
    assert found["number"].dtype.kind in "iu"
    assert found["log_ns"].tolist() == [0, 1]
    np.testing.assert_array_equal(found["applied_rad"], [[1.0, 2.0], [np.nan, np.nan]])


def test_lists_of_messages_are_columns_of_their_fields(tmp_path, metadata):
    name = "taskbelief_interfaces/ServoStateArray"
    servo = zeros("taskbelief_interfaces/ServoState")
    servos = [servo | {"name": text, "temperature_c": 20.0 + n} for n, text in enumerate("ab")]

    found = columns(
        tmp_path / "a.mcap", metadata, "servo_states", zeros(name), zeros(name) | {"servos": servos}
    )

    np.testing.assert_array_equal(found["servos.temperature_c"], [[np.nan, np.nan], [20.0, 21.0]])
    assert found["servos.name"].tolist() == [[], ["a", "b"]]
    assert "servos" not in found


def test_diagnostics_are_objects(tmp_path, metadata):
    status = zeros("diagnostic_msgs/DiagnosticStatus") | {
        "name": "bus",
        "values": [{"key": "a", "value": "b"}],
    }
    message = zeros("diagnostic_msgs/DiagnosticArray") | {"status": [status]}

    found = columns(tmp_path / "a.mcap", metadata, "diagnostics", message, message)

    assert found["status.name"].tolist() == [["bus"], ["bus"]]
    assert found["status.values"][1][0][0].key == "a"
