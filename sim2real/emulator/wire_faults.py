"""What can happen to bytes: on the way out, inside an answer, on the way back, at the port.

A transform takes what was to be sent and returns what arrives instead: any number of pieces, each
with the seconds by which it is late.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sim2real.hardware.dynamixel.packet import Instruction, Status, StatusError

Pieces = list[tuple[float, bytes]]
"""(seconds late, bytes)"""


class Damage(NamedTuple):
    """What a transform may use besides the data."""

    amount: float
    rng: np.random.Generator
    memory: dict[Any, Any]
    """the fault's own, kept between packets"""
    key: tuple[int, int]
    """(servo id, instruction) of the packet"""


@dataclass(frozen=True, kw_only=True)
class WireKind:
    """A kind of damage to bytes."""

    summary: str
    unit: str = ""
    """what `value` means; empty where it is not used"""
    default: float = 0.0
    transform: Callable[[bytes, Damage], Pieces] | None = None
    """of a whole request or of one servo's part of an answer"""
    restate: Callable[[Status, Damage], Status] | None = None
    """of what a servo says, before it is encoded: the result is a valid packet"""
    only_writes_to_all: bool = False
    """concerns Sync Write and Bulk Write alone"""


def _drop(_data: bytes, _damage: Damage) -> Pieces:
    return []


def _delay(data: bytes, damage: Damage) -> Pieces:
    return [(damage.amount, data)]


def _truncate(data: bytes, damage: Damage) -> Pieces:
    return [(0.0, data[: -max(1, int(damage.amount))])]


def _flip_bit(data: bytes, damage: Damage) -> Pieces:
    """One bit: at position `value` (modulo the size), or a random one where that is negative."""
    bits = 8 * len(data)
    bit = int(damage.rng.integers(bits)) if damage.amount < 0 else int(damage.amount) % bits
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    return [(0.0, bytes(damaged))]


def _repeat(data: bytes, _damage: Damage) -> Pieces:
    return [(0.0, data), (0.0, data)]


def _noise_first(data: bytes, damage: Damage) -> Pieces:
    return [(0.0, damage.rng.bytes(max(1, int(damage.amount))) + data)]


def _split(data: bytes, damage: Damage) -> Pieces:
    half = len(data) // 2
    return [(0.0, data[:half]), (damage.amount, data[half:])]


def _repeat_earlier(data: bytes, damage: Damage) -> Pieces:
    """The bytes of the answer before this one, exactly; the first one passes."""
    earlier = damage.memory.get(damage.key, data)
    damage.memory[damage.key] = data
    return [(0.0, earlier)]


def _wrong_id(status: Status, damage: Damage) -> Status:
    return status._replace(motor_id=int(damage.amount))


def _alert(status: Status, _damage: Damage) -> Status:
    return status._replace(alert=True)


def _refuse(status: Status, damage: Damage) -> Status:
    return status._replace(error=int(damage.amount), data=b"")


def _shorten(status: Status, damage: Damage) -> Status:
    return status._replace(data=status.data[: -max(1, int(damage.amount))])


def _freeze(status: Status, damage: Damage) -> Status:
    """The data of the first answer, for ever: a valid packet with an old measurement."""
    return status._replace(
        data=damage.memory.setdefault((*damage.key, len(status.data)), status.data)
    )


REQUEST_KINDS: Mapping[str, WireKind] = {
    "drop_request": WireKind(summary="an instruction does not reach the servos", transform=_drop),
    "delay_request": WireKind(
        summary="an instruction reaches the servos late", unit="s", default=0.05, transform=_delay
    ),
    "truncate_request": WireKind(
        summary="an instruction loses its end", unit="bytes", default=1, transform=_truncate
    ),
    "flip_request_bit": WireKind(
        summary="one bit of an instruction is wrong",
        unit="bit, -1 random",
        default=-1,
        transform=_flip_bit,
    ),
    "drop_goal_write": WireKind(
        summary="a Sync or Bulk Write, which nobody acknowledges, is lost",
        transform=_drop,
        only_writes_to_all=True,
    ),
}

STATUS_KINDS: Mapping[str, WireKind] = {
    "wrong_id": WireKind(
        summary="a servo answers under another id", unit="id", default=99, restate=_wrong_id
    ),
    "alert_bit": WireKind(summary="the alert bit is set, register 70 is clear", restate=_alert),
    "refused": WireKind(
        summary="a servo answers with an error",
        unit="error code",
        default=StatusError.RESULT_FAIL,
        restate=_refuse,
    ),
    "short_data": WireKind(
        summary="a valid answer has too little data", unit="bytes", default=1, restate=_shorten
    ),
    "frozen_data": WireKind(
        summary="valid answers repeat one old measurement, Realtime Tick included", restate=_freeze
    ),
}

REPLY_KINDS: Mapping[str, WireKind] = {
    "drop_reply": WireKind(summary="an answer is lost", transform=_drop),
    "delay_reply": WireKind(
        summary="an answer comes late", unit="s", default=0.05, transform=_delay
    ),
    "truncate_reply": WireKind(
        summary="an answer loses its end", unit="bytes", default=3, transform=_truncate
    ),
    "flip_reply_bit": WireKind(
        summary="one bit of an answer is wrong",
        unit="bit, -1 random",
        default=-1,
        transform=_flip_bit,
    ),
    "double_reply": WireKind(summary="an answer comes twice", transform=_repeat),
    "earlier_reply": WireKind(
        summary="instead of an answer, the bytes of the one before", transform=_repeat_earlier
    ),
    "noise_before_reply": WireKind(
        summary="random bytes before an answer", unit="bytes", default=16, transform=_noise_first
    ),
    "split_reply": WireKind(
        summary="an answer comes in two pieces", unit="s between", default=0.003, transform=_split
    ),
}

PORT_KINDS: Mapping[str, WireKind] = {
    "echo": WireKind(summary="the adapter returns what the host sends"),
    "idle_noise": WireKind(
        summary="random bytes while nobody sends", unit="bytes per second", default=2000
    ),
    "adapter_latency": WireKind(
        summary="the adapter holds every answer back", unit="s", default=0.016
    ),
    "silent_bus": WireKind(summary="nothing passes in either direction"),
    "unplugged": WireKind(summary="the port disappears; it is back under its name afterwards"),
}

WRITES_TO_ALL = frozenset({Instruction.SYNC_WRITE, Instruction.BULK_WRITE})
