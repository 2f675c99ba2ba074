"""What a recorder does with what it hears: in order, complete, and every file for itself."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from rclpy.serialization import serialize_message
from taskbelief_interfaces.msg import BundleInfo, ControlTick, TrialResult

from sim2real.recording.reader import read_recording
from taskbelief_evaluation.recorder import Recorder
from taskbelief_evaluation.tap import Tap
from tests.ros.graph import SPEC

TICK = serialize_message(ControlTick(number=1))
INFO = serialize_message(BundleInfo(name="turn", digest="abc"))


@pytest.fixture
def recorder():
    return Recorder(SPEC, robot="emulated", unit="emulated", namespace="/left")


def test_a_file_waits_for_the_bundle_that_it_is_about(recorder, tmp_path):
    recorder.begin(tmp_path / "one.mcap")
    recorder.take("control_tick", TICK, 1)
    recorder.take("bundle_info", INFO, 2)
    recorder.take("control_tick", TICK, 3)
    recorder.close()

    recording = read_recording(tmp_path / "one.mcap")
    assert recording.metadata.bundle_name == "turn"
    assert recording.metadata.bundle_digest == "abc"
    assert recording.counts == {"control_tick": 2, "bundle_info": 1}
    assert [one.log_ns for one in recording.messages()] == [1, 2, 3]


def test_what_nobody_explains_is_recorded_all_the_same(recorder, tmp_path):
    recorder.begin(tmp_path / "one.mcap")
    recorder.take("control_tick", TICK, 1)
    recorder.close()

    recording = read_recording(tmp_path / "one.mcap")
    assert recording.metadata.bundle_name == ""
    assert recording.counts == {"control_tick": 1}


def test_every_file_says_which_bundle_it_is_about(recorder, tmp_path):
    recorder.begin(tmp_path / "one.mcap")
    recorder.take("bundle_info", INFO, 1)
    recorder.begin(tmp_path / "two.mcap", {"more": {"key": "value"}})
    recorder.take("control_tick", TICK, 2)
    recorder.close()

    first, second = (read_recording(tmp_path / f"{name}.mcap") for name in ("one", "two"))
    assert first.is_whole
    assert second.counts == {"bundle_info": 1, "control_tick": 1}
    assert second.metadata.bundle_digest == "abc"
    assert second.more["more"] == {"key": "value"}


def test_between_two_files_nothing_is_recorded(recorder, tmp_path):
    recorder.take("control_tick", TICK, 1)
    recorder.begin(tmp_path / "one.mcap")
    recorder.close()
    recorder.take("control_tick", TICK, 2)

    assert read_recording(tmp_path / "one.mcap").counts == {}


class Scripted:
    """A node whose subscriptions the test answers."""

    def __init__(self) -> None:
        self.callbacks = {}

    def create_subscription(self, _type, name, callback, _quality, **_options):
        self.callbacks[name] = callback

    def create_timer(self, _period_s, callback):
        self.release = callback

    def hear(self, name: str, published_ns: int) -> None:
        self.callbacks[name](b"", {"source_timestamp": published_ns, "received_timestamp": 99})


def no_loss(*_: object) -> None:
    pytest.fail("nothing was lost")


def test_messages_are_handed_on_as_they_were_said_and_not_as_they_came(monkeypatch):
    now = SimpleNamespace(ns=1_000_000_000)
    monkeypatch.setattr("taskbelief_evaluation.tap.time.time_ns", lambda: now.ns)
    node, taken = Scripted(), []
    tap = Tap(
        node, lambda name, _message, published_ns: taken.append((name, published_ns)), no_loss
    )

    node.hear("trial_result", 900_000_003)
    node.hear("policy_step", 900_000_001)
    node.hear("belief", 900_000_002)
    node.hear("control_tick", 900_000_002)
    node.release()
    assert not taken, "something said before may still be under way"
    now.ns += 500_000_000
    node.release()

    assert [name for name, _ in taken] == ["policy_step", "belief", "control_tick", "trial_result"]
    assert tap.num_disordered == 0
    node.hear("policy_step", 900_000_000)
    tap.drain()
    assert taken[-1] == ("policy_step", 900_000_000)
    assert tap.num_disordered == 1
    assert tap.complaint == "1 came too late to be put in order"


def test_what_never_came_is_counted():
    node = Scripted()
    told = []
    tap = Tap(node, lambda *_: None, lambda *what: told.append(what))

    tap._losing("control_tick")(SimpleNamespace(total_count_change=3))

    assert tap.lost == {"control_tick": 3}
    assert told == [("control_tick", 3)]
    assert tap.complaint == "3 control_tick never came"


def test_a_file_says_what_never_came_while_it_was_written(recorder, tmp_path):
    recorder.lose("belief", 9)  # before: of no file
    recorder.begin(tmp_path / "one.mcap")
    recorder.lose("control_tick", 3)
    recorder.begin(tmp_path / "two.mcap")
    recorder.close()

    assert read_recording(tmp_path / "one.mcap").missing == {"control_tick": 3}
    assert read_recording(tmp_path / "two.mcap").missing == {}


def test_a_result_is_what_the_message_says():
    from taskbelief_evaluation.ros_session import outcome_of

    message = TrialResult(task="test/1", condition="adapted", episode=2, total_reward=1.5)

    outcome = outcome_of(message)
    assert (outcome.task, outcome.condition, outcome.episode) == ("test/1", "adapted", 2)
    assert outcome.total_reward == 1.5
