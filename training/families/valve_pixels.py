"""Turning a valve that has to be seen: its angle is in the picture, and nowhere else.

The joints are measured as ever. The valve's own encoder pays and counts success, unseen, as where a
D'Claw first turned one from pixels (Haarnoja et al. 2018, arXiv:1812.05905, section 7.3).
"""

from __future__ import annotations

from dataclasses import replace

from sim2real.contract.camera import load_cameras
from sim2real.contract.robot_spec import load_robot_spec
from sim2real.skills.valve_turn import ValveTurn
from training.families.claw import ClawFamily, SignedGoal, ValveStart
from training.families.valve import (
    MAX_TURN_RAD,
    MIN_TURN_RAD,
    TURN_EPISODE_LENGTH,
    VALVE_VARIATIONS,
    valve_scene,
)
from training.worlds.claw import ClawScene
from training.worlds.goals import FixedGoal, GoalRule, TaskGoal

CAMERA = "palm"
TARGET_RAD = 0.0
"""the mark points away from finger 3, midway between the others"""
FREE_RAD = 0.4
"""to either side of where home puts fingertips between lobes: further off a fingertip would have to
be placed where a lobe is"""
PIXELS_EPISODE_LENGTH = 50
"""5 s: the farthest start, a third of a turn away, takes several grips"""
LOOKS = (
    "light_shift",
    "light_level",
    "light_colour",
    "object_colour",
    "hand_colour",
    "surroundings_colour",
    "camera_shift",
    "camera_turn",
)
"""what changes the picture and nothing else"""


def _seen(goal: GoalRule, *, episode_length: int) -> ClawScene:
    skill = ValveTurn(target_visible=False, valve_visible=False)
    scene = valve_scene(skill, goal, episode_length=episode_length)
    return replace(scene, camera=load_cameras(load_robot_spec())[CAMERA])


VALVE_TURN_PIXELS = ClawFamily(
    name="valve_turn_pixels",
    scene=_seen(FixedGoal(value=TARGET_RAD), episode_length=PIXELS_EPISODE_LENGTH),
    start=ValveStart(free_rad=FREE_RAD),
    variation_names=(),
)
"""One target and fixed dynamics; tasks differ in where the valve starts, which has to be seen: in
two of three the mark is a third of a turn away, and another lobe where it should be."""

VALVE_TURN_PIXELS_VARIED = ClawFamily(
    name="valve_turn_pixels_varied",
    scene=replace(
        _seen(TaskGoal(parameter="target_angle"), episode_length=TURN_EPISODE_LENGTH),
        start_valve_spread_rad=0.4,
    ),
    goal=SignedGoal(name="target_angle", unit="rad", low=MIN_TURN_RAD, high=MAX_TURN_RAD),
    variation_names=(*VALVE_VARIATIONS, *LOOKS),
)
"""A hidden target, varied dynamics, starts anew in every episode, and everywhere another light."""
