"""Protocol 2.0 packets as bytes, both ways: what a host sends and what a servo answers.

A packet is `FF FF FD 00 | id | length | instruction | parameters | CRC`, little-endian. Inside
instruction and parameters every `FF FF FD` is followed by one more `FD` ("stuffing"), so that a
header cannot occur there; length and CRC count the stuffed bytes. The answer to a fast read is the
exception: one unstuffed packet from the broadcast id to which each servo adds its part.

Facts: ROBOTIS e-manual, "Protocol 2.0". Builders and readers of parameters are in
`instructions.py`, the parser of an endless stream in `stream.py`.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence
from typing import NamedTuple

from sim2real.hardware.dynamixel.crc import crc16

HEADER = b"\xff\xff\xfd\x00"
BROADCAST_ID = 0xFE
MAX_ID = 0xFC
PREFIX_SIZE = 7
"""header, id and length: what must have arrived before the size of a packet is known"""
MIN_SIZE = 10
"""a packet without parameters"""
FAST_REPLY_OVERHEAD = 4
"""error, id and CRC around each servo's data in the answer to a fast read"""

_MARK = b"\xff\xff\xfd"
_STUFFED_MARK = b"\xff\xff\xfd\xfd"
_ALERT_BIT = 0x80


class Instruction(enum.IntEnum):
    """What a packet asks for; `STATUS` marks an answer."""

    PING = 0x01
    READ = 0x02
    WRITE = 0x03
    REG_WRITE = 0x04
    ACTION = 0x05
    FACTORY_RESET = 0x06
    REBOOT = 0x08
    CLEAR = 0x10
    CONTROL_TABLE_BACKUP = 0x20
    STATUS = 0x55
    SYNC_READ = 0x82
    SYNC_WRITE = 0x83
    FAST_SYNC_READ = 0x8A
    BULK_READ = 0x92
    BULK_WRITE = 0x93
    FAST_BULK_READ = 0x9A


class StatusError(enum.IntEnum):
    """Why a servo refused an instruction: the low seven bits of a status error byte."""

    NONE = 0
    RESULT_FAIL = 1
    INSTRUCTION = 2
    CRC = 3
    DATA_RANGE = 4
    DATA_LENGTH = 5
    DATA_LIMIT = 6
    ACCESS = 7


class MalformedPacket(ValueError):
    """Bytes that are not one whole, undamaged packet. `cause` is one word for a counter."""

    def __init__(self, cause: str, message: str) -> None:
        self.cause = cause
        super().__init__(message)


class Packet(NamedTuple):
    """One packet as it was meant: `parameters` is free of stuffing."""

    motor_id: int
    instruction: int
    parameters: bytes


class Status(NamedTuple):
    """One servo's answer."""

    motor_id: int
    error: int
    """0, or why the instruction failed (`StatusError`); the alert bit is not part of it"""
    alert: bool
    """a hardware error is latched (register 70). The answer itself is good"""
    data: bytes


def stuff(body: bytes) -> bytes:
    """Instruction and parameters as they travel."""
    return body.replace(_MARK, _STUFFED_MARK)


def unstuff(body: bytes) -> bytes:
    """Instruction and parameters as they were meant."""
    return body.replace(_STUFFED_MARK, _MARK)


def encode(motor_id: int, instruction: int, parameters: bytes = b"") -> bytes:
    """The whole packet, stuffed."""
    body = stuff(bytes((instruction,)) + parameters)
    packet = HEADER + struct.pack("<BH", motor_id, len(body) + 2) + body
    return packet + crc16(packet).to_bytes(2, "little")


def encode_status(
    motor_id: int, data: bytes = b"", *, error: int = StatusError.NONE, alert: bool = False
) -> bytes:
    """A servo's answer."""
    return encode(motor_id, Instruction.STATUS, bytes((error_byte(error, alert),)) + data)


