"""The control tables of all models that the driver knows, and what a tick reads from each.

Facts: ROBOTIS e-manual, "XM430-W210", "XM430-W350", "XL330-M288-T" and "XC330-M288-T". The
addresses are the same; ranges, units, factory values and the number of indirect registers differ.
The 330 series counts milliamperes (an XC330 those that it draws from its supply, not those of its
motor), has no 4.5 Mbit/s, and lines up 20 bytes for one read where the 430 series has 28.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sim2real.hardware.dynamixel import control_table as table
from sim2real.hardware.dynamixel.control_table import Register

PWM_SLOPE = Register(
    name="pwm_slope", address=62, size=1, low=1, high=255, default=140, unit="V/s", scale=1.977
)
"""of the 330 series: how fast its duty may change"""

FRAME_FIELDS: tuple[Register, ...] = (
    table.PRESENT_CURRENT,
    table.PRESENT_VELOCITY,
    table.PRESENT_POSITION,
    table.HARDWARE_ERROR,
    table.TORQUE_ENABLE,
    table.BUS_WATCHDOG,
    table.REALTIME_TICK,
    table.GOAL_POSITION,
    table.PRESENT_VOLTAGE,
    table.PRESENT_TEMPERATURE,
)
"""what one tick reads of every servo: measurement, time base, condition, the goal in force"""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The registers of one tick, gathered from every servo by a single read.

    Indirect addresses line up registers from all over the table.
    """

    address: int
    """of the first indirect data byte"""
    pointer_address: int
    """of the first indirect address"""
    pointers: bytes
    """what indirect addresses must hold, from the first on"""
    dtype: np.dtype[np.void]
    """one servo's frame: `FRAME_FIELDS`, without gaps"""

    @property
    def length(self) -> int:
        return self.dtype.itemsize

    def decode(self, data: Iterable[bytes]) -> NDArray[np.void]:
        """The frames of n servos, (n,) of `dtype`, from the bytes that each of them sent."""
        return np.frombuffer(b"".join(data), self.dtype)


@dataclass(frozen=True, kw_only=True)
class ServoTable:
    """The control table of one model."""

    registers: Mapping[str, Register]
    """by name; without the indirect ones"""
    indirect_data_address: int
    """where the block of indirect data begins that a frame is read from"""
    velocity_bytes: int = 4
    """how many low bytes of Present Velocity a frame holds: two do for any speed"""

    def of(self, register: Register) -> Register:
        """This model's version of a register: same place, its own range, unit and default."""
        return self.registers[register.name]

    @property
    def number(self) -> int:
        return self.registers[table.MODEL.name].default

    @property
    def baud_rates(self) -> tuple[int, ...]:
        """By value of register 8."""
        return table.BAUD_RATES[: self.of(table.BAUD_RATE).high + 1]

    @cached_property
    def frame(self) -> Frame:
        sizes = {item: item.size for item in FRAME_FIELDS}
        sizes[table.PRESENT_VELOCITY] = self.velocity_bytes
        pointers = b"".join(
            address.to_bytes(2, "little")
            for item, size in sizes.items()
            for address in range(item.address, item.address + size)
        )
        fields = [
            (item.name, f"<{'i' if item.is_signed else 'u'}{size}") for item, size in sizes.items()
        ]
        return Frame(
            address=self.indirect_data_address,
            pointer_address=table.indirect_address(0).address,
            pointers=pointers,
            dtype=np.dtype(fields),
        )


def _changed(register: Register, **fields: float) -> Register:
    return dataclasses.replace(register, **fields)  # type: ignore[arg-type]


def _table(*changed: Register, **more: int) -> ServoTable:
    """The XM430-W210's table with these registers instead of, or beside, its own."""
    own = {r.name: r for r in table.REGISTERS if not r.name.startswith("indirect_")}
    changes = {register.name: register for register in changed}
    return ServoTable(
        registers={**own, **changes},
        indirect_data_address=more.pop("indirect_data_address", table.indirect_data(0).address),
        **more,
    )


def _of_330(
    *, number: int, max_current: int, velocity: int, shutdown: int, gains: tuple[int, int, int]
) -> ServoTable:
    """One of the 330 series; `gains` are the factory's velocity P, position D and position P."""
    velocity_p, position_d, position_p = gains
    milliamperes = {"scale": 1.0, "high": max_current}
    return _table(
        _changed(table.MODEL, default=number),
        _changed(table.BAUD_RATE, high=6),
        _changed(table.DRIVE_MODE, high=5),
        _changed(table.PROTOCOL_TYPE, low=2, high=22),
        _changed(table.TEMPERATURE_LIMIT, default=70),
        _changed(table.MAX_VOLTAGE_LIMIT, low=31, high=70, default=70),
        _changed(table.MIN_VOLTAGE_LIMIT, low=31, high=70, default=35),
        _changed(table.CURRENT_LIMIT, default=max_current, **milliamperes),
        _changed(table.VELOCITY_LIMIT, high=2047, default=velocity),
        PWM_SLOPE,
        _changed(table.SHUTDOWN, default=shutdown),
        _changed(table.VELOCITY_I_GAIN, default=1600),
        _changed(table.VELOCITY_P_GAIN, default=velocity_p),
        _changed(table.POSITION_D_GAIN, default=position_d),
        _changed(table.POSITION_P_GAIN, default=position_p),
        _changed(table.GOAL_CURRENT, low=-max_current, default=max_current, **milliamperes),
        _changed(table.GOAL_VELOCITY, low=-2047, high=2047),
        _changed(table.PRESENT_CURRENT, scale=1.0),
        _changed(table.PRESENT_VOLTAGE, default=50),
        indirect_data_address=208,
        velocity_bytes=2,
    )


TABLES: Mapping[str, ServoTable] = {
    "XM430-W210": _table(),
    "XM430-W350": _table(
        _changed(table.MODEL, default=1020), _changed(table.VELOCITY_LIMIT, default=200)
    ),
    "XL330-M288": _of_330(
        number=1200, max_current=1750, velocity=445, shutdown=0x35, gains=(180, 0, 400)
    ),
    "XC330-M288": _of_330(
        number=1240, max_current=2352, velocity=350, shutdown=0x34, gains=(50, 500, 1100)
    ),
}
"""by the name that `servo.model` of robot.yaml has"""
