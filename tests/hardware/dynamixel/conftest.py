"""A wire with servos that are nothing but register tables, for tests of the bus alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pytest

from sim2real.hardware.dynamixel import control_table as table
from sim2real.hardware.dynamixel import instructions as build
from sim2real.hardware.dynamixel.packet import (
    Instruction,
    Packet,
    Status,
    begin_fast_reply,
    decode,
    encode_status,
    extend_fast_reply,
)


class TableWire:
    """A port whose servos answer at once. `disturb` may change, drop or delay each answer."""

    baud = 1_000_000

    def __init__(self, *motor_ids: int) -> None:
        self.memory = {motor_id: bytearray(table.TABLE_SIZE) for motor_id in motor_ids}
        for motor_id in motor_ids:
            for register in table.REGISTERS:
                self.poke(motor_id, register, register.default)
        self.ignores: set[tuple[int, int]] = set()
        """(id, address) of registers that acknowledge writes and keep their value"""
        self.log: list[tuple[int, int, bytes]] = []
        """every write that reached a servo: id, address, data"""
        self.sent: list[Packet] = []
        self.disturb: Callable[[bytes], bytes] = lambda answer: answer
        self.error = 0
        self.alert = False
        self.incoming: deque[bytes] = deque()

    def poke(self, motor_id: int, register: table.Register, count: int) -> None:
        self.memory[motor_id][register.address : register.end] = register.encode(count)

    def peek(self, motor_id: int, register: table.Register) -> int:
        return register.decode(self.memory[motor_id][register.address : register.end])

    def shown(self, motor_id: int, address: int, length: int) -> bytes:
        """What a read shows: indirect data are the bytes that indirect addresses point to."""
        memory = self.memory[motor_id]
        slots = {table.indirect_data(slot).address: slot for slot in range(28)}
        where = [
            self.peek(motor_id, table.indirect_address(slots[at])) if at in slots else at
            for at in range(address, address + length)
        ]
        return bytes(memory[at] for at in where)

    def store(self, motor_id: int, address: int, data: bytes) -> None:
        self.log.append((motor_id, address, data))
        if motor_id in self.memory and (motor_id, address) not in self.ignores:
            self.memory[motor_id][address : address + len(data)] = data

    def send(self, data: bytes) -> None:
        packet = decode(data)
        self.sent.append(packet)
        for answer in self.answers(packet):
            if disturbed := self.disturb(answer):
                self.incoming.append(disturbed)

    def receive(self, timeout_s: float) -> bytes:
        return self.incoming.popleft() if self.incoming else b""

    def close(self) -> None:
        self.incoming.clear()

    def status(self, motor_id: int, data: bytes = b"") -> bytes:
        return encode_status(motor_id, data, error=self.error, alert=self.alert)

    def answers(self, packet: Packet) -> list[bytes]:
        match packet.instruction:
            case Instruction.PING:
                who = [packet.motor_id] if packet.motor_id in self.memory else []
                who = list(self.memory) if packet.motor_id == 0xFE else who
                return [self.status(i, self.shown(i, 0, 2) + self.shown(i, 6, 1)) for i in who]
            case Instruction.READ:
                address, length = build.parse_read(packet.parameters)
                return self.one(packet.motor_id, address, length)
            case Instruction.WRITE:
                address, data = build.parse_write(packet.parameters)
                self.store(packet.motor_id, address, data)
                return [self.status(packet.motor_id)] if packet.motor_id in self.memory else []
            case Instruction.SYNC_WRITE:
                for motor_id, (address, data) in build.parse_sync_write(packet.parameters).items():
                    self.store(motor_id, address, data)
            case Instruction.REBOOT:
                for register in table.REGISTERS:
                    if not register.is_eeprom:
                        self.poke(packet.motor_id, register, register.default)
                return [self.status(packet.motor_id)]
            case Instruction.SYNC_READ:
                spans = build.parse_sync_read(packet.parameters)
                return [answer for span in spans for answer in self.one(*span)]
            case Instruction.FAST_SYNC_READ:
                return [self.chain(build.parse_sync_read(packet.parameters))]
        return []

    def one(self, motor_id: int, address: int, length: int) -> list[bytes]:
        if motor_id not in self.memory:
            return []
        return [self.status(motor_id, self.shown(motor_id, address, length))]

    def chain(self, spans: tuple[build.Span, ...]) -> bytes:
        reply = begin_fast_reply([span.length for span in spans])
        for span in spans:
            if span.motor_id not in self.memory:
                break
            data = self.shown(*span)
            status = Status(span.motor_id, self.error, self.alert, data)
            reply = extend_fast_reply(reply, status)
        return reply


@pytest.fixture
def wire() -> TableWire:
    return TableWire(10, 11, 12)


@pytest.fixture
def wire_of() -> type[TableWire]:
    return TableWire
