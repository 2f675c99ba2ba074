"""Transactions: the right answer is found, every fault is bounded, counted and named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sim2real.hardware.dynamixel import control_table as table
from sim2real.hardware.dynamixel.bus import SETTLE_S, Bus, BusFault, BusTiming
from sim2real.hardware.dynamixel.packet import (
    Instruction,
    StatusError,
    encode,
    encode_status,
)

IDS = (10, 11, 12)


def once(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Disturb the first answer only."""
    changes = iter([change])
    return lambda answer: next(changes, lambda same: same)(answer)


def flip(answer: bytes) -> bytes:
    return answer[:9] + bytes((answer[9] ^ 4,)) + answer[10:]


DISTURBANCES: dict[str, Callable[[bytes], bytes]] = {
    "dropped": lambda answer: b"",
    "cut short": lambda answer: answer[:-3],
    "bit flipped": flip,
    "headless": lambda answer: answer[2:],
}


@pytest.fixture
def bus(wire: Any) -> Bus:
    """Its time stands still except where a test lets it pass: answers come at once or never."""
    return Bus(wire, BusTiming(turnaround_s=0.002, retries=1), clock=lambda: 0.0)


def test_ping_and_scan(bus: Bus) -> None:
    assert bus.ping(11) == (table.MODEL_NUMBER, 45)
    assert set(bus.scan(0.01)) == set(IDS)


def test_registers_are_written_and_read_back(bus: Bus, wire: Any) -> None:
    bus.write_register(11, table.GOAL_POSITION, -1)
    assert bus.read_register(11, table.GOAL_POSITION) == -1
    assert [packet.instruction for packet in wire.sent] == [
        Instruction.WRITE,
        Instruction.READ,
        Instruction.READ,
    ]


def test_a_write_that_does_not_take_is_a_fault(bus: Bus, wire: Any) -> None:
    wire.answers_before = wire.answers
    wire.answers = lambda packet: (
        [wire.status(packet.motor_id)]
        if packet.instruction == Instruction.WRITE
        else wire.answers_before(packet)
    )
    with pytest.raises(BusFault, match="goal_position is 0, wrote 7") as caught:
        bus.write_register(10, table.GOAL_POSITION, 7)
    assert caught.value.cause == "not_kept"
    assert bus.counts["not_kept"] == 1


@pytest.mark.parametrize("fast", [True, False])
def test_sync_read_gives_every_servo(bus: Bus, wire: Any, fast: bool) -> None:
    bus.sync_write(116, {motor_id: motor_id.to_bytes(4, "little") for motor_id in IDS})
    answers = bus.sync_read(116, 4, IDS, fast=fast)
    assert {i: int.from_bytes(s.data, "little") for i, s in answers.items()} == {i: i for i in IDS}
    assert +bus.counts == {"exchanges": 2}


@pytest.mark.parametrize("name", DISTURBANCES)
@pytest.mark.parametrize("fast", [True, False])
def test_a_disturbed_sync_read_is_asked_for_again(
    bus: Bus, wire: Any, name: str, fast: bool
) -> None:
    wire.disturb = once(DISTURBANCES[name])
    assert set(bus.sync_read(132, 4, IDS, fast=fast)) == set(IDS)
    assert bus.counts["retries"] == bus.counts["incomplete"] == 1


@pytest.mark.parametrize("name", DISTURBANCES)
def test_a_disturbed_answer_is_asked_for_again_and_counted(bus: Bus, wire: Any, name: str) -> None:
    wire.disturb = once(DISTURBANCES[name])
    assert bus.read_register(10, table.FIRMWARE) == 45
    assert bus.counts["retries"] == 1
    assert bus.counts["silent" if name == "dropped" else "damaged"] == 1


def test_silence_ends_after_all_attempts_and_in_time(bus: Bus, wire: Any) -> None:
    waits_s: list[float] = []
    wire.receive = lambda wait_s: waits_s.append(wait_s) or b""
    with pytest.raises(BusFault) as caught:
        bus.read(99, 132, 4)
    assert (caught.value.cause, caught.value.motor_id) == ("silent", 99)
    assert bus.counts["silent"] == 2
    answer_s = 0.002 + (14 + 15) * 10 / 1e6
    assert waits_s == pytest.approx([0.0, answer_s, SETTLE_S, answer_s])


@pytest.mark.parametrize("fast", [True, False])
def test_a_silent_servo_is_missing_and_nothing_old_stands_in(
    bus: Bus, wire: Any, fast: bool
) -> None:
    assert set(bus.sync_read(132, 4, IDS, fast=fast)) == set(IDS)
    del wire.memory[11]
    answers = bus.sync_read(132, 4, IDS, fast=fast)
    assert set(answers) == ({10} if fast else {10, 12})


def test_an_alert_is_counted_and_its_data_used(bus: Bus, wire: Any) -> None:
    wire.alert = True
    assert bus.read(10, 6, 1).alert
    assert all(status.alert for status in bus.sync_read(132, 4, IDS, fast=True).values())
    assert bus.counts["alerts"] == 4


def test_a_refusal_is_not_repeated(bus: Bus, wire: Any) -> None:
    wire.error = StatusError.ACCESS
    with pytest.raises(BusFault) as caught:
        bus.write(10, 0, b"\x01")
    assert (caught.value.cause, caught.value.status_error) == ("refused", StatusError.ACCESS)
    assert bus.counts["retries"] == 0


