"""Transactions on a servo bus: ask, wait as long as the wire needs, check, ask again if need be.

Every wait is computed from what must travel, so a silent servo costs milliseconds and nothing ever
hangs. Every fault is counted by its cause.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sim2real.contract.errors import WorkFailed
from sim2real.hardware.dynamixel import instructions as build
from sim2real.hardware.dynamixel.control_table import Register
from sim2real.hardware.dynamixel.packet import (
    BROADCAST_ID,
    FAST_REPLY_OVERHEAD,
    Instruction,
    Packet,
    Status,
    StatusError,
    begin_fast_reply,
    decode_fast_reply,
    status_of,
)
from sim2real.hardware.dynamixel.port import Port, wire_time_s
from sim2real.hardware.dynamixel.stream import StreamParser

STATUS_OVERHEAD = 11
"""bytes of a status around its data"""
SETTLE_S = 0.002
"""a bus this long without a byte has fallen silent; a packet's bytes are at most 1.5 ms apart"""


class BusFault(WorkFailed):
    """A servo did not do what it was asked.

    `cause`: `silent` (no answer in time), `damaged` (bytes, but no whole packet), `refused` (an
    error in its answer, also in `status_error`), `not_kept` (reads back another value).
    """

    def __init__(self, cause: str, motor_id: int, message: str, status_error: int = 0) -> None:
        self.cause, self.motor_id, self.status_error = cause, motor_id, status_error
        super().__init__(f"servo {motor_id}: {cause}: {message}")


class Identity(NamedTuple):
    """A servo's answer to a ping."""

    model_number: int
    firmware: int


@dataclass(frozen=True, kw_only=True)
class BusTiming:
    """How long to wait and how often to ask."""

    return_delay_s: float = 0.0
    """what each servo waits before it answers (register 9)"""
    turnaround_s: float = 0.01
    """what USB, the adapter and both schedulers may add to the time on the wire"""
    retries: int = 2
    """further attempts after the first"""


