"""Messages say what the loops know, and what comes back from them is the same again."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sim2real.contract.joint_io import Command, Reading
from sim2real.contract.manifest import parse_manifest
from sim2real.hardware.robot import Health, Phase
from sim2real.recording import messages, received
from sim2real.recording.reader import read_recording
from sim2real.recording.topics import TOPICS
from sim2real.recording.writer import Recording
from sim2real.runtime.diagnosis import Level, Status
from sim2real.runtime.hand_state import HandState
from sim2real.runtime.safety import Rung
from tests.recording.conftest import EPOCH_NS, SPEC

RNG = np.random.default_rng(0)
STAMP = {"sec": 1_700_000_000, "nanosec": 0}
READING = Reading(
    stamp_ns=2**53 + 1,  # no float holds it
    sequence=41,
    position_rad=RNG.normal(size=9),
    velocity_rad_s=RNG.normal(size=9),
    current_ma=RNG.normal(size=9),
    object_position_rad=np.asarray(7.5),
    object_velocity_rad_s=np.asarray(-0.25),
)
HEALTH = Health(
    stamp_ns=READING.stamp_ns,
    temperature_c=RNG.uniform(20.0, 60.0, 9),
    voltage_v=RNG.uniform(11.0, 13.0, 9),
    hardware_error=np.arange(9),
    torque_enabled=np.arange(9) > 3,
    watchdog_tripped=np.arange(9) == 5,
    goal_position_rad=RNG.normal(size=9),
)


@pytest.fixture
def crossed(tmp_path, metadata):
    """A message as it comes out of a recording."""

    def cross(topic: str, values):
        with Recording(tmp_path / f"{topic}.mcap", metadata) as recording:
            recording.write(topic, values, EPOCH_NS)
        (item,) = read_recording(tmp_path / f"{topic}.mcap").messages(topic)
        return item.message

    return cross


def assert_same(one, other) -> None:
    """Dataclasses with arrays in them, field by field, to the last bit."""
    assert type(one) is type(other)
    for field in dataclasses.fields(one):
        first, second = getattr(one, field.name), getattr(other, field.name)
        if dataclasses.is_dataclass(first):
            assert_same(first, second)
        elif isinstance(first, dict):
            assert list(first) == list(second)
            for name in first:
                np.testing.assert_array_equal(first[name], second[name])
        else:
            np.testing.assert_array_equal(first, second)
            assert np.shape(first) == np.shape(second)


@pytest.mark.parametrize("applied", [None, np.linspace(-1.0, 1.0, 9)])
def test_a_hand_state_comes_back_as_it_was(crossed, applied):
    state = HandState(
        reading=READING, applied_rad=applied, applied_answers_ns=2**53 - 1, is_following=True
    )

    message = crossed("hand_reading", messages.hand_reading_message(state, SPEC, EPOCH_NS))

    assert_same(received.hand_state_of(message), state)
    assert message.names == list(SPEC.joint_names)
    assert (message.header.stamp.sec, message.header.frame_id) == (STAMP["sec"], "dclaw_base")


def test_joint_states_are_in_si_units_and_name_the_valve(crossed):
    message = crossed("joint_states", messages.joint_states_message(READING, SPEC, EPOCH_NS))

    assert message.name == [*SPEC.joint_names, "valve"]
    assert message.position == [*READING.position_rad, 7.5]
    assert message.velocity == [*READING.velocity_rad_s, -0.25]
    torque = READING.current_ma / 1000.0 * 3.0 / 2.3  # XM430-W210: 3.0 N.m at 2.3 A
    np.testing.assert_allclose(message.effort, [*torque, np.nan])


@pytest.mark.parametrize(
    ("own", "given", "expected"),
    [(0.04, 0.2, 0.04), (None, 0.2, 0.2), (None, None, SPEC.safety.stale_after_s)],
)
def test_targets_live_as_long_as_their_command(crossed, own, given, expected):
    command = Command(stamp_ns=99, position_rad=READING.position_rad, lifespan_s=own)

    values = messages.joint_targets_message(command, SPEC, EPOCH_NS, lifespan_s=given)
    targets = received.targets_of(crossed("joint_targets", values))

    assert (targets.reading_ns, targets.lifespan_s) == (99, expected)
    assert targets.names == SPEC.joint_names
    np.testing.assert_array_equal(targets.position_rad, READING.position_rad)


def test_every_servo_tells_its_own_condition(crossed):
    values = messages.servo_states_message(
        READING, HEALTH, SPEC, EPOCH_NS, phase=Phase.ACTIVE, rung=Rung.TORQUE_OFF, reason="voltage"
    )

    message = crossed("servo_states", values)

    assert (message.phase, message.rung, message.reason) == ("active", "torque_off", "voltage")
    assert [servo.name for servo in message.servos] == list(SPEC.joint_names)
    assert [servo.motor_id for servo in message.servos] == list(SPEC.motor_ids)
    for index, servo in enumerate(message.servos):
        assert servo.position_rad == READING.position_rad[index]
        assert servo.current_ma == READING.current_ma[index]
        assert servo.goal_position_rad == HEALTH.goal_position_rad[index]
        assert servo.hardware_error == index
        assert servo.torque_enabled == (index > 3)
        assert servo.watchdog_tripped == (index == 5)


def test_a_tick_says_what_was_written_and_why_nothing_was(crossed, recorded):
    tick = recorded.ticks[10]
    message = crossed("control_tick", messages.control_tick_message(tick, EPOCH_NS))
    for name in ("number", "deadline_ns", "started_ns", "reading_ns", "written_ns", "answers_ns"):
        assert getattr(message, name) == getattr(tick, name)
    assert message.applied_rad == tick.applied_rad.tolist()
    assert (message.rung, message.cause) == (tick.rung.name.lower(), tick.cause)

    nothing = dataclasses.replace(tick, rung=Rung.LIMP, cause="current", applied_rad=None)
    values = messages.control_tick_message(nothing, EPOCH_NS)
    assert (values["rung"], values["cause"], len(values["applied_rad"])) == ("limp", "current", 0)


def test_a_step_says_what_was_seen_believed_and_decided(recorded):
    for step in (recorded.steps[0], recorded.steps[7], recorded.steps[30]):
        said = messages.policy_step_message(step, EPOCH_NS)
        tick = step.tick
        assert (said["tick"], said["episode"]) == (tick.number, tick.episode)
        assert said["rejection"] == ("episode_boundary" if tick.number == 0 else "")
        assert said["is_last"] == (tick.number == 30)
        assert len(said["action"]) == len(said["desired_rad"]) == (0 if said["is_last"] else 9)
        assert len(said["previous_applied_action"]) == (0 if tick.number == 0 else 9)
        np.testing.assert_array_equal(said["observation"], tick.observation)


def test_a_belief_says_what_it_rests_on(recorded):
    step, bundle = recorded.steps[61], recorded.bundle  # the last of the first trial

    said = messages.belief_message(step, bundle, EPOCH_NS)

    assert said["num_transitions"] == 60
    assert (said["num_rejected"], said["rejection_causes"]) == (2, ["episode_boundary"])
    assert said["rejection_counts"] == [2]
    assert said["evidence_age_s"] == 0.0
    assert said["kl_from_prior"] == step.belief.kl_from_prior > 0.0
    kind = bundle.manifest.adaptation.kind
    assert (said["bundle_digest"], said["adaptation_kind"]) == (bundle.digest, kind)
    np.testing.assert_array_equal(said["shown"], step.tick.shown)
    np.testing.assert_array_equal(said["mean"], step.belief.mean)


def test_what_begins_an_episode_and_what_came_of_it_come_back(crossed, recorded):
    start, outcome = recorded.starts[1], recorded.outcomes[1]

    begun = crossed("episode_start", messages.episode_start_message(start, EPOCH_NS))
    ended = crossed("trial_result", messages.trial_result_message(outcome, EPOCH_NS))

    assert_same(received.episode_start_of(begun), start)
    assert_same(received.episode_outcome_of(ended), outcome)
    with pytest.raises(ValueError, match="first reading"):
        unbegun = dataclasses.replace(start, target_rad=None)
        messages.episode_start_message(unbegun, EPOCH_NS)


def test_a_bundle_is_named_and_told_whole(crossed, recorded):
    message = crossed("bundle_info", messages.bundle_info_message(recorded.bundle))

    manifest = recorded.bundle.manifest
    assert (message.name, message.digest) == (manifest.name, recorded.bundle.digest)
    assert parse_manifest(message.manifest_json, "here") == manifest


def test_diagnostics_name_node_and_component(crossed):
    rows = [
        Status(name="servo bus", level=Level.WARN, message="2 failed", values={"read": "2"}),
        Status(name="commands", level=Level.STALE, message="none"),
    ]

    message = crossed(
        "diagnostics",
        messages.diagnostics_message(rows, EPOCH_NS, node="driver", hardware_id="emulated"),
    )

    first, second = message.status
    assert (first.name, first.level, first.hardware_id) == ("driver: servo bus", 1, "emulated")
    assert [(item.key, item.value) for item in first.values] == [("read", "2")]
    assert (second.level, second.values) == (3, [])


def test_events_are_told_with_their_joints(crossed):
    values = messages.safety_event_message(
        SPEC,
        rung=Rung.HOLD,
        cause="voltage",
        stamp_ns=EPOCH_NS,
        detail="9 V",
        joints=("finger1_top",),
    )
    message = crossed("safety_event", values)

    assert (message.rung, message.cause, message.detail) == ("hold", "voltage", "9 V")
    assert message.joints == ["finger1_top"]


class Request:
    """As a service hands it over."""

    def __init__(self, **fields) -> None:
        self.__dict__.update(fields)


@pytest.mark.parametrize("memory", [{}, {"a": np.zeros(0)}, {"b": np.ones(2), "a": np.zeros(3)}])
def test_a_memory_crosses_a_service(memory):
    found = received.memory_of(Request(**messages.memory_fields(memory)))

    assert list(found) == list(memory)
    for name, part in memory.items():
        np.testing.assert_array_equal(found[name], part)


@pytest.mark.parametrize("change", [{"sizes": [3]}, {"names": ["a", "b"]}, {"values": [1.0]}])
def test_a_memory_whose_sizes_do_not_fit_is_refused(change):
    fields = {"names": ["a"], "sizes": [2], "values": [1.0, 2.0]}

    with pytest.raises(ValueError, match="memory: "):
        received.memory_of(Request(**fields | change))


@pytest.mark.parametrize("ns", [0, 1, 10**9 - 1, 10**9, 1_700_000_000_123_456_789])
def test_stamps_are_exact(ns):
    said = messages.stamp(ns)

    assert said["sec"] * 10**9 + said["nanosec"] == ns
    assert 0 <= said["nanosec"] < 10**9


def test_every_topic_has_a_function_that_makes_its_message():
    names = {name.removesuffix("_message") for name in dir(messages) if name.endswith("_message")}

    assert names == set(TOPICS)


@pytest.mark.parametrize(
    ("ns", "sec", "nanosec"),
    [
        (-1, -1, 999_999_999),
        (2**31 * 10**9 - 1, 2**31 - 1, 999_999_999),
        (2**31 * 10**9, 2**31 - 1, 999_999_999),
        (2**63, 2**31 - 1, 999_999_999),
        (-(2**62), -(2**31), 0),
    ],
)
def test_a_clock_beyond_what_a_stamp_counts_stays_at_its_end(ns, sec, nanosec):
    assert messages.stamp(ns) == {"sec": sec, "nanosec": nanosec}


def test_targets_say_when_the_next_ones_are_due():
    command = Command(stamp_ns=5, position_rad=np.zeros(9))
    assert messages.joint_targets_message(command, SPEC, EPOCH_NS)["period_s"] == 0.0
    said = messages.joint_targets_message(command, SPEC, EPOCH_NS, period_s=0.1)
    assert said["period_s"] == 0.1
