"""`half_cheetah_dir` and `half_cheetah_vel`: run forwards or backwards, or at a given speed.

Rewards: Finn et al. 2017 (MAML); speeds up to 3 m/s as in the code of PEARL. The cheetah cannot
fall. It observes all of qpos and qvel, the distance run included.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np

from training.families.locomotion_family import Draws, LocomotionFamily
from training.tasks.task import Parameter
from training.worlds.locomotion import (
    MIN_SPEED_M_S,
    Judgement,
    LocomotionScene,
    Stride,
    load_model,
)
from training.worlds.scene import Array, Moment

MAX_TARGET_M_S = 3.0
SPEED_TOLERANCE_M_S = 0.2
"""a step succeeds at a speed when it is met this closely"""
_EFFORT_COST = 0.05


def judge_direction(stride: Stride) -> Judgement:
    """Speed along the direction, minus the cost of effort."""
    speed = stride.goal[:, 0] * stride.velocity_x
    return Judgement(
        reward=speed - _EFFORT_COST * stride.control_effort,
        success=speed >= MIN_SPEED_M_S,
        terminated=np.zeros(len(speed), bool),
    )


def judge_velocity(stride: Stride) -> Judgement:
    """Minus the error of the speed, minus the cost of effort."""
    error = np.abs(stride.velocity_x - stride.goal[:, 0])
    return Judgement(
        reward=-error - _EFFORT_COST * stride.control_effort,
        success=error <= SPEED_TOLERANCE_M_S,
        terminated=np.zeros(len(error), bool),
    )


def _features(now: Moment) -> Array:
    return np.concatenate([now.qpos, now.qvel], axis=1)


@cache
def _scene(goal: str, judge: Callable[[Stride], Judgement]) -> LocomotionScene:
    return LocomotionScene(
        mj_model=load_model("half_cheetah.xml"),
        physics_steps=5,
        start_position_noise=0.1,
        draw_start_velocity=lambda rng, size: 0.1 * rng.standard_normal(size),
        goal=goal,
        features=_features,
        observation_size=18,
        judge=judge,
    )


def _draw_direction(_rng: np.random.Generator, num_tasks: int) -> Draws:
    draws: Draws = [{"direction": (-1.0,)}, {"direction": (1.0,)}]
    return draws[:num_tasks]


def _draw_velocity(rng: np.random.Generator, num_tasks: int) -> Draws:
    return [{"velocity": (float(v),)} for v in rng.uniform(0.0, MAX_TARGET_M_S, num_tasks)]


HALF_CHEETAH_DIR = LocomotionFamily(
    name="half_cheetah_dir",
    parameters=(
        Parameter(name="direction", unit="1", low=(-1.0,), high=(1.0,), changes_dynamics=False),
    ),
    draw=_draw_direction,
    make_scene=partial(_scene, "direction", judge_direction),
    num_distinct_tasks=2,
)

HALF_CHEETAH_VEL = LocomotionFamily(
    name="half_cheetah_vel",
    parameters=(
        Parameter(
            name="velocity",
            unit="m/s",
            low=(0.0,),
            high=(MAX_TARGET_M_S,),
            changes_dynamics=False,
        ),
    ),
    draw=_draw_velocity,
    make_scene=partial(_scene, "velocity", judge_velocity),
)
