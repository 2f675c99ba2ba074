"""The named variations: changes of the claw's dynamics, and of how it looks, that define tasks.

Each has a unit, a range and an effect on the compiled model. The model carries all of a task's
dynamics, also those that MuJoCo itself does not simulate (the delay before an action arrives, the
noise of the encoders): whoever steps it, training or an emulated servo bus, reads them from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import mujoco
import numpy as np
from numpy.typing import NDArray

from sim2real.contract.robot_spec import RobotSpec
from sim2real.hardware.hand_in_model import HandInModel
from sim2real.hardware.scenery import write_scenery
from sim2real.hardware.task_numerics import ACTION_DELAY, ENCODER_NOISE
from training.tasks.task import Parameter

Values = NDArray[np.float64]

CLAW_TORQUE_NM = 0.9 * 3.0 / 2.3
"""what a servo of the claw holds at its current limit, for which torques below are meant"""
NUM_FINGERS = 3
"""of the claw; a hand with more or fewer has as many values (`variations_for`)"""

BAND_STRETCH_RAD = 4.0
"""how far an elastic band is stretched when its finger is straight: its pull hardly varies"""

# Where a compiled dcmotor keeps its parameters (tests/families/test_dynamics.py holds us to it).
DCMOTOR_POSITION_GAIN = 4


@dataclass(frozen=True, kw_only=True)
class Variation:
    """One named change of dynamics, drawn once per task."""

    name: str
    unit: str
    low: tuple[float, ...]
    high: tuple[float, ...]
    nominal: tuple[float, ...]
    """the value that leaves the robot as its model file describes it"""
    draw: Literal["uniform", "log_uniform", "whole", "one_weak_finger"]
    """log_uniform: as many small as large values; whole: whole numbers; one_weak_finger: half of
    the tasks weaken one finger, the others none"""
    apply: Callable[[mujoco.MjModel, Values], None]
    """writes values into a compiled model, in place"""
    is_per_finger: bool = False
    """one value for each finger of the hand"""
    is_torque: bool = False
    """of a joint, N m: in proportion to what the hand's servos hold"""

    @property
    def parameter(self) -> Parameter:
        return Parameter(
            name=self.name,
            unit=self.unit,
            low=self.low,
            high=self.high,
            changes_dynamics=True,
            is_magnitude=not self.is_signed,
            spans_orders=self.draw == "log_uniform",
        )

    @property
    def is_signed(self) -> bool:
        """Whether values below zero mean something: then its range holds some."""
        return min(self.low) < 0.0

    def sample(self, rng: np.random.Generator) -> tuple[float, ...]:
        """One draw, element by element."""
        low, high = np.array(self.low), np.array(self.high)
        if self.draw == "log_uniform":
            drawn = np.exp(rng.uniform(np.log(low), np.log(high)))
        elif self.draw == "whole":
            drawn = rng.integers(low.astype(int), high.astype(int), endpoint=True).astype(float)
        elif self.draw == "one_weak_finger":
            drawn = np.array(self.nominal)
            weak = rng.integers(2 * len(drawn))
            if weak < len(drawn):
                drawn[weak] = rng.uniform(low[weak], high[weak])
        else:
            drawn = rng.uniform(low, high)
        return tuple(drawn.tolist())


def _object_damping(model: mujoco.MjModel, value: Values) -> None:
    model.joint(HandInModel.of(model).object).damping[0] = value[0]


def _object_friction(model: mujoco.MjModel, value: Values) -> None:
    model.joint(HandInModel.of(model).object).frictionloss[0] = value[0]


def _object_inertia(model: mujoco.MjModel, value: Values) -> None:
    model.joint(HandInModel.of(model).object).armature[0] = value[0]


def _joint_damping(model: mujoco.MjModel, value: Values) -> None:
    for name in HandInModel.of(model).joints:
        model.joint(name).damping[0] *= value[0]


def _joint_friction(model: mujoco.MjModel, value: Values) -> None:
    for name in HandInModel.of(model).joints:
        model.joint(name).frictionloss[0] = value[0]


