"""The bus as a port: the vendor's SDK on it, lock-step, the cable, a host that is killed."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Callable

import numpy as np
import pytest
from dynamixel_sdk import (
    COMM_RX_TIMEOUT,
    COMM_SUCCESS,
    GroupBulkRead,
    GroupBulkWrite,
    GroupSyncRead,
    GroupSyncWrite,
    PacketHandler,
    PortHandler,
    port_handler,
)

from sim2real.emulator import bus_server
from sim2real.emulator.bus_server import EmulatedBus
from sim2real.emulator.faults import Fault
from sim2real.hardware.dynamixel import instructions as build
from sim2real.hardware.dynamixel.packet import packet_size
from sim2real.hardware.dynamixel.port import SerialPort

IDS = (10, 11, 12, 20, 21, 22, 30, 31, 32, 50)
ALL_IDS = (*IDS, 60)
BAUD = 1_000_000
LONGEST_S = 30.0
"""what must come at all comes within this, however busy the machine is"""


@pytest.fixture
def bus(spec):
    with EmulatedBus(spec) as bus:
        yield bus


@pytest.fixture
def vendor(bus, monkeypatch):
    """The SDK polls without pause; a thread beside it needs its turn more often than every 5 ms."""
    monkeypatch.setattr(port_handler, "LATENCY_TIMER", 250)  # milliseconds; waits twice as long
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    port = PortHandler(bus.port)
    assert port.openPort()
    assert port.setBaudRate(BAUD)
    yield port, PacketHandler(2.0)
    port.closePort()
    sys.setswitchinterval(before)


def send(path: str, *requests: bytes) -> int:
    port = os.open(path, os.O_RDWR | os.O_NOCTTY)
    for request in requests:
        os.write(port, request)
    return port


def receive(port: int, timeout_s: float = LONGEST_S) -> bytes:
    """One packet."""
    data = b""
    while len(data) < 7 or len(data) < packet_size(data):
        if not select.select([port], (), (), timeout_s)[0]:
            break
        data += os.read(port, 4096)
    return data


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for what must come to be; fail if it does not."""
    deadline = time.monotonic() + LONGEST_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.realtime
class TestVendorSdk:
    def test_ping_and_broadcast_ping(self, vendor):
        port, sdk = vendor
        assert sdk.ping(port, 10) == (1030, COMM_SUCCESS, 0)
        found, result = sdk.broadcastPing(port)
        assert result == COMM_SUCCESS
        assert found == {motor_id: [1030, 46] for motor_id in ALL_IDS}
        assert sdk.ping(port, 99)[1] == COMM_RX_TIMEOUT

    def test_read_write_and_refusal(self, vendor, bus):
        port, sdk = vendor
        assert sdk.write2ByteTxRx(port, 20, 84, 321) == (COMM_SUCCESS, 0)
        assert sdk.read2ByteTxRx(port, 20, 84) == (321, COMM_SUCCESS, 0)
        assert bus.servo(20)["position_p_gain"] == 321
        assert sdk.write1ByteTxRx(port, 20, 11, 7) == (COMM_SUCCESS, 4)
        assert sdk.write2ByteTxRx(port, 20, 0, 7) == (COMM_SUCCESS, 7)

    def test_registered_write(self, vendor, bus):
        port, sdk = vendor
        assert sdk.regWriteTxRx(port, 20, 65, 1, [1]) == (COMM_SUCCESS, 0)
        assert bus.servo(20)["led"] == 0
        assert sdk.action(port, 20) == COMM_SUCCESS
        sdk.ping(port, 10)  # the SDK does not wait for the answer to an action
        assert bus.servo(20)["led"] == 1

    @pytest.mark.parametrize("fast", [False, True])
    def test_sync_read(self, vendor, bus, fast):
        port, sdk = vendor
        group = GroupSyncRead(port, sdk, 132, 4)
        for motor_id in ALL_IDS:
            assert group.addParam(motor_id)
        assert (group.fastSyncRead() if fast else group.txRxPacket()) == COMM_SUCCESS
        found = [group.getData(motor_id, 132, 4) for motor_id in ALL_IDS]
        expected = [bus.servo(motor_id)["present_position"] for motor_id in ALL_IDS]
        assert np.abs(np.subtract(found, expected)).max() <= 3

    @pytest.mark.parametrize("fast", [False, True])
    def test_bulk_read(self, vendor, bus, fast):
        port, sdk = vendor
        group = GroupBulkRead(port, sdk)
        group.addParam(10, 132, 4)
        group.addParam(50, 144, 2)
        assert (group.fastBulkRead() if fast else group.txRxPacket()) == COMM_SUCCESS
        assert group.getData(50, 144, 2) == 120
        assert abs(group.getData(10, 132, 4) - bus.servo(10)["present_position"]) <= 3

    def test_sync_and_bulk_write(self, vendor, bus):
        port, sdk = vendor
        group = GroupSyncWrite(port, sdk, 116, 4)
        for motor_id in (10, 11):
            group.addParam(motor_id, list((1900 + motor_id).to_bytes(4, "little")))
        assert group.txPacket() == COMM_SUCCESS
        bulk = GroupBulkWrite(port, sdk)
        bulk.addParam(12, 65, 1, [1])
        assert bulk.txPacket() == COMM_SUCCESS
        sdk.ping(port, 10)
        assert [bus.servo(i)["goal_position"] for i in (10, 11)] == [1910, 1911]
        assert bus.servo(12)["led"] == 1

    def test_reboot(self, vendor, bus):
        port, sdk = vendor
        sdk.write2ByteTxRx(port, 20, 84, 5)
        assert sdk.reboot(port, 20) == (COMM_SUCCESS, 0)
        rebooted_at = bus.line.now
        wait_until(lambda: bus.line.now > rebooted_at + bus.line.options.boot_s)
        assert sdk.read2ByteTxRx(port, 20, 84) == (800, COMM_SUCCESS, 0)


