"""The serial port on a pseudo-terminal whose other end the test holds."""

from __future__ import annotations

import os
import threading
import time
import tty
from collections.abc import Iterator

import pytest

from sim2real.contract.errors import BadInput
from sim2real.hardware.dynamixel import port as port_module
from sim2real.hardware.dynamixel.port import PortLost, SerialPort, wire_time_s


@pytest.fixture
def ends() -> Iterator[tuple[SerialPort, int, str]]:
    """The port, the file descriptor of its other end, and its path."""
    far, near = os.openpty()
    tty.setraw(near)
    path = os.ttyname(near)
    port = SerialPort.open(path, 1_000_000)
    os.close(near)
    yield port, far, path
    port.close()
    os.close(far)


Ends = tuple[SerialPort, int, str]


def test_bytes_pass_both_ways_untouched(ends: Ends) -> None:
    port, far, _ = ends
    every_byte = bytes(range(256))
    port.send(every_byte)
    assert os.read(far, 1000) == every_byte
    os.write(far, every_byte)
    assert port.receive(1.0) == every_byte


def test_waiting_ends_in_time(ends: Ends) -> None:
    port, _, _ = ends
    began = time.monotonic()
    assert port.receive(0.02) == b""
    assert 0.015 < time.monotonic() - began < 10, "milliseconds are not taken for seconds"
    assert port.receive(-1.0) == b"", "a deadline that has passed is no wait"


def test_more_than_the_buffer_takes_is_sent_in_pieces(ends: Ends) -> None:
    port, far, _ = ends
    data, received = os.urandom(200_000), bytearray()

    def drain() -> None:
        while len(received) < len(data):
            received.extend(os.read(far, 4096))

    reader = threading.Thread(target=drain)
    reader.start()
    port.send(data)
    reader.join(60)
    assert bytes(received) == data


def test_a_port_that_takes_nothing_is_lost_and_does_not_hang(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, _, _ = ends
    monkeypatch.setattr(port_module, "SEND_TIMEOUT_S", 0.02)
    with pytest.raises(PortLost, match="takes no bytes"):
        port.send(bytes(10_000_000))


def test_an_unplugged_port_is_lost() -> None:
    far, near = os.openpty()
    port = SerialPort.open(os.ttyname(near), 1_000_000)
    os.close(near)
    os.close(far)
    with pytest.raises(PortLost):
        port.receive(0.1)
    with pytest.raises(PortLost):
        port.send(b"x")
    port.close()


def test_a_port_is_for_one_program_at_a_time(ends: Ends) -> None:
    _, _, path = ends
    with pytest.raises(BadInput, match="a free serial port"):
        SerialPort.open(path, 1_000_000)


def test_a_port_that_does_not_exist_is_refused(tmp_path: os.PathLike[str]) -> None:
    with pytest.raises(BadInput, match="ttyUSB9"):
        SerialPort.open(f"{tmp_path}/ttyUSB9", 1_000_000)


def test_wire_time_counts_start_and_stop_bits() -> None:
    assert wire_time_s(100, 1_000_000) == pytest.approx(1e-3)
