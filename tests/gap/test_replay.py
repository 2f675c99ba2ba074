"""Replays repeat what the simulation did, and show what differs."""

from __future__ import annotations

import numpy as np
import pytest

from sim2real.gap.replay import replay
from sim2real.gap.replay_error import (
    JOINT_THRESHOLD_RAD,
    replay_difference,
    replay_errors,
    replay_summary,
)
from sim2real.hardware.physics_model import load_physics_model
from tests.gap.conftest import simulated_motion, wander
from training.gap.unknowns import with_dynamics
from training.worlds.dynamics import CUSTOM_NUMERICS

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
