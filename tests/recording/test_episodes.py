"""Episodes are found by what messages say, whatever order and clock they came in."""

from __future__ import annotations

import numpy as np
import pytest

from sim2real.recording.episodes import episodes
from sim2real.recording.reader import read_recording
from sim2real.recording.records import Raw, records
from tests.recording.conftest import rewrite


def found_in(path) -> list:
    return list(episodes(read_recording(path)))


def assert_complete(found, session) -> None:
    """Every episode of the session, each with all that was said about it."""
    length = session.bundle.manifest.episode_length + 1
    assert len(found) == len(session.starts)
    for number, (episode, start, outcome) in enumerate(
        zip(found, session.starts, session.outcomes)
    ):
        assert episode.start.episode_seed == start.episode_seed
        assert episode.start.trial == start.trial
        np.testing.assert_array_equal(episode.start.target_rad, start.target_rad)
        np.testing.assert_array_equal(episode.start.goal.centre, start.goal.centre)
        assert episode.start.memory.keys() == start.memory.keys()
        for name, part in start.memory.items():
            np.testing.assert_array_equal(episode.start.memory[name], part)
        assert episode.result.total_reward == outcome.total_reward
        steps = session.steps[number * length : (number + 1) * length]
        stamps = [step.tick.reading.stamp_ns for step in steps]
        assert episode.steps["reading_ns"].tolist() == stamps
        assert episode.beliefs["reading_ns"].tolist() == stamps
        between = [
            state.reading.stamp_ns
            for state in session.states
            if stamps[0] <= state.reading.stamp_ns <= stamps[-1]
        ]
        assert [reading.stamp_ns for reading in episode.readings] == between
        assert episode.hand["reading_ns"].tolist() == between
        assert episode.ticks["reading_ns"].tolist() == between
        assert episode.targets == {}


def test_each_has_all_that_was_said_about_it(recorded):
    found = found_in(recorded.recording.path)

    assert_complete(found, recorded)
    assert [episode.trial_count for episode in found] == [0, 0, 1, 1]
    assert found[0].hand["position_rad"].shape == (len(found[0].readings), 9)
    for reading, state in zip(found[1].readings, found[1].states):
        assert reading is state.reading


def test_topics_need_not_keep_step_with_each_other(recorded, tmp_path):
    rng = np.random.default_rng(0)

    def jumbled(found: list[Raw]) -> list[Raw]:
        """Every topic in its own order, ahead of the others or behind by some messages."""
        shift = {raw.channel.topic: rng.uniform(-12.0, 12.0) for raw in found}
        shift["/episode_start"] = 12.0
        place = {id(raw): row + shift[raw.channel.topic] for row, raw in enumerate(found)}
        return sorted(found, key=lambda raw: place[id(raw)])

    for number in range(5):
        path = rewrite(recorded.recording.path, tmp_path / f"{number}.mcap", jumbled)
        assert_complete(found_in(path), recorded)


def test_a_clock_may_begin_anew_with_another_task(recorded, session, tmp_path):
    other = session(readings_per_step=5)
    for seed in range(2):
        other.begin_trial(seed=seed)
        other.run_episode(30 + seed)
    other.close()
    more = [raw for raw in records(other.recording.path) if isinstance(raw, Raw)]
    path = rewrite(recorded.recording.path, tmp_path / "b.mcap", lambda found: found + more)

    found = found_in(path)

    assert_complete(found[:4], recorded)
    assert_complete(found[4:], other)
    for episode, ours in zip(found, [*recorded.starts, *other.starts], strict=True):
        held = [state.applied_rad for state in episode.states[:1]]
        np.testing.assert_array_equal(held, [ours.target_rad])


def test_the_result_of_another_episode_is_not_taken_for_its_own(recorded, tmp_path):
    def with_a_stray(found: list[Raw]) -> list[Raw]:
        results = [row for row, raw in enumerate(found) if raw.channel.topic == "/trial_result"]
        first, last = results[0], results[-1]
        return [*found[:first], found[last], *found[first:]]

    path = rewrite(recorded.recording.path, tmp_path / "b.mcap", with_a_stray)

    assert_complete(found_in(path), recorded)


def without(topic: str, *numbers: int):
    """Leave out the messages of a topic with these numbers."""

    def change(found: list[Raw]) -> list[Raw]:
        rows = [row for row, raw in enumerate(found) if raw.channel.topic == f"/{topic}"]
        lost = {rows[number] for number in numbers}
        return [raw for row, raw in enumerate(found) if row not in lost]

    return change


def test_what_ends_with_the_recording_has_no_result(recorded, tmp_path):
    path = rewrite(recorded.recording.path, tmp_path / "b.mcap", without("trial_result", -1))

    found = found_in(path)

    assert [episode.result is None for episode in found] == [False, False, False, True]


@pytest.mark.parametrize("lost", [{0}, {1}, {2}, {1, 2}])
def test_steps_without_a_start_belong_to_nobody(recorded, tmp_path, lost):
    path = rewrite(recorded.recording.path, tmp_path / "b.mcap", without("episode_start", *lost))

    found = found_in(path)

    firsts = [step.tick.reading.stamp_ns for step in recorded.steps if step.tick.number == 0]
    kept = [number for number in range(4) if number not in lost]
    assert [one.start.episode_seed for one in found] == [
        recorded.starts[number].episode_seed for number in kept
    ]
    assert [one.steps["reading_ns"][0] for one in found] == [firsts[number] for number in kept]


def test_lost_readings_take_nothing_else_away(recorded, tmp_path):
    lost = range(3, 400, 4)
    path = rewrite(recorded.recording.path, tmp_path / "b.mcap", without("hand_reading", *lost))

    found = found_in(path)

    whole = found_in(recorded.recording.path)
    for episode, other in zip(found, whole, strict=True):
        np.testing.assert_array_equal(episode.steps["reading_ns"], other.steps["reading_ns"])
        stamps = [reading.stamp_ns for reading in episode.readings]
        assert set(stamps) <= {reading.stamp_ns for reading in other.readings}
        assert 0.6 < len(stamps) / len(other.readings) <= 1.0
