"""The robot in MuJoCo, in lock-step: every command simulates exactly one control period.

It reads, delays and quantises as the training world does (tests hold the two together), so that a
bundle meets through the robot protocol the very dynamics that it was trained on. Simulated time
passes only while commands come; between two commands a reading is the same measurement.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import mujoco
import numpy as np
from numpy.typing import NDArray

from sim2real.contract.camera import CameraSpec, Frame
from sim2real.contract.joint_io import Command, Reading
from sim2real.contract.robot_spec import RobotSpec
from sim2real.hardware.physics_model import load_physics_model
from sim2real.hardware.robot import Health, Phase, Placing, RobotFault
from sim2real.hardware.simulated_camera import SimulatedCamera
from sim2real.hardware.task_numerics import TaskNumerics, encoder_noise, measured

Float = NDArray[np.float64]

ROOM_TEMPERATURE_C = 25.0


class SimulatedRobot:
    """A `Robot` over one MuJoCo simulation."""

    def __init__(
        self, spec: RobotSpec, *, control_period_s: float, mj_model: mujoco.MjModel | None = None
    ) -> None:
        """`mj_model` is the claw with a task's dynamics in it; None: as its file describes it.

        Raises `ValueError` when the control period is no whole number of physics steps.
        """
        self._spec, self._phase = spec, Phase.CLOSED
        self._model = copy.copy(load_physics_model(spec) if mj_model is None else mj_model)
        self._data = mujoco.MjData(self._model)
        steps = control_period_s / self._model.opt.timestep
        self._num_steps = round(steps)
        if abs(steps - self._num_steps) > 1e-9 or self._num_steps < 1:
            raise ValueError(f"control period {control_period_s} s: no whole number of steps")
        self._period_ns = round(control_period_s * 1e9)
        self._stamp_ns = self._sequence = self._step = 0
        self._numerics = TaskNumerics.of(self._model)
        self._target_rad: Float
        self._tracked_rad: Float
        self._under_way: deque[tuple[int, Float]] = deque()
        """goals that have not arrived yet, and the physics step in which they do"""
        names = [*spec.joint_names, spec.turned_object]
        self._positions = np.array([self._model.joint(name).qposadr[0] for name in names])
        self._velocities = np.array([self._model.joint(name).dofadr[0] for name in names])
        self._actuators = np.array([self._model.actuator(name).id for name in spec.joint_names])
        self.place(spec.joint_array("home_rad"), 0.0, np.random.default_rng(0))

    @property
    def spec(self) -> RobotSpec:
        return self._spec

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def target_rad(self) -> Float:
        """(J,) a copy of the targets that the servos hold."""
        return self._target_rad.copy()

    @property
    def placing(self) -> Placing:
        return self

    @property
    def recovery(self) -> None:
        return None

    @property
    def turning(self) -> None:
        return None

    @property
    def faults(self) -> Mapping[str, int]:
        return {}

    def now_ns(self) -> int:
        """Simulated time: the stamp of the latest measurement. Never raises."""
        return self._stamp_ns

    @property
    def timestep_s(self) -> float:
        """How long a physics step is."""
        return float(self._model.opt.timestep)

    def place(self, joint_rad: Float, valve_rad: float, rng: np.random.Generator) -> None:
        """Put hand and valve somewhere at rest, as whoever resets a real hand would.

        `rng` makes the noise of the encoders from here on. One control period passes.
        """
        mujoco.mj_resetData(self._model, self._data)
        self._data.qpos[self._positions] = [*joint_rad, valve_rad]
        mujoco.mj_forward(self._model, self._data)
        self._rng = rng
        self._hold(np.array(joint_rad, np.float64))
        self._measure()

    def aim(self, command: Command) -> None:
        """Set every joint's goal; no time passes."""
        self._require(Phase.ACTIVE)
        target_rad = np.array(command.position_rad, np.float64)
        if target_rad.shape != self._target_rad.shape or not np.isfinite(target_rad).all():
            raise RobotFault("bad_command", f"targets {target_rad}")
        self._target_rad = target_rad
        self._under_way.append((self._step + self._numerics.delay_steps, target_rad))

    def advance(self, num_steps: int) -> None:
        """Let so many physics steps pass, then measure."""
        for _ in range(num_steps):
            # Until a delayed command arrives, the servos still track the previous one.
            while self._under_way and self._under_way[0][0] <= self._step:
                self._tracked_rad = self._under_way.popleft()[1]
            self._data.ctrl[self._actuators] = self._tracked_rad
            mujoco.mj_step(self._model, self._data)
            self._step += 1
        if any(warning.number for warning in self._data.warning):
            self._phase = Phase.SILENT
            raise RobotFault("unstable", "MuJoCo could not integrate this motion")
        self._measure()

    def _hold(self, target_rad: Float) -> None:
        """Goals that the servos have tracked for long; none is under way."""
        self._target_rad = self._tracked_rad = target_rad
        self._under_way.clear()

    def camera(self, spec: CameraSpec) -> LockStepCamera:
        """A camera that takes a frame with every measurement.

        Raises `BadInput` if the physics model lacks it.
        """
        return LockStepCamera(self, SimulatedCamera(self._model, spec))

    def look(self, camera: SimulatedCamera) -> Frame:
        """What a camera of this robot's model sees now, as of the latest measurement."""
        mujoco.mj_kinematics(self._model, self._data)  # mj_step leaves them one step behind
        mujoco.mj_camlight(self._model, self._data)
        pixels = camera.render(self._data)
        return Frame(stamp_ns=self._stamp_ns, sequence=self._sequence, pixels=pixels)

    # ---- the protocol --------------------------------------------------------------------------

    def connect(self) -> None:
        self._require(Phase.CLOSED)
        self._phase = Phase.READY

    def activate(self) -> None:
        self._require(Phase.READY)
        self._hold(np.array(self._reading.position_rad, np.float64))
        self._set_torque(True)
        self._phase = Phase.ACTIVE

    def read(self) -> Reading:
        self._require(Phase.READY, Phase.ACTIVE)
        return self._reading

    def health(self) -> Health:
        self._require(Phase.READY, Phase.ACTIVE)
        joints = len(self._spec.joints)
        return Health(
            stamp_ns=self._reading.stamp_ns,
            temperature_c=np.full(joints, ROOM_TEMPERATURE_C),
            voltage_v=np.full(joints, self._spec.servo.nominal_voltage_v),
            hardware_error=np.zeros(joints, np.int64),
            torque_enabled=np.full(joints, self._phase is Phase.ACTIVE),
            watchdog_tripped=np.zeros(joints, np.bool_),
            goal_position_rad=self.target_rad,
        )

    def write(self, command: Command) -> None:
        """Set every joint's goal and let one control period pass."""
        self.aim(command)
        self.advance(self._num_steps)

    def go_limp(self) -> None:
        self._require(Phase.ACTIVE)
        self._set_torque(False)

    def deactivate(self) -> None:
        self._require(Phase.READY, Phase.ACTIVE)
        self._set_torque(False)
        self._phase = Phase.READY

    def quarantine(self) -> None:
        self._phase = Phase.SILENT

    def close(self) -> None:
        self._set_torque(False)
        self._phase = Phase.CLOSED

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # ---- measuring -----------------------------------------------------------------------------

    def _measure(self) -> None:
        """Take a new reading, in the steps in which servos report."""
        data, num_joints = self._data, len(self._spec.joints)
        self._stamp_ns += self._period_ns
        self._sequence += 1
        noise = encoder_noise(self._numerics.noise_rad, num_joints, self._rng)
        self._reading = measured(
            self._spec.servo,
            position_rad=data.qpos[self._positions] + noise,
            velocity_rad_s=data.qvel[self._velocities],
            torque_nm=data.actuator_force[self._actuators],
            stamp_ns=self._stamp_ns,
            sequence=self._sequence,
        )

    def _set_torque(self, is_on: bool) -> None:
        flag = int(mujoco.mjtDisableBit.mjDSBL_ACTUATION)
        if is_on:
            self._model.opt.disableflags &= ~flag
        else:
            self._model.opt.disableflags |= flag

    def _require(self, *phases: Phase) -> None:
        if self._phase not in phases:
            expected = " or ".join(phase.value for phase in phases)
            raise RobotFault("phase", f"the robot is {self._phase.value}, not {expected}")


class LockStepCamera:
    """A `Camera` of a simulated robot: the frame of a measurement is taken when it is asked for."""

    def __init__(self, robot: SimulatedRobot, camera: SimulatedCamera) -> None:
        self._robot, self._camera = robot, camera
        self._frame: Frame | None = None

    @property
    def spec(self) -> CameraSpec:
        return self._camera.camera

    def latest(self) -> Frame:
        if self._frame is None or self._frame.stamp_ns != self._robot.now_ns():
            self._frame = self._robot.look(self._camera)
        return self._frame

    def close(self) -> None:
        pass
