"""Who obeys an instruction, who answers it and in which order: the protocol as servos see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from sim2real.emulator.registers import Memory
from sim2real.emulator.servo import BAUD_RATES, FAST_READ_FIRMWARE, Servo
from sim2real.hardware.dynamixel.instructions import (
    Span,
    parse_bulk_read,
    parse_bulk_write,
    parse_read,
    parse_sync_read,
    parse_sync_write,
    parse_write,
)
from sim2real.hardware.dynamixel.packet import (
    BROADCAST_ID,
    MAX_ID,
    Instruction,
    MalformedPacket,
    Packet,
    Status,
    StatusError,
    begin_fast_reply,
    encode_status,
    extend_fast_reply,
)

Restate = Callable[[Status, Packet], Status]
Listeners = dict[int, list[Servo]]
"""servos that hear the host, by id; two under one id collide"""

_FAST = frozenset({Instruction.FAST_SYNC_READ, Instruction.FAST_BULK_READ})
_READS_MANY = {
    Instruction.SYNC_READ: parse_sync_read,
    Instruction.FAST_SYNC_READ: parse_sync_read,
    Instruction.BULK_READ: parse_bulk_read,
    Instruction.FAST_BULK_READ: parse_bulk_read,
}
_WRITES_MANY = {
    Instruction.SYNC_WRITE: parse_sync_write,
    Instruction.BULK_WRITE: parse_bulk_write,
}


class Answer(NamedTuple):
    """What one servo puts on the wire."""

    servo: Servo
    data: bytes
    is_chained: bool
    """part of the answer to a fast read: what follows needs it"""


class Dispatcher:
    """Hands instructions to servos. `restate` may change what a servo says before it is encoded."""

    def __init__(
        self,
        servos: Sequence[Servo],
        memory: Memory,
        restate: Restate,
        *,
        watchdog_hears_all: bool,
        silent_servo_ends_sync_read: bool,
    ) -> None:
        self._servos, self._memory, self._restate = servos, memory, restate
        self._watchdog_hears_all = watchdog_hears_all
        self._silence_ends_sync_read = silent_servo_ends_sync_read
        self._shadows: Listeners = {}

    def obey(self, packet: Packet, now: float, host_baud: int) -> list[Answer]:
        """Let every servo that hears `packet` act; return the answers in the order of the wire.

        Parameters that cannot be read address nobody, so nobody answers.
        """
        listeners = self._listeners(now, host_baud)
        to_all = packet.motor_id == BROADCAST_ID
        try:
            if to_all and packet.instruction in _READS_MANY:
                spans = _READS_MANY[Instruction(packet.instruction)](packet.parameters)
                self._feed_watchdogs(listeners, {span.motor_id for span in spans}, now)
                return list(self._answer_reads(packet, spans, listeners, now))
            if to_all and packet.instruction in _WRITES_MANY:
                writes = _WRITES_MANY[Instruction(packet.instruction)](packet.parameters)
                self._feed_watchdogs(listeners, writes, now)
                for motor_id, (address, data) in writes.items():
                    for servo in (*listeners.get(motor_id, ()), *self._shadows.get(motor_id, ())):
                        servo.write(address, data)
                return []
        except MalformedPacket:
            return []
        ids = sorted(listeners) if to_all else [packet.motor_id]
        self._feed_watchdogs(listeners, ids, now)
        return [a for motor_id in ids for a in self._answer_one(packet, motor_id, listeners, now)]

    def _listeners(self, now: float, host_baud: int) -> Listeners:
        """Also notes who hears under a Secondary ID."""
        listeners: Listeners = {}
        self._shadows = {}
        names = ("id", "secondary_id", "baud_rate", "protocol")
        columns = [self._memory[name].tolist() for name in names]
        for servo, motor_id, shadow_id, code, protocol in zip(self._servos, *columns):
            if BAUD_RATES[code] == host_baud and protocol == 2 and servo.listens(now):
                listeners.setdefault(motor_id, []).append(servo)
                if shadow_id <= MAX_ID:
                    self._shadows.setdefault(shadow_id, []).append(servo)
        return listeners

    def _feed_watchdogs(self, listeners: Listeners, named: Iterable[int], now: float) -> None:
        for motor_id in listeners if self._watchdog_hears_all else named:
            for servo in listeners.get(motor_id, ()):
                servo.heard_at = now

    def _answer_one(
        self, packet: Packet, motor_id: int, listeners: Listeners, now: float
    ) -> Iterator[Answer]:
        """An instruction to one id, or one id's share of one to all (only pings are answered)."""
        is_answered = packet.motor_id != BROADCAST_ID or packet.instruction == Instruction.PING
        answers: list[Answer] = []
        for servo in tuple(listeners.get(motor_id, ())):
            answers_this = is_answered and servo.answers(packet.instruction)
            status = _execute(servo, motor_id, packet, now)
            if answers_this:
                data = _encode(self._restate(status, packet))
                answers.append(Answer(servo, data, False))
        for servo in self._shadows.get(packet.motor_id, ()):
            _execute(servo, motor_id, packet, now)  # obeyed, never answered
        if answers:
            yield _merge(answers)

    def _answer_reads(
        self, packet: Packet, spans: Sequence[Span], listeners: Listeners, now: float
    ) -> Iterator[Answer]:
        """One request to many: each answers after the one before it."""
        is_fast = packet.instruction in _FAST
        so_far, num_sent = begin_fast_reply([span.length for span in spans]), 0
        for span in spans:
            answers: list[Answer] = []
            for servo in listeners.get(span.motor_id, ()):
                if not servo.answers(packet.instruction):
                    continue
                status = self._restate(_read(servo, span, now), packet)
                if not is_fast:
                    answers.append(Answer(servo, _encode(status), False))
                elif servo["firmware"] >= FAST_READ_FIRMWARE:
                    so_far = extend_fast_reply(so_far, _filled(status, span.length))
                    answers.append(Answer(servo, so_far[num_sent:], True))
                    num_sent = len(so_far)
            if answers:
                yield _merge(answers)
            elif is_fast or self._silence_ends_sync_read:
                return


