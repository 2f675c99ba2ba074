"""What an XM430-W210 can hold and the driver assumes of it, for robot.yaml to be checked against.

Facts: ROBOTIS e-manual, "XM430-W210". The driver and the emulator each have their own tables, and
tests hold this one to the driver's; here a robot's computer without a serial port checks as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim2real.contract.robot_spec import RobotSpec

POSITION_UNIT_RAD = 2 * math.pi / 4096
VELOCITY_UNIT_RAD_S = 0.229 * 2 * math.pi / 60
CURRENT_UNIT_MA = 2.69
BAUD_RATES = (9_600, 57_600, 115_200, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 4_500_000)
"""by value of register 8"""
CURRENT_BASED_POSITION = 5
"""register 11: the only mode that the driver speaks"""
FAST_SYNC_READ_FIRMWARE = 45
"""the first that answers the driver's reads"""
MAX_COUNTS = {"current": 1193, "gain": 16383, "watchdog": 127, "return_delay": 254}
WATCHDOG_UNIT_S = 0.02
RETURN_DELAY_UNIT_US = 2.0
MAX_TEMPERATURE_C = 100.0
VOLTAGE_V = (9.5, 16.0)
"""what registers 34 and 32 can be set to"""

Problem = tuple[str, object, str]
"""field, what was found, what was expected"""


def problems(spec: RobotSpec) -> Iterator[Problem]:
    """What of a robot.yaml no register holds, or the driver would read otherwise."""
    yield from _unit_problems(spec)
    servo, bus, safety = spec.servo, spec.bus, spec.safety
    if servo.operating_mode != CURRENT_BASED_POSITION:
        expected = f"{CURRENT_BASED_POSITION}, current-based position: the driver sends its goals"
        yield "servo.operating_mode", servo.operating_mode, expected
    if not 0 <= servo.model_number <= 65535:
        yield "servo.model_number", servo.model_number, "0 to 65535 (register 0)"
    if not FAST_SYNC_READ_FIRMWARE <= servo.min_firmware <= 255:
        expected = f"{FAST_SYNC_READ_FIRMWARE} to 255: Fast Sync Read came with the first"
        yield "servo.min_firmware", servo.min_firmware, expected
    if bus.baud not in BAUD_RATES:
        yield "bus.baud", bus.baud, f"one of {', '.join(map(str, BAUD_RATES))} (register 8)"
    longest = MAX_COUNTS["return_delay"] * RETURN_DELAY_UNIT_US
    if not 0 <= bus.return_delay_us <= longest or not _is_whole(
        bus.return_delay_us, RETURN_DELAY_UNIT_US
    ):
        yield "bus.return_delay_us", bus.return_delay_us, f"0 to {longest:g} in steps of 2 (reg. 9)"
    longest = MAX_COUNTS["watchdog"] * WATCHDOG_UNIT_S
    if not 0 < safety.bus_watchdog_s <= longest + 1e-9 or not _is_whole(
        safety.bus_watchdog_s, WATCHDOG_UNIT_S
    ):
        expected = f"{WATCHDOG_UNIT_S:g} to {longest:g} in steps of {WATCHDOG_UNIT_S:g} (reg. 98)"
        yield "safety.bus_watchdog_s", safety.bus_watchdog_s, expected
    if safety.max_temperature_c > MAX_TEMPERATURE_C:
        expected = f"above 0 and at most {MAX_TEMPERATURE_C:g} (register 31)"
        yield "safety.max_temperature_c", safety.max_temperature_c, expected
    low, high = VOLTAGE_V
    for name in ("min_voltage_v", "max_voltage_v"):
        if not low <= getattr(safety, name) <= high:
            yield f"safety.{name}", getattr(safety, name), f"{low:g} to {high:g} (reg. 32 and 34)"
    yield from _joint_problems(spec)


def _unit_problems(spec: RobotSpec) -> Iterator[Problem]:
    """The bus counts in the servo's units, whatever robot.yaml says."""
    for name, unit in (
        ("position_unit_rad", POSITION_UNIT_RAD),
        ("velocity_unit_rad_s", VELOCITY_UNIT_RAD_S),
        ("current_unit_ma", CURRENT_UNIT_MA),
    ):
        found = getattr(spec.servo, name)
        if not math.isclose(found, unit, rel_tol=1e-6):
            yield f"servo.{name}", found, f"{unit!r}, as the servo counts"


def _joint_problems(spec: RobotSpec) -> Iterator[Problem]:
    most_ma = MAX_COUNTS["current"] * CURRENT_UNIT_MA
    for index, joint in enumerate(spec.joints):
        at, found = f"joints[{index}]", joint.current_limit_ma
        if not CURRENT_UNIT_MA <= found <= most_ma:
            expected = f"milliamperes, {CURRENT_UNIT_MA:g} to {most_ma:.0f} (register 38)"
            yield f"{at}.current_limit_ma", found, expected
        for name in ("position_p_gain", "position_i_gain", "position_d_gain"):
            if not 0 <= getattr(joint, name) <= MAX_COUNTS["gain"]:
                yield f"{at}.{name}", getattr(joint, name), f"0 to {MAX_COUNTS['gain']}"


def _is_whole(value: float, unit: float) -> bool:
    return abs(value / unit - round(value / unit)) < 1e-6
