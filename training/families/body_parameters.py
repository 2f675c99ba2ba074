"""`walker_params` and `hopper_params`: run forwards in a body whose parameters are drawn.

Every mass, principal inertia, joint damping and friction coefficient of the model is multiplied by
a power drawn on its own, as in rand_param_envs, the code behind these families in the papers. Its
damping varies less than the rest (1.3 against 1.5). What the model has as zero is no parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import mujoco
import numpy as np

from training.families.locomotion_family import Draws, LocomotionFamily
from training.tasks.task import Parameter, Task
from training.worlds.locomotion import (
    MIN_SPEED_M_S,
    Judgement,
    LocomotionScene,
    Stride,
    load_model,
)
from training.worlds.scene import Array, Flags, Moment

_POWER_OF = {"body_mass": 1.5, "body_inertia": 1.5, "dof_damping": 1.3, "geom_friction": 1.5}
"""MjModel arrays that vary, and the number that each element's exponent is a power of"""
_LARGEST_EXPONENT = 3.0
_MAX_OBSERVED_VELOCITY = 10.0


def vary_body(mj_model: mujoco.MjModel, task: Task) -> None:
    """Multiply every non-zero element of the varied arrays by its power."""
    for name, base in _POWER_OF.items():
        values = getattr(mj_model, name)
        values[values != 0.0] *= base ** np.asarray(task.parameters[name])


def judge_running(is_upright: Callable[[Moment], Flags], stride: Stride) -> Judgement:
    """Forward speed and a bonus of 1, minus the cost of effort; ends at a fall."""
    fallen = ~is_upright(stride.after)
    return Judgement(
        reward=stride.velocity_x + 1.0 - 1e-3 * stride.control_effort,
        success=(stride.velocity_x >= MIN_SPEED_M_S) & ~fallen,
        terminated=fallen,
    )


def walker_is_upright(now: Moment) -> Flags:
    height, pitch = now.qpos[:, 1], now.qpos[:, 2]
    return np.asarray((height > 0.8) & (height < 2.0) & (np.abs(pitch) < 1.0))


def hopper_is_upright(now: Moment) -> Flags:
    height, pitch = now.qpos[:, 1], now.qpos[:, 2]
    state = np.concatenate([now.qpos[:, 2:], now.qvel], axis=1)
    is_bounded = (np.abs(state) < 100.0).all(axis=1)
    return np.asarray((height > 0.7) & (np.abs(pitch) < 0.2) & is_bounded)


def _features(now: Moment) -> Array:
    limit = _MAX_OBSERVED_VELOCITY
    return np.concatenate([now.qpos[:, 1:], np.clip(now.qvel, -limit, limit)], axis=1)


@cache
def _scene(
    file_name: str, is_upright: Callable[[Moment], Flags], observation_size: int
) -> LocomotionScene:
    return LocomotionScene(
        mj_model=load_model(file_name),
        physics_steps=4,
        start_position_noise=0.005,
        draw_start_velocity=lambda rng, size: rng.uniform(-0.005, 0.005, size),
        features=_features,
        observation_size=observation_size,
        judge=partial(judge_running, is_upright),
        vary=vary_body,
    )


def _parameters(
    *, num_bodies: int, num_damped_joints: int, num_geoms: int
) -> tuple[Parameter, ...]:
    """One parameter per varied array, as long as the array has non-zero elements."""
    sizes = {
        "body_mass": num_bodies,
        "body_inertia": 3 * num_bodies,
        "dof_damping": num_damped_joints,
        "geom_friction": 3 * num_geoms,
    }
    return tuple(
        Parameter(
            name=name,
            unit=f"power of {_POWER_OF[name]}",
            low=(-_LARGEST_EXPONENT,) * size,
            high=(_LARGEST_EXPONENT,) * size,
            changes_dynamics=True,
        )
        for name, size in sizes.items()
    )


def _draw(parameters: tuple[Parameter, ...], rng: np.random.Generator, num_tasks: int) -> Draws:
    return [
        {p.name: tuple(rng.uniform(p.low, p.high).tolist()) for p in parameters}
        for _ in range(num_tasks)
    ]


_WALKER = _parameters(num_bodies=7, num_damped_joints=6, num_geoms=8)
_HOPPER = _parameters(num_bodies=4, num_damped_joints=3, num_geoms=5)

WALKER_PARAMS = LocomotionFamily(
    name="walker_params",
    parameters=_WALKER,
    draw=partial(_draw, _WALKER),
    make_scene=partial(_scene, "walker2d_v5.xml", walker_is_upright, 17),
)

HOPPER_PARAMS = LocomotionFamily(
    name="hopper_params",
    parameters=_HOPPER,
    draw=partial(_draw, _HOPPER),
    make_scene=partial(_scene, "hopper.xml", hopper_is_upright, 11),
)
