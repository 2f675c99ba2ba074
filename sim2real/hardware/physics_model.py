"""From a robot's MJCF to the compiled model that simulation and emulator step.

Any MJCF will do that has the robot's joints, objects and fingertips, whatever it calls them:
`physics_joint_map` in robot.yaml gives its names. The actuators are robot.yaml's servos. In the
compiled model every joint and its actuator bear the robot's name for them, so that nothing
downstream depends on the file's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import mujoco

from sim2real.contract.errors import BadInput
from sim2real.contract.robot_spec import JointSpec, RobotSpec
from sim2real.hardware.base_angles import require_base_angles
from sim2real.hardware.hand_in_model import name_hand
from sim2real.hardware.physics_log import leave_no_log
from sim2real.hardware.scenery import SCENERY_NUMERICS
from sim2real.hardware.servo_actuators import ON_A_JOINT, check_servo, give_servos
from sim2real.hardware.task_numerics import CUSTOM_NUMERICS


def default_mjcf(spec: RobotSpec) -> Path:
    """The MJCF that a robot's own robot.yaml names, relative to it."""
    return spec.source.parent / spec.physics_model


def load_physics_model(
    spec: RobotSpec, mjcf: Path | None = None, *, is_seen: bool = True
) -> mujoco.MjModel:
    """Compile the robot's MJCF with the robot's names in it.

    Beside its physics it carries the numbers of `task_numerics` and `scenery`, zero unless the file
    states them. One that is not seen moves bit for bit alike, without the shapes, meshes and
    textures that are only shown: a tenth faster, and a fiftieth of the claw's size. Raises
    `BadInput` for a file that does not compile, a joint or fingertip that is not there, an actuator
    that no servo can stand for, a joint whose range does not hold the command limits, or a finger
    that stands elsewhere.
    """
    leave_no_log()
    path = default_mjcf(spec) if mjcf is None else mjcf
    where = str(path)
    if not path.is_file():
        raise BadInput(
            where,
            "file",
            found="a folder" if path.is_dir() else "nothing",
            expected="an MJCF file",
            remedy="physics_model is relative to its robot.yaml; a whole path may be given too",
        )
    try:
        mj_spec = mujoco.MjSpec.from_file(where)
        moved_objects = tuple(item.name for item in spec.objects if item.has_joint)
        named = (*spec.joint_names, *moved_objects)
        _rename_joints(mj_spec, {n: spec.physics_joint_map.get(n, n) for n in named}, where)
        give_servos(mj_spec, spec, where)
        name_hand(mj_spec, spec, where)
        if not is_seen:
            mj_spec.compiler.discardvisual = True  # what that weighs stays
        for name, size in {**CUSTOM_NUMERICS, **SCENERY_NUMERICS}.items():
            if mj_spec.numeric(name) is None:
                mj_spec.add_numeric(name=name, size=size, data=[0.0] * size)
        model = mj_spec.compile()
    except BadInput:
        raise
    except (ValueError, FileNotFoundError) as error:
        problem = " ".join(str(error).split())
        raise BadInput(where, "file", found=problem, expected="a MuJoCo model") from None
    for joint in spec.joints:
        _check_range(model, joint, where)
        check_servo(model, joint, spec, where)
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    require_base_angles(spec, {name: data.joint(name).xanchor for name in named}, where)
    return model


def _rename_joints(mj_spec: mujoco.MjSpec, called: Mapping[str, str], where: str) -> None:
    """Give joints, and what drives them, the robot's names; `called` has the file's by these."""
    found = {name: mj_spec.joint(own) for name, own in called.items()}
    for name, joint in found.items():
        if joint is None:
            known = ", ".join(sorted(joint.name for joint in mj_spec.joints)) or "none"
            raise BadInput(
                where,
                f"joint {name}",
                found=f"no {called[name]}",
                expected=f"it among {known}",
                remedy=f"give the file's name of {name} in robot.yaml: physics_joint_map",
            )
    names = {own: name for name, own in called.items()}
    for suffix in ("'", ""):  # first aside: a file may have one joint's name for another
        for name, joint in found.items():
            joint.name = name + suffix
    for actuator in mj_spec.actuators:
        if actuator.trntype in ON_A_JOINT and actuator.target in names:
            actuator.target = names[actuator.target]


def _check_range(model: mujoco.MjModel, joint: JointSpec, where: str) -> None:
    lower, upper = model.joint(joint.name).range
    is_free = not model.joint(joint.name).limited[0]
    if not is_free and not lower <= joint.lower_rad < joint.upper_rad <= upper:
        raise BadInput(
            where,
            f"range of {joint.name}",
            found=(float(lower), float(upper)),
            expected=f"to contain the command limits {joint.range_rad} of robot.yaml",
        )
