"""Freshness by the servos' own clocks, against a simulated wire with jitter, wraps and drift."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.hardware.dynamixel.freshness import MAX_DRIFT, TickCheck

MS = 1_000_000
exchanges = st.lists(
    st.tuples(st.floats(0.5, 200), st.floats(0.1, 30), st.floats(0, 1)), min_size=1, max_size=40
)


def tick(time_ns: float, offset_ms: int, drift: float) -> int:
    return int(time_ns * (1 + drift) / MS + offset_ms) % 32768


@given(exchanges, st.integers(0, 32767), st.floats(-MAX_DRIFT / 2, MAX_DRIFT / 2))
def test_what_was_measured_between_question_and_answer_is_fresh(
    steps: list[tuple[float, float, float]], offset: int, drift: float
) -> None:
    """Pause, duration of the exchange and the place of the measurement in it, all in ms."""
    check, now = TickCheck(1, tolerance_s=0.002), 0.0
    for pause, duration, share in steps:
        asked = now + pause * MS
        measured, now = asked + share * duration * MS, asked + duration * MS
        ticks = np.array([tick(measured, offset, drift)])
        assert check.fresh(ticks, int(asked), int(now)).all()
        assert asked - MS <= check.stamp_ns <= now + MS


@given(st.integers(0, 32767), st.floats(8, 200), st.floats(0.1, 3))
def test_an_answer_from_the_tick_before_is_not_fresh(
    offset: int, period: float, duration: float
) -> None:
    check = TickCheck(2, tolerance_s=0.003)
    for step in range(3):
        asked = step * period * MS
        now = np.array([tick(asked, offset, 0.0)] * 2)
        assert check.fresh(now, int(asked), int(asked + duration * MS)).all()
    for age in (1, 3, 2):
        asked += period * MS
        late = np.array([tick(asked, offset, 0.0), tick(asked - age * period * MS, offset, 0.0)])
        assert check.fresh(late, int(asked), int(asked + duration * MS)).tolist() == [True, False]
    asked += period * MS
    now = np.array([tick(asked, offset, 0.0)] * 2)
    assert check.fresh(now, int(asked), int(asked + duration * MS)).all(), "in step again"


def test_a_restarted_servo_is_out_of_step_until_reset() -> None:
    check = TickCheck(1, tolerance_s=0.005)
    check.fresh(np.array([20_000]), 0, MS)
    for step in range(1, 4):
        restarted = np.array([step * 10])
        assert not check.fresh(restarted, step * 10 * MS, (step * 10 + 1) * MS).any()
    check.reset()
    assert check.fresh(np.array([50]), 50 * MS, 51 * MS).all()


def test_whole_wraps_pass_unnoticed() -> None:
    check, wrap = TickCheck(1, tolerance_s=0.005), 32_768 * MS
    assert check.fresh(np.array([32_760]), 0, MS).all()
    assert check.fresh(np.array([2]), 10 * MS, 11 * MS).all()
    assert check.fresh(np.array([12]), 2 * wrap + 20 * MS, 2 * wrap + 21 * MS).all()


def test_the_stamp_follows_the_servo_and_not_a_hasty_or_a_slow_host() -> None:
    check = TickCheck(1, tolerance_s=0.005)
    check.fresh(np.array([100]), 100 * MS, 101 * MS)
    check.fresh(np.array([150]), 130 * MS, 190 * MS)
    assert abs(check.stamp_ns - 150.5 * MS) < 1.5 * MS


@pytest.mark.parametrize("shown", [146, 155])
def test_a_clock_that_is_off_within_tolerance_moves_no_stamp_out_of_its_exchange(
    shown: int,
) -> None:
    check = TickCheck(1, tolerance_s=0.005)
    check.fresh(np.array([100]), 100 * MS, 101 * MS)
    assert check.fresh(np.array([shown]), 150 * MS, 151 * MS).all(), "off by four milliseconds"
    assert 150 * MS <= check.stamp_ns <= 151 * MS
