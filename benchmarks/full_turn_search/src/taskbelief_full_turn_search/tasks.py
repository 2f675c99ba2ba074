"""The full turn, its target in sight, with another rate, action, reward or start."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sim2real.contract.action import ActionMap
from sim2real.skills.skill import Array, Values
from sim2real.skills.valve_turn import ValveTurn
from training.families.claw import ClawFamily
from training.families.valve import MAX_STEP_RAD, VALVE_TURN_FULL_VISIBLE
from training.families.valve_pixels import FREE_RAD
from training.worlds.claw import ClawScene

_SCENE = VALVE_TURN_FULL_VISIBLE.scene
_SKILL = VALVE_TURN_FULL_VISIBLE.scene.skill
assert isinstance(_SKILL, ValveTurn)


@dataclass(frozen=True, kw_only=True)
class RobelTurn(ValveTurn):
    """The valve turned for ROBEL's reward: five a radian, bonuses at 0.25 and at 0.10 rad."""

    def reward_terms(self, values: Values) -> dict[str, Array]:
        """What ROBEL pays for the valve, and ours for joints out of range, as many times."""
        error = np.abs(values["valve_error"][..., 0])
        ours = super().reward_terms(values)
        return {
            "valve_error": -5.0 * error,
            "near": 10.0 * (error < 0.25) + 50.0 * (error < 0.10),
            **{name: 5.0 * term for name, term in ours.items() if name == "range_excess"},
        }


def _family(name: str, scene: ClawScene) -> ClawFamily:
    return replace(VALVE_TURN_FULL_VISIBLE, name=f"search_{name}", scene=scene)


def _moved(kind: str, control_period_s: float, max_step_rad: float) -> ClawScene:
    """The scene at another rate or with other actions, for as many seconds."""
    episode_s = _SCENE.episode_length * _SCENE.control_period_s
    action_map = ActionMap.for_robot(
        _SCENE.spec,
        kind="absolute" if kind == "absolute" else "increment",
        control_period_s=control_period_s,
        max_step_rad=max_step_rad,
    )
    return replace(
        _SCENE,
        action_map=action_map,
        control_period_s=control_period_s,
        episode_length=round(episode_s / control_period_s),
    )


TWENTY_HZ = _family("20hz", _moved("increment", 0.05, MAX_STEP_RAD / 2.0))
"""as fast in radians a second"""
ABSOLUTE = _family("absolute", _moved("absolute", 0.1, MAX_STEP_RAD))
"""an action is a place; on the way there a target moves no faster than by increments"""
SMALL_STEPS = _family("small_steps", _moved("increment", 0.1, MAX_STEP_RAD / 2.0))
LARGE_STEPS = _family("large_steps", _moved("increment", 0.1, MAX_STEP_RAD * 2.0))
ROBEL_REWARD = _family(
    "robel_reward",
    replace(_SCENE, skill=RobelTurn(target_visible=True, range_cost=_SKILL.range_cost)),
)
NO_RANGE_COST = _family("no_range_cost", replace(_SCENE, skill=replace(_SKILL, range_cost=0.0)))
NO_DISTANCE = _family("no_distance", replace(_SCENE, skill=replace(_SKILL, distance_cost=0.0)))
"""only nearness pays"""
WIDE_STARTS = _family(
    "wide_starts",
    replace(_SCENE, start_joint_spread_rad=0.3, start_valve_spread_rad=FREE_RAD),
)
"""evaluated from them, too"""
