"""What is wrong with a robot before anyone switches it on: port, adapter, servos, EEPROM.

It only reads. Every check is one row; a failed one says what to do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from sim2real.contract.errors import BadInput, in_one_line
from sim2real.contract.robot_spec import DCLAW, RobotSpec, load_robot_spec
from sim2real.hardware.calibration import Calibration, load_calibration, unit_path
from sim2real.hardware.camera_checks import camera_checks
from sim2real.hardware.check import Check, Verdict, failed, ok, warning
from sim2real.hardware.dynamixel import control_table as table
from sim2real.hardware.dynamixel import provisioning
from sim2real.hardware.dynamixel.bus import Bus, BusFault, BusTiming, Identity
from sim2real.hardware.dynamixel.control_table import BAUD_RATES, Register
from sim2real.hardware.dynamixel.port import (
    MAX_LATENCY_TIMER_MS,
    PortLost,
    SerialPort,
    latency_timer_ms,
    require_low_latency,
    require_serial_port,
)
from sim2real.hardware.robot import error_names

TIMING = BusTiming(return_delay_s=500e-6)
"""patient enough for servos that still have the factory's return delay"""
SCAN_S = 0.3
"""how long answers to a broadcast ping are waited for"""
SILENT = "silent"
ADVICE = {
    SILENT: "it answers at no baud rate: check its power, its cable and its id",
    "damaged": "bytes come and make no packet: has another servo its id? check plugs and ground",
    "refused": "it answers with an error: reboot it, then look again",
    "not_kept": "it does not keep what is written: reboot it, then look again",
}
"""what to do about a servo, by the cause of its `BusFault`"""
WARM_SHARE = 0.9
"""of the temperature limit: worth a warning"""


OpenBus = Callable[[str, int], Bus]
"""a bus on the port of this path, at this baud rate; raises `BadInput` if it cannot be opened"""


def open_serial_bus(path: str, baud: int) -> Bus:
    """The bus at a serial port, with time enough for every servo."""
    return Bus(SerialPort.open(path, baud), TIMING)


def doctor(
    port: str,
    spec: RobotSpec,
    unit: str,
    *,
    camera: str = "",
    open_bus: OpenBus = open_serial_bus,
) -> list[Check]:
    """Examine the robot at `port` as the unit `unit`, from the outside in.

    `camera` is the video device of its camera. Stops early where the rest cannot be looked at:
    without a port there are no servos.
    """
    checks = list(_port_checks(port))
    calibration, row = _calibration_check(spec, unit)
    checks.append(row)
    if _has_failed(checks[:1]):
        return checks
    checks += camera_checks(spec, port, camera)
    try:
        bus = open_bus(port, spec.bus.baud)
    except BadInput as error:
        return [*checks, failed(port, "open", str(error.found), error.remedy)]
    try:
        checks += _servo_checks(bus, spec, calibration)
    except PortLost as error:
        return [*checks, failed(port, "open", str(error), "plug it in again")]
    finally:
        bus.port.close()
    return _with_baud_rates(checks, port, spec, open_bus)


def print_doctor(port: str, unit: str, robot: Path = DCLAW, camera: str = "") -> int:
    """Examine a hand and print one row per check; 1 if any failed. Changes nothing.

    Args:
        port: serial port of the hand.
        unit: whose calibration to use.
        robot: the robot's robot.yaml, its folder, or a robot's name.
        camera: video device of the hand's camera, as /dev/video0.
    """
    checks = doctor(port, load_robot_spec(robot), unit, camera=camera)
    print(format_checks(checks))
    return 0 if is_healthy(checks) else 1


def is_healthy(checks: Iterable[Check]) -> bool:
    """No check failed; warnings are allowed."""
    return not _has_failed(checks)


def format_checks(checks: Iterable[Check]) -> str:
    """The report as lines of text, one per check, advice below where there is any."""
    rows, lines = list(checks), []
    width = max((len(row.subject) for row in rows), default=0) + 2
    for row in rows:
        lines.append(f"{row.verdict.value:8}{row.subject:{width}}{row.name:15}{row.found}")
        if row.advice:
            lines.append(f"{'':8}-> {row.advice}")
    return "\n".join(map(in_one_line, lines))


def _has_failed(checks: Iterable[Check]) -> bool:
    return any(row.verdict is Verdict.FAILED for row in checks)


def _port_checks(port: str) -> Iterator[Check]:
    try:
        require_serial_port(port)
    except BadInput as error:
        yield failed(port, "port", str(error.found), error.remedy)
        return
    yield ok(port, "port", str(Path(port).resolve()))
    found = latency_timer_ms(port)
    try:
        require_low_latency(port)
    except BadInput as error:
        yield failed(port, "latency timer", f"{found} ms", error.remedy)
        return
    meaning = "none in this kind of port" if found is None else f"{found} ms"
    yield ok(port, "latency timer", f"{meaning}, at most {MAX_LATENCY_TIMER_MS} ms allowed")


def _calibration_check(spec: RobotSpec, unit: str) -> tuple[Calibration | None, Check]:
    try:
        found = f"{unit_path(spec, unit)} fits {spec.source}"
        return load_calibration(spec, unit), ok(unit, "calibration", found)
    except BadInput as error:
        return None, failed(unit, "calibration", str(error), "correct the unit's file")