def _joint_armature(model: mujoco.MjModel, value: Values) -> None:
    for name in HandInModel.of(model).joints:
        model.joint(name).armature[0] = value[0]


def _servo_stiffness(model: mujoco.MjModel, value: Values) -> None:
    for finger, joints in enumerate(HandInModel.of(model).fingers):
        for name in joints:
            model.actuator(name).gainprm[DCMOTOR_POSITION_GAIN] *= value[finger]


def _servo_torque(model: mujoco.MjModel, value: Values) -> None:
    for finger, joints in enumerate(HandInModel.of(model).fingers):
        for name in joints:
            model.actuator(name).forcerange[:] *= value[finger]


def _finger_load(model: mujoco.MjModel, value: Values) -> None:
    for finger, joints in enumerate(HandInModel.of(model).fingers):
        for name in joints:
            joint = model.joint(name)
            joint.stiffness[0] += abs(value[finger]) / BAND_STRETCH_RAD
            joint.qpos_spring[0] += np.sign(value[finger]) * BAND_STRETCH_RAD


def _fingertip_friction(model: mujoco.MjModel, value: Values) -> None:
    for tip in HandInModel.of(model).tips:
        model.geom_friction[list(tip), 0] = value[0]


def _action_delay(model: mujoco.MjModel, value: Values) -> None:
    model.numeric(ACTION_DELAY).data[0] = value[0]


def _observation_noise(model: mujoco.MjModel, value: Values) -> None:
    model.numeric(ENCODER_NOISE).data[:] = value


def _mount_offset(model: mujoco.MjModel, value: Values) -> None:
    for body in HandInModel.of(model).mounts(model):
        model.body_pos[body] += value


def _look(name: str, unit: str, half_range: float, size: int) -> Variation:
    """A field of `Scenery`, about nominal. Who is blind does not notice."""
    return Variation(
        name=name,
        unit=unit,
        low=(-half_range,) * size,
        high=(half_range,) * size,
        nominal=(0.0,) * size,
        draw="uniform",
        apply=lambda model, value: write_scenery(model, name, value),
    )


