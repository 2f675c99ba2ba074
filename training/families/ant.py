"""`ant_dir` and `ant_goal`: walk in a direction, or to a place within 3 m.

Rewards as in the code of PEARL. Its observation of `ant_goal` also holds contact forces; they are
left out here, because the forces of most bodies are zero in every step and teach a network
nothing. They still count in the reward.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np

from training.families.locomotion_family import (
    DIRECTION,
    Draws,
    LocomotionFamily,
    draw_directions,
)
from training.tasks.task import Parameter
from training.worlds.locomotion import (
    CONTACT_FORCES,
    MIN_SPEED_M_S,
    Judgement,
    LocomotionScene,
    Stride,
    load_model,
)
from training.worlds.scene import Array, Moment

GOAL_RADIUS_M = 3.0
SUCCESS_DISTANCE_M = 0.5
"""a step succeeds at a goal when the torso, half a metre wide, is over it"""
_HEIGHT_RANGE_M = (0.2, 1.0)


def judge_direction(stride: Stride) -> Judgement:
    """Speed along the direction, a bonus of 1, costs of effort and contact; ends at a fall."""
    speed = np.sum(stride.velocity_xy * stride.goal, axis=1)
    height = stride.after.qpos[:, 2]
    fallen = (height < _HEIGHT_RANGE_M[0]) | (height > _HEIGHT_RANGE_M[1])
    return Judgement(
        reward=speed + 1.0 - 0.5 * stride.control_effort - contact_cost(stride),
        success=(speed >= MIN_SPEED_M_S) & ~fallen,
        terminated=fallen,
    )


def judge_goal(stride: Stride) -> Judgement:
    """Minus the distance to the goal along the axes, costs of effort and contact; never ends."""
    offset = stride.after.qpos[:, :2] - stride.goal
    distance = np.hypot(offset[:, 0], offset[:, 1])
    travel_cost = np.sum(np.abs(offset), axis=1)
    return Judgement(
        reward=-travel_cost - 0.1 * stride.control_effort - contact_cost(stride),
        success=distance <= SUCCESS_DISTANCE_M,
        terminated=np.zeros(len(distance), bool),
    )


def contact_cost(stride: Stride) -> Array:
    """(n,) squared contact forces, each clipped to 1 N or 1 N m before."""
    forces = np.clip(stride.after.fields[CONTACT_FORCES], -1.0, 1.0)
    return np.asarray(5e-4 * np.sum(np.square(forces), axis=(1, 2)))


def _features(first_position: int, now: Moment) -> Array:
    return np.concatenate([now.qpos[:, first_position:], now.qvel], axis=1)


@cache
def _scene(goal: str, judge: Callable[[Stride], Judgement], first_position: int) -> LocomotionScene:
    """`first_position` is 0 where the ant knows its place, and 2 where it does not."""
    return LocomotionScene(
        mj_model=load_model("ant.xml"),
        physics_steps=5,
        start_position_noise=0.1,
        draw_start_velocity=lambda rng, size: 0.1 * rng.standard_normal(size),
        goal=goal,
        fields=(CONTACT_FORCES,),
        features=partial(_features, first_position),
        observation_size=29 - first_position,
        judge=judge,
    )


def _draw_goals(rng: np.random.Generator, num_tasks: int) -> Draws:
    """Uniform over the disc: the root makes outer rings as dense as inner ones."""
    angles = rng.uniform(0.0, 2.0 * np.pi, num_tasks)
    radii = GOAL_RADIUS_M * np.sqrt(rng.uniform(0.0, 1.0, num_tasks))
    goals = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    return [{"goal": (float(x), float(y))} for x, y in goals]


ANT_DIR = LocomotionFamily(
    name="ant_dir",
    parameters=(DIRECTION,),
    draw=draw_directions,
    make_scene=partial(_scene, "direction", judge_direction, 2),
)

ANT_GOAL = LocomotionFamily(
    name="ant_goal",
    parameters=(
        Parameter(
            name="goal",
            unit="m",
            low=(-GOAL_RADIUS_M, -GOAL_RADIUS_M),
            high=(GOAL_RADIUS_M, GOAL_RADIUS_M),
            changes_dynamics=False,
        ),
    ),
    draw=_draw_goals,
    make_scene=partial(_scene, "goal", judge_goal, 0),
)