def test_a_host_at_another_baud_rate_hears_nothing(bus):
    port = os.open(bus.port, os.O_RDWR | os.O_NOCTTY)
    settings = termios.tcgetattr(port)
    settings[4] = settings[5] = termios.B57600
    termios.tcsetattr(port, termios.TCSANOW, settings)
    os.write(port, build.ping(10))
    assert receive(port, 0.2) == b""
    settings[4] = settings[5] = termios.B1000000
    termios.tcsetattr(port, termios.TCSANOW, settings)
    os.write(port, build.ping(10))
    assert receive(port) != b""
    os.close(port)


def test_a_speed_without_a_name_is_the_one_of_servos_that_has_none(bus):
    port = SerialPort.open(bus.port, 4_500_000)
    try:
        port.send(build.ping(10))
        assert port.receive(0.3) == b""
    finally:
        port.close()


def session(spec, pause_s: float) -> tuple:
    """A scripted session in lock-step; `pause_s` of real time must not matter."""
    faults = [Fault(kind="flip_reply_bit", probability=0.3), Fault(kind="idle_noise", start_s=0.2)]
    with EmulatedBus(spec, lock_step=True, seed=7, faults=faults, trace=True) as bus:
        port = send(bus.port)
        for motor_id in IDS:
            os.write(port, build.write(motor_id, 116, b"\0\x08\0\0"))
            os.write(port, build.write(motor_id, 64, b"\x01"))
        for tick in range(20):
            goals = {i: (2048 + 10 * tick).to_bytes(4, "little") for i in IDS}
            os.write(port, build.sync_write(116, goals))
            time.sleep(pause_s * (tick % 3))
            bus.advance(0.02)
            request = build.sync_read(126, 10, IDS, fast=True)
            os.write(port, request[:9])
            time.sleep(pause_s)
            os.write(port, request[9:])
            bus.advance(0.0)
        num_answered = sum(len(entry.data) for entry in bus.trace if entry.direction == "to_host")
        answers = b""
        # The kernel hands bytes over in its own time.
        while len(answers) < num_answered and select.select([port], (), (), LONGEST_S)[0]:
            answers += os.read(port, 65536)
        os.close(port)
        assert len(answers) == num_answered
        return bus.trace, answers


def test_a_session_in_lock_step_is_the_same_byte_for_byte(spec):
    first, second = session(spec, 0.0), session(spec, 0.004)
    assert len(first[0]) > 60
    assert first == second


def test_time_stands_still_in_lock_step(spec):
    with EmulatedBus(spec, lock_step=True) as bus:
        before = bus.line.now
        time.sleep(0.05)
        assert bus.line.now == before
        bus.advance(1.5)
        assert bus.line.now == pytest.approx(before + 1.5)


def test_only_lock_step_advances(bus):
    with pytest.raises(RuntimeError):
        bus.advance(0.1)


def test_bus_time_follows_the_clock_and_is_never_ahead(bus):
    """It lags while others have the processor and catches up; a slow one would never do that."""
    time.sleep(0.3)
    lags_s = [bus_lag_s(bus)]

    def has_caught_up() -> bool:
        lags_s.append(bus_lag_s(bus))
        return lags_s[-1] < 0.02

    wait_until(has_caught_up)
    assert min(lags_s) > -1e-6


def bus_lag_s(bus: EmulatedBus) -> float:
    """How far the bus is behind the clock now."""
    now = bus.line.now
    return time.monotonic() - bus._epoch - now


def test_a_machine_that_was_asleep_is_not_caught_up_with(bus):
    with bus.frozen():
        bus._epoch -= 300.0  # as if the process had been suspended for five minutes
    wait_until(lambda: bus.line.now > 300.0)
    assert bus.line.plant.data.time < LONGEST_S, "the hand did not move in between"
    port = send(bus.port, build.ping(10))
    assert receive(port)
    os.close(port)


