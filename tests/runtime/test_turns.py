"""The policy acts once per control period, however often the hand is read."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.contract.joint_io import Reading
from sim2real.runtime.evidence import Rejection
from sim2real.runtime.turns import Turns

MS = 1_000_000
PERIOD_MS = 100
JOINTS, NOWHERE = np.zeros(9), np.array(0.0)


def reading(at_ms: float, sequence: int) -> Reading:
    return Reading(
        stamp_ns=round(at_ms * MS),
        sequence=sequence,
        position_rad=JOINTS,
        velocity_rad_s=JOINTS,
        current_ma=JOINTS,
        object_position_rad=NOWHERE,
        object_velocity_rad_s=NOWHERE,
    )


def acted_on(times_ms: list[float]) -> list[float]:
    """Which of the readings a policy acts on that begins with the first."""
    turns, acted = Turns(PERIOD_MS * 1e-3), []
    for sequence, at_ms in enumerate(times_ms):
        one = reading(at_ms, sequence)
        assert turns.defect(one) is None
        if not acted or turns.is_due(one):
            turns.acted(one.stamp_ns)
            acted.append(at_ms)
    return acted


@pytest.mark.parametrize("rate_hz", [10, 20, 50, 100, 250, 500])
def test_a_multiple_of_the_rate_gives_whole_periods(rate_hz):
    times_ms = np.arange(5 * rate_hz + 1) * 1e3 / rate_hz

    assert acted_on(list(times_ms)) == pytest.approx(np.arange(51) * PERIOD_MS)


@given(
    st.sampled_from([1, 2, 5, 10]),
    st.lists(st.floats(-0.1, 0.1), min_size=60, max_size=60),
)
def test_readings_that_are_a_little_off_are_counted_all_the_same(per_period, jitter):
    """However each reading is off by a tenth of the time between them: every n-th is acted on."""
    interval_ms = PERIOD_MS / per_period
    times_ms = [(number + off) * interval_ms for number, off in enumerate(jitter)]

    assert acted_on(times_ms) == times_ms[::per_period]


@given(st.sets(st.integers(1, 99), max_size=40))
def test_every_turn_is_the_first_reading_near_the_end_of_a_period(lost):
    times_ms = [10.0 * number for number in range(100) if number not in lost]

    acted = acted_on(times_ms)

    for last, at_ms in itertools.pairwise(acted):
        early = [late for late in times_ms if PERIOD_MS <= late - last < at_ms - last]
        assert not early
        assert at_ms - last >= PERIOD_MS / 2


@given(st.integers(1, 90))
def test_a_single_lost_reading_makes_no_turn_come_early(lost):
    times_ms = [10.0 * number for number in range(100) if number != lost]

    assert (np.diff(acted_on(times_ms)) >= PERIOD_MS - 1e-6).all()


def test_one_lost_reading_shifts_a_turn_to_the_next_one():
    times_ms = [10.0 * k for k in range(25) if k != 10]

    assert acted_on(times_ms) == [0, 110, 210]


def test_what_came_before_or_twice_is_no_reading():
    turns = Turns(0.1)
    assert turns.defect(reading(100, 5)) is None
    assert turns.defect(reading(100, 5)) is Rejection.DUPLICATE
    assert turns.defect(reading(110, 5)) is Rejection.DUPLICATE
    assert turns.defect(reading(100, 6)) is Rejection.DUPLICATE
    assert turns.defect(reading(90, 4)) is Rejection.REORDERED
    assert turns.defect(reading(120, 4)) is Rejection.REORDERED
    assert turns.defect(reading(120, 7)) is None
    turns.forget()
    assert turns.defect(reading(10, 1)) is None
