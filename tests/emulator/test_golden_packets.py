"""Packets that the manual prints, answered byte for byte by servos set up like the manual's."""

from __future__ import annotations

import pytest

ANSWERS = {
    "ping": (
        "FF FF FD 00 01 03 00 01 19 4E",
        "FF FF FD 00 01 07 00 55 00 06 04 26 65 5D",
    ),
    "read present position": (
        "FF FF FD 00 01 07 00 02 84 00 04 00 1D 15",
        "FF FF FD 00 01 08 00 55 00 A6 00 00 00 8C C0",
    ),
    "write goal position": (
        "FF FF FD 00 01 09 00 03 74 00 00 02 00 00 CA 89",
        "FF FF FD 00 01 04 00 55 00 A1 0C",
    ),
    "registered write": (
        "FF FF FD 00 01 09 00 04 68 00 C8 00 00 00 AE 8E",
        "FF FF FD 00 01 04 00 55 00 A1 0C",
    ),
    "factory reset": (
        "FF FF FD 00 01 04 00 06 01 A1 E6",
        "FF FF FD 00 01 04 00 55 00 A1 0C",
    ),
    "reboot": (
        "FF FF FD 00 01 03 00 08 2F 4E",
        "FF FF FD 00 01 04 00 55 00 A1 0C",
    ),
    "clear": (
        "FF FF FD 00 01 08 00 10 01 44 58 4C 22 B1 DC",
        "FF FF FD 00 01 04 00 55 00 A1 0C",
    ),
    "sync write": (
        "FF FF FD 00 FE 11 00 83 74 00 04 00 01 96 00 00 00 02 AA 00 00 00 82 87",
        "",
    ),
    "fast sync read": (
        "FF FF FD 00 FE 0A 00 8A 84 00 04 00 03 07 04 20 F2",
        "FF FF FD 00 FE 19 00 55 00 03 A6 00 00 00 84 08 00 07 1F 08 00 00 16 CA "
        "00 04 FF 03 00 00 D1 9E",
    ),
}


@pytest.fixture
def manual(make_host):
    """Servos 1, 2, 3, 7 and 4 with the positions that the manual's examples show."""
    host = make_host(ids=(1, 2, 3, 7, 4))
    positions = {1: 166, 2: 0, 3: 166, 7: 2079, 4: 1023}
    for motor_id, position in positions.items():
        servo = host.servo(motor_id)
        host.line.frozen_encoders[servo.index] = float(position)
        servo.poke("firmware", 38 if motor_id == 1 else 46)
        servo.poke("operating_mode", 4)
    host.line.measure()
    return host


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_is_the_manuals(manual, name):
    request, answer = (bytes.fromhex(text) for text in ANSWERS[name])
    assert manual.ask(request) == answer


def test_broadcast_ping_is_answered_by_all_in_order_of_id(manual):
    answers = manual.statuses(bytes.fromhex("FF FF FD 00 FE 03 00 01 31 42"))
    ids = [answer.motor_id for answer in answers]
    assert ids == sorted(servo.motor_id for servo in manual.line.servos)
    assert answers[0].data == bytes.fromhex("06 04 26")


def test_sync_read_is_answered_in_the_order_of_the_request(manual):
    request = bytes.fromhex("FF FF FD 00 FE 09 00 82 84 00 04 00 01 02 CE FA")
    answers = manual.statuses(request)
    assert [(a.motor_id, a.data) for a in answers] == [(1, b"\xa6\0\0\0"), (2, b"\0\0\0\0")]


def test_action_obeys_the_registered_write(manual):
    manual.ask(bytes.fromhex(ANSWERS["registered write"][0]))
    servo = manual.servo(1)
    assert (servo["registered_instruction"], servo["goal_velocity"]) == (1, 0)
    answer = manual.ask(bytes.fromhex("FF FF FD 00 01 03 00 05 02 CE"))
    assert answer == bytes.fromhex("FF FF FD 00 01 04 00 55 00 A1 0C")
    assert (servo["registered_instruction"], servo["goal_velocity"]) == (0, 200)


def test_sync_write_reaches_both_servos(manual):
    manual.ask(bytes.fromhex(ANSWERS["sync write"][0]))
    assert [manual.servo(i)["goal_position"] for i in (1, 2)] == [150, 170]
