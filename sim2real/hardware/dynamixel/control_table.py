"""The registers of the XM430-W210 as data: where, how large, what range, what unit.

Facts: ROBOTIS e-manual, "XM430-W210", firmware 45 and later. A register's range is that of a legal
write; a read-only register's is what it can show. Other models of the X series have the same
registers at the same addresses; `servo_tables` says where their ranges and units differ.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Any

MODEL_NUMBER = 1030
TABLE_SIZE = 662
EEPROM_SIZE = 64
"""registers below this address survive a reboot and are locked while torque is on"""

POSITION_UNIT_RAD = 2 * math.pi / 4096
VELOCITY_UNIT_RAD_S = 0.229 * 2 * math.pi / 60
ACCELERATION_UNIT_RAD_S2 = 214.577 * 2 * math.pi / 3600
CURRENT_UNIT_MA = 2.69
PWM_UNIT_PERCENT = 0.113
WATCHDOG_UNIT_S = 0.02


class OperatingMode(enum.IntEnum):
    """Register 11: what Goal registers mean."""

    CURRENT = 0
    VELOCITY = 1
    POSITION = 3
    EXTENDED_POSITION = 4
    CURRENT_BASED_POSITION = 5
    PWM = 16


BAUD_RATES = (9_600, 57_600, 115_200, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 4_500_000)
"""by value of register 8"""

WATCHDOG_TRIPPED = -1
"""what register 98 shows after the Bus Watchdog stopped the servo, until 0 is written"""


@dataclass(frozen=True, kw_only=True)
class Register:
    """One entry of the control table."""

    name: str
    address: int
    size: int
    """bytes: 1, 2 or 4"""
    low: int
    high: int
    default: int = 0
    """after a factory reset (EEPROM) or a reboot (RAM); what a measurement shows at rest"""
    is_signed: bool = False
    is_writable: bool = True
    unit: str = ""
    """SI unit of a scaled value, except mA and °C; "%" of a share; empty for a plain number"""
    scale: float = 1.0
    """units per count"""

    @property
    def is_eeprom(self) -> bool:
        return self.address < EEPROM_SIZE

    @property
    def end(self) -> int:
        """The first address after it."""
        return self.address + self.size

    def encode(self, count: int) -> bytes:
        """The register's bytes. Raises `ValueError` outside its range."""
        if not self.low <= count <= self.high:
            raise ValueError(f"{self.name}: {count} is outside [{self.low}, {self.high}]")
        return count.to_bytes(self.size, "little", signed=self.is_signed)

    def decode(self, data: bytes | memoryview) -> int:
        """The count in the register's bytes."""
        return int.from_bytes(data, "little", signed=self.is_signed)

    def to_si(self, count: int) -> float:
        """`count` in `unit`."""
        return count * self.scale

    def from_si(self, value: float) -> int:
        """The count nearest to `value` in `unit`. Raises `ValueError` outside the range."""
        count = round(value / self.scale)
        if not self.low <= count <= self.high:
            raise ValueError(
                f"{self.name}: {value} {self.unit} is outside "
                f"[{self.low * self.scale}, {self.high * self.scale}]"
            )
        return count


def _register(name: str, address: int, size: int, low: int, high: int, **more: Any) -> Register:
    return Register(name=name, address=address, size=size, low=low, high=high, **more)


_RAD: dict[str, Any] = {"unit": "rad", "scale": POSITION_UNIT_RAD}
_RAD_S = {"unit": "rad/s", "scale": VELOCITY_UNIT_RAD_S}
_RAD_S2 = {"unit": "rad/s^2", "scale": ACCELERATION_UNIT_RAD_S2}
_MA = {"unit": "mA", "scale": CURRENT_UNIT_MA}
_VOLT = {"unit": "V", "scale": 0.1}
_DUTY = {"unit": "%", "scale": PWM_UNIT_PERCENT}
_SIGNED = {"is_signed": True}
_READ_ONLY = {"is_writable": False}
_INT16, _INT32 = 2**15 - 1, 2**31 - 1
_MAX_TURNS = 1_048_575
"""256 turns either way"""

