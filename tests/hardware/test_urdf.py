"""The URDF is the MJCF: MuJoCo's own reader of URDF builds the same machine from it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as Xml

import mujoco
import numpy as np
import pytest

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.physics_model import default_mjcf, load_physics_model
from sim2real.hardware.shipped_description import shipped_description
from sim2real.hardware.urdf import robot_description

SPEC = load_robot_spec()
AS_IT_STANDS = '<mujoco><compiler fusestatic="false" discardvisual="false"/></mujoco>'
TIP = '<geom name="finger1_tip" class="tip"'
SKEWED = (
    # Joints beside their bodies' origins, a body and an axis that are askew.
    ('name="finger1_top" class="top"', 'name="finger1_top" class="top" pos="0 -.02 .03"'),
    ('name="finger1_bottom" class="bottom"', 'name="finger1_bottom" class="bottom" pos="0 .01 0"'),
    ('<joint name="valve"/>', '<joint name="valve" pos=".001 .002 .001" axis=".6 0 .8"/>'),
    # Straight up, where roll and yaw cannot be told apart.
    ('pos="0 0 .048" childclass', 'pos="0 0 .048" xyaxes="0 0 -1 -.6 .8 0" childclass'),
    (TIP, f'{TIP} euler="1 2 3"'),
)  # fmt: skip


@pytest.fixture(params=[(), SKEWED], ids=["the hand", "a skewed hand"])
def model(request, tmp_path):
    text = default_mjcf(SPEC).read_text()
    for old, new in request.param:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "model.xml").write_text(text)
    return load_physics_model(SPEC, tmp_path / "model.xml")


@pytest.fixture
def urdf(model) -> str:
    return robot_description(SPEC, model)


@pytest.fixture
def rebuilt(urdf) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(urdf.replace("</robot>", f"{AS_IT_STANDS}</robot>"))


def test_every_link_is_where_its_body_is_whatever_the_angles(model, rebuilt):
    rng = np.random.default_rng(0)
    data, other = mujoco.MjData(model), mujoco.MjData(rebuilt)
    for _ in range(20):
        for joint in range(model.njnt):
            angle = rng.uniform(-3.0, 3.0)
            data.joint(joint).qpos = other.joint(model.joint(joint).name).qpos = angle
        mujoco.mj_kinematics(model, data)
        mujoco.mj_kinematics(rebuilt, other)
        for body in range(1, model.nbody):
            joint = model.body_jntadr[body]
            place = data.xpos[body] if joint < 0 else data.xanchor[joint]
            link = other.body(model.body(body).name)
            np.testing.assert_allclose(link.xpos, place, atol=1e-6)
            np.testing.assert_allclose(link.xmat, data.xmat[body], atol=1e-6)
        for site in range(model.nsite):
            link = other.body(model.site(site).name)
            np.testing.assert_allclose(link.xpos, data.site_xpos[site], atol=1e-6)


def test_masses_and_moments_are_the_same(model, rebuilt):
    data, other = mujoco.MjData(model), mujoco.MjData(rebuilt)
    mujoco.mj_forward(model, data)
    mujoco.mj_forward(rebuilt, other)

    for body in range(1, model.nbody):
        link = rebuilt.body(model.body(body).name).id
        assert rebuilt.body_mass[link] == pytest.approx(model.body_mass[body], rel=1e-9)
        np.testing.assert_allclose(other.xipos[link], data.xipos[body], atol=1e-6)
        np.testing.assert_allclose(
            moments(rebuilt, other, link), moments(model, data, body), rtol=1e-6, atol=1e-12
        )
    assert rebuilt.body_mass.sum() == pytest.approx(model.body_mass.sum())


def moments(model, data, body) -> np.ndarray:
    """(3, 3) in the world's axes."""
    axes = data.ximat[body].reshape(3, 3)
    return axes @ np.diag(model.body_inertia[body]) @ axes.T


def test_limits_are_those_of_commands_and_friction_that_of_the_model(model, urdf, rebuilt):
    elements = {element.get("name"): element for element in Xml.fromstring(urdf).iter("joint")}

    for joint in SPEC.joints:
        np.testing.assert_allclose(rebuilt.joint(joint.name).range, joint.range_rad)
        limit = elements[joint.name].find("limit")
        assert float(limit.get("velocity")) == joint.max_velocity_rad_s
        torque = joint.current_limit_ma / 1000 * 3.0 / 2.3  # XM430-W210: 3.0 N.m at 2.3 A
        assert float(limit.get("effort")) == pytest.approx(torque)
        dof = model.joint(joint.name).dofadr[0]
        assert rebuilt.dof_damping[rebuilt.joint(joint.name).dofadr[0]] == model.dof_damping[dof]
    assert not rebuilt.joint("valve").limited[0]
    assert elements["valve"].get("type") == "continuous"
    assert {name for name, item in elements.items() if item.get("type") != "fixed"} == {
        *SPEC.joint_names,
        "valve",
    }


