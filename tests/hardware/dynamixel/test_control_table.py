"""The register data is consistent, and converts there and back."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.contract.robot_spec import load_robot_spec
from sim2real.hardware.dynamixel import control_table as table
from sim2real.hardware.dynamixel.control_table import REGISTERS, Register

registers = st.sampled_from(REGISTERS)


def test_registers_do_not_overlap_and_end_with_the_table() -> None:
    for earlier, later in itertools.pairwise(REGISTERS):
        assert earlier.end <= later.address, (earlier.name, later.name)
    assert REGISTERS[-1].end == table.TABLE_SIZE
    assert len(table.BY_NAME) == len(table.BY_ADDRESS) == len(REGISTERS)


@pytest.mark.parametrize(
    ("register", "address", "size", "is_eeprom"),
    [
        (table.HOMING_OFFSET, 20, 4, True),
        (table.CURRENT_LIMIT, 38, 2, True),
        (table.SHUTDOWN, 63, 1, True),
        (table.TORQUE_ENABLE, 64, 1, False),
        (table.BUS_WATCHDOG, 98, 1, False),
        (table.GOAL_POSITION, 116, 4, False),
        (table.PRESENT_CURRENT, 126, 2, False),
        (table.PRESENT_POSITION, 132, 4, False),
        (table.indirect_address(27), 222, 2, False),
        (table.indirect_data(27), 251, 1, False),
        (table.indirect_address(28), 578, 2, False),
        (table.indirect_data(55), 661, 1, False),
    ],
)
def test_registers_lie_where_the_manual_says(
    register: Register, address: int, size: int, is_eeprom: bool
) -> None:
    assert (register.address, register.size, register.is_eeprom) == (address, size, is_eeprom)
    assert table.BY_ADDRESS[address] == register


@given(registers, st.data())
def test_encode_and_si_are_undone(register: Register, data: st.DataObject) -> None:
    count = data.draw(st.integers(register.low, register.high))
    assert register.decode(register.encode(count)) == count
    assert register.from_si(register.to_si(count)) == count
    assert register.low <= register.default <= register.high


@given(registers)
def test_out_of_range_is_refused_by_name(register: Register) -> None:
    for count in (register.low - 1, register.high + 1):
        with pytest.raises(ValueError, match=register.name):
            register.encode(count)
        with pytest.raises(ValueError, match=register.name):
            register.from_si(register.to_si(count))


def test_minus_one_is_all_ones() -> None:
    """Public drivers that subtract from 2**32 - 1 lose one count here."""
    assert table.GOAL_POSITION.encode(-1) == b"\xff\xff\xff\xff"
    assert table.PRESENT_CURRENT.decode(b"\xff\xff") == -1


def test_units_are_those_of_the_robot_spec() -> None:
    servo = load_robot_spec().servo
    assert servo.model_number == table.MODEL_NUMBER
    assert math.isclose(table.POSITION_UNIT_RAD, servo.position_unit_rad)
    assert math.isclose(table.VELOCITY_UNIT_RAD_S, servo.velocity_unit_rad_s, rel_tol=1e-6)
    assert math.isclose(table.CURRENT_UNIT_MA, servo.current_unit_ma)
    assert table.PRESENT_VOLTAGE.to_si(120) == 12.0
    assert table.RETURN_DELAY.to_si(250) == pytest.approx(500e-6)


def test_indirect_slots_are_counted_from_zero() -> None:
    with pytest.raises(ValueError, match="slot 56"):
        table.indirect_address(56)
    with pytest.raises(ValueError, match="slot -1"):
        table.indirect_data(-1)


def test_counts_are_shown_with_their_unit() -> None:
    assert table.format_count(table.PRESENT_VOLTAGE, 118) == "11.8 V (118)"
    assert table.format_count(table.OPERATING_MODE, 5) == "5"
