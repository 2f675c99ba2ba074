"""Every named variation: same seed, same draw; within its range; a real effect on the model."""

from __future__ import annotations

import copy
import dataclasses

import mujoco
import numpy as np
import pytest

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.physics_model import load_physics_model
from training.worlds.dynamics import (
    DCMOTOR_POSITION_GAIN,
    VARIATIONS,
    apply_dynamics,
    variations_for,
)

NOMINAL = load_physics_model(load_robot_spec())
EVERY_VARIATION = pytest.mark.parametrize("name", VARIATIONS)


def with_dynamics(**parameters: tuple[float, ...]) -> mujoco.MjModel:
    model = copy.copy(NOMINAL)
    apply_dynamics(model, parameters)
    mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


def changed_fields(model: mujoco.MjModel) -> set[str]:
    arrays = [name for name in dir(NOMINAL) if isinstance(getattr(NOMINAL, name), np.ndarray)]
    return {
        name for name in arrays if not np.array_equal(getattr(NOMINAL, name), getattr(model, name))
    }


@EVERY_VARIATION
def test_same_seed_same_draw_within_the_range(name):
    variation = VARIATIONS[name]
    draws = [variation.sample(np.random.default_rng(seed)) for seed in range(200)]

    assert draws[7] == variation.sample(np.random.default_rng(7))
    assert len(set(draws)) > 5
    assert (np.array(draws) >= np.array(variation.low) - 1e-12).all()
    assert (np.array(draws) <= np.array(variation.high) + 1e-12).all()


@EVERY_VARIATION
def test_every_variation_changes_the_compiled_model_at_the_ends_of_its_range(name):
    variation = VARIATIONS[name]
    ends = [end for end in (variation.low, variation.high) if end != variation.nominal]

    assert ends
    assert all(changed_fields(with_dynamics(**{name: end})) for end in ends)


@EVERY_VARIATION
def test_the_nominal_value_leaves_the_model_as_it_was(name):
    assert changed_fields(with_dynamics(**{name: VARIATIONS[name].nominal})) == set()


def test_one_weak_finger_weakens_half_of_the_tasks_in_one_finger_only():
    rng = np.random.default_rng(0)
    draws = np.array([VARIATIONS["weak_finger"].sample(rng) for _ in range(400)])

    weakened = (draws < 1.0).sum(axis=1)

    assert weakened.max() == 1
    assert 0.4 < weakened.mean() < 0.6


def test_a_dead_finger_has_no_torque():
    model = with_dynamics(weak_finger=(1.0, 0.0, 1.0))

    assert (model.actuator("finger2_middle").forcerange == 0).all()
    assert (model.actuator("finger1_middle").forcerange != 0).all()


def test_a_load_pushes_every_joint_of_its_finger_off_target_by_load_over_stiffness():
    def settled(load: float) -> np.ndarray:
        model = with_dynamics(finger_load=(0.0, load, 0.0), joint_friction=(0.0,))
        data = mujoco.MjData(model)
        mujoco.mj_resetDataKeyframe(model, data, 0)
        mujoco.mj_step(model, data, 2000)
        return np.array(data.qpos[:9].reshape(3, 3))

    stiffness = 3.4529  # N m/rad, as the model file derives it
    shift = settled(0.4) - settled(0.0)

    # A band slackens as its finger bends, and gravity helps the servo: a third less at most.
    np.testing.assert_allclose(shift[1], 0.83 * 0.4 / stiffness, rtol=0.25)
    np.testing.assert_allclose(shift[[0, 2]], 0.0, atol=1e-6)


def test_stiffness_scales_the_position_gain_that_the_model_file_states():
    position_gain = NOMINAL.actuator("finger1_top").gainprm[DCMOTOR_POSITION_GAIN]
    model = with_dynamics(servo_stiffness=(0.5, 1.0, 1.5))

    spec = mujoco.MjSpec.from_string(
        f"""<mujoco><worldbody><body><joint name="j"/><geom size=".1"/></body></worldbody>
        <actuator><dcmotor name="j" joint="j" input="pos" nominal="12 3 8.06"
        controller="{position_gain} 0 0 0 0 12"/></actuator></mujoco>"""
    ).compile()
    assert spec.actuator("j").gainprm[DCMOTOR_POSITION_GAIN] == pytest.approx(position_gain)
    for finger, factor in ((1, 0.5), (2, 1.0), (3, 1.5)):
        gain = model.actuator(f"finger{finger}_bottom").gainprm[DCMOTOR_POSITION_GAIN]
        assert gain == pytest.approx(factor * position_gain)


def test_goals_are_no_dynamics():
    assert changed_fields(with_dynamics(target_angle=(0.5,))) == set()


def test_the_claws_own_ranges_are_those_written_down():
    assert variations_for(load_robot_spec()) == VARIATIONS


def test_a_weaker_hand_with_more_fingers_has_as_many_values_and_smaller_loads():
    claw = load_robot_spec()
    joints = tuple(dataclasses.replace(joint, current_limit_ma=450.0) for joint in claw.joints)
    angles = dict.fromkeys(claw.joint_names[::2], 0.0)
    hand = dataclasses.replace(claw, joints=joints, base_angle_rad=angles)

    fitted = variations_for(hand)

    assert fitted["finger_load"].high == pytest.approx((0.4,) * 5)
    assert fitted["joint_friction"].high == pytest.approx((0.05,))
    assert fitted["servo_stiffness"].high == (1.5,) * 5
    assert fitted["valve_friction"] == VARIATIONS["valve_friction"]
