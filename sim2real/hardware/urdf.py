"""The robot as URDF, for RViz, Foxglove and whoever reads `robot_description`.

Made from the compiled MJCF, which stays the only description of the hand; limits are those of
robot.yaml. Frames lead from `world` over ROBOT_base to the links, which are the MJCF's bodies with
their origins on their joints' axes. There are no meshes: what URDF has no shape for is put
together from shapes that it has, or stands as the box around it.

    python -m sim2real.hardware.urdf > hardware_configs/dclaw/robot.urdf

Another robot.yaml than the shipped one may be named behind it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as Xml

import mujoco
import numpy as np
from numpy.typing import NDArray

from sim2real.contract.robot_spec import JointSpec, RobotSpec, load_robot_spec
from sim2real.hardware.physics_model import load_physics_model

Vector = NDArray[np.float64]

FLOOR_M = (1.0, 1.0, 0.01)
"""an endless plane is shown as a plate"""


def robot_description(spec: RobotSpec, model: mujoco.MjModel | None = None) -> str:
    """The URDF of a robot, from its compiled model.

    Raises `ValueError` for a model with anything else than a hinge, or nothing, between two bodies.
    """
    model = load_physics_model(spec) if model is None else model
    robot = Xml.Element("robot", name=spec.name)
    base = f"{spec.name}_base"
    links = [base, *(model.body(body).name or f"body_{body}" for body in range(1, model.nbody))]
    Xml.SubElement(robot, "link", name="world")
    _add_fixed(robot, "world_to_base", "world", base, np.zeros(3), np.eye(3))
    for body, link in enumerate(links):
        element = Xml.SubElement(robot, "link", name=link)
        _add_inertial(element, model, body)
        for geom in np.flatnonzero(model.geom_bodyid == body):
            _add_geom(element, model, int(geom))
    for body in range(1, model.nbody):
        _add_joint(robot, model, body, links, spec)
    for site in range(model.nsite):
        _add_frame(robot, model, site, links)
    Xml.indent(robot)
    return f'<?xml version="1.0"?>\n{Xml.tostring(robot, encoding="unicode")}\n'


# ---- links -------------------------------------------------------------------------------------


def _add_inertial(link: Xml.Element, model: mujoco.MjModel, body: int) -> None:
    """Mass, centre and moments about it, in axes parallel to the link's."""
    if model.body_mass[body] == 0.0:
        return
    axes = _matrix(model.body_iquat[body])
    moments = axes @ np.diag(model.body_inertia[body]) @ axes.T
    inertial = Xml.SubElement(link, "inertial")
    _add_origin(inertial, model.body_ipos[body] - _anchor(model, body), np.eye(3))
    Xml.SubElement(inertial, "mass", value=_number(model.body_mass[body]))
    rows, columns = np.triu_indices(3)
    names = ("ixx", "ixy", "ixz", "iyy", "iyz", "izz")
    parts = dict(zip(names, map(_number, moments[rows, columns])))
    Xml.SubElement(inertial, "inertia", parts)


def _add_geom(link: Xml.Element, model: mujoco.MjModel, geom: int) -> None:
    """What is seen, and what is touched, of one shape of the model."""
    name = model.geom(geom).name or f"geom_{geom}"
    touches = bool(model.geom_contype[geom] or model.geom_conaffinity[geom])
    for index, (shape, centre, axes) in enumerate(_shapes(model, geom)):
        part = name if index == 0 else f"{name}_{index}"
        for kind in ("visual", "collision") if touches else ("visual",):
            element = Xml.SubElement(link, kind, name=part)
            _add_origin(element, centre, axes)
            Xml.SubElement(element, "geometry").append(shape)
            if kind == "visual":
                _add_material(element, model, geom)


def _shapes(model: mujoco.MjModel, geom: int) -> list[tuple[Xml.Element, Vector, Vector]]:
    """URDF shapes with centre and axes in the link's frame."""
    size, axes = model.geom_size[geom], _matrix(model.geom_quat[geom])
    centre = model.geom_pos[geom] - _anchor(model, int(model.geom_bodyid[geom]))
    kind = mujoco.mjtGeom(model.geom_type[geom])
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        return [(_box(2.0 * size), centre, axes)]
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        return [(_sphere(size[0]), centre, axes)]
    if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        return [(_cylinder(size[0], 2.0 * size[1]), centre, axes)]
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        ends = [centre + sign * size[1] * axes[:, 2] for sign in (-1.0, 1.0)]
        caps = [(_sphere(size[0]), end, axes) for end in ends]
        return [(_cylinder(size[0], 2.0 * size[1]), centre, axes), *caps]
    if kind == mujoco.mjtGeom.mjGEOM_PLANE:
        plate = np.where(size > 0.0, 2.0 * size, FLOOR_M) * (1.0, 1.0, 0.0) + (0, 0, FLOOR_M[2])
        return [(_box(plate), centre - 0.5 * FLOOR_M[2] * axes[:, 2], axes)]
    middle, half = model.geom_aabb[geom][:3], model.geom_aabb[geom][3:]
    return [(_box(2.0 * half), centre + axes @ middle, axes)]


def _box(size: Vector) -> Xml.Element:
    return Xml.Element("box", size=_numbers(size))


def _sphere(radius: float) -> Xml.Element:
    return Xml.Element("sphere", radius=_number(radius))


def _cylinder(radius: float, length: float) -> Xml.Element:
    return Xml.Element("cylinder", radius=_number(radius), length=_number(length))


