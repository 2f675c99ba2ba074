"""The hand against the public D'Claw: which motor ids stand where, and what their signs mean.

Source of the table: the valve3 station of github.com/google-research/robel-scenes, which is
ROBEL's own model of the assembled hand, compiled with MuJoCo 4.0.0; forward kinematics in the
world's frame, seen from above. The mount is at 0.335 m there and at 0.300 m here.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
import pytest

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.physics_model import default_mjcf, load_physics_model

SPEC = load_robot_spec()
AS_IT_STANDS = '<mujoco><compiler fusestatic="false" discardvisual="false"/></mujoco>'


@dataclass(frozen=True, kw_only=True)
class Finger:
    """One finger of the public hand."""

    motor_ids: tuple[int, int, int]
    """top, middle, bottom"""
    base_angle_deg: float
    """seen from above, counterclockwise from where the valve's mark points at 0"""
    tip_at_zero_m: tuple[float, float]
    tip_at_home_m: tuple[float, float, float]
    """at joints (0, -0.5, 1.0), for a mount at 0.300 m"""


PUBLIC = (
    Finger(
        motor_ids=(10, 11, 12),
        base_angle_deg=60.0,
        tip_at_zero_m=(0.030, 0.052),
        tip_at_home_m=(0.0281, 0.0483, 0.0888),
    ),
    Finger(
        motor_ids=(20, 21, 22),
        base_angle_deg=-60.0,
        tip_at_zero_m=(0.030, -0.052),
        tip_at_home_m=(0.0280, -0.0491, 0.0890),
    ),
    Finger(
        motor_ids=(30, 31, 32),
        base_angle_deg=180.0,
        tip_at_zero_m=(-0.060, 0.000),
        tip_at_home_m=(-0.0562, -0.0003, 0.0889),
    ),
)
HOME_RAD = (0.0, -0.5, 1.0)
STEP_RAD = 0.1  # from home
# Counterclockwise, inward and up, metres per radian of top, middle and bottom, for that step.
MOVES = ((0.194, 0.0, 0.010), (0.0, 0.126, 0.010), (0.0, 0.065, 0.040))
WITHIN_M = 0.001  # what the table is rounded to, and what the public fingers differ by


@pytest.fixture(params=["MJCF", "URDF"])
def model(request) -> mujoco.MjModel:
    if request.param == "MJCF":
        return mujoco.MjModel.from_xml_path(str(default_mjcf(SPEC)))
    urdf = SPEC.file_of("robot.urdf").read_text()
    return mujoco.MjModel.from_xml_string(urdf.replace("</robot>", f"{AS_IT_STANDS}</robot>"))


@pytest.fixture(params=PUBLIC, ids=lambda finger: f"ids {finger.motor_ids[0]} ff")
def finger(request) -> Finger:
    return request.param


def joints_of(finger: Finger) -> list[str]:
    """Names by motor id: what the servos with these ids move."""
    names = dict(zip(SPEC.motor_ids, SPEC.joint_names, strict=True))
    return [names[motor_id] for motor_id in finger.motor_ids]


def tip_of(model, joints, angles) -> np.ndarray:
    """(3,) where the tip behind the last of these joints is, all others at zero."""
    data = mujoco.MjData(model)
    for name, angle in zip(joints, angles, strict=True):
        data.joint(name).qpos = angle
    mujoco.mj_kinematics(model, data)
    bottom = model.joint(joints[-1]).bodyid[0]
    below = [body for body in range(model.nbody) if model.body_parentid[body] == bottom]
    sites = [site for site in range(model.nsite) if model.site_bodyid[site] == bottom]
    (place,) = [data.xpos[body] for body in below] + [data.site_xpos[site] for site in sites]
    return place.copy()


def test_joint_order_is_that_of_the_public_ids():
    ids = [motor_id for finger in PUBLIC for motor_id in finger.motor_ids]

    assert list(SPEC.motor_ids) == ids
    assert [name for finger in PUBLIC for name in joints_of(finger)] == list(SPEC.joint_names)
    kinds = [name.rpartition("_")[2] for name in SPEC.joint_names]
    assert kinds == ["top", "middle", "bottom"] * 3


def test_every_finger_stands_where_its_ids_stand(model, finger):
    top = joints_of(finger)[0]
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)

    x, y, _ = data.joint(top).xanchor

    assert np.degrees(SPEC.base_angle_rad[top]) == pytest.approx(finger.base_angle_deg)
    turned = np.degrees(np.arctan2(y, x)) - finger.base_angle_deg
    assert abs((turned + 180.0) % 360.0 - 180.0) < 0.1
    at_zero = tip_of(model, joints_of(finger), (0.0, 0.0, 0.0))
    np.testing.assert_allclose(at_zero[:2], finger.tip_at_zero_m, atol=WITHIN_M)
    at_home = tip_of(model, joints_of(finger), HOME_RAD)
    np.testing.assert_allclose(at_home, finger.tip_at_home_m, atol=WITHIN_M)


@pytest.mark.parametrize("moved", range(3), ids=["top", "middle", "bottom"])
def test_a_positive_angle_moves_the_tip_as_on_the_public_hand(model, finger, moved):
    joints = joints_of(finger)

    ahead, home = (
        tip_of(model, joints, HOME_RAD + by * np.eye(3)[moved]) for by in (STEP_RAD, 0.0)
    )

    angle = np.radians(finger.base_angle_deg)
    outward = np.array([np.cos(angle), np.sin(angle), 0.0])
    counterclockwise = np.array([-np.sin(angle), np.cos(angle), 0.0])
    move = (ahead - home) / STEP_RAD
    found = move @ counterclockwise, -move @ outward, move[2]
    for value, public in zip(found, MOVES[moved], strict=True):
        assert value == pytest.approx(public, abs=WITHIN_M)


def test_the_valves_mark_points_along_x_at_zero_and_turns_counterclockwise(model):
    data = mujoco.MjData(model)
    valve = model.body("valve")

    def mark(angle: float) -> float:
        data.joint("valve").qpos = angle
        mujoco.mj_kinematics(model, data)
        boxes = model.geom_type == mujoco.mjtGeom.mjGEOM_BOX
        (geom,) = np.flatnonzero(boxes & (model.geom_bodyid == valve.id))
        x, y, _ = data.geom_xpos[geom] - data.xpos[valve.id]
        return float(np.arctan2(y, x))

    assert mark(0.0) == pytest.approx(0.0, abs=1e-6)
    assert mark(0.3) == pytest.approx(0.3, abs=1e-6)


def test_a_model_with_two_fingers_swapped_is_refused(tmp_path):
    text = default_mjcf(SPEC).read_text()
    for old, new in (("finger1_", "*"), ("finger2_", "finger1_"), ("*", "finger2_")):
        text = text.replace(old, new)
    (tmp_path / "model.xml").write_text(text)

    with pytest.raises(BadInput, match=r"base angle of finger1_top: found -1\.04") as refusal:
        load_physics_model(SPEC, tmp_path / "model.xml")
    assert "\n" not in str(refusal.value)