def _servo_checks(bus: Bus, spec: RobotSpec, calibration: Calibration | None) -> Iterator[Check]:
    expected = provisioning.motor_ids(spec)
    for name, motor_id in expected.items():
        try:
            identity = bus.ping(motor_id)
            yield ok(name, "answers", f"id {motor_id} at {bus.port.baud} baud")
            yield _identity_check(name, identity, spec)
            yield from _condition_checks(bus, name, motor_id, spec)
            if calibration is not None:
                yield _eeprom_check(bus, name, motor_id, spec, calibration)
        except BusFault as fault:
            yield failed(name, "answers", f"id {motor_id}: {fault.cause}", ADVICE[fault.cause])
    strangers = sorted(set(bus.scan(SCAN_S)) - set(expected.values()))
    if strangers:
        found = f"ids {', '.join(map(str, strangers))}"
        yield warning("bus", "other servos", found, "two hands on one bus, or a wrong id?")


def _identity_check(name: str, identity: Identity, spec: RobotSpec) -> Check:
    servo = spec.servo
    found = f"model {identity.model_number}, firmware {identity.firmware}"
    if identity.model_number != servo.model_number:
        return failed(name, "model", found, f"{servo.model} is {servo.model_number}")
    if identity.firmware < servo.min_firmware:
        return failed(name, "model", found, f"update it to {servo.min_firmware} or later")
    return ok(name, "model", found)


def _condition_checks(bus: Bus, name: str, motor_id: int, spec: RobotSpec) -> Iterator[Check]:
    data = bus.read(motor_id, table.EEPROM_SIZE, table.BACKUP_READY.end - table.EEPROM_SIZE).data

    def shown(register: Register) -> int:
        start = register.address - table.EEPROM_SIZE
        return register.decode(data[start : start + register.size])

    latched = error_names(shown(table.HARDWARE_ERROR))
    if latched:
        yield failed(name, "errors", latched, "find the cause, let it cool, then reboot it")
    else:
        yield ok(name, "errors", "none")
    voltage = table.PRESENT_VOLTAGE.to_si(shown(table.PRESENT_VOLTAGE))
    low, high = spec.safety.min_voltage_v, spec.safety.max_voltage_v
    if low <= voltage <= high:
        yield ok(name, "voltage", f"{voltage:.1f} V")
    else:
        yield failed(name, "voltage", f"{voltage:.1f} V", f"supply {low} to {high} V")
    yield _temperature_check(name, shown(table.PRESENT_TEMPERATURE), spec)
    if shown(table.TORQUE_ENABLE):
        yield warning(name, "torque", "on", "another program left it on; connecting ends it")
    if shown(table.BUS_WATCHDOG) == table.WATCHDOG_TRIPPED:
        yield warning(name, "bus watchdog", "tripped", "the last host died; connecting clears it")


def _temperature_check(name: str, temperature_c: int, spec: RobotSpec) -> Check:
    found, limit = f"{temperature_c} °C", spec.safety.max_temperature_c
    if temperature_c > limit:
        return failed(name, "temperature", found, f"let it cool below {limit:.0f} °C")
    if temperature_c > WARM_SHARE * limit:
        return warning(name, "temperature", found, "let it rest before long runs")
    return ok(name, "temperature", found)


def _eeprom_check(
    bus: Bus, name: str, motor_id: int, spec: RobotSpec, calibration: Calibration
) -> Check:
    plan = provisioning.eeprom_plan(spec, calibration)[name]
    found = provisioning.differences(bus, name, motor_id, plan)
    if not found:
        return ok(name, "EEPROM", f"{len(plan)} registers as configured")
    text = "; ".join(str(item).removeprefix(f"{name}: ") for item in found)
    return failed(name, "EEPROM", text, "taskbelief provision, or correct the files")


def _with_baud_rates(
    checks: list[Check], port: str, spec: RobotSpec, open_bus: OpenBus
) -> list[Check]:
    """Servos that are silent may answer at another baud rate; new ones do, by another id."""
    ids = provisioning.motor_ids(spec)
    silent = {row.subject for row in checks if row.found.endswith(f": {SILENT}")}
    if not silent:
        return checks
    found = _at_other_rates(port, spec, open_bus)
    rate_of = {motor_id: baud for baud, motor_ids in found.items() for motor_id in motor_ids}
    rows = [
        dataclasses.replace(row, advice=f"it answers at {rate_of[ids[row.subject]]} baud")
        if row.subject in silent and row.found.endswith(SILENT) and ids[row.subject] in rate_of
        else row
        for row in checks
    ]
    for baud, motor_ids in found.items():
        shown = ", ".join(map(str, sorted(motor_ids)))
        advice = f"set register 8 of each to {BAUD_RATES.index(spec.bus.baud)}"
        if not motor_ids & set(ids.values()):
            advice += ", and give each its id: are they new?"
        rows.append(failed("bus", "baud rate", f"ids {shown} answer at {baud} baud", advice))
    if not found and silent == set(ids):
        rows.append(failed("bus", "baud rate", "nobody answers at any", "is the power on?"))
    return rows


def _at_other_rates(port: str, spec: RobotSpec, open_bus: OpenBus) -> dict[int, set[int]]:
    """Ids that answer, by baud rate; those at which nobody does are left out."""
    found: dict[int, set[int]] = {}
    for baud in BAUD_RATES:
        if baud == spec.bus.baud:
            continue
        try:
            bus = open_bus(port, baud)
        except BadInput:  # not every adapter can do every rate
            continue
        try:
            answered = set(bus.scan(SCAN_S))
        except PortLost:
            return found
        finally:
            bus.port.close()
        if answered:
            found[baud] = answered
    return found
