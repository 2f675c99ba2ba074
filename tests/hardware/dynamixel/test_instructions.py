"""What a host builds, a servo reads back; parameters that do not fit are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.hardware.dynamixel import instructions as build
from sim2real.hardware.dynamixel.packet import Instruction, MalformedPacket, decode

motor_ids = st.integers(0, 252)
addresses = st.integers(0, 661)
lengths = st.integers(1, 28)
some_bytes = st.binary(min_size=1, max_size=28)


@given(motor_ids, addresses, lengths)
def test_read(motor_id: int, address: int, length: int) -> None:
    packet = decode(build.read(motor_id, address, length))
    assert packet[:2] == (motor_id, Instruction.READ)
    assert build.parse_read(packet.parameters) == (address, length)


@given(motor_ids, addresses, some_bytes)
def test_write_now_and_on_action(motor_id: int, address: int, data: bytes) -> None:
    for builder, code in (
        (build.write, Instruction.WRITE),
        (build.reg_write, Instruction.REG_WRITE),
    ):
        packet = decode(builder(motor_id, address, data))
        assert packet[:2] == (motor_id, code)
        assert build.parse_write(packet.parameters) == (address, data)


@given(addresses, lengths, st.lists(motor_ids, min_size=1, max_size=11), st.booleans())
def test_sync_read(address: int, length: int, ids: list[int], fast: bool) -> None:
    packet = decode(build.sync_read(address, length, ids, fast=fast))
    assert packet.instruction == (Instruction.FAST_SYNC_READ if fast else Instruction.SYNC_READ)
    spans = build.parse_sync_read(packet.parameters)
    assert spans == tuple(build.Span(motor_id, address, length) for motor_id in ids)


@given(st.lists(st.builds(build.Span, motor_ids, addresses, lengths), min_size=1), st.booleans())
def test_bulk_read(spans: list[build.Span], fast: bool) -> None:
    packet = decode(build.bulk_read(spans, fast=fast))
    assert packet.instruction == (Instruction.FAST_BULK_READ if fast else Instruction.BULK_READ)
    assert build.parse_bulk_read(packet.parameters) == tuple(spans)


@given(addresses, lengths, st.data())
def test_sync_write(address: int, length: int, data: st.DataObject) -> None:
    item = st.binary(min_size=length, max_size=length)
    rows = data.draw(st.dictionaries(motor_ids, item, min_size=1, max_size=11))
    packet = decode(build.sync_write(address, rows))
    expected = {motor_id: (address, row) for motor_id, row in rows.items()}
    assert build.parse_sync_write(packet.parameters) == expected


@given(st.dictionaries(motor_ids, st.tuples(addresses, some_bytes), max_size=11))
def test_bulk_write(rows: dict[int, tuple[int, bytes]]) -> None:
    assert build.parse_bulk_write(decode(build.bulk_write(rows)).parameters) == rows


def test_sync_write_needs_one_length() -> None:
    with pytest.raises(ValueError, match=r"one length, got \[1, 2\]"):
        build.sync_write(116, {1: b"a", 2: b"bc"})
    with pytest.raises(ValueError, match="one length"):
        build.sync_write(116, {})


@pytest.mark.parametrize(
    ("parse", "parameters"),
    [
        (build.parse_read, b"\x84\x00\x04"),
        (build.parse_read, b"\x84\x00\x04\x00\x00"),
        (build.parse_write, b"\x74\x00"),
        (build.parse_sync_read, b"\x84\x00\x04\x00"),
        (build.parse_bulk_read, b""),
        (build.parse_bulk_read, b"\x01\x84\x00\x04"),
        (build.parse_sync_write, b"\x74\x00\x04\x00\x01\x00"),
        (build.parse_sync_write, b"\x74\x00\x00\x00\x01"),
        (build.parse_bulk_write, b"\x01\x74\x00\x04\x00\x00\x00"),
        (build.parse_bulk_write, b"\x01\x74"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(parse: object, parameters: bytes) -> None:
    with pytest.raises(MalformedPacket) as caught:
        parse(parameters)  # type: ignore[operator]
    assert caught.value.cause == "length"
