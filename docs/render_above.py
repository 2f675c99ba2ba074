"""Draw the hand from above for the first-day page: `python docs/render_above.py`.

Where every motor id stands and where the valve's mark points, out of the compiled model.
"""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim2real.contract.output_file import write_file
from sim2real.contract.robot_spec import RobotSpec, load_robot_spec
from sim2real.hardware.physics_model import load_physics_model

PICTURE = Path(__file__).resolve().parent / "images" / "claw_above.svg"
WIDTH, HEIGHT, SCALE = 660, 440, 1700.0
"""pixels, and pixels a metre"""
CENTRE = np.array([360.0, 215.0])
"""where the valve's axis is"""
INK, PALM, SERVO, RUBBER, VALVE = "#222222", "#b9bec6", "#2b2e35", "#fa7a1f", "#1a6bbd"
LABEL_RADIUS_M, ARROW_M, ARC_M = 0.1, 0.155, 0.115


def above(spec: RobotSpec) -> str:
    """The hand at home over its valve at angle 0, as SVG: x to the right, y up."""
    model = load_physics_model(spec)
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key("home").id)
    mujoco.mj_kinematics(model, data)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="sans-serif" font-size="14" text-anchor="middle">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            _circle((0.0, 0.0), model.geom("palm").size[0], f'fill="none" stroke="{PALM}"'),
            *_valve(model, data),
            *(part for joint in spec.base_angle_rad for part in _finger(spec, data, joint)),
            *_positive(),
            "</svg>\n",
        ]
    )


def _valve(model: mujoco.MjModel, data: mujoco.MjData) -> list[str]:
    """Lobes, hub, and an arrow from the mark outward."""
    parts = []
    for geom in np.flatnonzero(model.geom_bodyid == model.body("valve").id):
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CAPSULE:
            radius, half = model.geom_size[geom][:2]
            along = half * data.geom_xmat[geom].reshape(3, 3)[:2, 2]
            middle = data.geom_xpos[geom][:2]
            parts.append(_line(middle - along, middle + along, VALVE, 2.0 * radius * SCALE))
    mark = data.geom("valve_mark").xpos[:2]
    direction = mark / np.linalg.norm(mark)
    half = model.geom("valve_mark").size[0]
    parts += [
        _line(mark - half * direction, mark + half * direction, "white", 8.0),
        _line(0.1 * direction, ARROW_M * direction, VALVE, 2.0, "butt"),
        _head(ARROW_M * direction, direction, VALVE),
        _text(ARROW_M * direction + (-0.024, 0.012), "mark at 0 rad", VALVE),
    ]
    return parts


def _finger(spec: RobotSpec, data: mujoco.MjData, top: str) -> list[str]:
    """Base, tip and motor ids of the finger that begins with this joint."""
    first = spec.joint_names.index(top)
    joints = spec.joints[first : first + 3]
    base, tip = data.joint(top).xanchor[:2], data.site(f"{top.rpartition('_')[0]}_tip").xpos[:2]
    outward = base / np.linalg.norm(base)
    angle = round(float(np.degrees(spec.base_angle_rad[top])))
    turned = "180°" if abs(angle) == 180 else f"{angle:+d}°".replace("-", "−")
    words = [joint.name.rpartition("_")[2] for joint in joints]
    ids = ", ".join(f"{joint.motor_id} {word}" for joint, word in zip(joints, words, strict=True))
    place = LABEL_RADIUS_M * outward - (0.05 * (abs(outward[1]) < 0.1), 0.0)
    return [
        _line(base, tip, SERVO, 10.0),
        _circle(base, 0.014, f'fill="{SERVO}"'),
        _circle(tip, 0.011, f'fill="{RUBBER}" stroke="white"'),
        _text(place, f"ids {joints[0].motor_id}–{joints[-1].motor_id} at {turned}", INK, "bold"),
        _text(place - (0.0, 0.011), ids, INK),
    ]


def _positive() -> list[str]:
    """Which way angles grow: an arc of the left lower quarter."""
    turns = np.radians(np.linspace(205.0, 250.0, 20))
    arc = ARC_M * np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(_pixels, arc))
    ahead = np.array([-np.sin(turns[-1]), np.cos(turns[-1])])
    return [
        f'<polyline points="{points}" fill="none" stroke="{INK}" stroke-width="2"/>',
        _head(arc[-1], ahead, INK),
        _text(arc[-1] - (0.06, 0.005), "+ of valve and tops", INK),
    ]


# ---- shapes, in metres -------------------------------------------------------------------------


def _pixels(place: ArrayLike) -> NDArray[np.float64]:
    return CENTRE + SCALE * np.asarray(place) * (1.0, -1.0)


def _circle(place: ArrayLike, radius: float, style: str) -> str:
    x, y = _pixels(place)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius * SCALE:.1f}" {style}/>'


def _line(start: ArrayLike, end: ArrayLike, colour: str, width: float, cap: str = "round") -> str:
    (x1, y1), (x2, y2) = _pixels(start), _pixels(end)
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width:.1f}" stroke-linecap="{cap}"/>'
    )


def _head(tip: NDArray[np.float64], direction: NDArray[np.float64], colour: str) -> str:
    side = 0.004 * np.array([-direction[1], direction[0]])
    corners = tip + 0.008 * direction, tip + side, tip - side
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(_pixels, corners))
    return f'<polygon points="{points}" fill="{colour}"/>'


def _text(place: ArrayLike, text: str, colour: str, weight: str = "normal") -> str:
    x, y = _pixels(place)
    style = f'fill="{colour}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{text}</text>'


if __name__ == "__main__":
    write_file(PICTURE, above(load_robot_spec()))
    print(PICTURE.relative_to(PICTURE.parents[2]))
