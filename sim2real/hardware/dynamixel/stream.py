"""Packets out of an endless stream of bytes that may lose, gain or change some."""

from __future__ import annotations

from collections import Counter, deque

from sim2real.hardware.dynamixel.packet import (
    HEADER,
    MIN_SIZE,
    PREFIX_SIZE,
    MalformedPacket,
    Packet,
    decode,
    packet_size,
)

MAX_PACKET_SIZE = 2048
"""larger than any answer of eleven servos; a header that promises more is noise"""


class StreamParser:
    """Cuts a byte stream into packets and finds its way back after damage.

    A header may be noise, or its length may be wrong. So every header that is waiting for its last
    byte is kept as a candidate, also those inside a longer candidate, and the first that is whole
    and has the right CRC wins: all before it is discarded. The next valid packet is therefore found
    at once, whatever a damaged one before it promised. At most `max_size` bytes are held.
    """

    def __init__(self, max_size: int = MAX_PACKET_SIZE) -> None:
        self.faults: Counter[str] = Counter()
        """`crc`, `length`: damaged packets, not counting what merely looks like one inside another;
        `discarded_bytes`: bytes that were part of no packet"""
        self._max_size = max_size
        self._buffer = bytearray()
        self._scanned = 0
        self._candidates: deque[tuple[int, int]] = deque()

    @property
    def num_pending(self) -> int:
        """Bytes held back because they may be the beginning of a packet."""
        return len(self._buffer)

    @property
    def pending(self) -> bytes:
        """The bytes held back, for what can still be read out of a packet that was cut off."""
        return bytes(self._buffer)

    def clear(self) -> None:
        """Forget an unfinished packet, as after a silence on the bus."""
        self.faults["discarded_bytes"] += len(self._buffer)
        self._drop(len(self._buffer))

    def feed(self, data: bytes) -> list[Packet]:
        """Every packet that `data` completes, in the order of the stream."""
        packets: list[Packet] = []
        for start in range(0, len(data), self._max_size):
            self._buffer += data[start : start + self._max_size]
            while (packet := self._next_packet()) is not None:
                packets.append(packet)
        return packets

    def _next_packet(self) -> Packet | None:
        self._find_headers()
        for start, end in tuple(self._candidates):
            if end > len(self._buffer):
                continue
            try:
                packet = decode(bytes(self._buffer[start:end]))
            except MalformedPacket as fault:
                self._candidates.remove((start, end))
                self._count(fault.cause, start)
                continue
            self.faults["discarded_bytes"] += start
            self._drop(end)
            return packet
        self._discard_noise()
        return None

    def _find_headers(self) -> None:
        """Note each header whose length has arrived; go on from there with the next call."""
        while True:
            start = self._buffer.find(HEADER, self._scanned)
            if start < 0:
                self._scanned = max(self._scanned, len(self._buffer) - len(HEADER) + 1)
                return
            if start + PREFIX_SIZE > len(self._buffer):
                self._scanned = start
                return
            self._scanned = start + 1
            size = packet_size(self._buffer[start : start + PREFIX_SIZE])
            if MIN_SIZE <= size <= self._max_size:
                self._candidates.append((start, start + size))
            else:
                self._count("length", start)

    def _count(self, cause: str, start: int) -> None:
        """Count a fault at `start` unless the bytes may yet belong to another packet."""
        if not any(first < start < end for first, end in self._candidates):
            self.faults[cause] += 1

    def _discard_noise(self) -> None:
        """Drop all that no waiting candidate and no unread header needs."""
        keep_from = self._candidates[0][0] if self._candidates else self._scanned
        self.faults["discarded_bytes"] += keep_from
        self._drop(keep_from)

    def _drop(self, num_bytes: int) -> None:
        del self._buffer[:num_bytes]
        self._scanned = max(self._scanned - num_bytes, 0)
        self._candidates = deque(
            (start - num_bytes, end - num_bytes)
            for start, end in self._candidates
            if start >= num_bytes
        )
