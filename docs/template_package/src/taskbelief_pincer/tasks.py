"""The tasks: poses under loads that are not known."""

from __future__ import annotations

from sim2real.contract.action import ActionMap
from sim2real.contract.robot_spec import RobotSpec, load_robot_spec
from taskbelief_pincer import PINCER
from taskbelief_pincer.skill import GentlePose
from training.families.claw import ClawFamily
from training.worlds.claw import ClawScene
from training.worlds.dynamics import variations_for
from training.worlds.goals import SwingingPose

CONTROL_PERIOD_S = 0.1


def gentle_pose(spec: RobotSpec) -> ClawFamily:
    """The family on any hand: what it needs of the robot, robot.yaml says."""
    middle = (spec.joint_array("lower_rad") + spec.joint_array("upper_rad")) / 2.0
    return ClawFamily(
        name="gentle_pose",
        make=gentle_pose,
        variations=variations_for(spec),
        scene=ClawScene(
            spec=spec,
            skill=GentlePose(num_joints=len(spec.joints)),
            action_map=ActionMap.for_robot(
                spec, kind="absolute", control_period_s=CONTROL_PERIOD_S
            ),
            goal=SwingingPose(
                centre_low_rad=tuple(middle - 0.2),
                centre_high_rad=tuple(middle + 0.2),
                max_amplitude_rad=0.1,
                min_frequency_rad_s=0.5,
                max_frequency_rad_s=1.5,
            ),
            control_period_s=CONTROL_PERIOD_S,
            episode_length=25,
            start_joint_spread_rad=0.1,
            start_valve_spread_rad=0.0,
        ),
        variation_names=("finger_load", "joint_friction", "action_delay"),
    )


GENTLE_POSE = gentle_pose(load_robot_spec(PINCER))
