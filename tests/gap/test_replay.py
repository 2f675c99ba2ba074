"""Replays repeat what the simulation did, and show what differs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim2real.gap.motion import Motion
from sim2real.gap.replay import held_goals, replay
from sim2real.gap.replay_error import (
    JOINT_THRESHOLD_RAD,
    replay_difference,
    replay_errors,
    replay_summary,
)
from sim2real.hardware.physics_model import load_physics_model
from tests.gap.conftest import KEY, simulated_motion, wander
from training.families.dynamics import CUSTOM_NUMERICS
from training.gap.unknowns import with_dynamics

DYNAMICS = {
    "action_delay": (6.0,),
    "servo_stiffness": (0.8, 1.2, 1.0),
    "joint_friction": (0.02,),
    "valve_damping": (0.2,),
}


@pytest.fixture(scope="module")
def base(spec):
    return load_physics_model(spec, custom_numerics=CUSTOM_NUMERICS)


@pytest.fixture(scope="module")
def motions(spec, base):
    model = with_dynamics(base, DYNAMICS)
    rng = np.random.default_rng(0)
    return [
        simulated_motion(spec, wander(spec, rng, 30, 0.1), model, seed=seed) for seed in range(4)
    ]


def errors_in(motions, model, spec):
    return replay_errors(motions, replay(motions, [model] * len(motions), spec))


def test_in_its_own_dynamics_a_motion_repeats_within_its_rounding(motions, base, spec):
    errors = errors_in(motions, with_dynamics(base, DYNAMICS), spec)

    assert len(errors) == len(motions)
    for error in errors:
        assert np.abs(error.joint_rad).max() < 3 * spec.servo.position_unit_rad
        assert error.diverges_at_s == np.inf
        np.testing.assert_array_equal(error.joint_rad[0], 0.0)


@pytest.mark.parametrize("missing", list(DYNAMICS))
def test_every_part_of_the_dynamics_shows(motions, base, spec, missing):
    changed = {name: value for name, value in DYNAMICS.items() if name != missing}

    right, wrong = (
        np.mean([error.joint_rmse_rad + error.object_rmse_rad for error in found])
        for found in (
            errors_in(motions, with_dynamics(base, DYNAMICS), spec),
            errors_in(motions, with_dynamics(base, changed), spec),
        )
    )

    assert wrong > 1.5 * right


def test_motions_of_different_length_are_replayed_as_alone(motions, base, spec):
    model = with_dynamics(base, DYNAMICS)
    mixed = [motions[0], motions[1].cut(0, 7)]

    together = replay(mixed, [model, model], spec)
    alone = [replay([motion], [model], spec)[0] for motion in mixed]

    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.position_rad, other.position_rad)
        np.testing.assert_array_equal(one.object_position_rad, other.object_position_rad)


def test_a_summary_counts_what_diverged_and_when(motions, base, spec):
    limp = with_dynamics(base, {**DYNAMICS, "servo_stiffness": (0.1, 0.1, 0.1)})
    errors = errors_in(motions, limp, spec)

    summary = replay_summary(errors, spec.joint_names)

    assert summary["divergence"]["num_diverged"] == len(motions)
    first = errors[0]
    at = int(np.searchsorted(first.time_s, first.diverges_at_s))
    is_far = np.abs(first.joint_rad[at]).max() > JOINT_THRESHOLD_RAD
    assert is_far or abs(first.object_rad[at]) > 0.1
    assert np.abs(first.joint_rad[:at]).max(initial=0.0) <= JOINT_THRESHOLD_RAD
    pooled = np.concatenate([error.joint_rad for error in errors])
    by_joint = [row["rmse_rad"] for row in summary["per_joint"]]
    np.testing.assert_allclose(by_joint, np.sqrt((pooled**2).mean(axis=0)))
    assert [row["time_s"] for row in summary["growth"]] == sorted(
        row["time_s"] for row in summary["growth"]
    )


def test_nothing_lies_between_a_side_and_itself(motions, base, spec):
    errors = errors_in(motions, with_dynamics(base, {}), spec)

    gap = replay_difference(errors, errors)

    assert gap["joint_rmse_rad"]["difference"] == gap["object_rmse_rad"]["difference"] == 0.0
    assert replay_difference(errors, []) is None


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


@settings(max_examples=50, deadline=None)
@given(
    times=st.lists(st.floats(0.0, 0.9), min_size=1, max_size=6, unique=True),
    delay=st.floats(0.0, 0.05),
    seed=st.integers(0, 99),
)
def test_held_goals_are_the_means_of_the_delayed_goals(times, delay, seed):
    dt, count = 0.01, 100
    levels = np.random.default_rng(seed).uniform(-1.0, 1.0, len(times))
    motion = jumping(sorted(times), levels)

    held = held_goals(motion, count, dt, delay)[:, 0]

    fine = (np.arange(count * 400) + 0.5) * dt / 400
    expected = motion.goals_at(fine - delay)[:, 0].reshape(count, 400).mean(axis=1)
    np.testing.assert_allclose(held, expected, atol=0.02)
    assert np.abs(held).max() <= np.abs(motion.goal_rad).max() + 1e-9


def test_a_delay_of_whole_steps_shifts_goals_by_whole_steps():
    motion = jumping([0.1, 0.3], [1.0, -1.0])

    prompt, late = (held_goals(motion, 60, 0.01, steps * 0.01)[:, 0] for steps in (0, 7))

    np.testing.assert_allclose(late[7:], prompt[:-7], atol=1e-9)
    assert set(np.round(prompt, 9)) == {0.0, 1.0, -1.0}
