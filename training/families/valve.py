"""The valve families: turn to a hidden or a visible angle, screw at a hidden velocity.

Those from pixels are in `valve_pixels`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from sim2real.contract.action import ActionMap
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.skills.skill import Skill
from sim2real.skills.valve_screw import ValveScrew
from sim2real.skills.valve_turn import ValveTurn
from training.families.claw import ClawFamily, SignedGoal
from training.worlds.claw import ClawScene
from training.worlds.goals import EpisodeGoal, GoalRule, TaskGoal

CONTROL_PERIOD_S = 0.1
"""10 Hz, as ROBEL turns valves: slow enough for a push to show in one step"""
MAX_STEP_RAD = 0.25
"""largest increment of a joint target per step; increments explore better than absolute targets"""
VALVE_VARIATIONS = (
    "valve_damping",
    "valve_friction",
    "servo_stiffness",
    "fingertip_friction",
    "action_delay",
)
"""what a robot does not know about a valve it has never turned, and about its own servos"""


TURN_EPISODE_LENGTH = 30
"""3 s: turning takes the first second, holding still the rest"""
MIN_TURN_RAD, MAX_TURN_RAD = 0.3, 0.7
"""what one sweep of the fingers reaches: without a second grip, so that the oracle learns in
minutes what a belief about the valve is then built on"""

FULL_TURN_EPISODE_LENGTH = 60
"""6 s: half a turn takes the fingers several grips"""
FULL_SCREW_EPISODE_LENGTH = 80
"""8 s, as ROBEL screws"""
MIN_FULL_SCREW_RAD_S, MAX_FULL_SCREW_RAD_S = 0.15, 0.75
"""up to ROBEL's fastest; slower than the slowest is as good as standing still"""
SCREW_VELOCITY_ERROR_RAD_S = 0.1
"""what a valve can be off that follows the advancing angle within ROBEL's 0.2 rad from the middle
of the episode to its end, 4 s later"""
RANGE_COST = 5.0
"""a joint is not pushed further than a tenth of a radian or two out of its range for half a bonus;
without it a policy jams fingers against lobes until a robot would stop, in one episode of four"""
MIN_FULL_TURN_RAD, MAX_FULL_TURN_RAD = 0.3, np.pi
"""anywhere on the circle, but for what needs next to no turning; to pi it is the same either way"""


def valve_scene(
    skill: Skill,
    goal: GoalRule,
    *,
    episode_length: int,
    kind: Literal["absolute", "increment"] = "increment",
) -> ClawScene:
    spec = load_robot_spec()
    return ClawScene(
        spec=spec,
        skill=skill,
        action_map=ActionMap.for_robot(
            spec, kind=kind, control_period_s=CONTROL_PERIOD_S, max_step_rad=MAX_STEP_RAD
        ),
        goal=goal,
        control_period_s=CONTROL_PERIOD_S,
        episode_length=episode_length,
        start_joint_spread_rad=0.05,
        start_valve_spread_rad=0.1,
    )


VALVE_TURN = ClawFamily(
    name="valve_turn",
    scene=valve_scene(
        ValveTurn(target_visible=False),
        TaskGoal(parameter="target_angle"),
        episode_length=TURN_EPISODE_LENGTH,
    ),
    goal=SignedGoal(name="target_angle", unit="rad", low=MIN_TURN_RAD, high=MAX_TURN_RAD),
    variation_names=VALVE_VARIATIONS,
)
"""A hidden target angle and varied dynamics: both have to be inferred."""

VALVE_TURN_ONE_WAY = ClawFamily(
    name="valve_turn_one_way",
    scene=valve_scene(
        ValveTurn(target_visible=False, distance_cost=0.0),
        TaskGoal(parameter="target_angle"),
        episode_length=TURN_EPISODE_LENGTH,
    ),
    goal=SignedGoal(name="target_angle", unit="rad", low=0.45, high=0.55, signs=(1.0,)),
    variation_names=VALVE_VARIATIONS,
)
"""A hidden target that is almost the same in every task: found by trying, told apart by nobody."""

VALVE_TURN_DYNAMICS = ClawFamily(
    name="valve_turn_dynamics",
    scene=valve_scene(
        ValveTurn(target_visible=True),
        EpisodeGoal(low=MIN_TURN_RAD, high=MAX_TURN_RAD),
        episode_length=TURN_EPISODE_LENGTH,
    ),
    variation_names=VALVE_VARIATIONS,
)
"""A visible target angle, anew in every episode; only the dynamics are to be inferred."""

VALVE_SCREW = ClawFamily(
    name="valve_screw",
    scene=valve_scene(
        ValveScrew(target_visible=False),
        TaskGoal(parameter="target_velocity"),
        episode_length=TURN_EPISODE_LENGTH,
    ),
    goal=SignedGoal(name="target_velocity", unit="rad/s", low=0.1, high=0.2),
    variation_names=VALVE_VARIATIONS,
)
"""A hidden direction and speed, and varied dynamics."""


def _full_range(name: str, skill: Skill, goal: SignedGoal, episode_length: int) -> ClawFamily:
    return ClawFamily(
        name=name,
        scene=valve_scene(skill, TaskGoal(parameter=goal.name), episode_length=episode_length),
        goal=goal,
        variation_names=VALVE_VARIATIONS,
    )


def _full_turn(name: str, *, target_visible: bool) -> ClawFamily:
    skill = ValveTurn(target_visible=target_visible, range_cost=RANGE_COST)
    low, high = MIN_FULL_TURN_RAD, MAX_FULL_TURN_RAD
    goal = SignedGoal(name="target_angle", unit="rad", low=low, high=high)
    return _full_range(name, skill, goal, FULL_TURN_EPISODE_LENGTH)


def _full_screw(name: str, *, target_visible: bool) -> ClawFamily:
    skill = ValveScrew(
        target_visible=target_visible,
        success_velocity_error_rad_s=SCREW_VELOCITY_ERROR_RAD_S,
        range_cost=RANGE_COST,
    )
    low, high = MIN_FULL_SCREW_RAD_S, MAX_FULL_SCREW_RAD_S
    goal = SignedGoal(name="target_velocity", unit="rad/s", low=low, high=high)
    return _full_range(name, skill, goal, FULL_SCREW_EPISODE_LENGTH)


VALVE_TURN_FULL = _full_turn("valve_turn_full", target_visible=False)
"""A hidden target angle anywhere on the circle, which takes more than one grip to reach."""

VALVE_TURN_FULL_VISIBLE = _full_turn("valve_turn_full_visible", target_visible=True)
"""The same tasks for the same seed, their targets in sight: what an oracle learns."""

VALVE_SCREW_FULL = _full_screw("valve_screw_full", target_visible=False)
"""A hidden velocity up to almost a turn in an episode, either way, kept up by many grips."""

VALVE_SCREW_FULL_VISIBLE = _full_screw("valve_screw_full_visible", target_visible=True)
"""The same tasks for the same seed, their velocities in sight."""
