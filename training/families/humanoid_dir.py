"""`humanoid_dir`: walk in a direction without falling.

Reward as in the code of PEARL. Of its observation, what never changes is left out: the rows of the
world body, the masses of the bodies, the forces of unactuated joints, and contact forces.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from training.families.locomotion_family import DIRECTION, LocomotionFamily, draw_directions
from training.worlds.locomotion import (
    CONTACT_FORCES,
    MIN_SPEED_M_S,
    Judgement,
    LocomotionScene,
    Stride,
    load_model,
)
from training.worlds.scene import Array, Moment

_HEIGHT_RANGE_M = (1.0, 2.0)
_NUM_ROOT_JOINTS = 6
_MASS_COLUMN = 9
"""the last element of a body's row in MjData.cinert"""


def judge_direction(stride: Stride) -> Judgement:
    """Speed of the centre of mass along the direction, a bonus of 5, costs of effort and impact."""
    before, after = (m.fields["subtree_com"][:, 0, :2] for m in (stride.before, stride.after))
    speed = np.sum((after - before) / stride.duration_s * stride.goal, axis=1)
    forces = stride.after.fields[CONTACT_FORCES]
    impact_cost = np.minimum(5e-7 * np.sum(np.square(forces), axis=(1, 2)), 10.0)
    height = stride.after.qpos[:, 2]
    fallen = (height < _HEIGHT_RANGE_M[0]) | (height > _HEIGHT_RANGE_M[1])
    return Judgement(
        reward=1.25 * speed + 5.0 - 0.1 * stride.control_effort - impact_cost,
        success=(speed >= MIN_SPEED_M_S) & ~fallen,
        terminated=fallen,
    )


def _features(now: Moment) -> Array:
    num_worlds = len(now.qpos)
    return np.concatenate(
        [
            now.qpos[:, 2:],
            now.qvel,
            now.fields["cinert"][:, 1:, :_MASS_COLUMN].reshape(num_worlds, -1),
            now.fields["cvel"][:, 1:].reshape(num_worlds, -1),
            now.fields["qfrc_actuator"][:, _NUM_ROOT_JOINTS:],
        ],
        axis=1,
    )


@cache
def _scene() -> LocomotionScene:
    return LocomotionScene(
        mj_model=load_model("humanoid.xml"),
        physics_steps=5,
        start_position_noise=0.01,
        draw_start_velocity=lambda rng, size: rng.uniform(-0.01, 0.01, size),
        goal="direction",
        fields=("cinert", "cvel", "qfrc_actuator", "subtree_com", CONTACT_FORCES),
        features=_features,
        observation_size=257,
        judge=judge_direction,
    )


HUMANOID_DIR = LocomotionFamily(
    name="humanoid_dir",
    parameters=(DIRECTION,),
    draw=draw_directions,
    make_scene=_scene,
)
