"""Every model that robot.yaml may name: three tables that agree, and a hand of each that moves.

The driver's, the emulator's and the contract's tables were read from the manual one by one; the
numbers below once more, from the ROBOTIS e-manual's pages of the four models.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from sim2real.contract import servo_facts
from sim2real.contract.errors import BadInput
from sim2real.contract.joint_io import Command
from sim2real.contract.robot_spec import DCLAW, RobotSpec, load_robot_spec
from sim2real.emulator import registers as emulated
from sim2real.evaluation.hands import lock_step_hand
from sim2real.hardware.doctor import format_checks, is_healthy
from sim2real.hardware.dynamixel import control_table as table
from sim2real.hardware.dynamixel.servo_tables import TABLES
from tests.own_hand.hands import examined

MANUAL = {
    # number, mA a count, most counts, baud values, volts (x10), °C, rev/min (x 0.229), shutdown
    "XM430-W210": (1030, 2.69, 1193, 7, (95, 160), 80, (330, 1023), 52),
    "XM430-W350": (1020, 2.69, 1193, 7, (95, 160), 80, (200, 1023), 52),
    "XL330-M288": (1200, 1.0, 1750, 6, (31, 70), 70, (445, 2047), 53),
    "XC330-M288": (1240, 1.0, 2352, 6, (31, 70), 70, (350, 2047), 52),
}
AT_NOMINAL = {
    # volts, N m and A at stall, rev/min without load
    "XM430-W210": (12.0, 3.0, 2.3, 77),
    "XM430-W350": (12.0, 4.1, 2.3, 46),
    "XL330-M288": (5.0, 0.52, 1.47, 103),
    "XC330-M288": (5.0, 0.93, 1.80, 81),
}
SAME_NAME = {
    "firmware_version": "firmware",
    "return_delay_time": "return_delay",
    "protocol_type": "protocol",
    "hardware_error_status": "hardware_error",
    "feedforward_1_gain": "feedforward_1st_gain",
    "feedforward_2_gain": "feedforward_2nd_gain",
    "present_input_voltage": "present_voltage",
}
EVERY_MODEL = pytest.mark.parametrize("model", sorted(MANUAL))


def test_the_three_tables_know_the_same_models():
    assert set(MANUAL) == set(TABLES) == set(emulated.TABLES) == set(servo_facts.MODELS)


@EVERY_MODEL
def test_the_drivers_table_has_the_manuals_numbers(model):
    number, milliampere, most, last_rate, volts, degrees, speed, shutdown = MANUAL[model]
    of = TABLES[model].of

    assert TABLES[model].number == number
    assert of(table.CURRENT_LIMIT).scale == of(table.PRESENT_CURRENT).scale == milliampere
    assert of(table.CURRENT_LIMIT).high == of(table.GOAL_CURRENT).high == most
    assert of(table.GOAL_CURRENT).low == -most
    assert of(table.BAUD_RATE).high == last_rate
    for register in (table.MIN_VOLTAGE_LIMIT, table.MAX_VOLTAGE_LIMIT):
        assert (of(register).low, of(register).high) == volts
    assert of(table.TEMPERATURE_LIMIT).default == degrees
    assert (of(table.VELOCITY_LIMIT).default, of(table.VELOCITY_LIMIT).high) == speed
    assert of(table.SHUTDOWN).default == shutdown


@EVERY_MODEL
def test_the_emulators_table_is_the_drivers(model):
    ours, theirs = TABLES[model], emulated.TABLES[model]
    direct = {name for name in theirs.registers if not name.startswith("indirect_")}

    assert {SAME_NAME.get(name, name) for name in ours.registers} == direct
    for name, register in ours.registers.items():
        other = theirs.registers[SAME_NAME.get(name, name)]
        assert (other.address, other.size) == (register.address, register.size), name
        assert other.writable == register.is_writable, name
        if register.is_eeprom and register.is_writable:
            assert other.default == register.default, name
        if register.is_writable and name not in ("bus_watchdog", "shutdown"):
            assert (other.low, other.high) == (register.low, register.high), name
    assert theirs.current_unit_a == pytest.approx(ours.of(table.GOAL_CURRENT).scale / 1000)
    assert ours.frame.address == theirs.registers["indirect_data_1"].address
    assert f"indirect_data_{ours.frame.length}" in theirs.registers, "the frame fits"


@EVERY_MODEL
def test_what_robot_yaml_is_checked_against_is_the_drivers_table(model):
    facts, ours = servo_facts.MODELS[model], TABLES[model]

    assert facts.number == ours.number
    assert facts.current_unit_ma == ours.of(table.CURRENT_LIMIT).scale
    assert facts.max_current_count == ours.of(table.CURRENT_LIMIT).high
    assert servo_facts.BAUD_RATES[: facts.num_baud_rates] == ours.baud_rates
    limits = ours.of(table.MIN_VOLTAGE_LIMIT)
    assert facts.voltage_v == pytest.approx((limits.to_si(limits.low), limits.to_si(limits.high)))


# ---- a hand of each ----------------------------------------------------------------------------


def claw_of(model: str, folder: Path) -> RobotSpec:
    """The claw with other motors; its MJCF's are left to be made from robot.yaml."""
    number, milliampere, *_ = MANUAL[model]
    volt, stall, ampere, rev_min = AT_NOMINAL[model]
    document = yaml.safe_load(DCLAW.read_text())
    document["servo"] |= {
        "model": model,
        "model_number": number,
        "current_unit_ma": milliampere,
        "nominal_voltage_v": volt,
        "stall_torque_nm": stall,
        "stall_current_a": ampere,
        "no_load_speed_rad_s": rev_min * 2 * np.pi / 60,
    }
    document["safety"] |= {"min_voltage_v": 0.8 * volt, "max_voltage_v": 1.15 * volt}
    (folder / "robot.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    text = DCLAW.with_name("model.xml").read_text()
    start, end = text.index("  <actuator>"), text.index("</actuator>") + len("</actuator>")
    text = text[:start] + text[end:]
    start, end = text.index("  <keyframe>"), text.index("</keyframe>") + len("</keyframe>")
    (folder / "model.xml").write_text(text[:start] + text[end:])
    return load_robot_spec(folder / "robot.yaml")


@EVERY_MODEL
def test_a_hand_of_these_servos_is_healthy_and_goes_where_it_is_told(model, tmp_path):
    spec = claw_of(model, tmp_path)
    hand, line = lock_step_hand(spec, 20.0)
    robot = hand.robot
    goal = spec.joint_array("home_rad") + 0.1

    with robot:
        robot.activate()
        before = robot.read()
        for _ in range(20):
            now = robot.read()
            command = Command(stamp_ns=now.stamp_ns, position_rad=goal)
            robot.write(command)
            line.advance_to(line.now + 0.05)
        after, health = robot.read(), robot.health()
        limits = [servo["goal_current"] for servo in line.servos[: len(spec.joints)]]
    assert robot.faults.get("fallbacks", 0) == 0
    assert (np.abs(after.position_rad - goal) < np.abs(before.position_rad - goal)).all()
    assert np.abs(after.current_ma).max() <= spec.joints[0].current_limit_ma + 3.0
    assert limits == [int(900.0 / MANUAL[model][1] + 1e-9)] * len(limits)
    np.testing.assert_allclose(health.voltage_v, AT_NOMINAL[model][0], atol=0.5)


@EVERY_MODEL
def test_the_doctor_finds_nothing_wrong_with_it(model, tmp_path):
    checks = examined(claw_of(model, tmp_path))

    assert is_healthy(checks), format_checks(checks)


def test_a_servo_of_another_model_is_refused_by_name(tmp_path):
    spec = claw_of("XL330-M288", tmp_path)
    hand, line = lock_step_hand(spec, 20.0)
    line.memory["model_number"][3] = 1190

    with pytest.raises(BadInput, match=r"finger2_top\.model: found 1190, expected 1200 \(XL330"):
        hand.robot.connect()


def test_an_unknown_model_is_refused_with_the_list(tmp_path):
    path = tmp_path / "robot.yaml"
    path.write_text(DCLAW.read_text().replace("model: XM430-W210", "model: XM540-W270"))

    with pytest.raises(BadInput) as refusal:
        load_robot_spec(path)

    assert (refusal.value.field, refusal.value.found) == ("servo.model", "XM540-W270")
    assert all(model in refusal.value.expected for model in MANUAL)
