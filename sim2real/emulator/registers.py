"""The control tables of Dynamixels as the servos keep them, and the memory of a row of servos.

Written from the ROBOTIS e-manual (the page of each model) and on purpose not shared with the
driver: an address that one of them has wrong shows in the tests of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Int = NDArray[np.signedinteger[Any]]

EEPROM_END = 64
"""addresses below survive power loss and are locked while torque is on"""
TICKS_PER_TURN = 4096
MODES = (0, 1, 3, 4, 5, 16)
WATCHDOG_TRIPPED = -1
MULTI_TURN_TICKS = 1_048_575
"""256 turns: the goal range of modes 4 and 5"""


class Register(NamedTuple):
    """One entry of the control table."""

    address: int
    size: int
    name: str
    writable: bool
    default: int
    low: int | None
    """smallest value that may be written; None where the size is the only bound"""
    high: int | None
    signed: bool = False

    @property
    def end(self) -> int:
        return self.address + self.size

    @property
    def in_eeprom(self) -> bool:
        return self.address < EEPROM_END

    @property
    def dtype(self) -> str:
        return f"<{'i' if self.signed else 'u'}{self.size}"

    def value_of(self, data: bytes) -> int:
        return int.from_bytes(data, "little", signed=self.signed)


def _fixed(
    address: int, size: int, name: str, default: int = 0, *, signed: bool = False
) -> Register:
    return Register(address, size, name, False, default, None, None, signed)


def _free(
    address: int, size: int, name: str, default: int, low: int, high: int, *, signed: bool = False
) -> Register:
    return Register(address, size, name, True, default, low, high, signed)


_EEPROM = (
    _fixed(0, 2, "model_number", 1030),
    _fixed(2, 4, "model_information"),
    _fixed(6, 1, "firmware", 46),
    _free(7, 1, "id", 1, 0, 252),
    _free(8, 1, "baud_rate", 1, 0, 7),
    _free(9, 1, "return_delay", 250, 0, 254),
    _free(10, 1, "drive_mode", 0, 0, 13),
    _free(11, 1, "operating_mode", 3, 0, 16),
    _free(12, 1, "secondary_id", 255, 0, 255),
    _free(13, 1, "protocol", 2, 1, 2),
    _free(20, 4, "homing_offset", 0, -1_044_479, 1_044_479, signed=True),
    _free(24, 4, "moving_threshold", 10, 0, 1023),
    _free(31, 1, "temperature_limit", 80, 0, 100),
    _free(32, 2, "max_voltage_limit", 160, 95, 160),
    _free(34, 2, "min_voltage_limit", 95, 95, 160),
    _free(36, 2, "pwm_limit", 885, 0, 885),
    _free(38, 2, "current_limit", 1193, 0, 1193),
    _free(44, 4, "velocity_limit", 330, 0, 1023),
    _free(48, 4, "max_position_limit", 4095, 0, 4095),
    _free(52, 4, "min_position_limit", 0, 0, 4095),
    _free(60, 1, "startup_configuration", 0, 0, 3),
    _free(63, 1, "shutdown", 52, 0, 255),
)

# Goal Position at power-up is not documented. Zero is the hostile choice: a driver that enables
# torque without first writing a goal is seen to jump.
_RAM = (
    _free(64, 1, "torque_enable", 0, 0, 1),
    _free(65, 1, "led", 0, 0, 1),
    _free(68, 1, "status_return_level", 2, 0, 2),
    _fixed(69, 1, "registered_instruction"),
    _fixed(70, 1, "hardware_error"),
    _free(76, 2, "velocity_i_gain", 1920, 0, 16383),
    _free(78, 2, "velocity_p_gain", 100, 0, 16383),
    _free(80, 2, "position_d_gain", 0, 0, 16383),
    _free(82, 2, "position_i_gain", 0, 0, 16383),
    _free(84, 2, "position_p_gain", 800, 0, 16383),
    _free(88, 2, "feedforward_2nd_gain", 0, 0, 16383),
    _free(90, 2, "feedforward_1st_gain", 0, 0, 16383),
    _free(98, 1, "bus_watchdog", 0, 0, 127, signed=True),
    _free(100, 2, "goal_pwm", 885, -885, 885, signed=True),
    _free(102, 2, "goal_current", 1193, -1193, 1193, signed=True),
    _free(104, 4, "goal_velocity", 0, -1023, 1023, signed=True),
    _free(108, 4, "profile_acceleration", 0, 0, 32767),
    _free(112, 4, "profile_velocity", 0, 0, 32767),
    _free(116, 4, "goal_position", 0, -MULTI_TURN_TICKS, MULTI_TURN_TICKS, signed=True),
    _fixed(120, 2, "realtime_tick"),
    _fixed(122, 1, "moving"),
    _fixed(123, 1, "moving_status"),
    _fixed(124, 2, "present_pwm", signed=True),
    _fixed(126, 2, "present_current", signed=True),
    _fixed(128, 4, "present_velocity", signed=True),
    _fixed(132, 4, "present_position", signed=True),
    _fixed(136, 4, "velocity_trajectory", signed=True),
    _fixed(140, 4, "position_trajectory", signed=True),
    _fixed(144, 2, "present_voltage"),
    _fixed(146, 1, "present_temperature"),
    _fixed(147, 1, "backup_ready"),
)


def _indirect(*blocks: tuple[int, int, int], last: int) -> tuple[Register, ...]:
    """Blocks of n pointers, each with its byte; a fresh pointer points at its own byte.

    A block is the address of its first pointer, of its first byte, and n; `last` is the largest
    address that can be pointed to.
    """
    rows, number = [], 0
    for pointers, data, count in blocks:
        for offset in range(count):
            number += 1
            own_byte = data + offset
            name = f"indirect_address_{number}"
            rows.append(_free(pointers + 2 * offset, 2, name, own_byte, EEPROM_END, last))
            rows.append(_free(own_byte, 1, f"indirect_data_{number}", 0, 0, 255))
    return tuple(rows)


@dataclass(frozen=True, kw_only=True)
class ControlTable:
    """One model's table, and what else of the servo the emulation needs to know."""

    registers: Mapping[str, Register]
    """by name, in the order of addresses"""
    current_unit_a: float
    """of the registers that hold a current"""
    brown_out_v: float
    """below it the servo's processor stops; it boots when the supply is back. Assumed"""
    heat_capacity_j_k: float
    """of a servo of this weight, metal and plastic. Assumed"""
    thermal_resistance_k_w: float
    """to the air around it. Assumed"""
    size: int
    """the first address behind the table"""
    owners: tuple[Register | None, ...]
    """the register that each address belongs to; None where the table has a gap"""
    pointer_of: Mapping[int, int]
    """address of the pointer behind each indirect data byte"""


