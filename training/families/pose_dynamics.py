"""Track a visible, swinging pose with servos whose dynamics are unknown."""

from __future__ import annotations

from sim2real.contract.action import ActionMap
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.skills.pose import Pose
from training.families.claw import ClawFamily
from training.worlds.claw import ClawScene
from training.worlds.goals import SwingingPose

CONTROL_PERIOD_S = 0.05
"""20 Hz, as ROBEL tracks poses"""


def _pose_dynamics() -> ClawFamily:
    """The goal is seen and swings; stiffness, torque, friction and delay are to be inferred."""
    spec = load_robot_spec()
    margin = 0.25
    lower, upper = spec.joint_array("lower_rad"), spec.joint_array("upper_rad")
    centre, half = (lower + upper) / 2.0, (upper - lower) / 2.0
    return ClawFamily(
        name="pose_dynamics",
        scene=ClawScene(
            spec=spec,
            skill=Pose(target_visible=True),
            action_map=ActionMap.for_robot(
                spec, kind="absolute", control_period_s=CONTROL_PERIOD_S
            ),
            goal=SwingingPose(
                centre_low_rad=tuple(centre - margin * half),
                centre_high_rad=tuple(centre + margin * half),
                max_amplitude_rad=0.4,
                min_frequency_rad_s=0.5,
                max_frequency_rad_s=2.0,
            ),
            control_period_s=CONTROL_PERIOD_S,
            episode_length=80,
            start_joint_spread_rad=0.2,
            start_valve_spread_rad=0.0,
        ),
        variation_names=(
            "joint_damping",
            "joint_friction",
            "joint_armature",
            "servo_stiffness",
            "weak_finger",
            "action_delay",
            "observation_noise",
        ),
    )


POSE_DYNAMICS = _pose_dynamics()
