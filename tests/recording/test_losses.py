"""What is known to be missing in a recording is said, and nothing else is."""

from __future__ import annotations

import json

import pytest
import yaml
from mcap.writer import Writer

from sim2real.cli import main
from sim2real.contract.errors import BadInput
from sim2real.recording.cdr import encode
from sim2real.recording.episodes import episodes
from sim2real.recording.losses import Losses, losses_of
from sim2real.recording.reader import read_recording
from sim2real.recording.records import Raw, records
from sim2real.recording.schemas import full_name, schema
from sim2real.recording.writer import Recording
from tests.recording.conftest import rewrite
from tests.recording.strategies import zeros

TICK = "taskbelief_interfaces/ControlTick"


def losses(path, namespace=None) -> Losses:
    recording = read_recording(path, namespace)
    return losses_of(recording, list(episodes(recording)))


def without(topic: str, *places: int):
    """Leaves out the messages of a topic at these places."""

    def change(found: list[Raw]) -> list[Raw]:
        of_topic = [one for one in found if one.channel.topic.strip("/") == topic]
        dropped = {id(of_topic[place]) for place in places}
        return [one for one in found if id(one) not in dropped]

    return change


def test_of_a_whole_recording_nothing_is_missing(recorded):
    found = losses(recorded.recording.path)

    assert not found
    assert found.notes == []
    assert found.as_dict()["messages"] == {}


