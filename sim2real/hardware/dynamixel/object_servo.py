"""Between episodes the object's own servo turns it back to where the next one starts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sim2real.hardware.calibration import JointFrame
from sim2real.hardware.dynamixel import control_table as table
from sim2real.hardware.dynamixel import provisioning
from sim2real.hardware.dynamixel.servo_group import ServoGroup
from sim2real.hardware.robot import Robot, RobotFault


@dataclass(frozen=True, kw_only=True)
class TurnConfig:
    """How the object is turned."""

    speed_rad_s: float = 2.0
    tolerance_rad: float = 0.05
    timeout_s: float = 6.0
    """longer than half a turn takes"""
    poll_s: float = 0.02
    """pause between readings; they feed the hand's watchdogs meanwhile"""


class ObjectServo:
    """The servo under the object that a hand turns; limp except inside `turn_to`."""

    def __init__(
        self,
        robot: Robot,
        servos: ServoGroup,
        frame: JointFrame,
        *,
        clock_ns: Callable[[], int],
        sleep: Callable[[float], None],
        config: TurnConfig | None = None,
    ) -> None:
        self._robot, self._servos, self._frame = robot, servos, frame
        self._name = robot.spec.objects[0].name
        self._clock_ns, self._sleep = clock_ns, sleep
        self._config = config or TurnConfig()

    def turn_to(self, angle_rad: float) -> float:
        """Turn the object the short way to `angle_rad` and let go; returns the angle reached.

        The hand must not be in the way. Raises `RobotFault` `object_not_turned` when the object
        does not arrive in time, and whatever reading raises; the servo is limp afterwards.
        """
        try:
            return self._await_arrival(self.begin(angle_rad))
        finally:
            self.let_go()

    def begin(self, angle_rad: float) -> float:
        """Set out for `angle_rad` the short way; returns the goal, which may be turns further on.

        To be followed by `let_go`, whatever happens. Readings in between feed the servo's watchdog.
        """
        position = float(self._robot.read().object_position_rad)
        target = position + math.remainder(angle_rad - position, 2 * math.pi)
        speed = table.PROFILE_VELOCITY.from_si(self._config.speed_rad_s)
        self._write(table.BUS_WATCHDOG, 0)  # a tripped servo takes no goal
        self._write(table.PROFILE_VELOCITY, speed)
        self._write(table.GOAL_POSITION, self._count(position))
        self._write(table.BUS_WATCHDOG, provisioning.watchdog_count(self._robot.spec))
        self._write(table.TORQUE_ENABLE, 1)
        self._write(table.GOAL_POSITION, self._count(target))
        return target

    def let_go(self) -> None:
        """Torque off; if that is not confirmed the bus must fall silent, as for a joint."""
        if not self._servos.holds(self._name, table.TORQUE_ENABLE, 0):
            self._robot.quarantine()
            raise RobotFault("torque_not_confirmed_off", "the bus is silent now", (self._name,))

    def _await_arrival(self, target: float) -> float:
        deadline = self._clock_ns() + round(self._config.timeout_s * 1e9)
        while self._clock_ns() < deadline:
            self._sleep(self._config.poll_s)
            position = float(self._robot.read().object_position_rad)
            if abs(position - target) <= self._config.tolerance_rad:
                return position
        message = f"at {position:.3f} rad, wanted {target:.3f}"
        raise RobotFault("object_not_turned", message, (self._name,))

    def _write(self, register: table.Register, count: int) -> None:
        self._servos.write(self._name, register, count)

    def _count(self, position_rad: float) -> int:
        return int(self._frame.counts(np.array([position_rad]))[0])
