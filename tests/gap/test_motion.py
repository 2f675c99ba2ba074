"""Cutting and sampling motions, and making them from the columns of a recording."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim2real.gap.motion import Motion
from sim2real.gap.recorded_motion import Goals, goals_of_ticks, motion_of, stretches
from tests.gap.conftest import KEY, tracked


def ramp(**options) -> Motion:
    return tracked(lambda time: 0.2 * time, delay_s=0.0, **options)


@settings(max_examples=30)
@given(length=st.floats(0.05, 3.0), count=st.integers(3, 80))
def test_windows_cover_the_motion_once(length, count):
    motion = ramp(period_s=0.05, num_readings=count)

    windows = motion.windows(length)

    assert sum(window.duration_s for window in windows) == pytest.approx(motion.duration_s)
    assert sum(len(window.time_s) - 1 for window in windows) == count - 1
    for before, after in itertools.pairwise(windows):
        np.testing.assert_array_equal(before.position_rad[-1], after.position_rad[0])


def test_a_window_is_the_motion_as_seen_from_its_own_start():
    motion = ramp(period_s=0.05, num_readings=41)

    window = motion.cut(10, 30)

    at = np.linspace(0.0, 0.9, 19)
    np.testing.assert_allclose(window.goals_at(at), motion.goals_at(at + 0.5), atol=1e-9)
    np.testing.assert_allclose(window.positions_at(at), motion.positions_at(at + 0.5), atol=1e-9)
    assert window.goal_time_s[-1] <= window.duration_s


def test_a_goal_holds_from_when_it_is_given():
    motion = Motion(
        key=KEY,
        time_s=np.array([0.0, 1.0]),
        position_rad=np.zeros((2, 1)),
        velocity_rad_s=np.zeros((2, 1)),
        object_position_rad=np.zeros(2),
        object_velocity_rad_s=np.zeros(2),
        goal_time_s=np.array([-1.0, 0.5]),
        goal_rad=np.array([[1.0], [2.0]]),
    )

    np.testing.assert_array_equal(
        motion.goals_at(np.array([-5.0, 0.0, 0.499, 0.5, 9.0]))[:, 0], [1.0, 1.0, 1.0, 2.0, 2.0]
    )


@pytest.mark.parametrize(
    "broken",
    [
        {"time_s": np.array([0.0, 0.0])},
        {"goal_time_s": np.array([0.1, 0.5])},
        {"goal_time_s": np.array([-0.1, -0.5])},
    ],
)
def test_a_motion_that_goes_back_in_time_or_has_no_first_goal_is_none(broken):
    fields = {
        "time_s": np.array([0.0, 1.0]),
        "goal_time_s": np.array([-1.0, 0.5]),
        **broken,
    }
    with pytest.raises(ValueError):
        Motion(
            key=KEY,
            position_rad=np.zeros((2, 1)),
            velocity_rad_s=np.zeros((2, 1)),
            object_position_rad=np.zeros(2),
            object_velocity_rad_s=np.zeros(2),
            goal_rad=np.zeros((2, 1)),
            **fields,
        )


def ticks(count: int = 5):
    """Every 20 ms a reading, 3 ms later its answer; the second one could not be written."""
    reading = 10_000_000_000 + np.arange(count) * 20_000_000
    written = reading + 3_000_000
    written[1] = 0
    applied = np.arange(count, dtype=float)[:, None].repeat(2, axis=1)
    applied[1] = np.nan
    return {"reading_ns": reading, "written_ns": written, "applied_rad": applied}


def hand(count: int = 5, first: int = 0):
    reading = 10_000_000_000 + np.arange(first, first + count) * 20_000_000
    return {
        "reading_ns": reading,
        "position_rad": np.zeros((count, 2)),
        "velocity_rad_s": np.zeros((count, 2)),
        "object_position_rad": np.zeros(count),
        "object_velocity_rad_s": np.zeros(count),
        "applied_rad": np.full((count, 2), -1.0),
        "is_following": np.ones(count, bool),
    }


def test_goals_count_from_when_they_were_written_and_from_the_reading_in_lock_step():
    real, simulated = (goals_of_ticks(ticks(), is_lock_step=flag) for flag in (False, True))

    np.testing.assert_array_equal(real.goal_rad[:, 0], [0.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(real.stamp_ns - simulated.stamp_ns, 3_000_000)


def test_a_motion_begins_with_the_goals_that_were_held():
    motion = motion_of(KEY, hand(), goals_of_ticks(ticks(), is_lock_step=False))

    np.testing.assert_array_equal(motion.goals_at(np.array([0.0]))[0], [-1.0, -1.0])
    np.testing.assert_array_equal(motion.goals_at(np.array([0.003]))[0], [0.0, 0.0])
    assert motion.duration_s == pytest.approx(0.08)

    given_rad = np.array([7.0, 8.0])
    told = motion_of(KEY, hand(), goals_of_ticks(ticks(), is_lock_step=False), given_rad)
    np.testing.assert_array_equal(told.goals_at(np.array([0.0]))[0], given_rad)


def test_readings_that_came_twice_count_once():
    twice = {name: np.concatenate([column, column]) for name, column in hand().items()}

    motion = motion_of(KEY, twice, goals_of_ticks(ticks(), is_lock_step=False))

    assert len(motion.time_s) == 5


def test_a_hand_without_goals_or_with_one_reading_made_no_motion():
    nobody = {**hand(), "applied_rad": np.zeros((5, 0))}
    nothing = Goals(np.zeros(0, np.int64), np.zeros((0, 0)))

    assert motion_of(KEY, nobody, nothing) is None
    assert motion_of(KEY, hand(1), nothing) is None
    assert motion_of(KEY, {}, nothing) is None


def test_pauses_and_torque_off_cut_a_recording():
    first, second = hand(5), hand(5, first=100)
    columns = {name: np.concatenate([first[name], second[name]]) for name in first}
    columns["is_following"][3] = False

    found = [len(part["reading_ns"]) for part in stretches(columns)]

    assert found == [3, 1, 5]


def jumping(times, levels) -> Motion:
    nothing = np.zeros((2, 1))
    return Motion(
        key=KEY,
        time_s=np.array([0.0, 1.0]),
        position_rad=nothing,
        velocity_rad_s=nothing,
        object_position_rad=nothing[:, 0],
        object_velocity_rad_s=nothing[:, 0],
        goal_time_s=np.array([-1.0, *times]),
        goal_rad=np.array([0.0, *levels])[:, None],
    )


@settings(max_examples=50)
@given(
    times=st.lists(st.floats(0.0, 0.9), min_size=1, max_size=6, unique=True),
    delay=st.floats(0.0, 0.05),
    seed=st.integers(0, 99),
)
def test_held_goals_are_the_means_of_the_delayed_goals(times, delay, seed):
    dt, count = 0.01, 100
    levels = np.random.default_rng(seed).uniform(-1.0, 1.0, len(times))
    motion = jumping(sorted(times), levels)

    held = motion.mean_goals(count, dt, delay)[:, 0]

    fine = (np.arange(count * 400) + 0.5) * dt / 400
    expected = motion.goals_at(fine - delay)[:, 0].reshape(count, 400).mean(axis=1)
    np.testing.assert_allclose(held, expected, atol=0.02)
    assert np.abs(held).max() <= np.abs(motion.goal_rad).max() + 1e-9


def test_a_delay_of_whole_steps_shifts_goals_by_whole_steps():
    motion = jumping([0.1, 0.3], [1.0, -1.0])

    prompt, late = (motion.mean_goals(60, 0.01, steps * 0.01)[:, 0] for steps in (0, 7))

    np.testing.assert_allclose(late[7:], prompt[:-7], atol=1e-9)
    assert set(np.round(prompt, 9)) == {0.0, 1.0, -1.0}
