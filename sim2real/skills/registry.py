"""Every skill by name."""

from __future__ import annotations

from collections.abc import Callable

from sim2real.contract.errors import BadInput
from sim2real.contract.manifest import SkillReference
from sim2real.contract.registry import Registry
from sim2real.skills.pose import Pose
from sim2real.skills.skill import Skill
from sim2real.skills.valve_screw import ValveScrew
from sim2real.skills.valve_turn import ValveTurn

SKILLS: Registry[Callable[..., Skill]] = Registry(
    "skills", {"pose": Pose, "valve_turn": ValveTurn, "valve_screw": ValveScrew}
)


def make_skill(reference: SkillReference, num_joints: int, where: str) -> Skill:
    """The skill that a manifest names, for a hand of J joints.

    Raises `BadInput` for an unknown skill or an option that the skill does not have.
    """
    if reference.name not in SKILLS:
        raise BadInput(
            where, "skill.name", found=reference.name, expected=f"one of {', '.join(SKILLS)}"
        )
    try:
        return SKILLS[reference.name](
            num_joints=num_joints, target_visible=reference.target_visible, **reference.options
        )
    except TypeError as error:
        raise BadInput(
            where, "skill.options", found=str(error), expected=f"settings of {reference.name}"
        ) from None