@pytest.mark.parametrize("split", range(1, len(bus_server._BARRIER)))
def test_a_barrier_that_comes_in_two_parts_is_put_together(split):
    first = b"\xff\xfd" + bus_server._BARRIER[:split]
    assert bus_server._without_part_of_barrier(first) == (b"\xff\xfd", first[2:])
    assert bus_server._without_part_of_barrier(b"\xff\xfd") == (b"\xff\xfd", b"")


def test_time_passes_once_although_the_barrier_came_in_two_parts(spec):
    with EmulatedBus(spec, lock_step=True) as bus:
        with bus.frozen():
            bus._advance_by = 0.5
        for part in (bus_server._BARRIER[:7], bus_server._BARRIER[7:]):
            os.write(bus._slave, part)
            time.sleep(0.05)
        assert bus._advanced.wait(LONGEST_S)
        assert bus.line.now == pytest.approx(0.5)
        assert bus.line.parser.faults.total() == bus.line.parser.num_pending == 0


def test_a_pulled_cable_ends_the_port_and_comes_back_under_its_name(bus):
    port = send(bus.port, build.ping(10))
    assert receive(port)
    pulled = bus.inject(Fault(kind="unplugged"))
    with pytest.raises(OSError):  # after the end of what was sent before
        while select.select([port], (), (), LONGEST_S)[0]:
            if not os.read(port, 1):
                raise OSError
    assert not os.path.exists(bus.port)  # noqa: PTH110
    os.close(port)
    bus.withdraw(pulled)
    wait_until(lambda: os.path.exists(bus.port))  # noqa: PTH110
    port = send(bus.port, build.ping(10))
    assert receive(port)
    os.close(port)


def test_stop_is_quiet_and_may_be_repeated(spec):
    bus = EmulatedBus(spec)
    path = bus.port
    bus.stop()
    bus.stop()
    assert not os.path.exists(path)  # noqa: PTH110


def test_a_failure_of_the_server_is_not_swallowed(spec, monkeypatch):
    bus = EmulatedBus(spec)
    monkeypatch.setattr(bus.line, "advance_to", lambda _now: 1 / 0)
    bus._thread.join(LONGEST_S)
    with pytest.raises(RuntimeError) as caught:
        bus.stop()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


HOST_WITH_TORQUE_ON = """
import os, sys, time
from sim2real.hardware.dynamixel import instructions as build
port = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
for motor_id in {ids}:
    for address, data in ((98, bytes(({watchdog},))), (116, b"\\0\\x08\\0\\0"), (64, b"\\1")):
        os.write(port, build.write(motor_id, address, data))
        os.read(port, 4096)
print("torque on", flush=True)
while True:
    os.write(port, build.sync_write(116, {{i: b"\\0\\x08\\0\\0" for i in {ids}}}))
    time.sleep(0.01)
"""


@pytest.mark.realtime
def test_a_killed_host_leaves_no_servo_running(bus):
    """kill -9 with torque on: each servo's own watchdog stops it within the time it was set to."""
    watchdog_s, slack_s = 1.0, 0.5  # a host that waits for its processor is not taken for dead
    script = HOST_WITH_TORQUE_ON.format(ids=IDS, watchdog=round(watchdog_s / 0.02))
    servos = [bus.servo(motor_id) for motor_id in IDS]
    command = [sys.executable, "-c", script, bus.port]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as host:
        try:
            assert host.stdout is not None
            assert host.stdout.readline() == b"torque on\n"
            time.sleep(watchdog_s + slack_s)
            assert all(servo.torque_is_on and not servo.watchdog_tripped for servo in servos)
        finally:
            host.send_signal(signal.SIGKILL)
    killed_at = bus.line.now
    while not all(servo.watchdog_tripped for servo in servos):
        assert bus.line.now - killed_at < watchdog_s + slack_s
        time.sleep(0.002)
    assert bus.line.now - killed_at > watchdog_s - slack_s, "it was the watchdog, not the kill"
    assert not bus.servo(60).watchdog_tripped, "its torque was never on"


def test_the_command_says_where_it_serves_and_stops_when_told():
    process = subprocess.Popen(
        [sys.executable, "-m", "sim2real.emulator.emulate"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    place = json.loads(process.stdout.readline())
    assert place["baud"] == BAUD and place["ids"] == list(ALL_IDS)
    port = send(place["port"])
    tty.setraw(port)
    os.write(port, build.ping(10))
    assert receive(port)
    os.close(port)
    process.send_signal(signal.SIGTERM)
    assert process.wait(LONGEST_S) == 0
    process.stdout.close()
    assert not os.path.exists(place["port"])  # noqa: PTH110
