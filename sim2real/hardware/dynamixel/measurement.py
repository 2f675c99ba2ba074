"""From the servos' frames to what the rest of the robot side sees: readings and health, in SI."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.joint_io import Reading
from sim2real.contract.robot_spec import RobotSpec
from sim2real.hardware.calibration import Calibration
from sim2real.hardware.dynamixel import control_table as table
from sim2real.hardware.dynamixel.control_table import Register
from sim2real.hardware.robot import Health

VOLTAGE_UNIT_V = np.float64(table.PRESENT_VOLTAGE.scale)


class Measurement:
    """Converts frames of the joints in order, followed by the object's where there is one."""

    def __init__(self, spec: RobotSpec, calibration: Calibration) -> None:
        self._joints = calibration.frame(spec.joint_names)
        self._objects = calibration.frame(tuple(item.name for item in spec.objects[:1]))
        self._num_joints = len(spec.joints)
        self._current_unit_ma = np.float64(spec.servo.current_unit_ma)

    def reading(self, frames: NDArray[np.void], stamp_ns: int, sequence: int) -> Reading:
        """Object values are NaN for a robot without an object: there is nothing to measure."""
        joints, objects = frames[: self._num_joints], frames[self._num_joints :]
        position, velocity = _counts(objects, table.PRESENT_POSITION), _velocity(objects)
        object_position = self._objects.position_rad(position)
        object_velocity = self._objects.sign * velocity
        return Reading(
            stamp_ns=stamp_ns,
            sequence=sequence,
            position_rad=self._joints.position_rad(_counts(joints, table.PRESENT_POSITION)),
            velocity_rad_s=self._joints.sign * _velocity(joints),
            current_ma=self._joints.sign
            * _counts(joints, table.PRESENT_CURRENT)
            * self._current_unit_ma,
            object_position_rad=object_position[0] if objects.size else np.array(np.nan),
            object_velocity_rad_s=object_velocity[0] if objects.size else np.array(np.nan),
        )

    def health(self, frames: NDArray[np.void], stamp_ns: int) -> Health:
        joints = frames[: self._num_joints]
        return Health(
            stamp_ns=stamp_ns,
            temperature_c=_counts(joints, table.PRESENT_TEMPERATURE).astype(np.float64),
            voltage_v=_counts(joints, table.PRESENT_VOLTAGE)
            * np.float64(table.PRESENT_VOLTAGE.scale),
            hardware_error=_counts(joints, table.HARDWARE_ERROR).astype(np.int64),
            torque_enabled=_counts(joints, table.TORQUE_ENABLE) != 0,
            watchdog_tripped=_counts(joints, table.BUS_WATCHDOG) == table.WATCHDOG_TRIPPED,
            goal_position_rad=self._joints.position_rad(_counts(joints, table.GOAL_POSITION)),
        )


def _counts(frames: NDArray[np.void], register: Register) -> NDArray[np.int64]:
    return frames[register.name].astype(np.int64)


def _velocity(frames: NDArray[np.void]) -> NDArray[np.float64]:
    return _counts(frames, table.PRESENT_VELOCITY) * np.float64(table.VELOCITY_UNIT_RAD_S)
