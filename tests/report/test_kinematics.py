"""Fingers and valve are where the robot's model has them."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.physics_model import load_physics_model
from sim2real.report.kinematics import HandKinematics

SPEC = load_robot_spec()


@pytest.fixture(scope="module")
def hand() -> HandKinematics:
    return HandKinematics(SPEC)


def poses(count: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.uniform(SPEC.joint_array("lower_rad"), SPEC.joint_array("upper_rad"), (count, 9))


def test_fingertips_are_where_the_models_tips_are(hand):
    model = load_physics_model(SPEC)
    data = mujoco.MjData(model)
    fingers = hand.fingers_m(poses(20))

    for pose, found in zip(poses(20), fingers, strict=True):
        for name, angle in zip(SPEC.joint_names, pose, strict=True):
            data.joint(name).qpos[0] = angle
        mujoco.mj_kinematics(model, data)
        tips = [data.site(f"finger{finger}_tip").xpos for finger in (1, 2, 3)]
        # The site lies on the rubber, the end of a capsule's axis inside.
        assert np.linalg.norm(found[:, -1] - tips, axis=1).max() < 0.004


def test_a_joint_moves_its_own_finger_only(hand):
    home = SPEC.joint_array("home_rad")
    for joint in range(9):
        moved = home.copy()
        moved[joint] += 0.2
        first, second = hand.fingers_m(np.array([home, moved]))

        still = [bool(np.allclose(first[finger], second[finger])) for finger in range(3)]
        assert still == [finger != joint // 3 for finger in range(3)]
        np.testing.assert_allclose(first[:, 0], second[:, 0])


def test_the_valve_has_a_hub_and_three_lobes(hand):
    lobes = [bar for bar in hand.valve_bars() if np.hypot(*bar.end_m[:2]) > 0.03]
    angles = sorted(np.arctan2(bar.end_m[1], bar.end_m[0]) for bar in lobes)

    np.testing.assert_allclose(np.diff(angles), 2.0 * np.pi / 3.0, atol=1e-3)