# EEPROM: kept without power, writable only while torque is off.
MODEL = _register("model_number", 0, 2, 0, 65535, default=MODEL_NUMBER, **_READ_ONLY)
MODEL_INFORMATION = _register("model_information", 2, 4, 0, 2**32 - 1, **_READ_ONLY)
FIRMWARE = _register("firmware_version", 6, 1, 0, 255, default=45, **_READ_ONLY)
MOTOR_ID = _register("id", 7, 1, 0, 252, default=1)
BAUD_RATE = _register("baud_rate", 8, 1, 0, len(BAUD_RATES) - 1, default=1)
RETURN_DELAY = _register("return_delay_time", 9, 1, 0, 254, default=250, unit="s", scale=2e-6)
DRIVE_MODE = _register("drive_mode", 10, 1, 0, 13)
OPERATING_MODE = _register("operating_mode", 11, 1, 0, 16, default=OperatingMode.POSITION)
SECONDARY_ID = _register("secondary_id", 12, 1, 0, 255, default=255)
PROTOCOL_TYPE = _register("protocol_type", 13, 1, 1, 2, default=2)
HOMING_OFFSET = _register("homing_offset", 20, 4, -1_044_479, 1_044_479, **_SIGNED, **_RAD)
MOVING_THRESHOLD = _register("moving_threshold", 24, 4, 0, 1023, default=10, **_RAD_S)
TEMPERATURE_LIMIT = _register("temperature_limit", 31, 1, 0, 100, default=80, unit="°C")
MAX_VOLTAGE_LIMIT = _register("max_voltage_limit", 32, 2, 95, 160, default=160, **_VOLT)
MIN_VOLTAGE_LIMIT = _register("min_voltage_limit", 34, 2, 95, 160, default=95, **_VOLT)
PWM_LIMIT = _register("pwm_limit", 36, 2, 0, 885, default=885, **_DUTY)
CURRENT_LIMIT = _register("current_limit", 38, 2, 0, 1193, default=1193, **_MA)
VELOCITY_LIMIT = _register("velocity_limit", 44, 4, 0, 1023, default=330, **_RAD_S)
MAX_POSITION_LIMIT = _register("max_position_limit", 48, 4, 0, 4095, default=4095, **_RAD)
MIN_POSITION_LIMIT = _register("min_position_limit", 52, 4, 0, 4095, **_RAD)
STARTUP = _register("startup_configuration", 60, 1, 0, 3)
SHUTDOWN = _register("shutdown", 63, 1, 0, 63, default=0x34)

