"""A recording is whole under its name or not there; what was flushed outlives its process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory

from sim2real.contract.errors import BadInput
from sim2real.recording.reader import read_recording
from sim2real.recording.repair import finish_recording
from sim2real.recording.schemas import full_name
from sim2real.recording.topics import TOPICS
from sim2real.recording.writer import Recording
from tests.recording.strategies import zeros

ROOT = Path(__file__).resolve().parents[2]
SECOND = 10**9


def text(number: int) -> dict:
    return {"data": f"number {number}"}


def texts(path: Path) -> list[str]:
    return [item.message.data for item in read_recording(path).messages("robot_description")]


def test_foxgloves_reader_finds_every_topic_schema_and_quality(tmp_path, metadata):
    path = tmp_path / "a.mcap"
    with Recording(path, metadata, namespace="/robot1") as recording:
        for number, (topic, described) in enumerate(TOPICS.items()):
            recording.write(topic, zeros(described.type), SECOND + number)

    with path.open("rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        assert reader.get_header().profile == "ros2"
        (record,) = reader.iter_metadata()
        found = list(reader.iter_decoded_messages())
    assert (record.name, record.metadata) == ("taskbelief", metadata.as_dict())
    assert [channel.topic for _, channel, _, _ in found] == [f"/robot1/{name}" for name in TOPICS]
    for (schema, channel, message, _), described in zip(found, TOPICS.values()):
        assert (schema.name, schema.encoding) == (full_name(described.type), "ros2msg")
        assert channel.message_encoding == "cdr"
        assert "reliability: 1" in channel.metadata["offered_qos_profiles"] or (
            not described.is_reliable
        )
        assert message.log_time == message.publish_time >= SECOND


def test_further_metadata_is_kept(tmp_path, metadata):
    with Recording(tmp_path / "a.mcap", metadata, more={"why": {"because": "so"}}) as recording:
        recording.write("robot_description", text(0), SECOND)

    found = read_recording(tmp_path / "a.mcap")
    assert found.metadata == metadata
    assert found.more == {"why": {"because": "so"}}


def test_it_gets_its_name_when_it_is_closed(tmp_path, metadata):
    path = tmp_path / "new folder" / "a.mcap"
    recording = Recording(path, metadata)
    recording.write("robot_description", text(0), SECOND)

    assert [item.name for item in path.parent.iterdir()] == ["a.mcap.part"]
    recording.close()
    recording.close()

    assert [item.name for item in path.parent.iterdir()] == ["a.mcap"]
    assert texts(path) == ["number 0"]
    with pytest.raises(ValueError, match="is closed"):
        recording.write("robot_description", text(1), SECOND)


def test_it_is_closed_and_named_when_what_was_recorded_fails(tmp_path, metadata):
    with pytest.raises(ZeroDivisionError), Recording(tmp_path / "a.mcap", metadata) as recording:
        recording.write("robot_description", text(0), SECOND)
        raise ZeroDivisionError

    assert texts(tmp_path / "a.mcap") == ["number 0"]


@pytest.mark.parametrize("taken", ["a.mcap", "a.mcap.part"])
def test_no_recording_is_written_over(tmp_path, metadata, taken):
    (tmp_path / taken).write_bytes(b"of a robot")

    with pytest.raises(BadInput, match="not written over"):
        Recording(tmp_path / "a.mcap", metadata)

    assert (tmp_path / taken).read_bytes() == b"of a robot"


def test_a_place_that_cannot_be_written_to_is_bad_input(tmp_path, metadata):
    (tmp_path / "file").write_text("no folder")
    for path in (tmp_path / "file" / "a.mcap", Path("/proc/a.mcap")):
        with pytest.raises(BadInput) as refusal:
            Recording(path, metadata)
        assert "a.mcap: file" in str(refusal.value)
        assert "\n" not in str(refusal.value)
    with pytest.raises(BadInput, match=r"a name with \.mcap"):
        Recording(tmp_path / "a.bag", metadata)


def test_a_disk_that_is_full_from_the_start_keeps_nothing(tmp_path, metadata):
    script = f"""
