"""What every servo's registers must hold before torque may be on, and where they do not.

EEPROM is compared and never changed in passing: it outlives this program, so writing it is a
separate, explicit request. RAM is written and read back at every start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sim2real.contract.robot_spec import JointSpec, ObjectSpec, RobotSpec
from sim2real.hardware.calibration import Calibration, position_limit_counts
from sim2real.hardware.dynamixel import control_table as table
from sim2real.hardware.dynamixel.bus import Bus
from sim2real.hardware.dynamixel.control_table import OperatingMode, Register, format_count
from sim2real.hardware.dynamixel.servo_tables import TABLES

Plan = Mapping[Register, int]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A register that does not hold what it must."""

    servo: str
    register: Register
    found: int
    expected: int

    def __str__(self) -> str:
        found, expected = (format_count(self.register, n) for n in (self.found, self.expected))
        return f"{self.servo}: {self.register.name} is {found}, must be {expected}"


def motor_ids(spec: RobotSpec) -> dict[str, int]:
    """Id by name: joints in order, then objects."""
    items: tuple[JointSpec | ObjectSpec, ...] = (*spec.joints, *spec.objects)
    return {item.name: item.motor_id for item in items}


def current_limit_count(joint: JointSpec, spec: RobotSpec) -> int:
    """The joint's current limit, never rounded up."""
    return int(joint.current_limit_ma / spec.servo.current_unit_ma + 1e-9)


def watchdog_count(spec: RobotSpec) -> int:
    """Bus Watchdog: at least one step, never longer than asked for."""
    return max(int(spec.safety.bus_watchdog_s / table.WATCHDOG_UNIT_S + 1e-9), 1)


def eeprom_plan(spec: RobotSpec, calibration: Calibration) -> dict[str, Plan]:
    """By joint or object name. Id and baud rate are not in it: the servo has answered at both."""
    of = TABLES[spec.servo.model].of
    shared = {
        table.RETURN_DELAY: table.RETURN_DELAY.from_si(spec.bus.return_delay_us * 1e-6),
        table.DRIVE_MODE: 0,  # not reversed, and a goal write must not switch torque on
        table.SECONDARY_ID: 255,  # no second id under which writes could arrive
        table.HOMING_OFFSET: 0,  # the zero is in the unit's file alone
        table.STARTUP: 0,  # no torque at power-up
        of(table.SHUTDOWN): of(table.SHUTDOWN).default,
        of(table.TEMPERATURE_LIMIT): of(table.TEMPERATURE_LIMIT).default,
        of(table.MAX_VOLTAGE_LIMIT): of(table.MAX_VOLTAGE_LIMIT).default,
        of(table.MIN_VOLTAGE_LIMIT): of(table.MIN_VOLTAGE_LIMIT).default,
        of(table.PWM_LIMIT): of(table.PWM_LIMIT).default,
    }
    # An object turns freely and its whole turns count.
    plans: dict[str, Plan] = {
        item.name: {**shared, table.OPERATING_MODE: OperatingMode.EXTENDED_POSITION}
        for item in spec.objects
    }
    for joint in spec.joints:
        lowest, highest = position_limit_counts(joint.range_rad, calibration.servos[joint.name])
        plans[joint.name] = {
            **shared,
            table.OPERATING_MODE: spec.servo.operating_mode,
            of(table.CURRENT_LIMIT): current_limit_count(joint, spec),
            table.MIN_POSITION_LIMIT: lowest,
            table.MAX_POSITION_LIMIT: highest,
        }
    return plans


def ram_plan(spec: RobotSpec) -> dict[str, Plan]:
    """By joint or object name, in the order of writing. Torque is off in it, the watchdog too.

    The watchdog comes first: once tripped, a servo refuses goals until it is cleared.
    """
    of = TABLES[spec.servo.model].of
    shared = {table.STATUS_RETURN_LEVEL: 2, table.BUS_WATCHDOG: 0}
    plans: dict[str, Plan] = {item.name: shared for item in spec.objects}
    for joint in spec.joints:
        plans[joint.name] = {
            **shared,
            table.POSITION_P_GAIN: joint.position_p_gain,
            table.POSITION_I_GAIN: joint.position_i_gain,
            table.POSITION_D_GAIN: joint.position_d_gain,
            table.FEEDFORWARD_1_GAIN: 0,
            table.FEEDFORWARD_2_GAIN: 0,
            table.PROFILE_ACCELERATION: 0,
            table.PROFILE_VELOCITY: 0,
            of(table.GOAL_CURRENT): 0,
        }
    return plans


def differences(bus: Bus, servo: str, motor_id: int, plan: Plan) -> list[Difference]:
    """Where the EEPROM of one servo differs from `plan`, read in one piece."""
    data = bus.read(motor_id, 0, table.EEPROM_SIZE).data
    found = {register: register.decode(data[register.address : register.end]) for register in plan}
    return [
        Difference(servo=servo, register=register, found=found[register], expected=expected)
        for register, expected in plan.items()
        if found[register] != expected
    ]


def apply(bus: Bus, motor_id: int, plan: Plan) -> None:
    """Write every register and read it back. Raises `BusFault`."""
    for register, count in plan.items():
        bus.write_register(motor_id, register, count)
