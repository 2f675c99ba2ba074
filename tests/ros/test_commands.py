"""Commands that come over DDS: followed while they are true, refused and counted otherwise."""

from __future__ import annotations

import time

import numpy as np
import pytest

from taskbelief_hardware.interfaces import (
    CONTROL_TICK,
    DIAGNOSTICS,
    HAND_READING,
    HOLD,
    JOINT_TARGETS,
    PLACE_HAND,
    SAFETY_EVENT,
)
from tests.ros.graph import HOME, Bench, bench_in, patient_robot, targets

pytestmark = pytest.mark.realtime

PERIOD_S = 0.05
LIMP_AFTER_S = 2.0
"""of the patient robot"""


class Hand:
    """A driver that is active, and this test as the one who commands it."""

    def __init__(self, bench: Bench, folder) -> None:
        self.bench = bench
        robot_config, _ = patient_robot(folder, LIMP_AFTER_S)
        self.driver = bench.start(
            "driver", robot="simulated", rate_hz=1.0 / PERIOD_S, robot_config=robot_config
        )
        self.readings, self.ticks = bench.listen(HAND_READING), bench.listen(CONTROL_TICK)
        self.diagnostics, self.events = bench.listen(DIAGNOSTICS), bench.listen(SAFETY_EVENT)
        assert bench.change(self.driver, "configure"), self.driver.log
        self.commands = bench.publisher(JOINT_TARGETS)

    def next_reading(self):
        count = len(self.readings)
        self.bench.wait_for(lambda: len(self.readings) > count, "a reading")
        return self.readings[-1]

    def refused(self, cause: str) -> int:
        """As the diagnostics count it."""
        row = self.bench.diagnosis("driver: commands", self.diagnostics)
        values = {} if row is None else {item.key: int(item.value) for item in row.values}
        return values.get(cause, 0)

    def send(self, message) -> None:
        self.commands.publish(message)

    def answered(self, reading_ns: int) -> bool:
        return any(tick.answers_ns == reading_ns for tick in self.ticks)

    def await_refusal(self, cause: str, count: int) -> None:
        self.bench.wait_for(lambda: self.refused(cause) >= count, f"{cause} to be counted")
        row = self.bench.diagnosis("driver: commands", self.diagnostics)
        assert {item.key for item in row.values} >= {cause}