def _table(rows: Iterable[Register], **facts: float) -> ControlTable:
    registers = {row.name: row for row in sorted(rows, key=lambda entry: entry.address)}
    size = max(row.end for row in registers.values())
    numbers = [name.rpartition("_")[2] for name in registers if name.startswith("indirect_data_")]
    return ControlTable(
        registers=MappingProxyType(registers),
        size=size,
        owners=tuple(
            next((r for r in registers.values() if r.address <= address < r.end), None)
            for address in range(size)
        ),
        pointer_of=MappingProxyType(
            {
                registers[f"indirect_data_{n}"].address: registers[f"indirect_address_{n}"].address
                for n in numbers
            }
        ),
        **facts,
    )


_OF_430 = {
    "current_unit_a": 0.00269,
    "brown_out_v": 6.5,
    "heat_capacity_j_k": 75.0,  # 82 g
    # Steady 27 W at stall would end far above the limit, 2 W of holding at 37 degrees.
    "thermal_resistance_k_w": 6.0,
}
_OF_330 = {
    "current_unit_a": 0.001,
    "brown_out_v": 3.0,
    "heat_capacity_j_k": 20.0,  # 18 to 23 g
    "thermal_resistance_k_w": 12.0,
}
_W210 = (*_EEPROM, *_RAM, *_indirect((168, 224, 28), (578, 634, 28), last=661))


def _instead(rows: Iterable[Register], *changed: Register) -> tuple[Register, ...]:
    names = {row.name for row in changed}
    return (*(row for row in rows if row.name not in names), *changed)


