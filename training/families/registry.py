"""Every task family by name: what recipes, the command line and the conformance tests go by."""

from __future__ import annotations

from pathlib import Path

from sim2real.contract.errors import BadInput
from sim2real.contract.registry import Registry
from sim2real.contract.robot_spec import RobotSpec, load_robot_spec
from training.families.ant import ANT_DIR, ANT_GOAL
from training.families.bernoulli_bandit import BernoulliBanditFamily
from training.families.body_parameters import HOPPER_PARAMS, WALKER_PARAMS
from training.families.claw import ClawFamily
from training.families.gridworld import GridworldFamily
from training.families.half_cheetah import HALF_CHEETAH_DIR, HALF_CHEETAH_VEL
from training.families.humanoid_dir import HUMANOID_DIR
from training.families.point_robot import PointRobot
from training.families.pose_dynamics import POSE_DYNAMICS
from training.families.pose_full import POSE_FULL
from training.families.shown_goal import ShownGoal
from training.families.sparse_point_robot import SparsePointRobot
from training.families.two_rewards import TwoRewards
from training.families.valve import (
    VALVE_SCREW,
    VALVE_SCREW_FULL,
    VALVE_SCREW_FULL_VISIBLE,
    VALVE_TURN,
    VALVE_TURN_DYNAMICS,
    VALVE_TURN_FULL,
    VALVE_TURN_FULL_VISIBLE,
    VALVE_TURN_ONE_WAY,
)
from training.families.valve_pixels import VALVE_TURN_PIXELS, VALVE_TURN_PIXELS_VARIED
from training.families.walled_point_robot import WalledPointRobot
from training.tasks.task import TaskFamily

_FAMILIES: tuple[TaskFamily, ...] = (
    PointRobot(),
    SparsePointRobot(),
    ShownGoal(),
    TwoRewards(),
    WalledPointRobot(),
    BernoulliBanditFamily(),
    GridworldFamily(),
    HALF_CHEETAH_DIR,
    HALF_CHEETAH_VEL,
    ANT_DIR,
    ANT_GOAL,
    HUMANOID_DIR,
    WALKER_PARAMS,
    HOPPER_PARAMS,
    POSE_DYNAMICS,
    POSE_FULL,
    VALVE_TURN,
    VALVE_TURN_DYNAMICS,
    VALVE_TURN_ONE_WAY,
    VALVE_SCREW,
    VALVE_TURN_FULL,
    VALVE_TURN_FULL_VISIBLE,
    VALVE_SCREW_FULL,
    VALVE_SCREW_FULL_VISIBLE,
    VALVE_TURN_PIXELS,
    VALVE_TURN_PIXELS_VARIED,
)

FAMILIES: Registry[TaskFamily] = Registry("families", {family.name: family for family in _FAMILIES})


def family_named(name: str) -> TaskFamily:
    """A registered family. Raises `BadInput` for an unknown name."""
    if name not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise BadInput("command line", "family", found=name, expected=f"one of {known}")
    return FAMILIES[name]


def family_on(name: str, robot: str) -> TaskFamily:
    """A registered family on a robot: a path or a name, or empty for the family's own.

    Raises `BadInput` for a robot that does not fit, and for one where no robot performs the tasks.
    """
    if not robot:
        return FAMILIES[name]
    return claw_family(name, "command line", load_robot_spec(Path(robot)))


def claw_family(name: str, where: str, spec: RobotSpec | None = None) -> ClawFamily:
    """The family of that name on a robot, by default its own.

    Raises `BadInput` for one that is met on no robot.
    """
    family = FAMILIES.get(name)
    if not isinstance(family, ClawFamily):
        known = [key for key, value in FAMILIES.items() if isinstance(value, ClawFamily)]
        expected = f"a family of a hand: {', '.join(known)}"
        raise BadInput(where, "family", found=name, expected=expected)
    return family if spec is None else family.on(spec)
