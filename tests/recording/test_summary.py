"""`taskbelief inspect FILE.mcap`: what a recording holds, for a person and for a script."""

from __future__ import annotations

import builtins
import json

import numpy as np
import pytest

from sim2real.cli import main
from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.inspection import inspect
from sim2real.recording import messages
from sim2real.recording.reader import read_recording
from sim2real.recording.summary import summary
from sim2real.recording.writer import Recording
from sim2real.runtime.safety import Rung
from tests.recording.conftest import EPOCH_NS
from tests.recording.strategies import zeros


def test_episodes_and_evidence_are_those_that_the_policy_told(recorded):
    found = summary(read_recording(recorded.recording.path))

    assert [item["total_reward"] for item in found["episodes"]] == [
        outcome.total_reward for outcome in recorded.outcomes
    ]
    assert found["episodes"][1] | {"reason": ""} == found["episodes"][1]
    assert found["rejections"] == {"evidence": 120, "episode_boundary": 4}
    assert found["metadata"]["bundle_digest"] == recorded.bundle.digest
    assert found["topics"]["policy_step"]["messages"] == len(recorded.steps)
    assert found["topics"]["policy_step"]["type"] == "taskbelief_interfaces/msg/PolicyStep"
    assert found["is_whole"]


def test_timing_is_that_of_the_ticks(recorded):
    timing = summary(read_recording(recorded.recording.path))["timing"]

    assert timing["ticks"] == len(recorded.ticks)
    began = np.diff([tick.started_ns for tick in recorded.ticks]) * 1e-9
    assert timing["period_s"]["p99"] == pytest.approx(np.percentile(began, 99))
    assert (timing["missed"], timing["failed_readings"]) == (0, 0)
    assert sum(timing["rungs"].values()) == len(recorded.ticks)


def tick(number: int, **fields) -> dict:
    """A control tick of 10 ms; the hand is read after 1 ms and told after 3 ms."""
    began = number * 10_000_000
    times = {
        "number": number,
        "started_ns": began,
        "reading_ns": began + 1_000_000,
        "written_ns": began + 3_000_000,
        "answers_ns": began + 1_000_000,
        "rung": "run",
    }
    return zeros("taskbelief_interfaces/ControlTick") | times | fields


def test_ages_are_of_fresh_commands_and_misses_and_rungs_are_counted(tmp_path, metadata):
    path = tmp_path / "a.mcap"
    with Recording(path, metadata) as recording:
        for number in range(10):
            recording.write("control_tick", tick(number), number)
        recording.write("control_tick", tick(14, num_missed=4, answers_ns=1), 11)
        recording.write("control_tick", tick(15, reading_ns=0, written_ns=0, rung="hold"), 12)
        for cause in ("stale_reading", "stale_reading", ""):
            values = messages.safety_event_message(
                load_robot_spec(), rung=Rung.HOLD, cause=cause, stamp_ns=0
            )
            recording.write("safety_event", values, 13)

    found = summary(read_recording(path))

    timing = found["timing"]
    assert timing["missed"] == 4
    assert timing["failed_readings"] == 1
    assert timing["rungs"] == {"run": 11, "hold": 1}
    assert timing["reading_to_command_s"] == pytest.approx({"p50": 2e-3, "p99": 2e-3, "max": 2e-3})
    assert timing["period_s"]["max"] == pytest.approx(0.05)
    assert found["safety_events"] == {"hold: stale_reading": 2, "hold": 1}
    assert found["rejections"] == {"evidence": 0}


def test_rates_are_messages_per_second(tmp_path, metadata):
    path = tmp_path / "a.mcap"
    with Recording(path, metadata) as recording:
        for number in range(11):
            recording.write("robot_description", {"data": ""}, EPOCH_NS + number * 10**8)

    found = summary(read_recording(path))

    assert found["duration_s"] == pytest.approx(1.0)
    assert found["topics"]["robot_description"]["rate_hz"] == pytest.approx(10.0)
    assert found["started_at"] == "2023-11-14T22:13:20.000+00:00"


def test_a_person_reads_it(recorded, capsys):
    assert inspect(recorded.recording.path) == 0

    shown = capsys.readouterr().out
    for text in (recorded.bundle.digest, "hand_reading", "test/0", "adapted", "120 evidence"):
        assert text in shown
    assert "torn off" not in shown


def test_a_person_reads_why_an_episode_was_not_completed(tmp_path, metadata, capsys):
    path = tmp_path / "a.mcap"
    result = zeros("taskbelief_interfaces/TrialResult") | {
        "task": "test/3",
        "condition": "frozen_prior",
        "outcome": "fault",
        "reason": "[port_lost]",
    }
    with Recording(path, metadata) as recording:
        recording.write("trial_result", result | {"outcome": "completed", "reason": ""}, 0)
        recording.write("trial_result", result, 1)

    inspect(path)

    shown = capsys.readouterr().out
    assert "fault  test/3 frozen_prior 0.0: [port_lost]" in shown
    assert shown.count("port_lost") == 1


def test_json_is_the_same(recorded, capsys):
    assert main(["inspect", str(recorded.recording.path), "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert document == summary(read_recording(recorded.recording.path))


def test_an_empty_one_and_one_that_was_torn_off_say_so(tmp_path, metadata, capsys):
    Recording(tmp_path / "a.mcap", metadata).close()
    assert inspect(tmp_path / "a.mcap") == 0
    assert "never" in capsys.readouterr().out

    with Recording(tmp_path / "b.mcap", metadata) as recording:
        recording.flush()
        assert inspect(recording.part) == 0
    assert "torn off" in capsys.readouterr().out


def test_what_is_no_recording_is_one_line_and_exit_code_2(tmp_path, capsys):
    (tmp_path / "a.mcap").write_bytes(b"something else")

    assert main(["inspect", str(tmp_path / "a.mcap")]) == 2
    assert main(["inspect", str(tmp_path / "missing.mcap")]) == 2

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "a.mcap: file: found 'something else', expected an MCAP file" in lines[0]
    assert "No such file" in lines[1]


def test_without_the_library_it_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without_mcap(name, *arguments, **options):
        if name.startswith("sim2real.recording"):
            raise ModuleNotFoundError("No module named 'mcap'", name="mcap")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_mcap)

    with pytest.raises(BadInput, match=r"mcap to be installed.*taskbelief\[recording\]"):
        inspect(tmp_path / "a.mcap")
