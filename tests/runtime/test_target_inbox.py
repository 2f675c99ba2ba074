"""Commands from another process: what is followed, what is refused, and who waits for whom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.contract.joint_io import Reading
from sim2real.runtime.target_inbox import TargetInbox, Targets

NAMES = ("a", "b", "c")
NOW_NS = 10**12
MS = 1_000_000
FRESH = Targets(
    reading_ns=NOW_NS - 10_000_000,
    lifespan_s=0.1,
    period_s=0.0,
    names=NAMES,
    position_rad=np.array([0.1, 0.2, 0.3]),
)


class Clock:
    now_ns = NOW_NS

    def __call__(self) -> int:
        return self.now_ns


def opened(clock: Clock) -> TargetInbox:
    """An inbox that was opened long ago."""
    inbox = TargetInbox(NAMES, longest_life_s=0.3, clock_ns=clock)
    clock.now_ns = 0
    inbox.open()
    clock.now_ns = NOW_NS
    return inbox


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def inbox(clock):
    return opened(clock)


@given(st.permutations(range(3)))
def test_positions_go_by_name_in_any_order(order):
    inbox = opened(Clock())
    shuffled = replace(
        FRESH, names=[NAMES[i] for i in order], position_rad=FRESH.position_rad[list(order)]
    )
    assert inbox.offer(shuffled) is None
    command = inbox.take()
    np.testing.assert_array_equal(command.position_rad, FRESH.position_rad)
    assert (command.stamp_ns, command.lifespan_s) == (FRESH.reading_ns, FRESH.lifespan_s)


@pytest.mark.parametrize(
    ("cause", "changed"),
    [
        ("wrong_names", {"names": ("a", "b", "d")}),
        ("wrong_names", {"names": ("a", "b", "b")}),
        ("wrong_names", {"names": ("a", "b")}),
        ("wrong_names", {"names": (*NAMES, "d")}),
        ("wrong_size", {"position_rad": np.zeros(2)}),
        ("wrong_size", {"position_rad": np.zeros(4)}),
        ("not_finite", {"position_rad": np.array([0.0, np.nan, 0.0])}),
        ("not_finite", {"position_rad": np.array([0.0, -np.inf, 0.0])}),
        ("bad_period", {"period_s": -0.1}),
        ("bad_period", {"period_s": float("nan")}),
        ("bad_period", {"period_s": float("inf")}),
        ("bad_period", {"period_s": 1e300}),
        ("bad_lifespan", {"lifespan_s": 0.0}),
        ("bad_lifespan", {"lifespan_s": -1.0}),
        ("bad_lifespan", {"lifespan_s": float("nan")}),
        ("bad_lifespan", {"lifespan_s": float("inf")}),
        ("from_the_future", {"reading_ns": NOW_NS + 1}),
        ("expired", {"reading_ns": NOW_NS - 100_000_001}),
        ("expired", {"reading_ns": 0}),
        ("expired", {"reading_ns": NOW_NS - 300_000_001, "lifespan_s": 60.0}),
    ],
)
def test_whatever_does_not_fit_is_refused_and_counted(inbox, cause, changed):
    refusal = inbox.offer(replace(FRESH, **changed))
    assert refusal is not None
    assert refusal.cause == cause
    assert inbox.counts == {cause: 1}
    assert inbox.take() is None


def test_the_last_moment_of_its_life_still_counts(inbox):
    assert inbox.offer(replace(FRESH, reading_ns=NOW_NS - 100_000_000)) is None
    assert inbox.offer(replace(FRESH, reading_ns=NOW_NS)) is None


def test_the_same_answer_again_and_one_from_before_are_refused(inbox):
    assert inbox.offer(FRESH) is None
    assert inbox.offer(FRESH).cause == "duplicate"
    assert inbox.offer(replace(FRESH, reading_ns=FRESH.reading_ns - 1)).cause == "reordered"
    assert inbox.take().stamp_ns == FRESH.reading_ns


def test_the_newest_wins_and_is_handed_out_once(inbox):
    newer = replace(FRESH, reading_ns=FRESH.reading_ns + 1)
    inbox.offer(FRESH)
    inbox.offer(newer)
    assert inbox.take().stamp_ns == newer.reading_ns
    assert inbox.take() is None
    assert inbox.counts == {"accepted": 2, "overwritten": 1}


def test_nothing_is_followed_before_opening_and_nothing_of_before_afterwards(clock):
    inbox = TargetInbox(NAMES, longest_life_s=0.3, clock_ns=clock)
    assert inbox.offer(FRESH).cause == "not_active"
    assert inbox.take() is None

    inbox.open()
    assert inbox.offer(FRESH).cause == "overruled"
    assert inbox.offer(replace(FRESH, reading_ns=NOW_NS)) is None

    inbox.close()
    assert inbox.take() is None
    inbox.open()
    assert inbox.take() is None


def test_an_older_answer_is_not_worth_ending_the_wait_but_better_than_none(inbox):
    assert not inbox.is_answered(NOW_NS)
    inbox.offer(FRESH)
    assert not inbox.is_answered(NOW_NS)
    assert inbox.is_answered(FRESH.reading_ns)
    assert inbox.take().stamp_ns == FRESH.reading_ns
    inbox.offer(replace(FRESH, reading_ns=NOW_NS))
    assert inbox.is_answered(NOW_NS)


def test_nobody_waits_for_what_is_closed(inbox):
    inbox.close()
    assert inbox.is_answered(NOW_NS)


def reading(at_ms: int) -> Reading:
    """One of a hand that is read every 10 ms."""
    nowhere = np.zeros(3)
    return Reading(
        stamp_ns=NOW_NS + at_ms * MS,
        sequence=at_ms,
        position_rad=nowhere,
        velocity_rad_s=nowhere,
        current_ma=nowhere,
        object_position_rad=np.array(0.0),
        object_velocity_rad_s=np.array(0.0),
    )


def due_until(inbox, clock, end_ms: int, answered_ms: set[int], period_s: float) -> list[int]:
    """The readings of which the inbox says that they may be answered, ms."""
    due = []
    for at_ms in range(0, end_ms, 10):
        clock.now_ns = NOW_NS + at_ms * MS
        if inbox.is_due(reading(at_ms)):
            due.append(at_ms)
        if at_ms in answered_ms:
            one = replace(FRESH, reading_ns=clock.now_ns, period_s=period_s)
            assert inbox.offer(one) is None
            inbox.take()
    return due


def test_an_answer_is_waited_for_when_it_is_due(inbox, clock):
    due = due_until(inbox, clock, 400, {100, 200, 300}, 0.1)

    assert due[:11] == list(range(0, 110, 10)), "all may be until the first command"
    assert [at for at in due if at >= 200] == [200, 300]


def test_an_answer_that_does_not_come_stays_due(inbox, clock):
    due = due_until(inbox, clock, 500, {100, 200}, 0.1)

    assert [at for at in due if at > 200] == list(range(300, 500, 10))


def test_who_says_nothing_of_a_rhythm_may_answer_every_reading(inbox, clock):
    assert due_until(inbox, clock, 200, set(range(0, 200, 10)), 0.0) == list(range(0, 200, 10))


def test_after_a_hold_the_next_episode_may_begin_at_any_reading(inbox, clock):
    due_until(inbox, clock, 210, {100, 200}, 0.1)
    inbox.open()
    assert inbox.is_due(reading(220))


def test_nothing_is_due_while_it_is_closed(inbox):
    inbox.close()
    assert not inbox.is_due(reading(0))
