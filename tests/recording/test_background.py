"""Who records in the background never waits, and hears of every failure."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from sim2real.recording.background import BackgroundRecording
from sim2real.recording.reader import read_recording
from sim2real.recording.writer import Recording

TOPIC = "robot_description"


def test_everything_handed_over_is_recorded_in_order(tmp_path, metadata):
    with BackgroundRecording(Recording(tmp_path / "a.mcap", metadata)) as recording:
        for number in range(500):
            recording.write(TOPIC, {"data": str(number)}, number)
        recording.sync()
        assert read_recording(tmp_path / "a.mcap.part").counts[TOPIC] == 500

    found = list(read_recording(tmp_path / "a.mcap").messages())
    assert [item.message.data for item in found] == [str(number) for number in range(500)]
    assert not recording.recording.missing


@pytest.mark.parametrize("call", ["write", "flush", "sync", "close"])
def test_a_failure_is_raised_at_the_next_call_whichever_it_is(tmp_path, metadata, call):
    recording = BackgroundRecording(Recording(tmp_path / "a.mcap", metadata))
    recording.write(TOPIC, {"data": 7}, 1)
    if call == "write":
        wait_for_it(recording)

    with pytest.raises(ValueError, match=r"String\.data"):
        getattr(recording, call)(*((TOPIC, {"data": ""}, 2) if call == "write" else ()))

    recording.close()


def test_nobody_waits_for_a_write_that_is_under_way(tmp_path, metadata):
    recording = BackgroundRecording(Recording(tmp_path / "a.mcap", metadata), max_waiting=1)
    has_come_back = threading.Event()

    def write_more_than_fits() -> None:
        for number in range(5):
            recording.write(TOPIC, {"data": str(number)}, number)
        has_come_back.set()

    with recording.recording._lock:  # as a slow disk would hold it
        threading.Thread(target=write_more_than_fits, daemon=True).start()
        assert has_come_back.wait(10.0)
    recording.close()

    found = read_recording(tmp_path / "a.mcap")
    assert found.counts[TOPIC] + found.missing[TOPIC] == 5


def test_ctrl_c_while_the_rest_is_written_leaves_a_whole_file(tmp_path, metadata):
    recording = BackgroundRecording(Recording(tmp_path / "a.mcap", metadata))
    recording.write(TOPIC, {"data": "said"}, 1)
    recording._jobs.put(interrupt_the_main_thread)

    with pytest.raises(KeyboardInterrupt):
        recording.close()

    assert [path.name for path in tmp_path.iterdir()] == ["a.mcap"]
    assert read_recording(tmp_path / "a.mcap").counts[TOPIC] == 1


def interrupt_the_main_thread() -> None:
    time.sleep(0.05)  # by then it waits
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.05)


def wait_for_it(recording: BackgroundRecording) -> None:
    done = threading.Event()
    recording._jobs.put(done.set)
    assert done.wait(10.0)


def test_a_disk_that_is_too_slow_costs_counted_messages_and_no_time(tmp_path, metadata):
    recording = BackgroundRecording(Recording(tmp_path / "a.mcap", metadata), max_waiting=5)
    may_go = threading.Event()
    recording._jobs.put(lambda: (may_go.wait(10.0), None)[1])

    for number in range(20):
        recording.write(TOPIC, {"data": str(number)}, number)
    may_go.set()
    recording.close()

    found = read_recording(tmp_path / "a.mcap")
    assert found.missing[TOPIC] >= 14
    assert found.counts[TOPIC] + found.missing[TOPIC] == 20
