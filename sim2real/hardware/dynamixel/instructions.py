"""What instructions carry: builders for the host and, for a servo, the same read back.

Every builder returns a whole packet. Every reader takes the parameters of a decoded packet and
raises `MalformedPacket` with cause `length` when they cannot be what the instruction needs.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sim2real.hardware.dynamixel.packet import (
    BROADCAST_ID,
    Instruction,
    MalformedPacket,
    encode,
)


class Span(NamedTuple):
    """A run of registers of one servo."""

    motor_id: int
    address: int
    length: int


def ping(motor_id: int = BROADCAST_ID) -> bytes:
    return encode(motor_id, Instruction.PING)


def read(motor_id: int, address: int, length: int) -> bytes:
    return encode(motor_id, Instruction.READ, struct.pack("<HH", address, length))


def write(motor_id: int, address: int, data: bytes) -> bytes:
    return encode(motor_id, Instruction.WRITE, struct.pack("<H", address) + data)


def reg_write(motor_id: int, address: int, data: bytes) -> bytes:
    """A write that waits for `action`."""
    return encode(motor_id, Instruction.REG_WRITE, struct.pack("<H", address) + data)


def action(motor_id: int = BROADCAST_ID) -> bytes:
    return encode(motor_id, Instruction.ACTION)


def factory_reset(motor_id: int, keep: int) -> bytes:
    """`keep`: 0xFF nothing, 0x01 the id, 0x02 id and baud rate."""
    return encode(motor_id, Instruction.FACTORY_RESET, bytes((keep,)))


def reboot(motor_id: int) -> bytes:
    return encode(motor_id, Instruction.REBOOT)


def clear_multi_turn(motor_id: int) -> bytes:
    """Forget whole turns of Present Position. The four bytes after the 0x01 are a fixed key."""
    return encode(motor_id, Instruction.CLEAR, b"\x01DXL\x22")


def sync_read(address: int, length: int, motor_ids: Sequence[int], *, fast: bool = False) -> bytes:
    """The same registers of several servos; they answer in the order of `motor_ids`."""
    instruction = Instruction.FAST_SYNC_READ if fast else Instruction.SYNC_READ
    return encode(BROADCAST_ID, instruction, struct.pack("<HH", address, length) + bytes(motor_ids))


def sync_write(address: int, data: Mapping[int, bytes]) -> bytes:
    """The same registers of several servos, `data` by motor id, all of one length. No answer.

    Raises `ValueError` if the lengths differ or there is none.
    """
    lengths = {len(item) for item in data.values()}
    if len(lengths) != 1:
        raise ValueError(f"sync write needs one length, got {sorted(lengths)}")
    rows = b"".join(bytes((motor_id,)) + item for motor_id, item in data.items())
    header = struct.pack("<HH", address, lengths.pop())
    return encode(BROADCAST_ID, Instruction.SYNC_WRITE, header + rows)


def bulk_read(spans: Sequence[Span], *, fast: bool = False) -> bytes:
    """Different registers of several servos; they answer in the order of `spans`."""
    instruction = Instruction.FAST_BULK_READ if fast else Instruction.BULK_READ
    rows = b"".join(struct.pack("<BHH", *span) for span in spans)
    return encode(BROADCAST_ID, instruction, rows)


def bulk_write(rows: Mapping[int, tuple[int, bytes]]) -> bytes:
    """Different registers of several servos: `rows` maps motor id to (address, data). No answer."""
    packed = b"".join(
        struct.pack("<BHH", motor_id, address, len(data)) + data
        for motor_id, (address, data) in rows.items()
    )
    return encode(BROADCAST_ID, Instruction.BULK_WRITE, packed)


def parse_read(parameters: bytes) -> tuple[int, int]:
    """(address, length) of a read."""
    _require(len(parameters) == 4, parameters)
    address, length = struct.unpack("<HH", parameters)
    return address, length


def parse_write(parameters: bytes) -> tuple[int, bytes]:
    """(address, data) of a write or a registered write."""
    _require(len(parameters) >= 3, parameters)
    return int.from_bytes(parameters[:2], "little"), parameters[2:]


def parse_sync_read(parameters: bytes) -> tuple[Span, ...]:
    """What each servo is asked for, in the order of the answers; also of a fast sync read."""
    _require(len(parameters) >= 5, parameters)
    address, length = struct.unpack_from("<HH", parameters)
    return tuple(Span(motor_id, address, length) for motor_id in parameters[4:])


def parse_bulk_read(parameters: bytes) -> tuple[Span, ...]:
    """What each servo is asked for, in the order of the answers; also of a fast bulk read."""
    _require(len(parameters) > 0 and len(parameters) % 5 == 0, parameters)
    return tuple(Span(*row) for row in struct.iter_unpack("<BHH", parameters))


def parse_sync_write(parameters: bytes) -> dict[int, tuple[int, bytes]]:
    """(address, data) by motor id."""
    _require(len(parameters) >= 5, parameters)
    address, length = struct.unpack_from("<HH", parameters)
    rows, stride = parameters[4:], length + 1
    _require(length > 0 and len(rows) % stride == 0, parameters)
    return {
        rows[start]: (address, rows[start + 1 : start + stride])
        for start in range(0, len(rows), stride)
    }


def parse_bulk_write(parameters: bytes) -> dict[int, tuple[int, bytes]]:
    """(address, data) by motor id."""
    rows: dict[int, tuple[int, bytes]] = {}
    start = 0
    while start < len(parameters):
        _require(len(parameters) >= start + 5, parameters)
        motor_id, address, length = struct.unpack_from("<BHH", parameters, start)
        data = parameters[start + 5 : start + 5 + length]
        _require(len(data) == length > 0, parameters)
        rows[motor_id] = (address, data)
        start += 5 + length
    return rows


def _require(fits: bool, parameters: bytes) -> None:
    if not fits:
        raise MalformedPacket("length", f"{len(parameters)} bytes of parameters do not fit")
