"""The body behind the servos: MuJoCo physics of the robot's model, one shaft for each servo.

The model's own motors are kept for what they say (constants of the motor line, what a task changes
about them) and then replaced by a force `torque - damping * velocity`: each servo works out both
from its registers and the supply, and MuJoCo integrates the damping implicitly, as it does for the
motors it replaces. Servos without a motor in the model (valve, guide) turn their joint, or a shaft
of their own where the model has no joint for them.

What a task hangs on the joints, bands that pull at fingers, whoever prepares the bench hooks on
once the hand holds: a limp finger would be pulled to its stop. It stays on when torque goes off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from sim2real.contract.robot_spec import RobotSpec
from sim2real.emulator.motion import MotorLine
from sim2real.hardware.physics_model import load_physics_model
from sim2real.hardware.task_numerics import TaskNumerics

Float = NDArray[np.float64]

FREE_INERTIA = 0.002
"""kg m^2 on a shaft that the model does not know: a small disc"""
FREE_DAMPING = 0.02
"""N m s/rad of its bearing"""
STUCK_DAMPING = 1e4
"""N m s/rad of a jammed joint: it yields a degree a minute. (MuJoCo's dry friction is soft: it
would creep.)"""
# Where a compiled dcmotor keeps resistance, motor constant and position gain.
_R, _K, _POSITION_GAIN = 0, 1, 4


@dataclass(frozen=True, kw_only=True)
class TaskDynamics:
    """The dynamics of a task, as whoever knows tasks hands them in."""

    apply: Callable[[mujoco.MjModel], None] = field(default=lambda _model: None)
    """writes them into the compiled model, in place"""
    parameters: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """what they are, by name, for whoever wants to know the truth; empty: nominal"""


class Plant:
    """Shafts of S servos: first the robot's joints, then its objects, in the order of the spec.

    Raises `BadInput` if the model does not fit the robot.
    """

    def __init__(
        self, spec: RobotSpec, mjcf: Path | None = None, dynamics: TaskDynamics | None = None
    ) -> None:
        dynamics = TaskDynamics() if dynamics is None else dynamics
        model = load_physics_model(spec, mjcf)
        self._actuators = np.array([model.actuator(name).id for name in spec.joint_names])
        nominal = model.actuator_gainprm[self._actuators].copy()
        nominal_force = model.actuator_forcerange[self._actuators, 1].copy()
        self._other_springs = model.jnt_stiffness.copy(), model.qpos_spring.copy()
        dynamics.apply(model)
        self._swap_springs(model)
        self.model, self.data = model, mujoco.MjData(model)
        mujoco.mj_setConst(model, self.data)
        self.motors = self._motor_line(spec, nominal, nominal_force)
        self.numerics = TaskNumerics.of(model)
        """delay of goals and noise of encoders"""
        self._connect(spec)
        _replace_motors(model, self._actuators)
        self.strength: Float = np.ones(len(self.motors.k))
        """share of each motor's torque that reaches the shaft; a fault lowers it"""
        self.push: Float = np.zeros(len(self.motors.k))
        """torque on each shaft from outside, N m, from a fault"""
        self.is_loaded = False
        """whether the joints feel the task's springs, or those of the model file only"""
        self._place_home(spec)

    @property
    def time_step_s(self) -> float:
        return float(self.model.opt.timestep)

    @property
    def angles_rad(self) -> Float:
        """(S,) shaft angles; zero is the middle of an encoder's turn."""
        self._angles[self._in_model] = self.data.qpos[self._positions]
        return self._angles

    @property
    def velocities_rad_s(self) -> Float:
        """(S,)"""
        self._velocities[self._in_model] = self.data.qvel[self._dofs]
        return self._velocities

    def step(self, torque: Float, damping: Float) -> Float:
        """One time step under `torque - damping * velocity`, (S,); returns what acted."""
        model, data, driven = self.model, self.data, len(self._actuators)
        torque, damping = torque * self.strength, damping * self.strength
        data.ctrl[self._actuators] = torque[:driven]
        model.actuator_biasprm[self._actuators, 2] = -damping[:driven]
        # A joint without an actuator gets the motor's damping for its bearing's: implicit as well.
        bare = self._bare_dofs
        model.dof_damping[bare] = self._bearing + damping[self._bare]
        data.qfrc_applied[self._dofs] = self.push[self._in_model]
        data.qfrc_applied[bare] += torque[self._bare]
        mujoco.mj_step(model, data)
        self._turn_free_shafts(torque, damping)
        acted: Float = torque - damping * self.velocities_rad_s
        acted[:driven] = data.actuator_force[self._actuators]
        return acted

    def load(self) -> None:
        """Hook the task's springs on; they stay."""
        if not self.is_loaded:
            self._swap_springs(self.model)
            self.is_loaded = True

    def _swap_springs(self, model: mujoco.MjModel) -> None:
        """Put the joints' other springs, of the model file or the task, into the model."""
        others = self._other_springs
        self._other_springs = model.jnt_stiffness.copy(), model.qpos_spring.copy()
        model.jnt_stiffness[:], model.qpos_spring[:] = others

    def set_stuck(self, index: int, is_stuck: bool) -> None:
        """Jam or free one shaft."""
        more = STUCK_DAMPING if is_stuck else 0.0
        self._free_damping[self._free == index] = FREE_DAMPING + more
        for row in np.flatnonzero(self._in_model == index):
            damping = self._damping[row] + more
            self.model.dof_damping[self._dofs[row]] = damping
            self._bearing[self._bare == index] = damping

    def _motor_line(self, spec: RobotSpec, nominal: Float, nominal_force: Float) -> MotorLine:
        """Constants of the compiled model with the task's changes; objects have the nominal."""
        changed = self.model.actuator_gainprm[self._actuators]
        force = self.model.actuator_forcerange[self._actuators, 1]
        unlimited = nominal_force == 0.0
        servo, others = spec.servo, np.ones(len(spec.objects))
        k = servo.nominal_voltage_v / servo.no_load_speed_rad_s
        r = k * servo.nominal_voltage_v / servo.stall_torque_nm
        return MotorLine(
            k=np.append(changed[:, _K], k * others),
            r=np.append(changed[:, _R], r * others),
            torque_per_ampere=servo.torque_nm_per_a,
            nominal_voltage=servo.nominal_voltage_v,
            stiffness=np.append(changed[:, _POSITION_GAIN] / nominal[:, _POSITION_GAIN], others),
            limit=np.append(
                np.where(unlimited, 1.0, force) / np.where(unlimited, 1.0, nominal_force), others
            ),
        )

    def _connect(self, spec: RobotSpec) -> None:
        """Note which shaft is which joint of the model."""
        names = [*spec.joint_names, *(item.name for item in spec.objects)]
        known = {self.model.joint(index).name for index in range(self.model.njnt)}
        self._in_model = np.array([i for i, name in enumerate(names) if name in known])
        self._free = np.array([i for i, name in enumerate(names) if name not in known], np.intp)
        joints = [self.model.joint(names[index]).id for index in self._in_model]
        self._positions = self.model.jnt_qposadr[joints]
        self._dofs = self.model.jnt_dofadr[joints]
        self._bare = self._in_model[self._in_model >= len(self._actuators)]
        self._bare_dofs = self._dofs[self._in_model >= len(self._actuators)]
        self._bearing = self.model.dof_damping[self._bare_dofs].copy()
        self._damping = self.model.dof_damping[self._dofs].copy()
        self._free_damping: Float = np.full(len(self._free), FREE_DAMPING)
        self._angles: Float = np.zeros(len(names))
        self._velocities: Float = np.zeros(len(names))

    def _place_home(self, spec: RobotSpec) -> None:
        for joint, position in zip(spec.joints, self._positions):
            self.data.qpos[position] = joint.home_rad
        mujoco.mj_forward(self.model, self.data)

    def _turn_free_shafts(self, torque: Float, damping: Float) -> None:
        """Shafts that the model does not know, by the same implicit step."""
        dt, free = self.time_step_s, self._free
        push = torque[free] + self.push[free]
        velocity = self._velocities[free] + dt * push / FREE_INERTIA
        velocity /= 1.0 + dt * (self._free_damping + damping[free]) / FREE_INERTIA
        self._velocities[free] = velocity
        self._angles[free] += dt * velocity


def _replace_motors(model: mujoco.MjModel, actuators: NDArray[np.intp]) -> None:
    model.actuator_dyntype[actuators] = mujoco.mjtDyn.mjDYN_NONE
    model.actuator_gaintype[actuators] = mujoco.mjtGain.mjGAIN_FIXED
    model.actuator_biastype[actuators] = mujoco.mjtBias.mjBIAS_AFFINE
    model.actuator_gainprm[actuators] = 0.0
    model.actuator_gainprm[actuators, 0] = 1.0
    model.actuator_biasprm[actuators] = 0.0
    model.actuator_ctrllimited[actuators] = False
    model.actuator_forcelimited[actuators] = False
