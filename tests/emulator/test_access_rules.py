"""What may be read and written where, over the whole control table, and when it may not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.emulator.motion import Motion, MotorLine
from sim2real.emulator.registers import REGISTERS, TABLES, USUAL_MODEL, Memory
from sim2real.emulator.servo import Servo
from sim2real.hardware.dynamixel import control_table
from sim2real.hardware.dynamixel.packet import StatusError

OWNERS, TABLE_SIZE = TABLES[USUAL_MODEL].owners, TABLES[USUAL_MODEL].size
INDIRECT_DATA = [*range(224, 252), *range(634, 662)]
LIMITED = {"goal_pwm", "goal_current", "goal_velocity", "goal_position"}


def make_servo(**registers: int) -> Servo:
    memory = Memory(1)
    one = np.ones(1)
    motors = MotorLine(
        k=one, r=one, torque_per_ampere=1.0, nominal_voltage=12.0, stiffness=one, limit=one
    )
    servo = Servo(0, memory, Motion(memory, motors), boot_s=0.0)
    for name, value in registers.items():
        servo.poke(name, value)
    return servo


registers = st.sampled_from(sorted(REGISTERS.values()))
direct_registers = registers.filter(lambda register: not register.name.startswith("indirect_data"))


def legal_values(register):
    low = 0 if register.low is None else register.low
    high = 0 if register.high is None else register.high
    if register.name == "operating_mode":
        return st.sampled_from((0, 1, 3, 4, 5, 16))
    if register.name == "goal_position":
        return st.integers(0, 4095)
    if register.name == "goal_velocity":
        return st.integers(-330, 330)
    return st.integers(low, high)


def encoded(register, value: int) -> bytes:
    return value.to_bytes(register.size, "little", signed=register.signed)


@given(data=st.data(), register=registers, torque=st.booleans())
def test_a_legal_value_is_taken_exactly_where_access_allows(data, register, torque):
    servo = make_servo(torque_enable=int(torque))
    value = data.draw(legal_values(register))
    error = servo.write(register.address, encoded(register, value))
    if not register.writable or (register.in_eeprom and torque):
        assert error == StatusError.ACCESS
    else:
        assert error == StatusError.NONE
        assert servo[register.name] == value
        assert servo.read(register.address, register.size) == (0, encoded(register, value))


@given(data=st.data(), register=direct_registers.filter(lambda r: r.writable))
def test_a_value_outside_the_range_is_refused_and_nothing_changes(data, register):
    servo = make_servo()
    bits = 8 * register.size
    least, most = (
        (-(1 << bits - 1), (1 << bits - 1) - 1) if register.signed else (0, (1 << bits) - 1)
    )
    outside = [
        st.integers(first, last)
        for first, last in ((least, register.low - 1), (register.high + 1, most))
        if first <= last
    ]
    if not outside:
        return
    value = data.draw(st.one_of(outside))
    before = servo.memory.table.copy()
    assert servo.write(register.address, encoded(register, value)) == StatusError.DATA_RANGE
    assert (servo.memory.table == before).all()


@given(address=st.integers(0, 2**16 - 1), data=st.binary(max_size=40), torque=st.booleans())
def test_a_write_happens_whole_or_not_at_all(address, data, torque):
    servo = make_servo(torque_enable=int(torque))
    before = servo.memory.table.copy()
    if servo.write(address, data) != StatusError.NONE:
        assert (servo.memory.table == before).all()
    else:
        covered = range(address, address + len(data))
        assert all(OWNERS[a] is not None and OWNERS[a].writable for a in covered)


@given(address=st.integers(0, 2**16 - 1), length=st.integers(0, 2**16 - 1))
def test_a_read_has_the_length_asked_for_or_is_refused(address, length):
    error, data = make_servo().read(address, length)
    if error:
        assert data == b""
        assert (
            length == 0
            or address + length > TABLE_SIZE
            or not any(OWNERS[address : address + length])
        )
    else:
        assert len(data) == length


@given(register=registers.filter(lambda r: r.size > 1 and r.writable), cut=st.integers(1, 3))
def test_part_of_a_register_is_refused(register, cut):
    servo = make_servo()
    data = encoded(register, register.default)
    if cut < register.size:
        assert servo.write(register.address, data[:-cut]) == StatusError.DATA_LENGTH
        assert servo.write(register.address + cut, data[cut:]) != StatusError.NONE
        assert servo.write(register.address + cut, data) != StatusError.NONE


@given(slot=st.integers(1, 56), target=registers.filter(lambda r: r.address >= 64 and r.size == 1))
def test_an_indirect_byte_is_the_register_that_it_points_to(slot, target):
    servo = make_servo()
    pointer, byte = REGISTERS[f"indirect_address_{slot}"], REGISTERS[f"indirect_data_{slot}"]
    assert servo.write(pointer.address, encoded(pointer, target.address)) == 0
    direct, through = make_servo(), servo
    data = b"\x01"
    assert through.write(byte.address, data) == direct.write(target.address, data)
    if not target.name.startswith("indirect_data"):
        assert through[target.name] == direct[target.name]
    assert through.read(byte.address, 1)[1] == through.read(target.address, 1)[1]


def test_a_wide_register_is_written_through_consecutive_pointers():
    servo = make_servo()
    for slot in range(4):
        assert servo.write(168 + 2 * slot, (116 + slot).to_bytes(2, "little")) == 0
    assert servo.write(224, (1024).to_bytes(4, "little")) == 0
    assert servo["goal_position"] == 1024
    assert servo.write(224, b"\x01\x02") == StatusError.DATA_LENGTH
    assert servo.write(224, (5000).to_bytes(4, "little")) == StatusError.DATA_LIMIT


def test_eeprom_cannot_be_a_target_of_a_pointer():
    assert make_servo().write(168, (7).to_bytes(2, "little")) == StatusError.DATA_RANGE


@pytest.mark.parametrize(
    ("goal", "limit"),
    [
        ("goal_pwm", "pwm_limit"),
        ("goal_current", "current_limit"),
        ("goal_velocity", "velocity_limit"),
    ],
)
@given(bound=st.integers(0, 300), value=st.integers(-330, 330))
def test_goals_stay_within_the_limit_in_eeprom(goal, limit, bound, value):
    servo = make_servo(**{limit: bound})
    register = REGISTERS[goal]
    error = servo.write(register.address, encoded(register, value))
    assert (error == StatusError.NONE) == (abs(value) <= bound)
    assert error in (StatusError.NONE, StatusError.DATA_LIMIT)


@given(value=st.integers(-5000, 5000), mode=st.sampled_from((3, 4, 5)))
def test_position_limits_bind_in_position_mode_alone(value, mode):
    servo = make_servo(min_position_limit=1000, max_position_limit=3000, operating_mode=mode)
    error = servo.write(116, value.to_bytes(4, "little", signed=True))
    allowed = mode != 3 or 1000 <= value <= 3000
    assert error == (StatusError.NONE if allowed else StatusError.DATA_LIMIT)


def test_a_change_of_mode_resets_gains_profile_and_current():
    servo = make_servo(
        position_p_gain=200, profile_velocity=50, goal_current=7, current_limit=300, goal_pwm=3
    )
    assert servo.write(11, b"\x05") == 0
    assert servo["position_p_gain"] == 800
    assert (servo["profile_velocity"], servo["goal_current"], servo["goal_pwm"]) == (0, 300, 885)
    servo.poke("position_p_gain", 200)
    assert servo.write(11, b"\x05") == 0  # not a change
    assert servo["position_p_gain"] == 200


def test_a_tripped_watchdog_refuses_goals_until_it_is_cleared():
    servo = make_servo(bus_watchdog=-1, torque_enable=1)
    assert servo.write(116, (5).to_bytes(4, "little")) == StatusError.DATA_RANGE
    assert servo.write(98, b"\x0a") == StatusError.DATA_RANGE
    assert servo.write(65, b"\x01") == 0, "the rest of the table stays open"
    assert servo.write(98, b"\x00") == 0
    assert servo.write(116, (5).to_bytes(4, "little")) == 0


@pytest.mark.parametrize("value", [0x80, 0xFF, 0xFE])
def test_the_watchdog_takes_no_negative_value_from_the_host(value):
    assert make_servo().write(98, bytes((value,))) == StatusError.DATA_RANGE


def test_torque_stays_off_after_a_shutdown_until_a_reboot():
    servo = make_servo(hardware_error=0x20)
    assert servo.write(64, b"\x01") == 0, "acknowledged"
    assert not servo.torque_is_on
    servo.boot(0.0)
    assert servo.write(64, b"\x01") == 0
    assert servo.torque_is_on


def test_a_goal_may_switch_torque_on_if_drive_mode_says_so():
    for mode, expected in ((0, False), (8, True)):
        servo = make_servo(drive_mode=mode)
        servo.write(116, (100).to_bytes(4, "little"))
        assert servo.torque_is_on == expected


def test_a_reboot_keeps_eeprom_and_restores_ram():
    servo = make_servo(
        id=12, operating_mode=5, position_p_gain=9, bus_watchdog=3, indirect_address_1=132
    )
    servo.boot(1.0)
    assert (servo["id"], servo["operating_mode"]) == (12, 5)
    assert (servo["position_p_gain"], servo["bus_watchdog"]) == (800, 0)
    assert servo["indirect_address_1"] == 224
    assert (servo.powered_at, servo.ready_at) == (1.0, 1.0)


@pytest.mark.parametrize(("keep", "kept"), [(0xFF, ()), (1, ("id",)), (2, ("id", "baud_rate"))])
def test_factory_reset_spares_what_it_is_told_to(keep, kept):
    servo = make_servo(id=33, baud_rate=3, homing_offset=5, firmware=45)
    assert servo.factory_reset(keep, 0.0) == 0
    assert servo["homing_offset"] == 0
    assert servo["firmware"] == 45, "nobody can write that"
    for name, changed in (("id", 33), ("baud_rate", 3)):
        assert servo[name] == (changed if name in kept else REGISTERS[name].default)


def test_a_backup_comes_back_at_a_start_that_is_told_to():
    servo = make_servo(startup_configuration=2, position_p_gain=321)
    assert servo.backup(b"\x01CTRL") == 0
    assert servo["backup_ready"] == 1
    servo.poke("position_p_gain", 5)
    servo.boot(0.0)
    assert (servo["position_p_gain"], servo["torque_enable"]) == (321, 0)


@pytest.mark.parametrize("register", control_table.REGISTERS, ids=lambda register: register.name)
def test_the_drivers_table_says_the_same(register):
    """Two tables written apart from each other: an error in one shows here."""
    ours = OWNERS[register.address]
    assert ours is not None
    assert (ours.address, ours.size) == (register.address, register.size)
    assert ours.writable == register.is_writable
    assert ours.signed == register.is_signed
    if ours.writable:
        assert ours.default == register.default
        assert ours.high == register.high or register.name == "shutdown"  # bits 6, 7 are unused
        # The driver's range of the watchdog holds -1, which a servo shows and nobody writes.
        assert ours.low == (0 if register.name == "bus_watchdog" else register.low)
