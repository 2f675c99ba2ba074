"""Whatever topics are in a file are counted and shown, whoever wrote it."""

from __future__ import annotations

import json

import pytest
from mcap.writer import Writer

from sim2real.cli import main
from sim2real.contract.errors import BadInput
from sim2real.recording.cdr import encode
from sim2real.recording.reader import read_recording
from sim2real.recording.schemas import schema
from tests.recording.strategies import zeros

TICK, TEXT = "taskbelief_interfaces/ControlTick", "std_msgs/String"


def write(path, *channels: tuple[str, str, str, int]) -> None:
    """Topic, type as it is written, type that its messages have, and how many there are."""
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start(profile="ros2")
        for topic, name, kind, count in channels:
            number = writer.register_schema(name, "ros2msg", schema(kind).encode())
            channel = writer.register_channel(topic, "cdr", number)
            for log_ns in range(count):
                writer.add_message(channel, log_ns, encode(kind, zeros(kind)), log_ns)
        writer.finish()


def topics(path, capsys, *options: str) -> dict[str, int]:
    """As `inspect` shows them."""
    assert main(["inspect", str(path), *options]) == 0
    shown = capsys.readouterr().out
    assert main(["inspect", str(path), "--json", *options]) == 0
    document = json.loads(capsys.readouterr().out)
    found = {name: topic["messages"] for name, topic in document["topics"].items()}
    assert document["messages"] == sum(found.values())
    for name, count in found.items():
        assert any(name in line and str(count) in line for line in shown.splitlines())
    return found


def test_topics_without_a_slash_are_counted(tmp_path, capsys):
    """As in rosbag2's own test bags."""
    write(
        tmp_path / "a.mcap",
        ("test_topic", "test_msgs/msg/Strings", TEXT, 1200),
        ("test_topic2", "test_msgs/msg/BasicTypes", TEXT, 46),
    )

    assert topics(tmp_path / "a.mcap", capsys) == {"test_topic": 1200, "test_topic2": 46}


def test_ours_without_a_slash_are_ours(tmp_path, capsys):
    write(tmp_path / "a.mcap", ("control_tick", "taskbelief_interfaces/msg/ControlTick", TICK, 3))

    assert topics(tmp_path / "a.mcap", capsys) == {"control_tick": 3}
    assert len(read_recording(tmp_path / "a.mcap").columns("control_tick")["number"]) == 3


def test_topics_of_other_namespaces_are_shown_as_well(tmp_path, capsys):
    write(
        tmp_path / "a.mcap",
        ("/left/control_tick", "taskbelief_interfaces/msg/ControlTick", TICK, 2),
        ("/camera/image", "sensor_msgs/msg/Image", TEXT, 5),
        ("/rosout", "rcl_interfaces/msg/Log", TEXT, 7),
    )

    assert topics(tmp_path / "a.mcap", capsys) == {
        "control_tick": 2,
        "/camera/image": 5,
        "/rosout": 7,
    }


def test_a_foreign_type_under_a_name_of_ours_is_not_read_as_ours(tmp_path, capsys):
    write(
        tmp_path / "a.mcap",
        ("/control_tick", "std_msgs/msg/String", TEXT, 4),
        ("/trial_result", "other_msgs/msg/TrialResult", TEXT, 1),
    )

    assert topics(tmp_path / "a.mcap", capsys) == {"/control_tick": 4, "/trial_result": 1}


def test_a_topic_with_messages_of_two_types_is_there_twice(tmp_path, capsys):
    write(
        tmp_path / "a.mcap",
        ("/left/x", "std_msgs/msg/String", TEXT, 1),
        ("/left/x", "other/msg/String", TEXT, 2),
        ("/right/control_tick", TICK, TICK, 1),
    )

    found = topics(tmp_path / "a.mcap", capsys)

    assert found == {"control_tick": 1, "/left/x": 1, "/left/x (other/msg/String)": 2}


def test_a_topic_without_a_message_is_shown(tmp_path, capsys):
    write(tmp_path / "a.mcap", ("/chatter", "std_msgs/msg/String", TEXT, 0))

    assert topics(tmp_path / "a.mcap", capsys) == {"chatter": 0}


def test_messages_of_another_version_of_ours_are_one_line(tmp_path, capsys):
    path = tmp_path / "a.mcap"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start(profile="ros2")
        text = b"std_msgs/Header header\nuint64 number\n" + b"=" * 80
        text += schema(TICK).encode().partition(b"=" * 80)[2]
        kind = writer.register_schema("taskbelief_interfaces/msg/ControlTick", "ros2msg", text)
        channel = writer.register_channel("/control_tick", "cdr", kind)
        writer.add_message(channel, 0, bytes(40), 0)
        writer.finish()

    assert main(["inspect", str(path)]) == 2
    assert "without deadline_ns" in capsys.readouterr().err


def test_messages_that_are_none_of_their_type_are_one_line(tmp_path):
    path = tmp_path / "a.mcap"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start(profile="ros2")
        kind = writer.register_schema(
            "taskbelief_interfaces/msg/ControlTick", "ros2msg", schema(TICK).encode()
        )
        channel = writer.register_channel("/control_tick", "cdr", kind)
        writer.add_message(channel, 0, b"\x00\x01\x00\x00short", 0)
        writer.finish()

    with pytest.raises(BadInput, match="topic /control_tick"):
        list(read_recording(path).messages("control_tick"))


# ---- two robots --------------------------------------------------------------------------------


def two_robots(path) -> None:
    name = "taskbelief_interfaces/msg/ControlTick"
    write(
        path,
        ("/left/control_tick", name, TICK, 2),
        ("/right/control_tick", name, TICK, 3),
        ("/control_tick", name, TICK, 4),
    )


def test_the_choice_that_the_message_names_is_accepted(tmp_path, capsys):
    two_robots(tmp_path / "a.mcap")

    assert main(["inspect", str(tmp_path / "a.mcap")]) == 2
    line = capsys.readouterr().err
    option, name = line.strip().rpartition(": ")[2].split()
    assert (option, name) == ("--namespace", "/")
    found = topics(tmp_path / "a.mcap", capsys, option, name)
    assert found["control_tick"] == 4


@pytest.mark.parametrize("name", ["left", "/left", "/left/", "left/"])
def test_a_robot_is_chosen_however_its_name_is_written(tmp_path, name, capsys):
    two_robots(tmp_path / "a.mcap")

    found = topics(tmp_path / "a.mcap", capsys, "--namespace", name)

    assert found == {"control_tick": 2, "/right/control_tick": 3, "/control_tick": 4}


def test_a_robot_that_is_not_there_is_refused_with_those_that_are(tmp_path, capsys):
    two_robots(tmp_path / "a.mcap")

    assert main(["inspect", str(tmp_path / "a.mcap"), "--namespace", "middle"]) == 2
    assert "expected one of /, /left/, /right/" in capsys.readouterr().err
