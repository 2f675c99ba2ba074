"""A known lag is found, and nothing is found where nothing moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim2real.gap.delay import joint_lags
from tests.gap.conftest import tracked

PERIOD_S = 0.01


def swinging(seed: int, max_hz: float = 5.0):
    """A sum of sines: smooth at the readings' rate."""
    rng = np.random.default_rng(seed)
    frequency, phase = rng.uniform(0.3, max_hz, 12), rng.uniform(0, 2 * np.pi, 12)
    return lambda time: 0.1 * np.sin(2 * np.pi * frequency * time[:, None] + phase).sum(axis=1)


@settings(max_examples=25)
@given(delay=st.floats(0.0, 40.0), seed=st.integers(0, 1000))
def test_a_known_lag_is_found_within_a_tenth_of_a_sample(delay, seed):
    motion = tracked(swinging(seed), delay_s=delay * PERIOD_S, period_s=PERIOD_S, num_readings=601)

    (lag,) = joint_lags([motion], PERIOD_S, num_resamples=10)

    assert lag.lag_s / PERIOD_S == pytest.approx(delay, abs=0.1)
    assert lag.correlation > 0.98


def test_the_interval_covers_what_noise_does():
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(40):
        motion = tracked(swinging(seed), delay_s=0.0437, period_s=PERIOD_S, num_readings=1501)
        motion.position_rad[:] += rng.normal(0.0, 0.02, motion.position_rad.shape)
        (lag,) = joint_lags([motion], PERIOD_S, num_resamples=200)
        covered += lag.low_s - 1e-4 <= 0.0437 <= lag.high_s + 1e-4
    assert covered >= 32


def test_steps_lag_by_their_delay():
    """Goals that jump, as a policy's do: a jump is as good as a sine where readings are dense."""

    def steps(time):
        return 0.1 * np.floor(time / 0.4) % 0.3

    motion = tracked(steps, delay_s=0.05, period_s=PERIOD_S, num_readings=901)

    (lag,) = joint_lags([motion], PERIOD_S, num_resamples=10)

    assert lag.lag_s == pytest.approx(0.05, abs=PERIOD_S)


def test_when_goals_come_between_two_readings_makes_no_difference():
    """Goals right at the readings, as in a simulation, or 3 ms later, as over a bus."""
    lags = []
    for offset_s in (0.0, 0.003, 0.012):
        motion = tracked(swinging(1), delay_s=0.06, period_s=0.02, num_readings=601)
        goal_time_s = np.arange(-1.0, 12.0, 0.02) + offset_s
        motion = replace(
            motion,
            goal_time_s=goal_time_s,
            # A held goal lags by half a period on average.
            goal_rad=swinging(1)(goal_time_s + 0.01)[:, None],
        )
        lags.append(joint_lags([motion], 0.02, num_resamples=10)[0].lag_s)

    np.testing.assert_allclose(lags, 0.06, atol=0.002)


def test_a_joint_that_is_given_no_motion_has_no_lag():
    motion = tracked(np.zeros_like, delay_s=0.0, period_s=PERIOD_S, num_readings=300)

    assert joint_lags([motion], PERIOD_S) == [None]


def test_a_motion_too_short_for_any_lag_has_none():
    motion = tracked(swinging(0), delay_s=0.0, period_s=PERIOD_S, num_readings=20)

    assert joint_lags([motion], PERIOD_S) == []
