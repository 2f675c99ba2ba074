"""Readings and beliefs over time, from what was recorded."""

from __future__ import annotations

import numpy as np
import pytest

from sim2real.report.recorded import read_recordings
from tests.report.conftest import (
    NUM_EPISODES,
    NUM_STEPS,
    TASKS,
    TrialRecorder,
    open_recording,
    record_trial,
    recording_name,
)


@pytest.fixture
def recordings(evaluation):
    return sorted((evaluation / "recordings").iterdir())


def test_every_episode_of_every_recording_is_there(recordings):
    recorded = read_recordings(recordings)

    keys = {(trace.task, trace.episode) for trace in recorded.traces}
    assert keys == {(task, episode) for task in TASKS for episode in range(NUM_EPISODES)}


def test_columns_are_those_that_were_written(recordings):
    trace = next(
        t for t in read_recordings(recordings).traces if t.key[0] == "test/1" and t.episode == 2
    )

    steps = np.arange(NUM_STEPS + 1)
    np.testing.assert_allclose(trace.elapsed_s, 0.1 * steps)
    np.testing.assert_allclose(trace.position_rad, np.tile(0.01 * steps[:, None], 9))
    np.testing.assert_allclose(trace.object_position_rad, 0.1 * steps)
    np.testing.assert_allclose(trace.goal, np.full((NUM_STEPS + 1, 1), 0.4))
    np.testing.assert_array_equal(trace.num_transitions, 2 * NUM_STEPS + steps)
    np.testing.assert_allclose(trace.belief_mean[:, 0], 0.1 * trace.num_transitions)
    np.testing.assert_allclose(trace.belief_variance[:, 1], 1.0 / (1 + trace.num_transitions))
    np.testing.assert_array_equal(trace.is_success, steps > 2)
    assert trace.skill == "valve_turn"


def test_an_episode_that_was_cut_short_is_left_out(tmp_path):
    with open_recording(tmp_path / "a.mcap") as recording:
        recorder = TrialRecorder(recording, "test/0")
        recorder.episode(0)
        recorder.episode(1, end=NUM_STEPS - 2)

    assert [t.episode for t in read_recordings([tmp_path / "a.mcap"]).traces] == [0]


def test_of_an_episode_that_was_run_again_the_last_counts(tmp_path):
    with open_recording(tmp_path / "a.mcap") as recording:
        recorder = TrialRecorder(recording, "test/0")
        recorder.episode(0, valve_rad=0.1)
        recorder.episode(0, valve_rad=0.2)

    (trace,) = read_recordings([tmp_path / "a.mcap"]).traces
    assert trace.object_position_rad[-1] == pytest.approx(0.2 * NUM_STEPS)


def test_an_episode_of_which_no_reading_was_recorded_is_left_out(tmp_path, monkeypatch):
    write = TrialRecorder.write
    kept = ("bundle_info", "episode_start", "policy_step", "belief", "trial_result")
    monkeypatch.setattr(
        TrialRecorder,
        "write",
        lambda self, topic, message: write(self, topic, message) if topic in kept else None,
    )
    record_trial(tmp_path / "a.mcap", "test/0")

    recorded = read_recordings([tmp_path / "a.mcap"])
    assert not recorded.traces and not recorded.timing.num_ticks


def test_the_loops_timing_is_that_of_all_recordings(recordings):
    timing = read_recordings(recordings).timing

    num_ticks = len(TASKS) * NUM_EPISODES * (NUM_STEPS + 1)
    assert timing.num_ticks == num_ticks
    assert timing.num_missed == len(TASKS) * NUM_EPISODES
    # A tick without an answer wrote what it held: that has no age.
    assert len(timing.age_s) == num_ticks - len(TASKS) * NUM_EPISODES
    np.testing.assert_allclose(timing.age_s.min(), 2.0e-3)
    np.testing.assert_allclose(timing.age_s.max(), 2.0e-3 + NUM_STEPS * 1.0e-5)
    np.testing.assert_allclose(timing.period_s, 0.1)
    assert len(timing.compute_s) == num_ticks


def test_nothing_recorded_is_nothing_read():
    recorded = read_recordings([])

    assert not recorded.traces and recorded.timing.num_ticks == 0


def test_what_a_killed_process_left_is_read(tmp_path):
    path = tmp_path / recording_name("test/0")
    record_trial(path, "test/0")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])

    assert len(read_recordings([path]).traces) <= NUM_EPISODES
