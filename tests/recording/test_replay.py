"""From the readings of a recording alone comes all that the policy saw, believed and did."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from mcap_ros2.decoder import DecoderFactory

from sim2real.contract.errors import BadInput
from sim2real.recording.cdr import encode
from sim2real.recording.messages import hand_reading_message
from sim2real.recording.reader import read_recording
from sim2real.recording.received import hand_state_of
from sim2real.recording.records import Raw, records
from sim2real.recording.replay import replay
from sim2real.runtime.bundle import read_bundle
from sim2real.skills.goal import GoalSignal
from tests.recording.conftest import SPEC, rewrite


@pytest.mark.parametrize("readings_per_step", [1, 5])
def test_every_vector_of_every_step_is_the_same(session, every_bundle, readings_per_step):
    one = session(every_bundle, readings_per_step=readings_per_step)
    one.begin_trial()
    for seed in (1, 2):
        one.run_episode(seed)
    memory = one.runner.memory
    one.begin_trial(condition="wrong_task", first=1)
    one.runner.memory = memory
    one.runner.is_frozen = True
    one.run_episode(3)
    one.runner.is_frozen = False
    one.run_episode(4, until=9)
    one.close()

    recording = read_recording(one.recording.path)
    replayed = list(replay(recording, one.bundle, SPEC))

    whole = one.bundle.manifest.episode_length + 1
    assert [len(item.steps["tick"]) for item in replayed] == [whole, whole, whole, 9]
    for item in replayed:
        assert max(item.differences().values()) == 0.0, item.differences()
    for item, outcome in zip(replayed[:3], one.outcomes):
        assert dataclasses.asdict(item.outcome) == dataclasses.asdict(outcome)
    assert replayed[3].outcome is None
    computed = np.concatenate([item.steps["observation"] for item in replayed])
    np.testing.assert_array_equal(computed, [step.tick.observation for step in one.steps])


@pytest.mark.parametrize("is_lost", [True, False], ids=["lost", "too late"])
def test_readings_that_the_policy_could_not_use_are_not_acted_on(session, is_lost):
    one = session(readings_per_step=5)
    if is_lost:
        one.is_heard = lambda state: state.reading.sequence % 7 != 3
    else:
        one.delay_ns = lambda state: 10**9 * (state.reading.sequence % 7 == 3)
    one.begin_trial()
    one.run_episode(1)
    one.close()

    (replayed,) = replay(read_recording(one.recording.path), one.bundle, SPEC)

    acted_on = set(replayed.episode.steps["sequence"].tolist())
    late = np.diff(replayed.episode.steps["sequence"])
    assert (late > 5).any()
    assert not {number for number in acted_on if number % 7 == 3}
    assert max(replayed.differences().values()) == 0.0


def test_freezing_in_the_middle_of_an_episode_is_followed(session):
    one = session()
    one.begin_trial()
    one.runner.begin_episode(goal=GoalSignal.fixed([0.5]), seed=0)
    while one.runner.is_running:
        one.runner.is_frozen = 8 <= len(one.steps) < 15
        one.loop.run_tick()
    one.close()

    (replayed,) = replay(read_recording(one.recording.path), one.bundle, SPEC)

    assert replayed.steps["rejection"].tolist().count("frozen") == 7
    assert max(replayed.differences().values()) == 0.0


def test_a_trial_of_another_process_is_not_taken_for_the_same_one(session, tmp_path):
    one = session(path=tmp_path / "one.mcap")
    one.begin_trial(seed=1)
    one.run_episode(1)
    other = session(path=tmp_path / "other.mcap")
    other.begin_trial(seed=2, first=1)
    other.runner.memory = one.runner.memory
    other.run_episode(2)
    one.close()
    other.close()
    more = [raw for raw in records(other.recording.path) if isinstance(raw, Raw)]
    path = rewrite(one.recording.path, tmp_path / "both.mcap", lambda found: found + more)

    replayed = list(replay(read_recording(path), one.bundle, SPEC))

    assert [item.episode.trial_count for item in replayed] == [0, 0]
    assert [item.episode.start.episode for item in replayed] == [0, 1]
    assert [max(item.differences().values()) for item in replayed] == [0.0, 0.0]


def changed_reading(number: int):
    """The reading `number` with its first joint a little elsewhere."""

    def change(found: list[Raw]) -> list[Raw]:
        rows = [row for row, raw in enumerate(found) if raw.channel.topic == "/hand_reading"]
        row = rows[number]
        decode = DecoderFactory().decoder_for("cdr", found[row].schema)
        state = hand_state_of(decode(found[row].message.data))
        moved = state.reading.position_rad + 1e-3 * np.eye(len(SPEC.joints))[0]
        other = dataclasses.replace(
            state, reading=dataclasses.replace(state.reading, position_rad=moved)
        )
        data = encode("taskbelief_interfaces/HandReading", hand_reading_message(other, SPEC, 0))
        message = dataclasses.replace(found[row].message, data=data)
        return [*found[:row], found[row]._replace(message=message), *found[row + 1 :]]

    return change


def test_one_other_reading_is_noticed(recorded, tmp_path):
    path = rewrite(recorded.recording.path, tmp_path / "b.mcap", changed_reading(50))

    first, *others = replay(read_recording(path), recorded.bundle, SPEC)

    differences = first.differences()
    assert differences["observation"] > 0.0
    assert differences["belief.mean"] > 0.0
    assert differences["sequence"] == 0.0
    assert max(others[1].differences().values()) == 0.0  # of the next trial


def test_a_lost_first_reading_is_said(recorded, tmp_path):
    first = recorded.steps[0].tick.reading.stamp_ns

    def without_it(found: list[Raw]) -> list[Raw]:
        place = next(
            row for row, state in enumerate(recorded.states) if state.reading.stamp_ns == first
        )
        readings = [row for row, raw in enumerate(found) if raw.channel.topic == "/hand_reading"]
        return [raw for row, raw in enumerate(found) if row != readings[place]]

    path = rewrite(recorded.recording.path, tmp_path / "b.mcap", without_it)

    with pytest.raises(BadInput, match=rf"test/0 adapted trial 0 episode 0: .*{first} ns"):
        list(replay(read_recording(path), recorded.bundle, SPEC))


def test_another_bundle_did_not_act_here(recorded, exported_bundles):
    other = read_bundle(exported_bundles("none"))

    with pytest.raises(BadInput, match=f"an episode of bundle {other.digest}"):
        list(replay(read_recording(recorded.recording.path), other, SPEC))