def test_frames_lead_from_the_world_to_every_link_once(urdf):
    robot = Xml.fromstring(urdf)
    parents = {
        joint.find("child").get("link"): joint.find("parent").get("link")
        for joint in robot.iter("joint")
        if joint.find("child") is not None
    }

    links = [link.get("name") for link in robot.iter("link") if link.get("name")]

    assert len(links) == len(set(links))
    assert parents.pop("dclaw_base") == "world"
    assert set(parents) == set(links) - {"world", "dclaw_base"}
    for link in parents:
        while link != "dclaw_base":
            link = parents[link]


def test_every_shape_reaches_as_far_as_the_models(model, urdf):
    directions = np.random.default_rng(1).normal(size=(50, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    shown = parts_by_geom(urdf, "visual")
    touched = parts_by_geom(urdf, "collision")

    for geom in range(1, model.ngeom):  # the floor is endless in the model
        name = model.geom(geom).name
        expected = reach(geom_of(model, geom), directions)
        found = np.max([reach(part, directions) for part in shown[name]], axis=0)
        np.testing.assert_allclose(found, expected, atol=1e-9, err_msg=name)
        has_contacts = bool(model.geom_contype[geom] or model.geom_conaffinity[geom])
        assert (name in touched) == has_contacts, name


Shape = tuple[str, np.ndarray, np.ndarray, np.ndarray]
"""kind, size as MuJoCo has it, centre and axes in the link's frame"""


def geom_of(model, geom) -> Shape:
    kind = mujoco.mjtGeom(model.geom_type[geom]).name.removeprefix("mjGEOM_").lower()
    axes = np.zeros(9)
    mujoco.mju_quat2Mat(axes, model.geom_quat[geom])
    joint = model.body_jntadr[model.geom_bodyid[geom]]
    anchor = 0.0 if joint < 0 else model.jnt_pos[joint]
    return kind, model.geom_size[geom], model.geom_pos[geom] - anchor, axes.reshape(3, 3)


def parts_by_geom(urdf: str, kind: str) -> dict[str, list[Shape]]:
    found: dict[str, list[Shape]] = {}
    names = [element.get("name") for element in Xml.fromstring(urdf).iter(kind)]
    for element in Xml.fromstring(urdf).iter(kind):
        name = element.get("name")
        base, _, index = name.rpartition("_")
        whole = base if index.isdigit() and base in names else name
        found.setdefault(whole, []).append(part_of(element))
    return found


def part_of(element: Xml.Element) -> Shape:
    origin, shape = element.find("origin"), element.find("geometry")[0]
    centre, (roll, pitch, yaw) = numbers(origin.get("xyz")), numbers(origin.get("rpy"))
    axes = turn(2, yaw) @ turn(1, pitch) @ turn(0, roll)
    if shape.tag == "box":
        return "box", numbers(shape.get("size")) / 2, centre, axes
    length = float(shape.get("length", 0.0))
    return shape.tag, np.array([float(shape.get("radius")), length / 2]), centre, axes


def numbers(text: str) -> np.ndarray:
    return np.array([float(word) for word in text.split()])


def turn(axis: int, angle: float) -> np.ndarray:
    """(3, 3) about one of the fixed axes."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def reach(shape: Shape, directions: np.ndarray) -> np.ndarray:
    """How far a shape extends in each direction, from the link's origin."""
    kind, size, centre, axes = shape
    inside = directions @ axes
    reaches = {
        "box": lambda: np.abs(inside) @ size,
        "sphere": lambda: size[0],
        "cylinder": lambda: size[1] * np.abs(inside[:, 2]) + size[0] * np.hypot(*inside.T[:2]),
        "capsule": lambda: size[1] * np.abs(inside[:, 2]) + size[0],
    }
    return directions @ centre + reaches[kind]()


def test_what_urdf_has_no_shape_for_stands_as_the_box_around_it(tmp_path):
    text = default_mjcf(SPEC).read_text()
    old = '<geom name="valve_mark" type="box" size=".022 .003 .001"'
    assert old in text
    new = '<geom name="valve_mark" type="ellipsoid" euler="0 0 1" size=".03 .02 .01"'
    (tmp_path / "model.xml").write_text(text.replace(old, new))

    urdf = robot_description(SPEC, load_physics_model(SPEC, tmp_path / "model.xml"))

    ((kind, half, centre, axes),) = parts_by_geom(urdf, "visual")["valve_mark"]
    assert kind == "box"
    np.testing.assert_allclose(half, [0.03, 0.02, 0.01])
    np.testing.assert_allclose(centre, [0.045, 0.0, 0.0745])
    np.testing.assert_allclose(axes, turn(2, 1.0), atol=1e-9)


def test_a_model_that_urdf_cannot_tell_is_refused():
    slide = mujoco.MjModel.from_xml_string(
        '<mujoco><worldbody><body name="cart"><joint name="rail" type="slide"/>'
        '<geom size=".1"/></body></worldbody></mujoco>'
    )

    with pytest.raises(ValueError, match="joint rail"):
        robot_description(SPEC, slide)


def test_the_one_that_is_shipped_is_made_from_the_model_that_is_shipped():
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run(
        [sys.executable, "-m", "sim2real.hardware.urdf"],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
    )

    assert run.stdout == shipped_description(SPEC)


def test_a_robot_without_a_description_is_refused_with_what_makes_one(tmp_path):
    other = dataclasses.replace(SPEC, name="other", source=tmp_path / "robot.yaml")

    with pytest.raises(BadInput, match=r"robot\.urdf: file: .*python -m sim2real\.hardware\.urdf"):
        shipped_description(other)


@pytest.fixture
def beside(tmp_path):
    """The robot with a URDF of its own: the shipped one with texts exchanged."""

    def edit(*replacements: tuple[str, str]):
        text = shipped_description(SPEC)
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "robot.urdf").write_text(text)
        return dataclasses.replace(SPEC, source=tmp_path / "robot.yaml")

    return edit


FIRST_BASE = 'xyz="0.03 0.052 -0.003"'


@pytest.mark.parametrize(
    ("replacements", "problem"),
    [
        (
            [("finger1_", "*"), ("finger2_", "finger1_"), ("*", "finger2_")],
            r"base angle of finger1_top: found -1\.0475, expected 1\.0472 rad",
        ),
        ([('joint name="valve"', 'joint name="knob"')], "joint: found 'no valve'"),
        ([("</robot>", "")], "file: found 'no element found"),
        ([(FIRST_BASE, 'xyz="0.03 0.052"')], "finger1_base_mount: xyz is no three numbers"),
        ([(FIRST_BASE, 'xyz="0.03 0.052 left"')], "could not convert string to float"),
        ([('parent link="palm"', 'parent link="finger1_distal"')], "leads to no root"),
    ],
)
def test_a_description_of_another_hand_is_refused_in_one_line(beside, replacements, problem):
    spec = beside(*replacements)

    with pytest.raises(BadInput, match=problem) as refusal:
        shipped_description(spec)

    assert str(refusal.value).startswith(str(spec.file_of("robot.urdf")))
    assert "\n" not in str(refusal.value)


BASE = 'rpy="0 0 0" />\n    <parent link="world"'


def test_angles_are_those_in_the_frame_of_the_world_whatever_lies_between(beside):
    tilt = turn(2, 0.5) @ turn(1, 0.4) @ turn(0, 0.3)
    tilted = (BASE, BASE.replace("0 0 0", "0.3 0.4 0.5"))
    back = tilt.T
    rpy = np.arctan2(back[2, 1], back[2, 2]), -np.arcsin(back[2, 0]), np.arctan2(*back[1::-1, 0])

    def stood_up(place: str) -> tuple[str, str]:
        xyz = back @ numbers(place)
        return (
            f'xyz="{place}" rpy="0 0 0" />\n    <parent link="dclaw_base" />',
            f'xyz="{xyz[0]} {xyz[1]} {xyz[2]}" rpy="{rpy[0]} {rpy[1]} {rpy[2]}" />\n'
            '    <parent link="dclaw_base" />',
        )

    shipped_description(beside(tilted, stood_up("0 0 0.3"), stood_up("0 0 0.048")))
    with pytest.raises(BadInput, match="base angle of finger1_top"):
        shipped_description(beside(tilted))
