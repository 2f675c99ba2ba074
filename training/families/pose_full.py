"""Track a visible pose that swings over the whole range of every joint, as ROBEL asks for it."""

from __future__ import annotations

import numpy as np

from sim2real.contract.action import ActionMap
from sim2real.contract.robot_spec import RobotSpec, load_robot_spec
from sim2real.skills.pose import Pose
from training.families.claw import ClawFamily
from training.worlds.claw import ClawScene
from training.worlds.dynamics import variations_for
from training.worlds.goals import SwingBetweenPoses

CONTROL_PERIOD_S = 0.05
"""20 Hz, ROBEL's"""
EPISODE_LENGTH = 80
"""4 s, ROBEL's"""
MAX_STEP_RAD = 0.15
"""of an increment: three times what a goal moves in a step, so that a finger catches up"""


def pose_full(spec: RobotSpec) -> ClawFamily:
    """Success is ROBEL's: joints are within 10 degrees of their goals on average.

    Goals are the robot's own command ranges. The valve stays in its place, which ROBEL's pose task
    has not: where fingers meet it, it turns, and a goal may lie behind a lobe.
    """
    lower, upper = spec.joint_array("lower_rad"), spec.joint_array("upper_rad")
    return ClawFamily(
        name="pose_full",
        make=pose_full,
        variations=variations_for(spec),
        scene=ClawScene(
            spec=spec,
            skill=Pose(num_joints=len(spec.joints), target_visible=True),
            action_map=ActionMap.for_robot(
                spec,
                kind="increment",
                control_period_s=CONTROL_PERIOD_S,
                max_step_rad=MAX_STEP_RAD,
            ),
            goal=SwingBetweenPoses(
                lower_rad=tuple(lower),
                upper_rad=tuple(upper),
                min_frequency_rad_s=0.5,
                max_frequency_rad_s=2.0,
                max_speed_rad_s=np.pi / 6.0,
            ),
            control_period_s=CONTROL_PERIOD_S,
            episode_length=EPISODE_LENGTH,
            start_joint_spread_rad=0.1,
            start_valve_spread_rad=0.1,
        ),
        variation_names=("finger_load", "joint_friction", "action_delay", "observation_noise"),
    )


POSE_FULL = pose_full(load_robot_spec())
