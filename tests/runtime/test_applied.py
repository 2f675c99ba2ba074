"""An action stands for a period only where its command was there in time, and stayed."""

from __future__ import annotations

import numpy as np
import pytest

from sim2real.contract.joint_io import Command
from sim2real.runtime.applied import AppliedGoals
from sim2real.runtime.hand_state import HandState
from tests.runtime.test_turns import MS, reading

WANTED, ELSEWHERE = np.full(9, 0.3), np.full(9, 0.1)
SENT_MS = 1000


def state(at_ms: int, applied=WANTED, answers_ms: int = SENT_MS) -> HandState:
    return HandState(
        reading=reading(at_ms, at_ms),
        applied_rad=applied,
        applied_answers_ns=answers_ms * MS,
        is_following=True,
    )


@pytest.fixture
def goals() -> AppliedGoals:
    goals = AppliedGoals(0.02)
    goals.expect(Command(stamp_ns=SENT_MS * MS, position_rad=WANTED))
    return goals


def test_a_command_that_was_applied_is_nothing_to_report(goals):
    goals.watch(state(SENT_MS + 10, ELSEWHERE, SENT_MS - 100))  # still on its way
    for at_ms in range(30, 100, 10):
        goals.watch(state(SENT_MS + at_ms))

    assert goals.verdict(state(SENT_MS + 100)) is None


def test_before_any_command_there_is_nothing_to_report(goals):
    goals.forget()

    assert goals.verdict(state(SENT_MS + 100, ELSEWHERE, 0)) is None


def test_a_limited_command_is_steady(goals):
    for at_ms in range(30, 100, 10):
        goals.watch(state(SENT_MS + at_ms, ELSEWHERE))

    verdict = goals.verdict(state(SENT_MS + 100, ELSEWHERE))

    np.testing.assert_array_equal(verdict.applied_rad, ELSEWHERE)
    assert verdict.is_steady


@pytest.mark.parametrize(
    ("at_ms", "applied", "answers_ms"),
    [
        (30, ELSEWHERE, SENT_MS - 100),  # it came late
        (60, ELSEWHERE, 0),  # the hand held for a moment
        (60, None, 0),  # nobody knows
        (60, ELSEWHERE, SENT_MS),  # it was approached step by step
    ],
)
def test_a_command_that_was_not_there_all_the_time_is_not(goals, at_ms, applied, answers_ms):
    for before_ms in range(10, at_ms, 10):
        goals.watch(state(SENT_MS + before_ms))
    goals.watch(state(SENT_MS + at_ms, applied, answers_ms))
    for after_ms in range(at_ms + 10, 100, 10):
        goals.watch(state(SENT_MS + after_ms))

    verdict = goals.verdict(state(SENT_MS + 100))

    assert not verdict.is_steady
    np.testing.assert_array_equal(verdict.applied_rad, WANTED)


@pytest.mark.parametrize(("applied", "answers_ms"), [(ELSEWHERE, 0), (WANTED, 0), (None, 0)])
def test_goals_that_are_nobodys_answer_are_no_action(goals, applied, answers_ms):
    verdict = goals.verdict(state(SENT_MS + 100, applied, answers_ms))

    assert not verdict.is_steady
    assert verdict.applied_rad is applied
