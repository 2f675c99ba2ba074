"""What a task changes about a hand that MuJoCo itself does not simulate: one meaning for all.

The training world, the simulated robot, the emulated servo bus and the gap's replay all go by this
page. A compiled model states the values in custom numeric elements, so that whoever steps a model
needs nothing beside it (`load_physics_model` gives every model the elements, zero at first):

* `action_delay_steps`: whole physics steps from setting a goal to the first step in which the
  servos track it. Until then they track the goals before. At most one control period.
* `observation_noise_rad`: two half-widths, rad, of the joints' encoders and the valve's. Every
  measurement adds to every angle an independent draw, uniform within plus and minus the half-width
  (standard deviation: half-width / √3), before it is rounded to encoder steps. Only what is
  reported is noisy: the servos' own position loop sees the true angle.
* Quantisation: servos report the nearest whole number of their units, angle, velocity and current
  alike. It is no part of a task, but stands between the noise and what is measured.

A replay of goals has the delay and no noise: it is where the hand is, not what it reports.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import mujoco
import numpy as np
from numpy.typing import NDArray

from sim2real.contract.joint_io import Reading
from sim2real.contract.robot_spec import ServoSpec

Float = NDArray[np.floating]

ACTION_DELAY = "action_delay_steps"
ENCODER_NOISE = "observation_noise_rad"
CUSTOM_NUMERICS = {ACTION_DELAY: 1, ENCODER_NOISE: 2}
"""the custom numeric elements, by size"""


@dataclass(frozen=True, kw_only=True)
class TaskNumerics:
    """The two values of one compiled model."""

    delay_steps: int
    """physics steps from goal to effect"""
    noise_rad: tuple[float, float]
    """half-widths of the joints' and the valve's uniform encoder noise"""

    @classmethod
    def of(cls, model: mujoco.MjModel) -> Self:
        """What a model states; zeros where it lacks an element."""
        joints, valve = _numeric(model, ENCODER_NOISE)
        return cls(
            delay_steps=int(_numeric(model, ACTION_DELAY)[0]),
            noise_rad=(float(joints), float(valve)),
        )


def encoder_noise(
    noise_rad: tuple[float, float], num_joints: int, rng: np.random.Generator, num_objects: int = 1
) -> NDArray[np.float64]:
    """(num_joints + num_objects,) rad that one measurement adds to the true angles.

    Draws nothing where both half-widths are zero.
    """
    joints, valve = noise_rad
    size = num_joints + num_objects
    if joints + valve <= 0.0:
        return np.zeros(size)
    half_widths = np.repeat([joints, valve], [num_joints, num_objects])
    return np.asarray(rng.uniform(-1.0, 1.0, size) * half_widths)


def measured(
    servo: ServoSpec,
    *,
    position_rad: Float,
    velocity_rad_s: Float,
    torque_nm: Float,
    stamp_ns: int = 0,
    sequence: int = 0,
) -> Reading:
    """A reading in the steps in which servos report; any number of leading axes.

    Angles (..., J + 1), noise included, and velocities (..., J + 1) are those of the joints and,
    last, the valve; torque (..., J) is the joints'.
    """
    positions = in_units_of(servo.position_unit_rad, position_rad)
    velocities = in_units_of(servo.velocity_unit_rad_s, velocity_rad_s)
    currents_ma = torque_nm / (servo.torque_nm_per_a / 1000.0)
    return Reading(
        stamp_ns=stamp_ns,
        sequence=sequence,
        position_rad=positions[..., :-1],
        velocity_rad_s=velocities[..., :-1],
        current_ma=in_units_of(servo.current_unit_ma, currents_ma),
        object_position_rad=np.asarray(positions[..., -1]),
        object_velocity_rad_s=np.asarray(velocities[..., -1]),
    )


def in_units_of(unit: float, value: Float) -> Float:
    """The nearest whole number of units, in the unit of `value`."""
    return np.asarray(np.round(value / unit) * unit)


def _numeric(model: mujoco.MjModel, name: str) -> Float:
    size = CUSTOM_NUMERICS[name]
    index = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_NUMERIC, name)
    return np.zeros(size) if index < 0 else np.array(model.numeric(name).data[:size])