def _execute(servo: Servo, motor_id: int, packet: Packet, now: float) -> Status:
    """What one servo does and says about an instruction for it alone."""
    data, parameters, error = b"", packet.parameters, StatusError.NONE
    try:
        match packet.instruction:
            case Instruction.PING:
                data = servo.ping()
            case Instruction.READ:
                return _read(servo, Span(motor_id, *parse_read(parameters)), now)
            case Instruction.WRITE:
                error = servo.write(*parse_write(parameters))
            case Instruction.REG_WRITE:
                error = servo.register_write(*parse_write(parameters))
            case Instruction.ACTION:
                error = servo.action()
            case Instruction.FACTORY_RESET:
                error = _factory_reset(servo, packet, now)
            case Instruction.REBOOT:
                servo.boot(now)
            case Instruction.CLEAR:
                error = servo.clear(parameters)
            case Instruction.CONTROL_TABLE_BACKUP:
                error = servo.backup(parameters)
            case _:
                error = StatusError.INSTRUCTION
    except MalformedPacket:
        error = StatusError.DATA_LENGTH
    return Status(motor_id, error, servo.alert, data)


def _factory_reset(servo: Servo, packet: Packet, now: float) -> StatusError:
    if len(packet.parameters) != 1:
        return StatusError.DATA_LENGTH
    if packet.motor_id == BROADCAST_ID and packet.parameters[0] == 0xFF:
        return StatusError.INSTRUCTION  # all servos would end up with id 1
    return servo.factory_reset(packet.parameters[0], now)


def _read(servo: Servo, span: Span, now: float) -> Status:
    servo.tick(now)
    error, data = servo.read(span.address, span.length)
    return Status(span.motor_id, error, servo.alert, data)


def _encode(status: Status) -> bytes:
    return encode_status(status.motor_id, status.data, error=status.error, alert=status.alert)


def _filled(status: Status, length: int) -> Status:
    """In a fast read a servo that refuses fills its part: those after it rely on the size."""
    if not status.error:
        return status
    return status._replace(data=status.data.ljust(length, b"\0")[:length])


def _merge(answers: Sequence[Answer]) -> Answer:
    """Servos that drive one wire at once: a low bit of any wins, the longest is heard out."""
    first, *others = answers
    data = first.data
    for other in others:
        size = max(len(data), len(other.data))
        pairs = zip(data.ljust(size, b"\xff"), other.data.ljust(size, b"\xff"))
        data = bytes(a & b for a, b in pairs)
    return first._replace(data=data)