@pytest.fixture(scope="module")
def hand(ros_domain_id, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hand")
    with bench_in(folder, ros_domain_id) as bench:
        yield Hand(bench, folder)


@pytest.fixture
def active(hand):
    """Active, and nobody commands it."""
    if hand.bench.state(hand.driver) == "inactive":
        assert hand.bench.change(hand.driver, "activate"), hand.driver.log
    assert hand.bench.call(HOLD).success
    held_ns = time.monotonic_ns()
    hand.bench.wait_for(lambda: hand.readings[-1].reading_ns > held_ns, "a reading after that")
    return hand


def test_nothing_is_followed_before_activation(hand):
    before = hand.refused("not_active")
    hand.send(targets(hand.next_reading(), offset_rad=0.1))
    hand.await_refusal("not_active", before + 1)
    assert not hand.ticks[-1].applied_rad


def test_an_answer_in_time_is_applied_and_said_to_be_that(active):
    reading = active.next_reading()
    command = targets(reading, offset_rad=0.02)
    active.send(command)
    active.bench.wait_for(lambda: active.answered(reading.reading_ns), "it to be applied")
    tick = next(tick for tick in active.ticks if tick.answers_ns == reading.reading_ns)
    np.testing.assert_allclose(tick.applied_rad, command.position_rad)
    assert tick.rung == "run"
    told = lambda: [r for r in active.readings if r.applied_answers_ns == reading.reading_ns]  # noqa: E731
    applied = active.bench.wait_for(told, "the policy to be told")[0]
    np.testing.assert_allclose(applied.applied_rad, command.position_rad)


def test_joints_are_matched_by_name(active):
    reading = active.next_reading()
    command = targets(reading, offset_rad=0.02)
    shuffled = targets(
        reading,
        names=list(reversed(command.names)),
        position_rad=list(reversed(command.position_rad)),
    )
    active.send(shuffled)
    active.bench.wait_for(lambda: active.answered(reading.reading_ns), "it to be applied")
    tick = next(tick for tick in active.ticks if tick.answers_ns == reading.reading_ns)
    np.testing.assert_allclose(tick.applied_rad, command.position_rad)


REFUSED = {
    "wrong_names": {"names": [f"thumb{n}" for n in range(9)]},
    "wrong_size": {"position_rad": [0.0] * 8},
    "not_finite": {"position_rad": [float("nan")] * 9},
    "bad_lifespan": {"lifespan_s": 0.0},
    "from_the_future": {"reading_ns": 2**62},
}


@pytest.mark.parametrize("cause", REFUSED)
def test_what_does_not_fit_is_refused_and_counted(active, cause):
    before = active.refused(cause)
    reading = active.next_reading()
    active.send(targets(reading, offset_rad=0.1, **REFUSED[cause]))
    active.await_refusal(cause, before + 1)
    assert not active.answered(reading.reading_ns)


def test_a_command_past_its_lifespan_is_not_executed(active):
    before = active.refused("expired")
    reading = active.next_reading()
    time.sleep(0.2)
    active.send(targets(reading, offset_rad=0.1, lifespan_s=0.1))
    active.await_refusal("expired", before + 1)
    assert not active.answered(reading.reading_ns)


def test_nobody_is_believed_longer_than_the_robot_allows(active):
    before = active.refused("expired")
    reading = active.next_reading()
    time.sleep(LIMP_AFTER_S + 0.2)
    active.send(targets(reading, offset_rad=0.1, lifespan_s=60.0))
    active.await_refusal("expired", before + 1)
    assert not active.answered(reading.reading_ns)


def test_a_duplicate_and_an_older_answer_are_not_executed(active):
    older, newer = active.next_reading(), active.next_reading()
    duplicates, reordered = active.refused("duplicate"), active.refused("reordered")
    active.send(targets(newer, offset_rad=0.01, lifespan_s=LIMP_AFTER_S))
    active.bench.wait_for(lambda: active.answered(newer.reading_ns), "the newer to be applied")
    active.send(targets(newer, offset_rad=0.1, lifespan_s=LIMP_AFTER_S))
    active.await_refusal("duplicate", duplicates + 1)
    active.send(targets(older, offset_rad=0.1, lifespan_s=LIMP_AFTER_S))
    active.await_refusal("reordered", reordered + 1)
    assert not active.answered(older.reading_ns)
    largest = max(max(np.abs(tick.applied_rad), default=0.0) for tick in active.ticks[-40:])
    assert largest < np.abs(newer.position_rad).max() + 0.05


def test_what_answers_a_reading_from_before_the_hold_is_void(active):
    before = active.refused("overruled")
    reading = active.next_reading()
    assert active.bench.call(HOLD).success
    active.send(targets(reading, offset_rad=0.1))
    active.await_refusal("overruled", before + 1)
    assert not active.answered(reading.reading_ns)


def test_nothing_is_executed_past_its_lifespan(active):
    """Commands with short lives, in a stream: whatever was written was young enough."""
    lifespan_s, sent = 0.03, {}
    for _ in range(20):
        reading = active.next_reading()
        sent[reading.reading_ns] = True
        active.send(targets(reading, lifespan_s=lifespan_s))
    executed = [tick for tick in active.ticks if tick.answers_ns in sent and tick.written_ns]
    assert executed
    assert max(tick.written_ns - tick.answers_ns for tick in executed) <= lifespan_s * 1e9


def test_placing_waits_for_nobody_who_goes_on_commanding(active):
    place = {"joint_rad": HOME.tolist(), "moves_object": True, "object_rad": 0.2}
    active.send(targets(active.next_reading(), lifespan_s=1.0))
    active.bench.wait_for(lambda: active.ticks[-1].rung == "run", "the command to be followed")
    answer = active.bench.call(PLACE_HAND, **place)
    assert "busy" in answer.message
    assert active.bench.call(HOLD).success
    answer = active.bench.call(PLACE_HAND, **place)
    assert answer.success, answer.message
    reading = active.next_reading()
    assert reading.object_position_rad == pytest.approx(0.2, abs=0.02)
    np.testing.assert_allclose(reading.position_rad, HOME, atol=0.05)


def test_silence_after_a_command_ends_with_torque_off(active):
    """Nobody said that he was done: he may have died. Hold, limp, torque off, and step down."""
    active.send(targets(active.next_reading()))
    active.bench.wait_for(
        lambda: active.bench.state(active.driver) == "inactive", "the driver to step down"
    )
    rungs = [event.rung for event in active.events][-4:]
    assert rungs == ["run", "hold", "limp", "torque_off"]
    assert {event.cause for event in active.events[-3:]} == {"late_command"}
