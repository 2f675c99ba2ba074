"""What is missing in recordings is in the gap, in the report and in results from recordings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from mcap.writer import Writer

from sim2real.cli import main
from sim2real.evaluation.from_recordings import recompute_results
from sim2real.gap.side import read_side
from sim2real.recording.reader import read_recording
from sim2real.recording.records import Raw, records
from sim2real.recording.writer import Recording
from sim2real.report.write import write_report
from tests.recording.conftest import rewrite

TRIAL = "test-1.adapted.0.mcap"


@pytest.fixture
def damaged(simulated_folder, tmp_path) -> Path:
    """An evaluation: one trial torn off, one with a record of what is missing, one lost."""
    folder = tmp_path / "damaged"
    shutil.copytree(simulated_folder, folder)
    recordings = folder / "recordings"
    content = (recordings / TRIAL).read_bytes()
    (recordings / TRIAL).write_bytes(content[: len(content) // 2])
    gaps = recordings / "test-0.adapted.0.mcap"
    whole = gaps.rename(tmp_path / "whole.mcap")
    header = read_recording(whole).more
    with Recording(gaps, read_recording(whole).metadata, more=header) as copy:
        for record in records(whole):
            if isinstance(record, Raw):
                topic = record.channel.topic.removeprefix("/")
                copy.write_cdr(topic, record.message.data, record.message.log_time)
        copy.miss("control_tick", 500)
    (recordings / "test-2.frozen_prior.0.mcap").unlink()
    return folder


def expect_all(notes: str) -> None:
    assert f"{TRIAL}: torn off or damaged after" in notes
    assert "test-0.adapted.0.mcap: messages are missing: 500 control_tick" in notes


def test_the_gap_says_what_its_recordings_lack(simulated_folder, damaged, tmp_path, capsys):
    out = tmp_path / "gap"

    assert main(["gap", str(simulated_folder), str(damaged), "--out", str(out)]) == 0

    printed = capsys.readouterr().out
    expect_all(printed)
    document = json.loads((out / "gap.json").read_text())
    expect_all("\n".join(document["notes"]))
    assert document["a"]["losses"] == {}
    found = document["b"]["losses"]
    assert found["test-0.adapted.0.mcap"]["messages"] == {"control_tick": 500}
    assert found[TRIAL]["torn_after_s"] > 0.0
    assert "episodes of the evaluation are missing: " in "\n".join(document["notes"])
    assert not any(note.startswith("A: test") for note in document["notes"])


def test_the_report_says_what_its_recordings_lack(damaged):
    page = write_report(damaged).read_text()

    expect_all(page)


def test_results_from_recordings_say_what_is_missing(damaged, simulated_folder):
    for folder in (damaged, simulated_folder):  # a script is no part of an evaluation
        script = folder / "recordings" / "script.mcap"
        script.rename(folder / "script.mcap") if folder is damaged else None

    found = recompute_results(damaged / "recordings")

    notes = "\n".join(found["notes"])
    expect_all(notes)
    assert "test/2 frozen_prior 0.1" in notes


def test_steps_that_are_missing_do_not_make_a_recording_contradict_itself(
    simulated_folder, tmp_path
):
    """What was noted at its end counts, and the loss is said."""
    recordings = tmp_path / "recordings"
    shutil.copytree(simulated_folder / "recordings", recordings)
    (recordings / "script.mcap").unlink()
    whole = (recordings / TRIAL).rename(tmp_path / "whole.mcap")
    found = [one for one in records(whole) if isinstance(one, Raw)]
    steps = [one for one in found if one.channel.topic == "/policy_step"]
    more = read_recording(whole).more
    with Recording(recordings / TRIAL, read_recording(whole).metadata, more=more) as copy:
        for record in found:
            if record is not steps[5]:
                topic = record.channel.topic.removeprefix("/")
                copy.write_cdr(topic, record.message.data, record.message.log_time)

    results = recompute_results(recordings)

    assert results["notes"] == [f"{TRIAL}: messages are missing: 1 policy_step"]
    assert len(results["per_task"]) == 3


def test_a_whole_evaluation_lacks_nothing(simulated_side, emulated_side):
    for side in (simulated_side, emulated_side):
        assert not side.losses
        assert side.coverage == ""


def test_readings_that_a_script_lost_are_missed(emulated_folder, tmp_path):
    """Half a second of them, as a disk that could not keep up leaves it."""
    script = emulated_folder / "recordings" / "script.mcap"

    def lossy(found: list[Raw]) -> list[Raw]:
        readings = [one for one in found if one.channel.topic == "/hand_reading"]
        lost = {id(one) for one in readings[100:125]}
        return [one for one in found if id(one) not in lost]

    changed = rewrite(script, tmp_path / "without_record.mcap", lossy)
    with Recording(
        tmp_path / "lossy.mcap", read_recording(script).metadata, more=read_recording(script).more
    ) as copy:
        for record in records(changed):
            if isinstance(record, Raw):
                topic = record.channel.topic.removeprefix("/")
                copy.write_cdr(topic, record.message.data, record.message.log_time)

    side = read_side(tmp_path / "lossy.mcap")

    assert side.losses["lossy.mcap"].messages == {"hand_reading": 25}


def test_of_two_robots_in_one_file_each_is_a_side(simulated_folder, tmp_path, capsys):
    """The choice that the message names is one that the verb offers."""
    both = tmp_path / "both.mcap"
    script = simulated_folder / "recordings" / "script.mcap"
    with both.open("wb") as file:
        writer = Writer(file)
        writer.start(profile="ros2")
        source = read_recording(script)
        writer.add_metadata("taskbelief", source.metadata.as_dict())
        for name, values in source.more.items():
            writer.add_metadata(name, dict(values))
        channels = {}
        for record in (one for one in records(script) if isinstance(one, Raw)):
            for robot in ("left", "right"):
                key = (robot, record.channel.id)
                if key not in channels:
                    kind = writer.register_schema(
                        record.schema.name, record.schema.encoding, record.schema.data
                    )
                    topic = f"/{robot}{record.channel.topic}"
                    channels[key] = writer.register_channel(topic, "cdr", kind)
                message = record.message
                writer.add_message(
                    channels[key],
                    message.log_time,
                    message.data,
                    message.log_time,
                    message.sequence,
                )
        writer.finish()

    assert main(["gap", str(both), str(both)]) == 2
    assert "choose one with: --namespace left" in capsys.readouterr().err
    assert main(["gap", str(both), str(both), "--namespace", "left"]) == 0
    assert main(["gap", str(both), str(both), "--namespace", "left", "right"]) == 0
    assert main(["gap", str(both), str(both), "--namespace", "a", "b", "c"]) == 2
    assert main(["inspect", str(both), "--namespace", "right"]) == 0