def test_an_instruction_that_arrived_damaged_is_repeated(bus: Bus, wire: Any) -> None:
    wire.disturb = once(lambda answer: encode_status(10, error=StatusError.CRC))
    assert bus.read_register(10, table.FIRMWARE) == 45
    assert +bus.counts == {"exchanges": 2, "refused": 1, "retries": 1}


def test_the_answer_of_another_servo_is_not_taken(bus: Bus, wire: Any) -> None:
    wire.disturb = lambda answer: encode_status(12, b"\x63") + answer
    assert bus.read_register(10, table.FIRMWARE) == 45
    assert bus.counts["unexpected"] == 1


@pytest.mark.parametrize("fast", [True, False])
def test_a_status_without_its_error_byte_is_passed_over(bus: Bus, wire: Any, fast: bool) -> None:
    empty = encode(10, Instruction.STATUS, b"")
    wire.disturb = lambda answer: empty + answer
    assert bus.read_register(10, table.FIRMWARE) == 45
    assert set(bus.sync_read(132, 4, IDS, fast=fast)) == set(IDS)


def test_a_part_of_a_fast_reply_under_a_false_id_is_left_out(bus: Bus, wire: Any) -> None:
    wire.memory[13] = wire.memory[11]
    chain = wire.chain
    wire.chain = lambda spans: chain((spans[0], spans[1]._replace(motor_id=13), spans[2]))
    assert set(bus.sync_read(132, 4, IDS, fast=True)) == {10, 12}


def test_a_part_of_a_fast_reply_with_an_error_is_left_out(bus: Bus, wire: Any) -> None:
    wire.error = StatusError.DATA_LENGTH
    assert bus.sync_read(132, 4, IDS, fast=True) == {}


@pytest.mark.parametrize("fast", [True, False])
def test_a_servo_with_a_false_id_is_not_mistaken_for_another(
    bus: Bus, wire: Any, fast: bool
) -> None:
    wire.memory[13] = wire.memory.pop(11)
    assert 11 not in bus.sync_read(132, 4, IDS, fast=fast)


def test_a_servo_that_answers_twice_counts_once(bus: Bus, wire: Any) -> None:
    wire.disturb = lambda answer: answer + answer
    assert set(bus.sync_read(132, 4, IDS, fast=False)) == set(IDS)
    assert bus.counts["unexpected"] >= 2


def test_what_came_too_late_is_dropped_before_the_next_question(bus: Bus, wire: Any) -> None:
    wire.incoming.append(encode_status(10, b"\x01"))
    assert bus.read_register(10, table.FIRMWARE) == 45
    assert bus.counts["late_bytes"] == 12


def test_a_confirmation_that_had_been_given_up_is_not_taken_for_a_refusal(
    bus: Bus, wire: Any
) -> None:
    """The answer to a write comes after the write was repeated, the second one after the read."""
    confirmed = encode_status(10)
    arrivals = iter([b"", confirmed, confirmed + encode_status(10, b"\x01")])
    wire.disturb = lambda answer: next(arrivals)
    bus.write_register(10, table.TORQUE_ENABLE, 1)
    assert +bus.counts == {"exchanges": 3, "silent": 1, "retries": 1, "unexpected": 1}


def test_a_second_answer_to_a_repeated_question_is_not_taken_for_the_next_one(
    bus: Bus, wire: Any
) -> None:
    """It arrives a moment after the first, just when the next question would be sent."""
    wire.disturb = once(DISTURBANCES["dropped"])
    bus.read_register(10, table.LED)
    late, receive_at_once = [encode_status(10, b"\x63")], wire.receive
    wire.receive = lambda wait_s: late.pop() if late and wait_s > 0 else receive_at_once(wait_s)
    assert bus.read_register(10, table.FIRMWARE) == 45
    assert not late


@pytest.mark.parametrize("fast", [True, False])
def test_the_same_when_all_servos_were_asked_at_once(bus: Bus, wire: Any, fast: bool) -> None:
    """Else every answer from now on would be taken for the next question's: old by a period."""
    given: list[bytes] = []
    wire.disturb = lambda answer: given.append(answer) or answer
    bus.sync_read(132, 4, IDS, fast=fast)
    late = [b"".join(given)]
    wire.disturb = once(DISTURBANCES["dropped"])
    bus.sync_read(132, 4, IDS, fast=fast)
    for motor_id in IDS:
        wire.poke(motor_id, table.PRESENT_POSITION, 1234)
    receive_at_once = wire.receive
    wire.receive = lambda wait_s: late.pop() if late and wait_s > 0 else receive_at_once(wait_s)
    for status in bus.sync_read(132, 4, IDS, fast=fast).values():
        assert table.PRESENT_POSITION.decode(status.data) == 1234
    assert not late


def test_noise_before_a_fast_reply_is_skipped(bus: Bus, wire: Any) -> None:
    wire.disturb = lambda answer: b"\x00\xff\xff" + answer
    assert set(bus.sync_read(132, 4, IDS, fast=True)) == set(IDS)
    assert bus.counts["late_bytes"] == 3


def test_faults_include_those_of_the_stream(bus: Bus, wire: Any) -> None:
    wire.disturb = once(flip)
    bus.read(10, 6, 1)
    assert bus.faults["stream_crc"] == 1