def _of_330(number: int, current: int, velocity: int, *changed: Register) -> ControlTable:
    """One of the 330 series: 5 V, milliamperes, 20 indirect bytes."""
    rows = _instead(
        (*_EEPROM, *_RAM, *_indirect((168, 208, 20), last=227)),
        _fixed(0, 2, "model_number", number),
        _free(8, 1, "baud_rate", 1, 0, 6),
        _free(10, 1, "drive_mode", 0, 0, 5),
        _free(13, 1, "protocol", 2, 2, 22),
        _free(31, 1, "temperature_limit", 70, 0, 100),
        _free(32, 2, "max_voltage_limit", 70, 31, 70),
        _free(34, 2, "min_voltage_limit", 35, 31, 70),
        _free(38, 2, "current_limit", current, 0, current),
        _free(44, 4, "velocity_limit", velocity, 0, 2047),
        _free(62, 1, "pwm_slope", 140, 1, 255),
        _free(76, 2, "velocity_i_gain", 1600, 0, 16383),
        _free(102, 2, "goal_current", current, -current, current, signed=True),
        _free(104, 4, "goal_velocity", 0, -2047, 2047, signed=True),
        *changed,
    )
    return _table(rows, **_OF_330)


TABLES: Mapping[str, ControlTable] = MappingProxyType(
    {
        "XM430-W210": _table(_W210, **_OF_430),
        "XM430-W350": _table(
            _instead(
                _W210,
                _fixed(0, 2, "model_number", 1020),
                _free(44, 4, "velocity_limit", 200, 0, 1023),
            ),
            **_OF_430,
        ),
        "XL330-M288": _of_330(
            1200,
            1750,
            445,
            _free(63, 1, "shutdown", 53, 0, 255),
            _free(78, 2, "velocity_p_gain", 180, 0, 16383),
            _free(84, 2, "position_p_gain", 400, 0, 16383),
        ),
        "XC330-M288": _of_330(
            1240,
            2352,
            350,
            _free(78, 2, "velocity_p_gain", 50, 0, 16383),
            _free(80, 2, "position_d_gain", 500, 0, 16383),
            _free(84, 2, "position_p_gain", 1100, 0, 16383),
        ),
    }
)
"""by the names that robot.yaml has for the models"""

USUAL_MODEL = "XM430-W210"
REGISTERS = TABLES[USUAL_MODEL].registers
"""the table with the most registers: what a plan of faults may name"""

GOALS = frozenset({"goal_pwm", "goal_current", "goal_velocity", "goal_position"})
"""what a tripped Bus Watchdog makes read-only"""

_FACTORY_WRITTEN = ("model_number", "model_information", "firmware")


def _default_bytes(control: ControlTable) -> Bytes:
    table = np.zeros(control.size, np.uint8)
    for register in control.registers.values():
        data = register.default.to_bytes(register.size, "little", signed=register.signed)
        table[register.address : register.end] = np.frombuffer(data, np.uint8)
    return table


class Memory:
    """The control tables of S servos in one array, with a view of each register over all of them.

    `memory["goal_position"]` is (S,) and shares its bytes with what a packet reads, so physics can
    write a register of all servos in one assignment.
    """

    def __init__(self, num_servos: int, model: str = USUAL_MODEL) -> None:
        self.control = TABLES[model]
        self._defaults = _default_bytes(self.control)
        self.table: Bytes = np.tile(self._defaults, (num_servos, 1))
        self._columns: dict[str, Int] = {
            name: self.table[:, register.address : register.end].view(register.dtype)[:, 0]
            for name, register in self.control.registers.items()
        }

    def __getitem__(self, name: str) -> Int:
        return self._columns[name]

    def restore_ram(self, servo: int) -> None:
        """What a servo finds in its RAM after power-up."""
        self.table[servo, EEPROM_END:] = self._defaults[EEPROM_END:]

    def restore_eeprom(self, servo: int, *, keep: tuple[str, ...]) -> None:
        """Factory values, except for the registers in `keep` and what nobody can write."""
        kept = {name: int(self._columns[name][servo]) for name in (*keep, *_FACTORY_WRITTEN)}
        self.table[servo, :EEPROM_END] = self._defaults[:EEPROM_END]
        for name, value in kept.items():
            self._columns[name][servo] = value