def decode(packet: bytes) -> Packet:
    """The one packet that `packet` is, from header to CRC.

    Raises `MalformedPacket` with cause `header`, `length` or `crc`.
    """
    if not packet.startswith(HEADER):
        raise MalformedPacket("header", f"no header: {packet[:4].hex(' ')}")
    if len(packet) < MIN_SIZE or len(packet) != packet_size(packet):
        raise MalformedPacket("length", f"{len(packet)} bytes, not as many as the packet says")
    found, expected = int.from_bytes(packet[-2:], "little"), crc16(memoryview(packet)[:-2])
    if found != expected:
        raise MalformedPacket("crc", f"CRC {found:#06x}, expected {expected:#06x}")
    motor_id, body = packet[4], packet[PREFIX_SIZE:-2]
    if not (motor_id == BROADCAST_ID and body[0] == Instruction.STATUS):
        body = unstuff(body)
    return Packet(motor_id, body[0], body[1:])


def packet_size(prefix: bytes | bytearray) -> int:
    """Size of the whole packet that begins with `prefix` (at least `PREFIX_SIZE` bytes)."""
    return PREFIX_SIZE + (prefix[5] | prefix[6] << 8)


def status_of(packet: Packet) -> Status:
    """`packet` as a servo's answer.

    Raises `MalformedPacket` with cause `instruction` (not a status) or `length` (no error byte).
    """
    if packet.instruction != Instruction.STATUS:
        raise MalformedPacket("instruction", f"not a status: {packet.instruction:#04x}")
    if not packet.parameters:
        raise MalformedPacket("length", "a status without its error byte")
    error = packet.parameters[0]
    return Status(
        packet.motor_id, error & ~_ALERT_BIT, bool(error & _ALERT_BIT), packet.parameters[1:]
    )


def error_byte(error: int, alert: bool) -> int:
    return error | (_ALERT_BIT if alert else 0)


def begin_fast_reply(data_lengths: Sequence[int]) -> bytes:
    """What the first servo of a fast read sends before its own part.

    `data_lengths` holds the length of every servo's data, in the order of the request.
    """
    length = 1 + sum(size + FAST_REPLY_OVERHEAD for size in data_lengths)
    return HEADER + struct.pack("<BHB", BROADCAST_ID, length, Instruction.STATUS)


def extend_fast_reply(so_far: bytes, status: Status) -> bytes:
    """The fast reply `so_far` with one more servo's part.

    Each part's CRC covers every byte before it, the CRCs of earlier parts included, so the last
    one is also the CRC of the whole packet.
    """
    part = bytes((error_byte(status.error, status.alert), status.motor_id)) + status.data
    grown = so_far + part
    return grown + crc16(grown).to_bytes(2, "little")


def decode_fast_reply(packet: bytes, data_lengths: Sequence[int]) -> tuple[Status, ...]:
    """Each servo's part of the answer to a fast read, in the order of the request.

    `packet` may end early: a silent servo cuts off all that follow it, and what came before it is
    still good. A damaged part ends the result too, for no later CRC can be trusted.

    Raises `MalformedPacket` with cause `header`, `instruction` or `length` if this is not the
    beginning of such an answer.
    """
    begin = begin_fast_reply(data_lengths)
    if packet[: len(begin)] != begin:
        raise MalformedPacket("header", f"not a fast reply: {packet[: len(begin)].hex(' ')}")
    view, replies = memoryview(packet), []
    start, crc = len(begin), crc16(begin)
    for size in data_lengths:
        end = start + 2 + size
        crc = crc16(view[start:end], crc)
        found = packet[end : end + 2]
        if found != crc.to_bytes(2, "little"):
            break
        error = packet[start]
        replies.append(
            Status(
                packet[start + 1],
                error & ~_ALERT_BIT,
                bool(error & _ALERT_BIT),
                packet[start + 2 : end],
            )
        )
        crc, start = crc16(found, crc), end + 2
    return tuple(replies)
