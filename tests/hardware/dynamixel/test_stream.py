"""The stream parser: every packet, whatever surrounds it, in bounded memory."""

from __future__ import annotations

import itertools
import random
import time
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from sim2real.hardware.dynamixel import instructions as build
from sim2real.hardware.dynamixel.packet import (
    HEADER,
    Instruction,
    Packet,
    Status,
    begin_fast_reply,
    decode,
    encode,
    extend_fast_reply,
)
from sim2real.hardware.dynamixel.stream import MAX_PACKET_SIZE, StreamParser

tricky_bytes = st.lists(st.sampled_from([0xFF, 0xFD, 0x00, 0x55, 0x01]), max_size=30).map(bytes)
packets = st.builds(
    encode, st.integers(0, 252), st.sampled_from([1, 2, 3, 0x55, 0x82]), tricky_bytes
)


def in_pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


@given(st.lists(packets, max_size=8), st.lists(st.integers(0, 1000), max_size=8))
def test_pieces_of_any_size_give_the_same_packets(stream: list[bytes], cuts: list[int]) -> None:
    parser = StreamParser()
    found = [packet for piece in in_pieces(b"".join(stream), cuts) for packet in parser.feed(piece)]
    assert found == [decode(packet) for packet in stream]
    assert parser.num_pending == 0
    assert not +parser.faults


# Noise that is itself a valid packet cannot be told from one, so it holds no CRC that fits.
@given(st.lists(st.tuples(tricky_bytes, packets), min_size=1, max_size=6))
def test_noise_between_packets_is_skipped_and_counted(stream: list[tuple[bytes, bytes]]) -> None:
    parser = StreamParser()
    found = [packet for noise, packet in stream for packet in parser.feed(noise + packet)]
    assert found == [decode(packet) for _, packet in stream]
    assert parser.faults["discarded_bytes"] == sum(len(noise) for noise, _ in stream)


def test_a_false_length_does_not_hide_the_next_packet() -> None:
    parser = StreamParser()
    promise = HEADER + b"\x01" + (1500).to_bytes(2, "little") + b"\x55\x00"
    assert parser.feed(promise) == []
    assert parser.num_pending == len(promise)
    assert parser.feed(build.ping(7)) == [decode(build.ping(7))]
    assert parser.num_pending == 0
    assert parser.faults["discarded_bytes"] == len(promise)


def test_a_length_beyond_all_reason_is_dropped_at_once() -> None:
    parser = StreamParser()
    assert parser.feed(HEADER + b"\x01\xff\xff" + bytes(20)) == []
    assert parser.num_pending < len(HEADER)
    assert parser.faults["length"] == 1


def test_damage_is_counted_once_by_cause() -> None:
    parser = StreamParser()
    damaged = bytearray(build.write(1, 116, bytes(4)))
    damaged[10] ^= 1
    assert parser.feed(bytes(damaged) + build.ping(1)) == [decode(build.ping(1))]
    assert parser.faults == {"crc": 1, "discarded_bytes": len(damaged)}


def test_what_looks_like_a_header_inside_a_fast_reply_is_data() -> None:
    reply = begin_fast_reply([10])
    reply = extend_fast_reply(reply, Status(3, 0, False, HEADER + b"\x01\xff\xff" + bytes(3)))
    for size in (1, 5, len(reply)):
        parser = StreamParser()
        pieces = [reply[start : start + size] for start in range(0, len(reply), size)]
        assert [packet for piece in pieces for packet in parser.feed(piece)] == [decode(reply)]
        assert not +parser.faults


def test_clear_forgets_an_unfinished_packet() -> None:
    parser = StreamParser()
    parser.feed(build.read(1, 132, 4)[:9])
    assert parser.pending == build.read(1, 132, 4)[:9]
    parser.clear()
    assert parser.num_pending == 0
    assert parser.feed(build.ping(1)) == [decode(build.ping(1))]


def test_a_million_damaged_bytes_leave_it_in_step() -> None:
    """Mutated traffic and noise: no crash, bounded memory, every probe packet is found."""
    rng = random.Random(5)
    parser, probe = StreamParser(), encode(42, Instruction.WRITE, b"\x74\x00still")
    num_bytes, largest = 0, 0
    tracemalloc.start()
    baseline = tracemalloc.get_traced_memory()[0]
    began = time.process_time()
    while num_bytes < 1_000_000:
        noise = damaged_traffic(rng)
        num_bytes += len(noise)
        parser.feed(noise)
        largest = max(largest, parser.num_pending)
        assert parser.feed(probe)[-1:] == [Packet(42, Instruction.WRITE, b"\x74\x00still")]
        assert parser.num_pending == 0
    grown = tracemalloc.get_traced_memory()[1] - baseline
    tracemalloc.stop()
    assert largest < MAX_PACKET_SIZE
    assert grown < 600_000, "free lists of the interpreter take up to 400 kB"
    assert time.process_time() - began < 30, "its work grows with the bytes, not with their square"


def damaged_traffic(rng: random.Random) -> bytes:
    """Up to 600 bytes: noise, or packets with bytes flipped, lost and added."""
    if rng.random() < 0.3:
        return rng.randbytes(rng.randrange(600))
    has_promises = rng.random() < 0.2
    traffic = bytearray()
    for _ in range(rng.randrange(1, 8)):
        body = bytes(rng.choices((0xFF, 0xFD, 0x00, 0x55), k=rng.randrange(40)))
        packet = encode(rng.randrange(253), Instruction.WRITE, body)
        traffic += HEADER + rng.randbytes(3) if has_promises else packet
    for _ in range(rng.randrange(6)):
        at = rng.randrange(len(traffic))
        match rng.randrange(3):
            case 0:
                traffic[at] ^= 1 << rng.randrange(8)
            case 1:
                del traffic[at : at + rng.randrange(1, 6)]
                traffic += b"\xff"
            case _:
                traffic[at:at] = rng.randbytes(3)
    return bytes(traffic)
