"""Steps with known responses are measured as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim2real.gap.motion import Motion
from sim2real.gap.step_response import joint_responses
from tests.gap.conftest import KEY

PERIOD_S = 0.005


def stepping(response, *, step_rad: float = 0.1, num_steps: int = 4, hold_s: float = 1.0) -> Motion:
    """A goal that jumps to and fro once per `hold_s`; `response` (time since the jump) -> share."""
    edges = np.arange(1, num_steps + 1) * hold_s
    levels = np.arange(num_steps + 1) % 2 * step_rad
    time_s = np.arange(0.0, (num_steps + 1) * hold_s, PERIOD_S)
    index = np.searchsorted(edges, time_s, side="right")
    since = time_s - np.concatenate([[0.0], edges])[index]
    before = levels[np.maximum(index - 1, 0)]
    position = np.where(index == 0, levels[0], before + (levels[index] - before) * response(since))
    nothing = np.zeros_like(time_s)
    return Motion(
        key=KEY,
        time_s=time_s,
        position_rad=position[:, None],
        velocity_rad_s=nothing[:, None],
        object_position_rad=nothing,
        object_velocity_rad_s=nothing,
        goal_time_s=np.concatenate([[0.0], edges]),
        goal_rad=levels[:, None],
    )


def test_a_first_order_lag_has_the_times_of_the_textbook():
    """1 - exp(-t/T): half of the way after T ln 2, rise time T ln 9, settled after T ln 20."""
    constant_s = 0.05
    motion = stepping(lambda since: 1.0 - np.exp(-since / constant_s))

    (responses,) = joint_responses([motion])

    assert len(responses) == 4
    for response in responses:
        assert response.delay_s == pytest.approx(constant_s * np.log(2.0), abs=1e-3)
        assert response.rise_s == pytest.approx(constant_s * np.log(9.0), abs=1e-3)
        assert response.settling_s == pytest.approx(constant_s * np.log(20.0), abs=PERIOD_S)
        assert response.overshoot == pytest.approx(0.0, abs=1e-6)
        assert response.steady_error_rad == pytest.approx(0.0, abs=1e-6)


def test_a_second_order_step_overshoots_as_its_damping_says():
    damping, omega = 0.4, 25.0
    ringing = omega * np.sqrt(1.0 - damping**2)

    def response(since):
        decay = np.exp(-damping * omega * since)
        lag = damping / np.sqrt(1.0 - damping**2)
        return 1.0 - decay * (np.cos(ringing * since) + lag * np.sin(ringing * since))

    (responses,) = joint_responses([stepping(response)])

    expected = np.exp(-np.pi * damping / np.sqrt(1.0 - damping**2))
    for measured in responses:
        assert measured.overshoot == pytest.approx(expected, rel=0.02)


def test_what_friction_leaves_is_the_steady_error_in_both_directions():
    """The joint goes nine tenths of the way: up it ends short, and down it ends short as well."""
    motion = stepping(lambda since: 0.9 * (1.0 - np.exp(-since / 0.03)))

    (responses,) = joint_responses([motion])

    for response in responses:
        assert response.steady_error_rad == pytest.approx(0.01, abs=2e-4)


def test_a_late_answer_shifts_the_delay_and_not_the_rise():
    def prompt(since):
        return 1.0 - np.exp(-since / 0.05)

    def late(since):
        return np.where(since < 0.04, 0.0, prompt(np.maximum(since - 0.04, 0.0)))

    ((first, *_),) = joint_responses([stepping(prompt)])
    ((second, *_),) = joint_responses([stepping(late)])

    assert second.delay_s - first.delay_s == pytest.approx(0.04, abs=2e-3)
    assert second.rise_s - first.rise_s == pytest.approx(0.0, abs=2e-3)


def test_goals_that_do_not_hold_are_no_steps():
    motion = stepping(lambda since: np.minimum(since / 0.05, 1.0), num_steps=20, hold_s=0.1)

    assert joint_responses([motion]) == [[]]


def test_small_jumps_are_no_steps():
    motion = stepping(lambda since: np.minimum(since / 0.05, 1.0), step_rad=0.01)

    assert joint_responses([motion]) == [[]]


def test_a_step_of_which_the_end_was_not_read_is_not_judged():
    whole = stepping(lambda since: 1.0 - np.exp(-since / 0.03), num_steps=3)
    is_read = (whole.time_s < 1.7) | (whole.time_s > 2.001)
    fields = ("time_s", "position_rad", "velocity_rad_s")
    objects = ("object_position_rad", "object_velocity_rad_s")
    holey = replace(whole, **{name: getattr(whole, name)[is_read] for name in (*fields, *objects)})

    (responses,) = joint_responses([holey])

    assert len(responses) == 1
    assert np.isfinite(responses[0].steady_error_rad)