import resource, signal
from pathlib import Path
from sim2real.recording.metadata import RecordingMetadata
from sim2real.recording.writer import Recording
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))
try:
    Recording(Path("a.mcap"), RecordingMetadata.from_dict({metadata.as_dict()}, ""))
except ValueError as refused:
    print(refused)
"""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
    )

    assert run.stdout == "a.mcap: file: found 'File too large', expected a place to write to\n"
    assert (run.stderr, list(tmp_path.iterdir())) == ("", [])


def test_a_full_disk_leaves_nothing_under_the_final_name(tmp_path, metadata):
    script = f"""
import resource, signal
from pathlib import Path
from sim2real.contract.errors import BadInput
from sim2real.recording.metadata import RecordingMetadata
from sim2real.recording.writer import Recording
metadata = RecordingMetadata.from_dict({metadata.as_dict()}, "")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with Recording(Path("a.mcap"), metadata) as recording:
        for number in range(100_000):
            recording.write("robot_description", {{"data": f"{{number:x}}" + "{{}}"}}, 10**9)
            if number % 100 == 0:
                recording.flush()
except BadInput as refused:
    print(refused)
    try:
        recording.write("robot_description", {{"data": ""}}, 10**9)
    except ValueError as again:
        print(again)
"""
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
    )

    first, second = run.stdout.splitlines()
    assert first == second == "a.mcap: file: found 'File too large', expected a place to write to"
    assert [item.name for item in tmp_path.iterdir()] == ["a.mcap.part"]
    found = read_recording(tmp_path / "a.mcap.part")
    assert not found.is_whole
    assert found.counts["robot_description"] > 1000


def test_what_is_older_than_a_second_is_on_the_disk(tmp_path, metadata):
    now = [0.0]
    with Recording(tmp_path / "a.mcap", metadata, clock_s=lambda: now[0]) as recording:
        for number, seconds in enumerate((0.0, 0.9, 1.1, 1.5)):
            now[0] = seconds
            recording.write("robot_description", text(number), SECOND)

        assert texts(recording.part) == ["number 0", "number 1", "number 2"]
        recording.flush()
        assert len(texts(recording.part)) == 4


def test_what_was_flushed_outlives_a_killed_process_and_is_made_whole(tmp_path, metadata):
    script = f"""
from pathlib import Path
from sim2real.recording.metadata import RecordingMetadata
from sim2real.recording.writer import Recording
recording = Recording(Path("a.mcap"), RecordingMetadata.from_dict({metadata.as_dict()}, ""))
for number in range(10**9):
    recording.write("robot_description", {{"data": f"number {{number}}"}}, 10**9 + number)
    if number % 1000 == 999:
        recording.flush()
        print(number, flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    flushed = [int(process.stdout.readline()) for _ in range(5)][-1]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    part = tmp_path / "a.mcap.part"
    found = read_recording(part)
    assert not found.is_whole
    assert found.metadata == metadata
    kept = texts(part)
    assert len(kept) > flushed
    assert kept == [f"number {number}" for number in range(len(kept))]

    path = finish_recording(part)
    assert [item.name for item in tmp_path.iterdir()] == ["a.mcap"]
    assert read_recording(path).is_whole
    assert read_recording(path).metadata == metadata
    assert texts(path) == kept
    with path.open("rb") as file:
        assert make_reader(file).get_summary().statistics.message_count == len(kept)


def test_only_a_part_can_be_made_whole_and_nothing_is_written_over(tmp_path, metadata):
    Recording(tmp_path / "a.mcap", metadata).close()
    for path in (tmp_path / "a.mcap", tmp_path / "a.part"):
        with pytest.raises(BadInput, match=r"a name with \.mcap\.part"):
            finish_recording(path)
    (tmp_path / "a.mcap.part").write_bytes(b"")
    with pytest.raises(BadInput, match="expected nothing"):
        finish_recording(tmp_path / "a.mcap.part")
    (tmp_path / "b.mcap.part").write_bytes(b"else")
    with pytest.raises(BadInput, match="an MCAP file"):
        finish_recording(tmp_path / "b.mcap.part")
    assert sorted(item.name for item in tmp_path.iterdir()) == [
        "a.mcap",
        "a.mcap.part",
        "b.mcap.part",
    ]