# Ranges: around ROBEL's RandomDynamics (valve and joint damping, friction, kp 1 to 3, mount
# ±0.01 m, noise 5 % of range) where it has them; wider for the valve, which is what a belief is
# about; delays up to half of a 20 Hz control period; loads as of a band or a cable that pulls at
# every joint of a finger with up to two thirds of what the current limit lets a servo hold.
# Looks: a lamp that stands elsewhere, a third brighter or darker, a tinge, and a camera that was
# taken off and screwed on again.
_VARIATIONS = (
    Variation(
        name="valve_damping",
        unit="N m s/rad",
        low=(0.05,),
        high=(0.5,),
        nominal=(0.1,),
        draw="log_uniform",
        apply=_object_damping,
    ),
    Variation(
        name="valve_friction",
        unit="N m",
        low=(0.005,),
        high=(0.15,),
        nominal=(0.02,),
        draw="log_uniform",
        apply=_object_friction,
    ),
    Variation(
        name="valve_inertia",
        unit="kg m2",
        low=(0.0005,),
        high=(0.01,),
        nominal=(0.001,),
        draw="log_uniform",
        apply=_object_inertia,
    ),
    Variation(
        name="joint_damping",
        unit="x nominal",
        low=(0.5,),
        high=(2.0,),
        nominal=(1.0,),
        draw="log_uniform",
        apply=_joint_damping,
    ),
    Variation(
        name="joint_friction",
        unit="N m",
        low=(0.005,),
        high=(0.1,),
        nominal=(0.04,),
        draw="log_uniform",
        is_torque=True,
        apply=_joint_friction,
    ),
    Variation(
        name="joint_armature",
        unit="kg m2",
        low=(0.0005,),
        high=(0.004,),
        nominal=(0.001,),
        draw="log_uniform",
        apply=_joint_armature,
    ),
    Variation(
        name="servo_stiffness",
        unit="x nominal",
        low=(0.5,) * NUM_FINGERS,
        high=(1.5,) * NUM_FINGERS,
        nominal=(1.0,) * NUM_FINGERS,
        draw="uniform",
        is_per_finger=True,
        apply=_servo_stiffness,
    ),
    Variation(
        name="servo_torque",
        unit="x nominal",
        low=(0.5,) * NUM_FINGERS,
        high=(1.0,) * NUM_FINGERS,
        nominal=(1.0,) * NUM_FINGERS,
        draw="uniform",
        is_per_finger=True,
        apply=_servo_torque,
    ),
    Variation(
        name="weak_finger",
        unit="x nominal torque",
        low=(0.0,) * NUM_FINGERS,
        high=(1.0,) * NUM_FINGERS,
        nominal=(1.0,) * NUM_FINGERS,
        draw="one_weak_finger",
        is_per_finger=True,
        apply=_servo_torque,
    ),
    Variation(
        name="finger_load",
        unit="N m",
        low=(-0.8,) * NUM_FINGERS,
        high=(0.8,) * NUM_FINGERS,
        nominal=(0.0,) * NUM_FINGERS,
        draw="uniform",
        is_per_finger=True,
        is_torque=True,
        apply=_finger_load,
    ),
    Variation(
        name="fingertip_friction",
        unit="1",
        low=(0.6,),
        high=(1.4,),
        nominal=(1.0,),
        draw="uniform",
        apply=_fingertip_friction,
    ),
    Variation(
        name="action_delay",
        unit="physics steps",
        low=(0.0,),
        high=(10.0,),
        nominal=(0.0,),
        draw="whole",
        apply=_action_delay,
    ),
    Variation(
        name="observation_noise",
        unit="rad (joints, valve)",
        low=(0.0, 0.0),
        high=(0.02, 0.05),
        nominal=(0.0, 0.0),
        draw="uniform",
        apply=_observation_noise,
    ),
    Variation(
        name="mount_offset",
        unit="m",
        low=(-0.01,) * 3,
        high=(0.01,) * 3,
        nominal=(0.0,) * 3,
        draw="uniform",
        apply=_mount_offset,
    ),
    _look("light_shift", "1", 0.8, 2),
    _look("light_level", "ln", 0.3, 1),
    _look("light_colour", "1", 0.15, 3),
    _look("object_colour", "1", 0.1, 3),
    _look("hand_colour", "1", 0.1, 3),
    _look("surroundings_colour", "1", 0.1, 3),
    _look("camera_shift", "m", 0.008, 3),
    _look("camera_turn", "rad", 0.06, 3),
)

VARIATIONS: Mapping[str, Variation] = {variation.name: variation for variation in _VARIATIONS}
"""by name, for the claw"""


def variations_for(spec: RobotSpec) -> Mapping[str, Variation]:
    """The same for another hand: a value for each of its fingers, torques in proportion.

    What loads and rubs is measured by what the weakest joint's current limit lets its servo hold.
    """
    limits = spec.joint_array("current_limit_ma") * 1e-3 * spec.servo.torque_nm_per_a
    strength = round(float(limits.min()) / CLAW_TORQUE_NM, 3)
    return {
        name: _fitted(variation, len(spec.fingers), strength)
        for name, variation in VARIATIONS.items()
    }


def _fitted(variation: Variation, num_fingers: int, strength: float) -> Variation:
    def fitted(values: tuple[float, ...]) -> tuple[float, ...]:
        values = (values[0],) * num_fingers if variation.is_per_finger else values
        return tuple(value * strength for value in values) if variation.is_torque else values

    low, high, nominal = map(fitted, (variation.low, variation.high, variation.nominal))
    return replace(variation, low=low, high=high, nominal=nominal)


def apply_dynamics(model: mujoco.MjModel, parameters: Mapping[str, tuple[float, ...]]) -> None:
    """Write every variation that a task names into a hand's compiled model, in place.

    Parameters that are no variation (a goal) are left to the skill. Whoever calls this runs
    `mj_setConst` afterwards, so that derived constants follow.
    """
    for name, value in parameters.items():
        if name in VARIATIONS:
            VARIATIONS[name].apply(model, np.asarray(value, np.float64))