def _add_material(visual: Xml.Element, model: mujoco.MjModel, geom: int) -> None:
    material = int(model.geom_matid[geom])
    if material < 0:
        name, colour = model.geom(geom).name, model.geom_rgba[geom]
    else:
        name, colour = model.mat(material).name, model.mat_rgba[material]
    element = Xml.SubElement(visual, "material", name=name)
    Xml.SubElement(element, "color", rgba=_numbers(colour))


# ---- joints and frames -------------------------------------------------------------------------


def _add_joint(
    robot: Xml.Element, model: mujoco.MjModel, body: int, links: list[str], spec: RobotSpec
) -> None:
    """The joint that leads to a body's link."""
    parent = int(model.body_parentid[body])
    axes, anchor = _matrix(model.body_quat[body]), _anchor(model, body)
    centre = model.body_pos[body] + axes @ anchor - _anchor(model, parent)
    joint = _joint_of(model, body)
    if joint is None:
        _add_fixed(robot, f"{links[body]}_mount", links[parent], links[body], centre, axes)
        return
    name = model.joint(joint).name
    hand = {item.name: item for item in spec.joints}
    element = Xml.SubElement(
        robot, "joint", name=name, type="revolute" if name in hand else "continuous"
    )
    _add_ends(element, links[parent], links[body], centre, axes)
    Xml.SubElement(element, "axis", xyz=_numbers(model.jnt_axis[joint]))
    dof = int(model.jnt_dofadr[joint])
    damping, friction = _number(model.dof_damping[dof]), _number(model.dof_frictionloss[dof])
    Xml.SubElement(element, "dynamics", damping=damping, friction=friction)
    if name in hand:
        _add_limits(element, hand[name], spec)


def _add_limits(element: Xml.Element, joint: JointSpec, spec: RobotSpec) -> None:
    """Of commands; torque is what the current limit leaves of the stall torque."""
    torque_nm_per_ma = 1e-3 * spec.servo.torque_nm_per_a
    Xml.SubElement(
        element,
        "limit",
        lower=_number(joint.lower_rad),
        upper=_number(joint.upper_rad),
        velocity=_number(joint.max_velocity_rad_s),
        effort=_number(joint.current_limit_ma * torque_nm_per_ma),
    )


def _add_frame(robot: Xml.Element, model: mujoco.MjModel, site: int, links: list[str]) -> None:
    """A named place on a link, as the tip of a finger."""
    name, body = model.site(site).name or f"site_{site}", int(model.site_bodyid[site])
    Xml.SubElement(robot, "link", name=name)
    place = model.site_pos[site] - _anchor(model, body)
    _add_fixed(robot, f"{name}_frame", links[body], name, place, _matrix(model.site_quat[site]))


def _add_fixed(
    robot: Xml.Element, name: str, parent: str, child: str, centre: Vector, axes: Vector
) -> None:
    element = Xml.SubElement(robot, "joint", name=name, type="fixed")
    _add_ends(element, parent, child, centre, axes)


def _add_ends(joint: Xml.Element, parent: str, child: str, centre: Vector, axes: Vector) -> None:
    _add_origin(joint, centre, axes)
    Xml.SubElement(joint, "parent", link=parent)
    Xml.SubElement(joint, "child", link=child)


def _joint_of(model: mujoco.MjModel, body: int) -> int | None:
    """The hinge between a body and its parent."""
    count = int(model.body_jntnum[body])
    if count == 0:
        return None
    joint = int(model.body_jntadr[body])
    is_hinge = model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_HINGE
    if count > 1 or not is_hinge or model.qpos0[model.jnt_qposadr[joint]] != 0.0:
        name = model.joint(joint).name
        raise ValueError(f"joint {name}: URDF needs one hinge a body, drawn where its angle is 0")
    return joint


def _anchor(model: mujoco.MjModel, body: int) -> Vector:
    """(3,) where a body's link has its origin, in the body's frame: on the joint's axis."""
    joint = _joint_of(model, body)
    return np.zeros(3) if joint is None else np.asarray(model.jnt_pos[joint])


# ---- numbers -----------------------------------------------------------------------------------


def _matrix(quaternion: Vector) -> Vector:
    """(3, 3)"""
    flat = np.zeros(9)
    mujoco.mju_quat2Mat(flat, quaternion)
    return flat.reshape(3, 3)


def _add_origin(element: Xml.Element, centre: Vector, axes: Vector) -> None:
    Xml.SubElement(element, "origin", xyz=_numbers(centre), rpy=_numbers(_roll_pitch_yaw(axes)))


def _roll_pitch_yaw(axes: Vector) -> Vector:
    """(3,) angles about the fixed x, y and z axes, in that order."""
    level = np.hypot(axes[0, 0], axes[1, 0])
    pitch = np.arctan2(-axes[2, 0], level)
    if level < 1e-9:  # straight up or down: roll and yaw turn about the same line
        return np.array([np.arctan2(-axes[1, 2], axes[1, 1]), pitch, 0.0])
    return np.array([np.arctan2(axes[2, 1], axes[2, 2]), pitch, np.arctan2(axes[1, 0], axes[0, 0])])


def _number(value: float) -> str:
    """12 digits, which every machine computes alike, and no minus before a zero."""
    return f"{float(value) + 0.0:.12g}"


def _numbers(values: Vector) -> str:
    return " ".join(map(_number, values))


if __name__ == "__main__":
    sys.stdout.write(robot_description(load_robot_spec(*map(Path, sys.argv[1:2]))))
