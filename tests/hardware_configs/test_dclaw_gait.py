"""A scripted finger gait turns the simulated valve; a stiffer valve turns less."""

import mujoco
import numpy as np
import pytest

from sim2real.contract.robot_spec import DCLAW, load_robot_spec
from training.worlds.scripted_gait import finger_joints, fingertip_path, turning_gait

SPEC = load_robot_spec()
MODEL_PATH = DCLAW.with_name(SPEC.physics_model)
TICKS = 100  # 5 s, two cycles


def turn(*, direction: int = 1, damping: float = 0.1, frictionloss: float = 0.02) -> float:
    """Valve angle after the gait, rad."""
    claw = mujoco.MjModel.from_xml_path(str(MODEL_PATH))
    valve = claw.joint("valve")
    valve.damping[0], valve.frictionloss[0] = damping, frictionloss
    data = mujoco.MjData(claw)
    mujoco.mj_resetDataKeyframe(claw, data, claw.key("home").id)
    for target in turning_gait(TICKS, direction=direction):
        data.ctrl[:] = target
        mujoco.mj_step(claw, data, nstep=20)
    return float(data.joint("valve").qpos[0])


def test_the_gait_turns_the_valve_past_the_first_lobe_either_way():
    angles = turn(direction=1), turn(direction=-1)
    print("valve after 5 s: {:+.2f} and {:+.2f} rad".format(*angles))
    assert angles[0] > 2 * np.pi / 3
    assert angles[1] < -2 * np.pi / 3


def test_the_same_gait_turns_a_stiffer_valve_less():
    nominal, stiff = turn(), turn(damping=0.3, frictionloss=0.3)
    print(f"valve after 5 s: nominal {nominal:.2f} rad, stiff {stiff:.2f} rad")
    assert nominal > 0.5
    assert 0.0 < stiff < 0.6 * nominal


def test_the_gait_is_a_command_the_robot_accepts():
    targets = turning_gait(200)
    lower, upper = SPEC.joint_array("lower_rad"), SPEC.joint_array("upper_rad")
    speed = np.abs(np.diff(targets, axis=0)) / SPEC.control_period_s
    assert targets.shape == (200, len(SPEC.joint_names))
    assert (targets >= lower).all()
    assert (targets <= upper).all()
    assert (speed <= SPEC.joint_array("max_velocity_rad_s")).all()


@pytest.mark.parametrize("direction", [1, -1])
def test_the_compiled_fingertips_lie_where_the_gait_wants_them(direction):
    claw = mujoco.MjModel.from_xml_path(str(MODEL_PATH))
    data = mujoco.MjData(claw)
    phase = np.linspace(0.0, 1.0, 41)
    path = fingertip_path(phase, direction)
    for tip, joints in zip(path, finger_joints(path), strict=True):
        data.qpos[:9] = np.tile(joints, 3)
        mujoco.mj_kinematics(claw, data)
        for joint, angle in SPEC.base_angle_rad.items():
            finger = joint.removesuffix("_top")
            outward = np.array([np.cos(angle), np.sin(angle), 0.0])
            counterclockwise = np.array([-np.sin(angle), np.cos(angle), 0.0])
            expected = tip[0] * outward + tip[1] * counterclockwise + [0.0, 0.0, tip[2]]
            np.testing.assert_allclose(data.site(f"{finger}_tip").xpos, expected, atol=1e-4)
