"""Which elements of a compiled model are the hand's fingers, tips and palm, and its object.

`load_physics_model` writes it into every model as custom text, so that whoever changes a model for
a task or places the object needs nothing beside it, whatever the robot is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import mujoco

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import Finger, RobotSpec

FINGERS, OBJECT = "taskbelief_fingers", "taskbelief_object"
"""the custom text elements: joints of each finger, `a b c;d e f`; the object's joint"""


@dataclass(frozen=True, kw_only=True)
class HandInModel:
    """Names in one compiled model."""

    fingers: tuple[tuple[str, ...], ...]
    """joints (and so actuators) of each finger, base first"""
    tips: tuple[tuple[int, ...], ...]
    """geoms that each finger touches the object with"""
    object: str
    """joint of what the hand turns"""

    @classmethod
    def of(cls, model: mujoco.MjModel) -> Self:
        """What `name_hand` has written. Raises `KeyError` for a model that is no hand's."""
        texts = {name: _text(model, name) for name in (FINGERS, OBJECT)}
        fingers = tuple(tuple(part.split()) for part in texts[FINGERS].split(";"))
        geoms = [model.geom(index).name for index in range(model.ngeom)]
        names = [Finger(joints=joints).tip for joints in fingers]
        tips = tuple(tuple(i for i, geom in enumerate(geoms) if _is_tip(geom, n)) for n in names)
        return cls(fingers=fingers, tips=tips, object=texts[OBJECT])

    @property
    def joints(self) -> tuple[str, ...]:
        return tuple(name for finger in self.fingers for name in finger)

    def mounts(self, model: mujoco.MjModel) -> tuple[int, ...]:
        """The bodies to move to move the hand: its palm, or each finger's base without one."""
        chains = [_carriers(model, model.joint(finger[0]).bodyid[0]) for finger in self.fingers]
        shared = set(chains[0]).intersection(*chains[1:])
        palm = next(body for body in [*chains[0], 0] if body in shared | {0})
        return (palm,) if palm else tuple(chain[-1] for chain in chains)


def name_hand(mj_spec: mujoco.MjSpec, spec: RobotSpec, where: str) -> None:
    """Give fingertips the robot's names, and write the texts.

    A tip is the geom of that name, or of the name in `physics_joint_map`; a body's name there means
    all geoms of that body that touch. Raises `BadInput` for a tip that is not there.
    """
    for finger in spec.fingers:
        for count, geom in enumerate(_tip_geoms(mj_spec, spec, finger.tip, where)):
            geom.name = finger.tip if count == 0 else f"{finger.tip}_{count + 1}"
    texts = {FINGERS: ";".join(" ".join(finger.joints) for finger in spec.fingers)}
    texts[OBJECT] = spec.turned_object
    for name, data in texts.items():
        if mj_spec.text(name) is None:
            mj_spec.add_text(name=name, data=data)


def _tip_geoms(
    mj_spec: mujoco.MjSpec, spec: RobotSpec, tip: str, where: str
) -> list[mujoco.MjsGeom]:
    name = spec.physics_joint_map.get(tip, tip)
    geom, body = mj_spec.geom(name), mj_spec.body(name)
    if geom is not None:
        return [geom]
    found = [] if body is None else [g for g in body.geoms if g.contype or g.conaffinity]
    if not found:
        geoms = ", ".join(sorted(item.name for item in mj_spec.geoms if item.name)) or "none"
        raise BadInput(
            where,
            f"geom {tip}",
            found=f"no {name}" if body is None else f"body {name} with nothing that touches",
            expected=f"it among {geoms}",
            remedy=f"name the geom, or the body, in robot.yaml: physics_joint_map: {{{tip}: ...}}",
        )
    return found


def _is_tip(name: str, tip: str) -> bool:
    return name == tip or (name.startswith(f"{tip}_") and name[len(tip) + 1 :].isdecimal())


def _carriers(model: mujoco.MjModel, body: int) -> list[int]:
    """A body and those that carry it, nearest first; without the world."""
    found = []
    while body:
        found.append(int(body))
        body = model.body_parentid[body]
    return found


def _text(model: mujoco.MjModel, name: str) -> str:
    index = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_TEXT, name)
    if index < 0:
        raise KeyError(f"no text {name} in the model: it is not from load_physics_model")
    start, size = int(model.text_adr[index]), int(model.text_size[index])
    return bytes(model.text_data[start : start + size]).rstrip(b"\0").decode()
