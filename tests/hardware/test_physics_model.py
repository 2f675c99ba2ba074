"""Any MJCF with the robot's joints will do; one that does not fit is refused by name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import mujoco
import numpy as np
import pytest

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import DCLAW, RobotSpec, load_robot_spec
from sim2real.hardware.hand_in_model import HandInModel
from sim2real.hardware.physics_model import default_mjcf, load_physics_model
from tests.own_hand.hands import DCLAW4, PINCER
from training.worlds.dynamics import apply_dynamics, variations_for

SPEC = load_robot_spec()


@pytest.fixture
def mjcf(tmp_path: Path):
    """The claw's MJCF with texts replaced."""

    def edit(*replacements: tuple[str, str]) -> Path:
        text = default_mjcf(SPEC).read_text()
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "model.xml"
        path.write_text(text)
        return path

    return edit


def test_a_foreign_model_is_used_under_the_robots_names(mjcf):
    foreign = mjcf(
        ('joint="finger1_top"', 'joint="FFJ10"'),
        ('joint name="finger1_top"', 'joint name="FFJ10"'),
        ('dcmotor name="finger1_top"', 'dcmotor name="A10"'),
    )
    spec = dataclasses.replace(SPEC, physics_joint_map={"finger1_top": "FFJ10"})

    model = load_physics_model(spec, foreign)

    own = load_physics_model(SPEC)
    assert model.joint("finger1_top").id == own.joint("finger1_top").id
    assert model.actuator("finger1_top").trnid[0] == model.joint("finger1_top").id
    np.testing.assert_array_equal(model.actuator_gainprm, own.actuator_gainprm)


@pytest.mark.parametrize(
    "instead",
    [
        "",
        '<position name="a" joint="finger2_middle" kp="5" ctrlrange="-2 2" forcerange="-9 9"/>',
        '<motor joint="finger2_middle" gear="30"/>',
        '<position joint="finger2_middle" kp="7" kv="1"/>',
        '<velocity joint="finger2_middle"/><position joint="finger2_middle"/>',
    ],
)
def test_whatever_moves_a_joint_in_the_file_its_servo_is_that_of_robot_yaml(mjcf, instead):
    _, end = default_mjcf(SPEC).read_text().split("  <keyframe>")
    keyframe = "  <keyframe>" + end.split("</keyframe>")[0] + "</keyframe>"

    model = load_physics_model(SPEC, mjcf((MIDDLE2, instead), (keyframe, "")))

    own = load_physics_model(SPEC)
    for field in (
        *("gainprm", "biasprm", "gear", "forcerange", "forcelimited", "ctrlrange", "ctrllimited"),
        *("dyntype", "gaintype", "biastype", "dynprm"),
    ):
        for name in SPEC.joint_names:
            found = getattr(model.actuator(name), field)
            np.testing.assert_allclose(found, getattr(own.actuator(name), field), atol=1e-6)


def test_fingers_tips_palm_and_object_are_found_in_any_model():
    model = load_physics_model(SPEC)
    hand = HandInModel.of(model)

    assert hand.fingers == tuple(finger.joints for finger in SPEC.fingers)
    assert [model.geom(tip).name for (tip,) in hand.tips] == [
        f"finger{number}_tip" for number in (1, 2, 3)
    ]
    (palm,) = hand.mounts(model)
    assert (model.body(palm).name, hand.object) == ("palm", "valve")


def test_a_model_has_room_for_what_mujoco_does_not_simulate():
    model = load_physics_model(SPEC)

    np.testing.assert_array_equal(model.numeric("action_delay_steps").data, [0.0])
    np.testing.assert_array_equal(model.numeric("observation_noise_rad").data, [0.0, 0.0])


@pytest.mark.parametrize("robot", [DCLAW, DCLAW4, PINCER], ids=lambda path: path.name)
@pytest.mark.parametrize("variation", ["none", "all"])
def test_a_model_that_nobody_sees_moves_bit_for_bit_alike(robot, variation):
    spec = load_robot_spec(robot)
    seen, unseen = load_physics_model(spec), load_physics_model(spec, is_seen=False)
    if variation == "all":
        rng = np.random.default_rng(3)
        drawn = {name: v.sample(rng) for name, v in variations_for(spec).items()}
        for model in (seen, unseen):
            apply_dynamics(model, drawn)
            mujoco.mj_setConst(model, mujoco.MjData(model))

    assert (unseen.geom_contype | unseen.geom_conaffinity).all(), "only what touches is left"
    assert unseen.ngeom < seen.ngeom
    walks = [walk(model, spec) for model in (seen, unseen)]
    assert walks[0][1] > 0, "something has touched"
    np.testing.assert_array_equal(walks[0][0], walks[1][0])


def walk(model: mujoco.MjModel, spec: RobotSpec) -> tuple[np.ndarray, int]:
    """States under random targets, 10 s of them, and the most contacts there were."""
    data, rng, contacts, states = mujoco.MjData(model), np.random.default_rng(0), 0, []
    lower, upper = spec.joint_array("lower_rad"), spec.joint_array("upper_rad")
    at = [model.actuator(name).id for name in spec.joint_names]
    for _ in range(50):
        data.ctrl[at] = rng.uniform(lower, upper)
        mujoco.mj_step(model, data, nstep=round(0.2 / model.opt.timestep))
        contacts = max(contacts, data.ncon)
        states.append(np.concatenate([data.qpos, data.qvel, data.actuator_force]))
    return np.array(states), contacts


HINGE = ('<joint name="valve"/>', '<joint name="valve"/><joint name="other" axis="1 0 0"/>')
MIDDLE2 = '<dcmotor name="finger2_middle" joint="finger2_middle" class="middle"/>'
TOP3 = '<joint name="finger3_top" class="top"'


@pytest.mark.parametrize(
    ("replacements", "field", "found"),
    [
        ([('"finger1_top"', '"thumb"')], "joint finger1_top", "no finger1_top"),
        ([('geom name="finger3_tip"', 'geom name="pad"')], "geom finger3_tip", "no finger3_tip"),
        ([(MIDDLE2, '<muscle name="m" joint="finger2_middle"/>')], "actuator m", "muscle"),
        ([(MIDDLE2, '<motor name="m" site="finger2_tip"/>')], "actuator m", "on a site"),
        ([(MIDDLE2, '<motor name="m" joint="other"/>'), HINGE], "actuator m", "on joint other"),
        ([(TOP3, f'{TOP3} range="-0.1 0.1"')], "range of finger3_top", "-0.1"),
        ([("<mujoco", "<mujico")], "file", "mujico"),
        ([('class="lobe" pos', 'class="lob" pos')], "file", "lob"),
    ],
)
def test_what_does_not_fit_is_refused(mjcf, replacements, field, found):
    path = mjcf(*replacements)

    with pytest.raises(BadInput) as refusal:
        load_physics_model(SPEC, path)

    assert refusal.value.field == field
    assert found in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"absent\.xml: file"):
        load_physics_model(SPEC, tmp_path / "absent.xml")