# RAM: back to its default after power-on or reboot.
TORQUE_ENABLE = _register("torque_enable", 64, 1, 0, 1)
LED = _register("led", 65, 1, 0, 1)
STATUS_RETURN_LEVEL = _register("status_return_level", 68, 1, 0, 2, default=2)
REGISTERED_INSTRUCTION = _register("registered_instruction", 69, 1, 0, 1, **_READ_ONLY)
HARDWARE_ERROR = _register("hardware_error_status", 70, 1, 0, 63, **_READ_ONLY)
VELOCITY_I_GAIN = _register("velocity_i_gain", 76, 2, 0, 16383, default=1920)
VELOCITY_P_GAIN = _register("velocity_p_gain", 78, 2, 0, 16383, default=100)
POSITION_D_GAIN = _register("position_d_gain", 80, 2, 0, 16383)
POSITION_I_GAIN = _register("position_i_gain", 82, 2, 0, 16383)
POSITION_P_GAIN = _register("position_p_gain", 84, 2, 0, 16383, default=800)
FEEDFORWARD_2_GAIN = _register("feedforward_2_gain", 88, 2, 0, 16383)
FEEDFORWARD_1_GAIN = _register("feedforward_1_gain", 90, 2, 0, 16383)
BUS_WATCHDOG = _register(
    "bus_watchdog", 98, 1, WATCHDOG_TRIPPED, 127, unit="s", scale=WATCHDOG_UNIT_S, **_SIGNED
)
GOAL_PWM = _register("goal_pwm", 100, 2, -885, 885, default=885, **_SIGNED, **_DUTY)
GOAL_CURRENT = _register("goal_current", 102, 2, -1193, 1193, default=1193, **_SIGNED, **_MA)
GOAL_VELOCITY = _register("goal_velocity", 104, 4, -1023, 1023, **_SIGNED, **_RAD_S)
PROFILE_ACCELERATION = _register("profile_acceleration", 108, 4, 0, 32767, **_RAD_S2)
PROFILE_VELOCITY = _register("profile_velocity", 112, 4, 0, 32767, **_RAD_S)
GOAL_POSITION = _register("goal_position", 116, 4, -_MAX_TURNS, _MAX_TURNS, **_SIGNED, **_RAD)
REALTIME_TICK = _register("realtime_tick", 120, 2, 0, 32767, unit="s", scale=1e-3, **_READ_ONLY)
MOVING = _register("moving", 122, 1, 0, 1, **_READ_ONLY)
MOVING_STATUS = _register("moving_status", 123, 1, 0, 255, **_READ_ONLY)
PRESENT_PWM = _register("present_pwm", 124, 2, -885, 885, **_SIGNED, **_READ_ONLY, **_DUTY)
PRESENT_CURRENT = _register(
    "present_current", 126, 2, -_INT16 - 1, _INT16, **_SIGNED, **_READ_ONLY, **_MA
)
PRESENT_VELOCITY = _register(
    "present_velocity", 128, 4, -_INT32 - 1, _INT32, **_SIGNED, **_READ_ONLY, **_RAD_S
)
PRESENT_POSITION = _register(
    "present_position", 132, 4, -_INT32 - 1, _INT32, **_SIGNED, **_READ_ONLY, **_RAD
)
VELOCITY_TRAJECTORY = _register(
    "velocity_trajectory", 136, 4, -_INT32 - 1, _INT32, **_SIGNED, **_READ_ONLY, **_RAD_S
)
POSITION_TRAJECTORY = _register(
    "position_trajectory", 140, 4, -_INT32 - 1, _INT32, **_SIGNED, **_READ_ONLY, **_RAD
)
PRESENT_VOLTAGE = _register(
    "present_input_voltage", 144, 2, 0, 65535, default=120, **_READ_ONLY, **_VOLT
)
PRESENT_TEMPERATURE = _register(
    "present_temperature", 146, 1, 0, 255, default=25, unit="°C", **_READ_ONLY
)
BACKUP_READY = _register("backup_ready", 147, 1, 0, 1, **_READ_ONLY)

NUM_INDIRECT = 56


def indirect_address(slot: int) -> Register:
    """The register that says which byte of RAM shows at `indirect_data(slot)`; slots from 0."""
    default = _indirect_data_address(slot)
    return _register(
        f"indirect_address_{slot + 1}",
        _in_two_blocks(slot, 168, 578, 2),
        2,
        EEPROM_SIZE,
        TABLE_SIZE - 1,
        default=default,
    )


def indirect_data(slot: int) -> Register:
    """One byte, seen through `indirect_address(slot)`; slots from 0."""
    return _register(f"indirect_data_{slot + 1}", _indirect_data_address(slot), 1, 0, 255)


def _indirect_data_address(slot: int) -> int:
    return _in_two_blocks(slot, 224, 634, 1)


def _in_two_blocks(slot: int, first: int, second: int, stride: int) -> int:
    """Address of `slot`: the table keeps indirect registers in two blocks of 28."""
    if not 0 <= slot < NUM_INDIRECT:
        raise ValueError(f"indirect slot {slot} is outside [0, {NUM_INDIRECT - 1}]")
    return first + stride * slot if slot < 28 else second + stride * (slot - 28)


REGISTERS: tuple[Register, ...] = tuple(
    sorted(
        (
            *(item for item in tuple(globals().values()) if isinstance(item, Register)),
            *(indirect_address(slot) for slot in range(NUM_INDIRECT)),
            *(indirect_data(slot) for slot in range(NUM_INDIRECT)),
        ),
        key=lambda register: register.address,
    )
)
"""The whole table, by address."""

BY_NAME = {register.name: register for register in REGISTERS}
BY_ADDRESS = {register.address: register for register in REGISTERS}


def format_count(register: Register, count: int) -> str:
    """`count` for a person: the value with its unit, and the count in brackets."""
    if not register.unit:
        return str(count)
    return f"{register.to_si(count):.6g} {register.unit} ({count})"
