"""Track a visible, swinging pose with servos whose dynamics are unknown."""

from __future__ import annotations

from sim2real.contract.action import ActionMap
from sim2real.contract.robot_spec import RobotSpec, load_robot_spec
from sim2real.skills.pose import Pose
from training.families.claw import ClawFamily
from training.worlds.claw import ClawScene
from training.worlds.dynamics import variations_for
from training.worlds.goals import SwingingPose

CONTROL_PERIOD_S = 0.1
"""10 Hz: within a tick a servo gets most of the way to its target, so a reward tells which action
earned it (ROBEL tracks poses at 20 Hz)"""


def pose_dynamics(spec: RobotSpec) -> ClawFamily:
    """The goal is seen and swings; loads, friction and delay are to be inferred.

    A position servo follows a visible target without being understood. What it cannot do alone is
    hold against an unknown load: feedback halves the error, only knowing the load removes it.
    """
    lower, upper = spec.joint_array("lower_rad"), spec.joint_array("upper_rad")
    centre = (lower + upper) / 2.0
    return ClawFamily(
        name="pose_dynamics",
        make=pose_dynamics,
        variations=variations_for(spec),
        scene=ClawScene(
            spec=spec,
            # 0.06 rad: a policy that knows its loads stays within it, one that does not cannot.
            skill=Pose(num_joints=len(spec.joints), target_visible=True, success_error_rad=0.06),
            action_map=ActionMap.for_robot(
                spec, kind="absolute", control_period_s=CONTROL_PERIOD_S
            ),
            # Near the middle of every range, so that targets have room to lean against a load.
            goal=SwingingPose(
                centre_low_rad=tuple(centre - 0.05),
                centre_high_rad=tuple(centre + 0.05),
                max_amplitude_rad=0.15,
                min_frequency_rad_s=0.5,
                max_frequency_rad_s=2.0,
            ),
            control_period_s=CONTROL_PERIOD_S,
            episode_length=25,
            start_joint_spread_rad=0.1,
            start_valve_spread_rad=0.0,
        ),
        variation_names=(
            "finger_load",
            "joint_friction",
            "action_delay",
            "observation_noise",
        ),
    )


POSE_DYNAMICS = pose_dynamics(load_robot_spec())
