"""The codec against the manual's packets, and against itself on everything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.hardware.dynamixel import instructions as build
from sim2real.hardware.dynamixel.crc import crc16
from sim2real.hardware.dynamixel.packet import (
    HEADER,
    Instruction,
    MalformedPacket,
    Packet,
    Status,
    begin_fast_reply,
    decode,
    decode_fast_reply,
    encode,
    encode_status,
    extend_fast_reply,
    status_of,
    stuff,
    unstuff,
)


def int32(value: int) -> bytes:
    return value.to_bytes(4, "little", signed=True)


def fast_reply(parts: list[Status]) -> bytes:
    reply = begin_fast_reply([len(part.data) for part in parts])
    for part in parts:
        reply = extend_fast_reply(reply, part)
    return reply


# ROBOTIS e-manual, Protocol 2.0 and XM430-W210.
GOLDEN = {
    "ping": (build.ping(1), "FF FF FD 00 01 03 00 01 19 4E"),
    "ping status": (
        encode_status(1, bytes((0x06, 0x04, 38))),
        "FF FF FD 00 01 07 00 55 00 06 04 26 65 5D",
    ),
    "broadcast ping": (build.ping(), "FF FF FD 00 FE 03 00 01 31 42"),
    "read present position": (build.read(1, 132, 4), "FF FF FD 00 01 07 00 02 84 00 04 00 1D 15"),
    "read status": (
        encode_status(1, int32(166)),
        "FF FF FD 00 01 08 00 55 00 A6 00 00 00 8C C0",
    ),
    "write goal position": (
        build.write(1, 116, int32(512)),
        "FF FF FD 00 01 09 00 03 74 00 00 02 00 00 CA 89",
    ),
    "status without data": (encode_status(1), "FF FF FD 00 01 04 00 55 00 A1 0C"),
    "reg write goal velocity": (
        build.reg_write(1, 104, int32(200)),
        "FF FF FD 00 01 09 00 04 68 00 C8 00 00 00 AE 8E",
    ),
    "action": (build.action(1), "FF FF FD 00 01 03 00 05 02 CE"),
    "factory reset": (build.factory_reset(1, 0x01), "FF FF FD 00 01 04 00 06 01 A1 E6"),
    "reboot": (build.reboot(1), "FF FF FD 00 01 03 00 08 2F 4E"),
    "clear": (build.clear_multi_turn(1), "FF FF FD 00 01 08 00 10 01 44 58 4C 22 B1 DC"),
    "sync read": (
        build.sync_read(132, 4, [1, 2]),
        "FF FF FD 00 FE 09 00 82 84 00 04 00 01 02 CE FA",
    ),
    "sync write": (
        build.sync_write(116, {1: int32(150), 2: int32(170)}),
        "FF FF FD 00 FE 11 00 83 74 00 04 00 01 96 00 00 00 02 AA 00 00 00 82 87",
    ),
    "fast sync read": (
        build.sync_read(132, 4, [3, 7, 4], fast=True),
        "FF FF FD 00 FE 0A 00 8A 84 00 04 00 03 07 04 20 F2",
    ),
    "fast sync read status": (
        fast_reply([Status(i, 0, False, int32(p)) for i, p in ((3, 166), (7, 2079), (4, 1023))]),
        "FF FF FD 00 FE 19 00 55 00 03 A6 00 00 00 84 08 00 07 1F 08 00 00 16 CA"
        " 00 04 FF 03 00 00 D1 9E",
    ),
}

motor_ids = st.integers(0, 252)
# Bytes that make stuffing and false headers likely.
tricky_bytes = st.lists(st.sampled_from([0xFF, 0xFD, 0x00, 0x55, 0x01]), max_size=40).map(bytes)
payloads = st.one_of(st.binary(max_size=60), tricky_bytes)
instructions = st.sampled_from([item for item in Instruction if item != Instruction.STATUS])
statuses = st.builds(Status, motor_ids, st.integers(0, 127), st.booleans(), payloads)


@pytest.mark.parametrize("name", GOLDEN)
def test_packet_of_the_manual(name: str) -> None:
    built, manual = GOLDEN[name]
    assert built == bytes.fromhex(manual)
    assert encode(*decode(built)) == built


@given(st.binary(max_size=300), st.integers(0, 300))
def test_crc_agrees_with_its_definition_and_continues(data: bytes, cut: int) -> None:
    register = 0
    for byte in data:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1) ^ (0x18005 if register & 0x8000 else 0)
    assert crc16(data) == register
    assert crc16(data[cut:], crc16(data[:cut])) == register


@given(payloads)
def test_stuffing_is_undone_and_hides_every_header(body: bytes) -> None:
    assert unstuff(stuff(body)) == body
    assert HEADER not in stuff(body)


@given(motor_ids, instructions, payloads)
def test_decode_undoes_encode(motor_id: int, instruction: int, parameters: bytes) -> None:
    packet = encode(motor_id, instruction, parameters)
    assert decode(packet) == (motor_id, instruction, parameters)
    assert packet.find(HEADER, 1, -2) == -1


@given(statuses)
def test_status_keeps_the_alert_bit_apart_from_the_error(status: Status) -> None:
    packet = encode_status(status.motor_id, status.data, error=status.error, alert=status.alert)
    assert status_of(decode(packet)) == status


@given(st.lists(statuses, min_size=1, max_size=11))
def test_fast_reply_gives_back_every_part(parts: list[Status]) -> None:
    lengths = [len(part.data) for part in parts]
    reply = fast_reply(parts)
    assert decode_fast_reply(reply, lengths) == tuple(parts)
    whole = decode(reply)
    assert whole.motor_id == 0xFE, "the last part's CRC is the packet's"
    assert whole.parameters == reply[8:-2], "fast replies are not stuffed"


@given(st.lists(statuses, min_size=1, max_size=6), st.data())
def test_fast_reply_cut_short_gives_the_whole_parts_before_the_cut(
    parts: list[Status], data: st.DataObject
) -> None:
    lengths = [len(part.data) for part in parts]
    reply = fast_reply(parts)
    ends = [8 + sum(size + 4 for size in lengths[: i + 1]) for i in range(len(parts))]
    cut = data.draw(st.integers(8, len(reply)))
    assert decode_fast_reply(reply[:cut], lengths) == tuple(parts[: sum(e <= cut for e in ends)])


@given(st.lists(statuses, min_size=2, max_size=6), st.data())
def test_fast_reply_ends_at_the_first_damaged_part(
    parts: list[Status], data: st.DataObject
) -> None:
    lengths = [len(part.data) for part in parts]
    reply = bytearray(fast_reply(parts))
    at = data.draw(st.integers(8, len(reply) - 1))
    reply[at] ^= data.draw(st.integers(1, 255))
    ends = [8 + sum(size + 4 for size in lengths[: i + 1]) for i in range(len(parts))]
    undamaged = tuple(parts[: sum(end <= at for end in ends)])
    assert decode_fast_reply(bytes(reply), lengths) == undamaged


@given(motor_ids, instructions, payloads, st.data())
def test_any_changed_byte_is_noticed(
    motor_id: int, instruction: int, parameters: bytes, data: st.DataObject
) -> None:
    packet = bytearray(encode(motor_id, instruction, parameters))
    at = data.draw(st.integers(0, len(packet) - 1))
    packet[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(MalformedPacket):
        decode(bytes(packet))


@pytest.mark.parametrize(
    ("packet", "cause"),
    [
        (b"", "header"),
        (b"\xff\xff\xfd\x00\x01\x03\x00", "length"),
        (build.ping(1)[:-1], "length"),
        (build.ping(1) + b"\x00", "length"),
        (build.ping(1)[:-1] + b"\x00", "crc"),
    ],
)
def test_malformed_packet_says_how(packet: bytes, cause: str) -> None:
    with pytest.raises(MalformedPacket) as caught:
        decode(packet)
    assert caught.value.cause == cause


def test_only_a_status_is_read_as_one() -> None:
    with pytest.raises(MalformedPacket, match="not a status"):
        status_of(Packet(1, Instruction.PING, b""))
    with pytest.raises(MalformedPacket, match="without its error byte"):
        status_of(Packet(1, Instruction.STATUS, b""))
    with pytest.raises(MalformedPacket, match="not a fast reply"):
        decode_fast_reply(encode_status(1), [4])
