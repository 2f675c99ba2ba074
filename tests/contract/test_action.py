"""The action map never leaves range or rate, and what was applied can be read back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sim2real.contract.action import ActionMap
from sim2real.contract.robot_spec import load_robot_spec

SPEC = load_robot_spec()
KINDS = ("absolute", "increment")
MAPS = {
    kind: ActionMap.for_robot(SPEC, kind=kind, control_period_s=0.05)  # type: ignore[arg-type]
    for kind in KINDS
}
LOWER, UPPER = SPEC.joint_array("lower_rad"), SPEC.joint_array("upper_rad")
actions = arrays(np.float32, 9, elements=st.floats(-3, 3, width=32))
fractions = arrays(np.float64, 9, elements=st.floats(0, 1))


@pytest.mark.parametrize("kind", KINDS)
@given(action=actions, fraction=fractions)
def test_targets_stay_within_range_and_rate(kind, action, fraction):
    previous = LOWER + fraction * (UPPER - LOWER)

    target = MAPS[kind].target(action, previous)

    assert (target >= LOWER).all()
    assert (target <= UPPER).all()
    step = np.array(MAPS[kind].max_step_rad)
    assert (np.abs(target - previous) <= step + 1e-12).all()


@pytest.mark.parametrize("kind", KINDS)
@given(action=actions, fraction=fractions)
def test_applied_action_reproduces_the_applied_target(kind, action, fraction):
    previous = LOWER + fraction * (UPPER - LOWER)
    target = MAPS[kind].target(action, previous)

    applied = MAPS[kind].action_of(target, previous)

    assert (np.abs(applied) <= 1).all()
    np.testing.assert_allclose(MAPS[kind].target(applied, previous), target, atol=1e-6)


def test_applied_equals_desired_where_no_limit_is_active():
    middle = (LOWER + UPPER) / 2
    action = np.linspace(-1, 1, 9).astype(np.float32)

    target = MAPS["increment"].target(action, middle)

    np.testing.assert_allclose(MAPS["increment"].action_of(target, middle), action, atol=1e-6)
    np.testing.assert_allclose(target - middle, action * 4.0 * 0.05, rtol=1e-6)


def test_absolute_action_names_a_place_and_is_reached_at_the_allowed_speed():
    target = previous = LOWER
    for _ in range(100):
        target = MAPS["absolute"].target(np.ones(9, np.float32), previous)
        previous = target

    np.testing.assert_allclose(target, UPPER)


def test_batches_and_wrong_sizes():
    previous = np.zeros((7, 9))
    assert MAPS["increment"].target(np.zeros((7, 9), np.float32), previous).shape == (7, 9)
    with pytest.raises(ValueError, match="expected"):
        MAPS["increment"].target(np.zeros(8, np.float32), np.zeros(9))
    with pytest.raises(ValueError, match="below"):
        ActionMap(kind="absolute", lower_rad=(1.0,), upper_rad=(0.0,), max_step_rad=(0.1,))
    with pytest.raises(ValueError, match="above zero"):
        ActionMap(kind="absolute", lower_rad=(0.0,), upper_rad=(1.0,), max_step_rad=(0.0,))


def test_a_recipe_may_step_less_than_the_joints_allow_but_not_more():
    small = ActionMap.for_robot(SPEC, kind="increment", control_period_s=0.05, max_step_rad=0.1)
    large = ActionMap.for_robot(SPEC, kind="increment", control_period_s=0.05, max_step_rad=9.0)

    np.testing.assert_allclose(small.max_step_rad, 0.1)
    np.testing.assert_allclose(large.max_step_rad, 4.0 * 0.05)
