"""What every robot offers, real or not: the protocol that the control loop is written against."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.errors import WorkFailed
from sim2real.contract.joint_io import Command, Reading
from sim2real.contract.robot_spec import RobotSpec


class RobotFault(WorkFailed):
    """The robot could not do what was asked. Nothing old is ever returned instead.

    `cause` is one word for a counter, `joints` names those concerned, in joint order.
    """

    def __init__(self, cause: str, message: str, joints: tuple[str, ...] = ()) -> None:
        self.cause, self.joints = cause, joints
        where = f" [{', '.join(joints)}]" if joints else ""
        super().__init__(f"{cause}{where}: {message}")


class Phase(enum.Enum):
    """Where a robot is in its life. Torque is on in `ACTIVE` only."""

    CLOSED = "closed"
    READY = "ready"
    """connected and verified, torque off"""
    ACTIVE = "active"
    SILENT = "silent"
    """nothing is sent any more, so that the servos' own watchdogs act"""


class HardwareError(enum.IntFlag):
    """Bits of register 70, latched until a reboot; also of the shutdown mask, register 63."""

    INPUT_VOLTAGE = 1 << 0
    OVERHEATING = 1 << 2
    ENCODER = 1 << 3
    ELECTRICAL_SHOCK = 1 << 4
    OVERLOAD = 1 << 5


def error_names(bits: int) -> str:
    """Latched errors by name, for a person; empty where there are none."""
    named = [str(item.name).lower() for item in HardwareError if bits & item]
    unknown = bits & ~sum(HardwareError)
    return ", ".join([*named, *([f"unknown bits 0x{unknown:02x}"] if unknown else [])])


@dataclass(frozen=True, kw_only=True, eq=False)
class Health:
    """What the servos say about themselves, from the same exchange as a reading. (J,) arrays."""

    stamp_ns: int
    """that of the reading"""
    temperature_c: NDArray[np.float64]
    voltage_v: NDArray[np.float64]
    hardware_error: NDArray[np.int64]
    """latched bits of `HardwareError`, register 70"""
    torque_enabled: NDArray[np.bool_]
    watchdog_tripped: NDArray[np.bool_]
    """the servo stopped by itself and ignores goals"""
    goal_position_rad: NDArray[np.float64]
    """the goal that each servo really has: what was applied, whatever was sent"""


class Placing(Protocol):
    """A simulated hand that is put somewhere, without going there."""

    def place(
        self, joint_rad: NDArray[np.float64], valve_rad: float, rng: np.random.Generator
    ) -> None:
        """Hand and object are there at rest; `rng` makes the encoders' noise from here on."""


class Recovery(Protocol):
    """Servos that latch errors and can be rebooted."""

    def recover(self, names: tuple[str, ...]) -> None:
        """Reboot the servos of these joints; torque is and stays off. Raises `RobotFault`."""


class Turn(Protocol):
    """An object on its way, turned by its own servo."""

    def begin(self, angle_rad: float) -> float:
        """Set out for `angle_rad` the short way; returns the goal, which may be turns further on.

        To be followed by `let_go`, whatever happens. Raises `RobotFault`.
        """

    def let_go(self) -> None:
        """The servo's torque off, confirmed. Raises `RobotFault` where it is not."""


class Turning(Protocol):
    """An object with a servo of its own under it."""

    def turn_at(self, speed_rad_s: float) -> Turn:
        """To turn it this fast while the hand is read. Raises `RobotFault` when not connected."""


class Robot(Protocol):
    """A hand that can be read and commanded. One thread at a time.

    As a context manager it connects on entry and, on every way out, turns torque off first and then
    closes. All methods but `close` raise `RobotFault`. What not every robot has are parts: None
    where there is none.
    """

    @property
    def placing(self) -> Placing | None:
        """For a hand that need not move to be somewhere."""

    @property
    def recovery(self) -> Recovery | None:
        """For servos that can be rebooted."""

    @property
    def turning(self) -> Turning | None:
        """For an object that turns itself."""

    @property
    def faults(self) -> Mapping[str, int]:
        """What went wrong on the way to the servos, by cause; empty where there is no bus."""

    @property
    def spec(self) -> RobotSpec:
        """Joints, limits and period."""

    @property
    def phase(self) -> Phase:
        """Where it is in its life."""

    def connect(self) -> None:
        """Find every servo and verify it against the spec. Torque is off afterwards."""

    def activate(self) -> None:
        """Torque on, softly, where the joints are. The only way to torque, always by request."""

    def read(self) -> Reading:
        """Measure all joints now."""

    def health(self) -> Health:
        """The condition of the servos at the latest reading."""

    def write(self, command: Command) -> None:
        """Set every joint's goal; needs `ACTIVE`."""

    def go_limp(self) -> None:
        """Goal current to zero: torque stays enabled, but nothing pushes."""

    def deactivate(self) -> None:
        """Torque off, confirmed by every servo."""

    def quarantine(self) -> None:
        """Send nothing any more until closed."""

    def close(self) -> None:
        """Torque off if it may still be on, then let go of the port. Never raises."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
