"""The vendor's SDK as a second opinion: equal bytes where it is right, proof where it is not.

Facts about its defects are of dynamixel-sdk 4.1.0. If a test of this file fails after an update of
it, the vendor has probably mended something: be glad, and change the test.
"""

from __future__ import annotations

from typing import Any

from dynamixel_sdk import (
    COMM_SUCCESS,
    GroupBulkRead,
    GroupSyncRead,
    GroupSyncWrite,
    Protocol2PacketHandler,
)
from hypothesis import assume, given
from hypothesis import strategies as st

from sim2real.hardware.dynamixel import instructions as build
from sim2real.hardware.dynamixel.crc import crc16
from sim2real.hardware.dynamixel.packet import (
    Status,
    begin_fast_reply,
    decode,
    encode_status,
    extend_fast_reply,
)

SDK = Protocol2PacketHandler()
MARK = b"\xff\xff\xfd"


class LoopPort:
    """The part of the SDK's port that its handlers use, under its names: keeps what is sent."""

    def __init__(self, answer: bytes = b"") -> None:
        self.is_using, self.sent, self.answer = False, b"", answer

    def clearPort(self) -> None:  # noqa: N802
        self.sent = b""

    def writePort(self, packet: list[int]) -> int:  # noqa: N802
        self.sent = bytes(packet)
        return len(packet)

    def readPort(self, length: int) -> bytes:  # noqa: N802
        piece, self.answer = self.answer[:length], self.answer[length:]
        return piece

    def setPacketTimeout(self, length: int) -> None:  # noqa: N802
        """Nothing is waited for: the answer is there."""

    def setPacketTimeoutMillis(self, milliseconds: float) -> None:  # noqa: N802
        """Nothing is waited for: the answer is there."""

    def isPacketTimeout(self) -> bool:  # noqa: N802
        return not self.answer


def int32(value: int) -> bytes:
    return value.to_bytes(4, "little", signed=True)


motor_ids = st.integers(0, 252)
addresses = st.integers(0, 600)


def sent_by(call: Any) -> bytes:
    port = LoopPort()
    call(port)
    return port.sent


@given(st.binary(min_size=1, max_size=200))
def test_crc_is_the_vendors(data: bytes) -> None:
    assert SDK.updateCRC(0, data, len(data)) == crc16(data)


@given(motor_ids, addresses, st.integers(1, 20))
def test_read_is_the_vendors(motor_id: int, address: int, length: int) -> None:
    found = sent_by(lambda port: SDK.readTx(port, motor_id, address, length))
    assert found == build.read(motor_id, address, length)


@given(motor_ids, addresses, st.binary(min_size=1, max_size=20))
def test_write_without_a_mark_in_it_is_the_vendors(
    motor_id: int, address: int, data: bytes
) -> None:
    packet = build.write(motor_id, address, data)
    assume(MARK not in packet[7:-2])
    found = sent_by(lambda port: SDK.writeTxOnly(port, motor_id, address, len(data), list(data)))
    assert found == packet


def test_ping_reboot_action_clear_and_reset_are_the_vendors() -> None:
    assert sent_by(lambda port: SDK.ping(port, 7)) == build.ping(7)
    assert sent_by(lambda port: SDK.reboot(port, 7)) == build.reboot(7)
    assert sent_by(lambda port: SDK.action(port, 7)) == build.action(7)
    assert sent_by(lambda port: SDK.clearMultiTurn(port, 7)) == build.clear_multi_turn(7)
    assert sent_by(lambda port: SDK.factoryReset(port, 7, 1)) == build.factory_reset(7, 1)


def test_group_instructions_are_the_vendors() -> None:
    port, ids = LoopPort(), (10, 11, 12)
    group = GroupSyncRead(port, SDK, 132, 4)
    for motor_id in ids:
        group.addParam(motor_id)
    for transmit, fast in ((group.txPacket, False), (group.fastSyncReadTxPacket, True)):
        transmit()
        assert port.sent == build.sync_read(132, 4, ids, fast=fast)
        port.is_using = False
    writer = GroupSyncWrite(port, SDK, 116, 4)
    for motor_id in ids:
        writer.addParam(motor_id, list(int32(motor_id)))
    writer.txPacket()
    assert port.sent == build.sync_write(116, {motor_id: int32(motor_id) for motor_id in ids})
    bulk = GroupBulkRead(port, SDK)
    port.is_using = False
    bulk.addParam(10, 132, 4)
    bulk.addParam(11, 126, 2)
    bulk.txPacket()
    assert port.sent == build.bulk_read([build.Span(10, 132, 4), build.Span(11, 126, 2)])


@given(motor_ids, st.binary(max_size=30))
def test_the_vendor_reads_our_status(motor_id: int, data: bytes) -> None:
    packet = encode_status(motor_id, data)
    assume(MARK not in packet[7:-2])
    found, result = SDK.rxPacket(LoopPort(packet), False)
    assert (bytes(found), result) == (packet, COMM_SUCCESS)


def test_the_vendor_reads_our_fast_reply() -> None:
    ids, group = (3, 7, 4), GroupSyncRead(LoopPort(), SDK, 132, 4)
    for motor_id in ids:
        group.addParam(motor_id)
    reply = begin_fast_reply([4] * 3)
    for motor_id in ids:
        reply = extend_fast_reply(reply, Status(motor_id, 0, False, int32(motor_id)))
    group.port.answer = reply
    assert group.fastSyncRead() == COMM_SUCCESS
    assert [group.getData(motor_id, 132, 4) for motor_id in ids] == list(ids)


# Where the vendor's SDK is wrong.


def test_the_vendor_sends_a_packet_that_needs_stuffing_without_it() -> None:
    """The list that grew is thrown away: the servo sees a header in the middle of the packet."""
    data = b"\xff\xff\xfd\xff\xff\xff"
    found = sent_by(lambda port: SDK.writeTxOnly(port, 10, 102, len(data), list(data)))
    assert found == bytes.fromhex("FF FF FD 00 0A 0B 00 03 66 00 FF FF FD FF FF FF 23 55")
    assert b"\xff\xff\xfd\xfd" not in found
    assert found != build.write(10, 102, data)
    assert decode(build.write(10, 102, data)).parameters[2:] == data


def test_the_vendor_loses_a_byte_of_a_correctly_stuffed_answer() -> None:
    """Stuffing is removed in place, and later bytes are compared with ones already moved."""
    data = b"\xff\xff\xfd\x00\xff\xfd\xfd\x05"
    packet = encode_status(10, data)
    found, result = SDK.rxPacket(LoopPort(packet), False)
    assert result == COMM_SUCCESS
    length = found[5] | found[6] << 8
    assert bytes(found[9 : 7 + length - 2]) == b"\xff\xff\xfd\x00\xff\xfd\x05"
    assert decode(packet).parameters[1:] == data


def test_the_vendor_drops_the_alert_of_a_sync_read() -> None:
    group = GroupSyncRead(LoopPort(), SDK, 132, 4)
    group.addParam(10)
    group.port.answer = encode_status(10, int32(5), alert=True)
    group.txPacket()
    assert group.rxPacket() == COMM_SUCCESS
    assert group.getData(10, 132, 4) == 5
    assert not [name for name in vars(group) if "error" in name or "alert" in name]
