"""What a Dynamixel can hold and the driver assumes of it, for robot.yaml to be checked against.

Facts: ROBOTIS e-manual, the control table on each model's page. The driver and the emulator each
have their own tables, and tests hold this one to the driver's; here a robot's computer without a
serial port checks as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim2real.contract.robot_spec import RobotSpec

POSITION_UNIT_RAD = 2 * math.pi / 4096
VELOCITY_UNIT_RAD_S = 0.229 * 2 * math.pi / 60
BAUD_RATES = (9_600, 57_600, 115_200, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 4_500_000)
"""by value of register 8"""
CURRENT_BASED_POSITION = 5
"""register 11: the only mode that the driver speaks"""
FAST_SYNC_READ_FIRMWARE = 45
"""the first that answers the driver's reads"""
MAX_COUNTS = {"gain": 16383, "watchdog": 127, "return_delay": 254}
WATCHDOG_UNIT_S = 0.02
RETURN_DELAY_UNIT_US = 2.0
MAX_TEMPERATURE_C = 100.0


@dataclass(frozen=True, kw_only=True)
class ServoModel:
    """Where the models differ that robot.yaml may name; units of angle and speed are the same."""

    number: int
    """register 0"""
    current_unit_ma: float
    """of registers 38, 102 and 126"""
    max_current_count: int
    """largest value of register 38"""
    num_baud_rates: int
    """how many of `BAUD_RATES` register 8 knows"""
    voltage_v: tuple[float, float]
    """what registers 34 and 32 can be set to"""


_XM430_W210 = ServoModel(
    number=1030,
    current_unit_ma=2.69,
    max_current_count=1193,
    num_baud_rates=8,
    voltage_v=(9.5, 16.0),
)
MODELS: Mapping[str, ServoModel] = {
    "XM430-W210": _XM430_W210,
    "XM430-W350": replace(_XM430_W210, number=1020),
    "XL330-M288": ServoModel(
        number=1200,
        current_unit_ma=1.0,
        max_current_count=1750,
        num_baud_rates=7,
        voltage_v=(3.1, 7.0),
    ),
    "XC330-M288": ServoModel(
        number=1240,
        current_unit_ma=1.0,
        max_current_count=2352,
        num_baud_rates=7,
        voltage_v=(3.1, 7.0),
    ),
}
"""by the name that `servo.model` of robot.yaml has, without the connector's letter"""

Problem = tuple[str, object, str]
"""field, what was found, what was expected"""


def problems(spec: RobotSpec) -> Iterator[Problem]:
    """What of a robot.yaml no register holds, or the driver would read otherwise."""
    servo, bus, safety = spec.servo, spec.bus, spec.safety
    model = MODELS.get(servo.model)
    if model is None:
        yield "servo.model", servo.model, f"one of {', '.join(MODELS)}"
        return
    if servo.model_number != model.number:
        expected = f"{model.number}: register 0 of a {servo.model}"
        yield "servo.model_number", servo.model_number, expected
    yield from _unit_problems(spec, model)
    if servo.operating_mode != CURRENT_BASED_POSITION:
        expected = f"{CURRENT_BASED_POSITION}, current-based position: the driver sends its goals"
        yield "servo.operating_mode", servo.operating_mode, expected
    if not FAST_SYNC_READ_FIRMWARE <= servo.min_firmware <= 255:
        expected = f"{FAST_SYNC_READ_FIRMWARE} to 255: Fast Sync Read came with the first"
        yield "servo.min_firmware", servo.min_firmware, expected
    rates = BAUD_RATES[: model.num_baud_rates]
    if bus.baud not in rates:
        yield "bus.baud", bus.baud, f"one of {', '.join(map(str, rates))} (register 8)"
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
    low, high = model.voltage_v
    for at, volt in (
        ("safety.min_voltage_v", safety.min_voltage_v),
        ("safety.max_voltage_v", safety.max_voltage_v),
        ("servo.nominal_voltage_v", servo.nominal_voltage_v),
    ):
        if not low <= volt <= high:
            yield at, volt, f"{low:g} to {high:g} (registers 32 and 34 of a {servo.model})"
    yield from _joint_problems(spec, model)


def _unit_problems(spec: RobotSpec, model: ServoModel) -> Iterator[Problem]:
    """The bus counts in the servo's units, whatever robot.yaml says."""
    for name, unit in (
        ("position_unit_rad", POSITION_UNIT_RAD),
        ("velocity_unit_rad_s", VELOCITY_UNIT_RAD_S),
        ("current_unit_ma", model.current_unit_ma),
    ):
        found = getattr(spec.servo, name)
        if not math.isclose(found, unit, rel_tol=1e-6):
            yield f"servo.{name}", found, f"{unit!r}, as the servo counts"


def _joint_problems(spec: RobotSpec, model: ServoModel) -> Iterator[Problem]:
    least_ma, most_ma = model.current_unit_ma, model.max_current_count * model.current_unit_ma
    for index, joint in enumerate(spec.joints):
        at, found = f"joints[{index}]", joint.current_limit_ma
        if not least_ma <= found <= most_ma:
            expected = f"milliamperes, {least_ma:g} to {most_ma:.0f} (register 38)"
            yield f"{at}.current_limit_ma", found, expected
        for name in ("position_p_gain", "position_i_gain", "position_d_gain"):
            if not 0 <= getattr(joint, name) <= MAX_COUNTS["gain"]:
                yield f"{at}.{name}", getattr(joint, name), f"0 to {MAX_COUNTS['gain']}"


def _is_whole(value: float, unit: float) -> bool:
    return abs(value / unit - round(value / unit)) < 1e-6
