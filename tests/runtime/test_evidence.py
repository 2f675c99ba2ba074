"""Only fresh, consecutive readings one period apart are evidence; the rest is counted by cause."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.contract.joint_io import Reading
from sim2real.runtime.evidence import UNUSABLE, EvidenceGate, Rejection

PERIOD_NS, MILLISECOND_NS = 100_000_000, 1_000_000


def reading(stamp_ns: int, sequence: int) -> Reading:
    joints = np.zeros(9)
    return Reading(
        stamp_ns=stamp_ns,
        sequence=sequence,
        position_rad=joints,
        velocity_rad_s=joints,
        current_ma=joints,
        object_position_rad=np.zeros(()),
        object_velocity_rad_s=np.zeros(()),
    )


def gate() -> EvidenceGate:
    return EvidenceGate(control_period_s=0.1, tolerance=0.2, stale_after_s=0.05)


def judge(the_gate: EvidenceGate, stamp_ms: float, sequence: int, **options) -> Rejection | None:
    stamp_ns = round(stamp_ms * MILLISECOND_NS)
    defaults = {"now_ns": stamp_ns, "is_action_known": True, "is_frozen": False}
    return the_gate.judge(reading(stamp_ns, sequence), **{**defaults, **options})


def test_readings_one_period_apart_are_evidence_from_the_second_on():
    the_gate = gate()

    judged = [judge(the_gate, 100 * tick, tick) for tick in range(4)]

    assert judged == [Rejection.EPISODE_BOUNDARY, None, None, None]
    assert the_gate.num_accepted == 3
    assert the_gate.counts[Rejection.EPISODE_BOUNDARY] == 1


@pytest.mark.parametrize(
    ("stamps_ms", "sequences", "expected"),
    [
        ((0, 0), (0, 0), Rejection.DUPLICATE),
        ((0, 100), (0, 0), Rejection.DUPLICATE),
        ((0, 0), (0, 1), Rejection.DUPLICATE),
        ((100, 0), (1, 0), Rejection.REORDERED),
        ((100, 200), (1, 0), Rejection.REORDERED),
        ((100, 0), (0, 1), Rejection.REORDERED),
        ((0, 121), (0, 1), Rejection.LATE),
        ((0, 79), (0, 1), Rejection.EARLY),
        ((0, 119), (0, 1), None),
        ((0, 81), (0, 1), None),
    ],
)
def test_second_of_two_readings(stamps_ms, sequences, expected):
    the_gate = gate()

    judged = [judge(the_gate, ms, seq) for ms, seq in zip(stamps_ms, sequences, strict=True)]

    assert judged == [Rejection.EPISODE_BOUNDARY, expected]
    assert the_gate.num_accepted == (expected is None)


def test_a_stale_reading_is_neither_used_nor_remembered():
    the_gate = gate()
    judge(the_gate, 0, 0)

    late_ns = round(100.0 * MILLISECOND_NS) + 51 * MILLISECOND_NS
    assert judge(the_gate, 100, 1, now_ns=late_ns) is Rejection.STALE

    # Its successor is two periods after the last one that was used.
    assert judge(the_gate, 200, 2) is Rejection.LATE
    assert judge(the_gate, 300, 3) is None


def test_a_duplicate_in_between_does_not_break_a_transition():
    the_gate = gate()
    judge(the_gate, 0, 0)

    assert judge(the_gate, 0, 0, now_ns=40 * MILLISECOND_NS) is Rejection.DUPLICATE
    assert judge(the_gate, 100, 1) is None


def test_an_unknown_action_and_a_frozen_belief_are_no_evidence():
    the_gate = gate()
    judge(the_gate, 0, 0)

    assert judge(the_gate, 100, 1, is_action_known=False) is Rejection.FILTERED
    assert judge(the_gate, 200, 2, is_frozen=True) is Rejection.FROZEN
    assert judge(the_gate, 300, 3) is None


def test_an_episode_starts_without_a_predecessor_but_time_goes_on():
    the_gate = gate()
    judge(the_gate, 0, 0)
    judge(the_gate, 100, 1)

    the_gate.begin_episode()

    assert judge(the_gate, 100, 1) is Rejection.DUPLICATE
    assert judge(the_gate, 200, 2) is Rejection.EPISODE_BOUNDARY
    assert judge(the_gate, 300, 3) is None


def test_a_trial_forgets_counts_and_clock():
    the_gate = gate()
    judge(the_gate, 500, 7)

    the_gate.begin_trial()

    assert sum(the_gate.counts.values()) == the_gate.num_accepted == 0
    assert judge(the_gate, 0, 0) is Rejection.EPISODE_BOUNDARY


@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 6), st.integers(0, 4)), min_size=1, max_size=30
    )
)
def test_whatever_arrives_is_counted_once_and_evidence_is_one_period_apart(
    arrivals: Sequence[tuple[int, int, int]],
):
    the_gate, last = gate(), None
    for tens_of_ms, sequence, age in arrivals:
        stamp_ns = tens_of_ms * PERIOD_NS // 4
        verdict = the_gate.judge(
            reading(stamp_ns, sequence),
            stamp_ns + age * 20 * MILLISECOND_NS,
            is_action_known=True,
            is_frozen=False,
        )
        if verdict is None:
            assert last is not None
            assert abs(stamp_ns - last[0] - PERIOD_NS) <= 0.2 * PERIOD_NS
            assert sequence > last[1]
            assert age * 20 <= 50
        if verdict not in UNUSABLE:
            last = stamp_ns, sequence
    assert the_gate.num_accepted + sum(the_gate.counts.values()) == len(arrivals)
