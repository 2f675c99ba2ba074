"""The URDF that lies beside robot.yaml, for computers without MuJoCo, which makes it (`urdf`)."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import RobotSpec
from sim2real.contract.text_file import read_text
from sim2real.hardware.base_angles import require_base_angles


def shipped_description(spec: RobotSpec) -> str:
    """What `robot_description` carries.

    Raises `BadInput` where there is none for this robot, or one of another robot.
    """
    path = spec.file_of("robot.urdf")
    remedy = f"python -m sim2real.hardware.urdf {spec.source} prints it"
    text = read_text(path, "a URDF", remedy=remedy)
    try:
        places = _joint_places(Xml.fromstring(text))
    except (Xml.ParseError, ValueError) as error:
        found, expected = str(error), "a tree of links and joints"
        raise BadInput(str(path), "file", found=found, expected=expected, remedy=remedy) from None
    require_base_angles(spec, places, str(path))
    return text


def _joint_places(robot: Xml.Element) -> dict[str, NDArray[np.float64]]:
    """(3,) where every joint is in the frame of the root while all angles are zero.

    Raises `ValueError` for links that lead to no root.
    """
    joints = [joint for joint in robot.findall("joint") if joint.find("child") is not None]
    above = {_attribute(joint, "child", "link"): joint for joint in joints}
    places = {}
    for joint in joints:
        place, steps = np.zeros(3), 0
        leads: Xml.Element | None = joint
        while leads is not None:
            place = _numbers(leads, "xyz") + _turn(_numbers(leads, "rpy")) @ place
            leads, steps = above.get(_attribute(leads, "parent", "link")), steps + 1
            if steps > len(joints):
                raise ValueError(f"joint {joint.get('name')} leads to no root")
        places[joint.get("name", "")] = place
    return places


def _attribute(element: Xml.Element, child: str, name: str) -> str:
    found = element.find(child)
    return "" if found is None else found.get(name, "")


def _numbers(joint: Xml.Element, name: str) -> NDArray[np.float64]:
    values = np.array(_attribute(joint, "origin", name).split() or ["0"] * 3, np.float64)
    if values.shape != (3,):
        raise ValueError(f"joint {joint.get('name')}: {name} is no three numbers")
    return values


def _turn(roll_pitch_yaw: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) about the fixed x, y and z axes, in that order."""
    matrix = np.eye(3)
    for axis, angle in enumerate(roll_pitch_yaw):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        about = np.eye(3)
        about[first, first] = about[second, second] = np.cos(angle)
        about[first, second], about[second, first] = -np.sin(angle), np.sin(angle)
        matrix = about @ matrix
    return matrix