def test_what_the_recorder_knows_is_missing_is_said(tmp_path, metadata, capsys):
    path = tmp_path / "a.mcap"
    with Recording(path, metadata) as recording:
        recording.write("control_tick", zeros(TICK), 0)
        recording.miss("control_tick", 500)

    assert losses(path).messages == {"control_tick": 500}
    assert main(["inspect", str(path)]) == 0
    assert "messages are missing: 500 control_tick" in capsys.readouterr().out
    assert main(["inspect", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["missing"] == {"control_tick": 500}
    assert document["notes"] == ["messages are missing: 500 control_tick"]


def test_a_torn_file_is_said_to_be_one(recorded, tmp_path):
    content = recorded.recording.path.read_bytes()
    (tmp_path / "half.mcap").write_bytes(content[: len(content) // 2])

    found = losses(tmp_path / "half.mcap")

    assert found.torn_after_s is not None
    assert "torn off or damaged after" in found.notes[0]


@pytest.mark.parametrize(
    ("topic", "places"),
    [
        ("hand_reading", (40, 41, 42)),
        ("control_tick", (40, 90)),
        ("policy_step", (0,)),
        ("policy_step", (3, 4)),
        ("policy_step", (30, 61)),
        ("belief", (5,)),
    ],
)
def test_messages_that_are_missing_in_an_episode_are_counted(recorded, tmp_path, topic, places):
    path = rewrite(recorded.recording.path, tmp_path / "a.mcap", without(topic, *places))

    assert losses(path).messages[topic] == len(places)
    assert len(list(episodes(read_recording(path)))) == 4


@pytest.mark.parametrize(
    ("topic", "place", "note"),
    [
        ("episode_start", 1, "test/0 adapted 0.1: its beginning is not here"),
        ("trial_result", 0, "test/0 adapted 0.0: its end is not here"),
    ],
)
def test_half_an_episode_is_said_to_be_one(recorded, tmp_path, topic, place, note):
    path = rewrite(recorded.recording.path, tmp_path / "a.mcap", without(topic, place))

    assert losses(path).episodes == (note,)


def test_an_episode_of_which_nothing_is_here_is_missed(session, tmp_path):
    made = session()
    made.begin_trial()
    for seed in range(3):
        made.run_episode(seed)
    made.close()

    def cut(found: list[Raw]) -> list[Raw]:
        """Without all that belongs to the episode in the middle."""
        topics = [one.channel.topic.strip("/") for one in found]
        starts = [row for row, topic in enumerate(topics) if topic == "episode_start"]
        return found[: starts[1]] + found[starts[2] :]

    found = losses(rewrite(made.recording.path, tmp_path / "cut.mcap", cut))

    assert "test/0 adapted 0: episode 1 not here" in found.episodes


def numbered(path, *sequences: int, topic="/control_tick", profile="ros2") -> None:
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start(profile=profile)
        kind = writer.register_schema(full_name(TICK), "ros2msg", schema(TICK).encode())
        channel = writer.register_channel(topic, "cdr", kind)
        for number in sequences:
            writer.add_message(channel, number, encode(TICK, zeros(TICK)), number, number)
        writer.finish()


@pytest.mark.parametrize(
    ("sequences", "missing"),
    [
        ((0, 1, 2), 0),
        ((7, 8, 12), 3),
        ((2**32 - 2, 2**32 - 1, 1), 1),
        ((0, 0, 0), 0),
        ((5, 3, 9), 0),
    ],
)
def test_numbers_that_a_recorder_left_out_are_messages(tmp_path, sequences, missing):
    numbered(tmp_path / "a.mcap", *sequences)

    assert losses(tmp_path / "a.mcap").messages.get("control_tick", 0) == missing


def test_a_chunk_that_is_cut_out_of_a_file_of_ours_is_missed(tmp_path, metadata):
    """The numbers of what is left, and the index, which still counts it."""
    path = tmp_path / "a.mcap"
    with Recording(path, metadata) as recording:
        for number in range(30):
            recording.write("robot_description", {"data": str(number)}, number)
            if number % 10 == 9:
                recording.flush()
    content, whole = path.read_bytes(), len(list(records(path)))
    from mcap.reader import make_reader

    with path.open("rb") as file:
        middle = make_reader(file).get_summary().chunk_indexes[1]
    begin, end = middle.chunk_start_offset, middle.chunk_start_offset + middle.chunk_length
    path.write_bytes(content[:begin] + content[end:])

    assert len(list(records(path))) == whole - 10
    assert losses(path).messages == {"robot_description": 10}


# ---- rosbag2's folder --------------------------------------------------------------------------


def bag(folder, *files: str, stated: int, names=None, **changes) -> None:
    """A bag whose metadata.yaml names these files and so many ticks."""
    topic = {"name": "/control_tick", "type": full_name(TICK), "serialization_format": "cdr"}
    information = {
        "version": 9,
        "storage_identifier": "mcap",
        "relative_file_paths": list(names or files),
        "topics_with_message_count": [{"topic_metadata": topic, "message_count": stated}],
        "compression_mode": "",
        **changes,
    }
    folder.mkdir(exist_ok=True)
    text = yaml.safe_dump({"rosbag2_bagfile_information": information})
    (folder / "metadata.yaml").write_text(text, encoding="utf-8")
    for index, name in enumerate(files):
        numbered(folder / name, *range(10 * index, 10 * index + 3))


def test_the_folder_of_a_bag_is_one_recording(tmp_path, capsys):
    bag(tmp_path / "bag", "bag_0.mcap", "bag_1.mcap", stated=6)

    found = read_recording(tmp_path / "bag")

    assert found.counts == {"control_tick": 6}
    assert [item.log_ns for item in found.messages("control_tick")] == [0, 1, 2, 10, 11, 12]
    assert not losses(tmp_path / "bag")
    assert main(["inspect", str(tmp_path / "bag")]) == 0
    assert "6 messages of 1 topics" in capsys.readouterr().out


def test_what_a_bag_says_it_held_and_does_not_is_missed(tmp_path):
    names = ["bag_0.mcap", "bag_1.mcap"]
    bag(tmp_path / "bag", "bag_0.mcap", stated=8, names=names)

    found = losses(tmp_path / "bag")

    assert found.files == ("bag_1.mcap",)
    assert found.messages == {"control_tick": 5}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"storage_identifier": "sqlite3"}, "found 'sqlite3', expected mcap; .*bag convert"),
        ({"compression_mode": "FILE"}, "compression_mode: found 'FILE'"),
        ({"relative_file_paths": ["gone.mcap"]}, "expected gone.mcap beside it"),
        ({"relative_file_paths": 3}, "relative_file_paths: found 3"),
        ({"topics_with_message_count": [3]}, "topics_with_message_count"),
    ],
)
def test_a_bag_that_cannot_be_read_is_bad_input(tmp_path, changes, message):
    bag(tmp_path / "bag", "bag_0.mcap", stated=3, **changes)

    with pytest.raises(BadInput, match=message):
        read_recording(tmp_path / "bag")