class Bus:
    """The host's end of one bus, for one thread at a time.

    Methods raise `BusFault` when a servo fails after all attempts, and let `PortLost` through.
    """

    def __init__(
        self,
        port: Port,
        timing: BusTiming | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.port = port
        self.timing = timing or BusTiming()
        self.counts: Counter[str] = Counter()
        """`exchanges`, `retries`, `alerts`, and faults by cause: `silent`, `damaged`, `refused`,
        `not_kept`, `incomplete` (a sync read), `unexpected` (packets nobody had asked for),
        `late_bytes` (that came after their time)"""
        self._clock = clock
        self._parser = StreamParser()
        self._is_unsettled = False
        """the last exchange failed or was repeated, so an answer to it may still come"""

    @property
    def faults(self) -> Counter[str]:
        """`counts` together with the parser's own."""
        return self.counts + Counter(
            {f"stream_{cause}": count for cause, count in self._parser.faults.items()}
        )

    def ping(self, motor_id: int) -> Identity:
        status = self._ask(build.ping(motor_id), motor_id, 3)
        return Identity(int.from_bytes(status.data[:2], "little"), status.data[2])

    def scan(self, duration_s: float = 1.0) -> dict[int, Identity]:
        """Everything that answers a broadcast ping within `duration_s`."""
        self._send(build.ping())
        packets = self._collect(lambda packet: len(packet.parameters) == 4, 253, duration_s)
        answers = [status_of(packet) for packet in packets]
        return {
            item.motor_id: Identity(int.from_bytes(item.data[:2], "little"), item.data[2])
            for item in answers
        }

    def read(self, motor_id: int, address: int, length: int) -> Status:
        return self._ask(build.read(motor_id, address, length), motor_id, length)

    def write(self, motor_id: int, address: int, data: bytes) -> Status:
        return self._ask(build.write(motor_id, address, data), motor_id, 0)

    def read_register(self, motor_id: int, register: Register) -> int:
        return register.decode(self.read(motor_id, register.address, register.size).data)

    def write_register(self, motor_id: int, register: Register, count: int) -> None:
        """Write and read back: an acknowledged write is not yet one that took."""
        self.write(motor_id, register.address, register.encode(count))
        found = self.read_register(motor_id, register)
        if found != count:
            self.counts["not_kept"] += 1
            raise BusFault("not_kept", motor_id, f"{register.name} is {found}, wrote {count}")

    def reboot(self, motor_id: int) -> None:
        """Ask once; whether the servo came back is seen by pinging it."""
        self._attempt(build.reboot(motor_id), motor_id, 0)

    def sync_write(self, address: int, rows: Mapping[int, bytes]) -> None:
        """The same registers of several servos at once. No servo confirms it."""
        self._send(build.sync_write(address, rows))

    def sync_read(
        self, address: int, length: int, motor_ids: Sequence[int], *, fast: bool
    ) -> dict[int, Status]:
        """The same registers of several servos, by id.

        A servo that stayed silent through all attempts is missing in the result, and so may be
        those that answer after it.
        """
        packet = build.sync_read(address, length, motor_ids, fast=fast)
        collect = self._collect_fast if fast else self._collect_each
        answers: dict[int, Status] = {}
        for attempt in range(self.timing.retries + 1):
            if attempt:
                self.counts["retries"] += 1
            self._send(packet)
            answers = collect(len(packet), length, motor_ids)
            if len(answers) == len(motor_ids):
                self._is_unsettled = attempt > 0  # this may be the first attempt's answer
                break
            self.counts["incomplete"] += 1
            self._is_unsettled = True
        for status in answers.values():
            self.counts["alerts"] += status.alert
        return answers

    def _collect_fast(
        self, num_sent: int, length: int, motor_ids: Sequence[int]
    ) -> dict[int, Status]:
        lengths = [length] * len(motor_ids)
        begin = begin_fast_reply(lengths)
        size = len(begin) + len(motor_ids) * (length + FAST_REPLY_OVERHEAD)
        deadline = self._deadline(num_sent + size, len(motor_ids))
        received, start = bytearray(), 0
        while len(received) - start < size:
            data = self.port.receive(deadline - self._clock())
            if not data:
                break
            received += data
            start = max(received.find(begin), 0)
        if not received.startswith(begin, start):
            self.counts["damaged" if received else "silent"] += 1
            return {}
        self.counts["late_bytes"] += start
        parts = decode_fast_reply(bytes(received[start : start + size]), lengths)
        return {
            part.motor_id: part
            for part, motor_id in zip(parts, motor_ids)
            if part.motor_id == motor_id and not part.error
        }

    def _collect_each(
        self, num_sent: int, length: int, motor_ids: Sequence[int]
    ) -> dict[int, Status]:
        num_bytes = num_sent + len(motor_ids) * (length + STATUS_OVERHEAD)
        wait_s = self._deadline(num_bytes, len(motor_ids)) - self._clock()
        answers: dict[int, Status] = {}

        def takes(packet: Packet) -> bool:
            if packet.motor_id not in motor_ids or packet.motor_id in answers:
                return False
            status = status_of(packet)
            if status.error or len(status.data) != length:
                return False
            answers[packet.motor_id] = status
            return True

        self._collect(takes, len(motor_ids), wait_s)
        return answers

    def _ask(self, packet: bytes, motor_id: int, num_data: int) -> Status:
        """One servo's answer to `packet`, asked for again while it fails to come."""
        for attempt in range(self.timing.retries + 1):
            if attempt:
                self.counts["retries"] += 1
            try:
                status = self._attempt(packet, motor_id, num_data)
            except BusFault as fault:
                self.counts[fault.cause] += 1
                if fault.cause == "refused" and fault.status_error != StatusError.CRC:
                    raise
                self._is_unsettled = True
                failure = fault
            else:
                self._is_unsettled = attempt > 0  # this may be the first attempt's answer
                return status
        raise failure

    def _attempt(self, packet: bytes, motor_id: int, num_data: int) -> Status:
        faults_before = self._parser.faults.total()
        self._send(packet)

        def takes(found: Packet) -> bool:
            if found.motor_id != motor_id:
                return False
            # Without data or error it confirms a write whose answer had been given up: old.
            status = status_of(found)
            return len(status.data) == num_data or (status.error != 0 and not status.data)

        wait_s = self._deadline(len(packet) + STATUS_OVERHEAD + num_data, 1) - self._clock()
        answers = self._collect(takes, 1, wait_s)
        if not answers:
            is_damaged = self._parser.num_pending or self._parser.faults.total() > faults_before
            raise BusFault("damaged" if is_damaged else "silent", motor_id, "no answer in time")
        status = status_of(answers[0])
        self.counts["alerts"] += status.alert
        if status.error:
            raise BusFault("refused", motor_id, f"status error {status.error}", status.error)
        return status

    def _collect(
        self, takes: Callable[[Packet], bool], num_packets: int, wait_s: float
    ) -> list[Packet]:
        """The first `num_packets` status packets that `takes`, or those that come in `wait_s`."""
        deadline = self._clock() + wait_s
        taken: list[Packet] = []
        while len(taken) < num_packets:
            data = self.port.receive(deadline - self._clock())
            if not data:
                break
            for packet in self._parser.feed(data):
                is_status = packet.instruction == Instruction.STATUS and packet.parameters
                if is_status and packet.motor_id != BROADCAST_ID and takes(packet):
                    taken.append(packet)
                else:
                    self.counts["unexpected"] += 1
        return taken

    def _send(self, packet: bytes) -> None:
        """Send to a bus that has nothing old left to say."""
        patience_s = SETTLE_S if self._is_unsettled else 0.0
        deadline = self._clock() + self.timing.turnaround_s
        while (data := self.port.receive(patience_s)) and self._clock() < deadline:
            self.counts["late_bytes"] += len(data)
        self._is_unsettled = False
        self._parser.clear()
        self.counts["exchanges"] += 1
        self.port.send(packet)

    def _deadline(self, num_bytes: int, num_servos: int) -> float:
        waits = self.timing.turnaround_s + num_servos * self.timing.return_delay_s
        return self._clock() + wire_time_s(num_bytes, self.port.baud) + waits
