"""One serial port: bytes out, bytes in before a deadline, and whether it is fast enough."""

from __future__ import annotations

import errno
import os
import select
import termios
from pathlib import Path
from typing import Protocol, Self

import serial

from sim2real.contract.errors import BadInput, WorkFailed

BITS_PER_BYTE = 10
"""eight data bits between a start and a stop bit"""
MAX_LATENCY_TIMER_MS = 1
"""a USB adapter waits this long for more bytes before it passes on what it has"""

SEND_TIMEOUT_S = 0.5
"""how long a full send buffer may stay full"""


class PortLost(WorkFailed):
    """The port is gone: unplugged, or its other end closed."""


class Port(Protocol):
    """What a bus needs of its wire; tests put scripted ones in its place."""

    @property
    def baud(self) -> int:
        """Bits per second."""

    def send(self, data: bytes) -> None:
        """Hand over all bytes. Raises `PortLost`."""

    def receive(self, timeout_s: float) -> bytes:
        """What has arrived, waiting up to `timeout_s` for a first byte. Raises `PortLost`."""

    def close(self) -> None:
        """Let go of the port. Never raises."""


class SerialPort:
    """A serial device opened for this process alone.

    pyserial configures it; bytes then go straight through the file descriptor, for pyserial's
    `read` returns only when a whole count has come or the time is up.
    """

    def __init__(self, device: serial.Serial) -> None:
        self._device = device
        self._fd: int = device.fileno()

    @classmethod
    def open(cls, path: str, baud: int) -> Self:
        """Raises `BadInput` when there is no such port or it may not be used, with what to do."""
        require_serial_port(path)
        try:
            device = serial.Serial(path, baud, timeout=0, exclusive=True)
        except ValueError as error:
            remedy = "correct bus.baud of robot.yaml, or use another adapter"
            expected = f"an adapter that can do {baud} baud"
            raise BadInput(
                path, "port", found=str(error), expected=expected, remedy=remedy
            ) from None
        except (OSError, termios.error) as error:  # pyserial's own error is an OSError
            raise _refused(path, error) from None
        device.reset_input_buffer()
        return cls(device)

    @property
    def baud(self) -> int:
        return int(self._device.baudrate)

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                try:
                    view = view[os.write(self._fd, view) :]
                except BlockingIOError:
                    if not select.select((), (self._fd,), (), SEND_TIMEOUT_S)[1]:
                        raise PortLost("the other end takes no bytes") from None
        except OSError as error:
            raise PortLost(f"cannot send: {error}") from error

    def receive(self, timeout_s: float) -> bytes:
        try:
            if not select.select((self._fd,), (), (), max(timeout_s, 0.0))[0]:
                return b""
            data = os.read(self._fd, 4096)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise PortLost(f"cannot receive: {error}") from error
        if not data:
            raise PortLost("the other end is closed")
        return data

    def close(self) -> None:
        self._device.close()


def require_serial_port(path: str) -> None:
    """Raise `BadInput`, with what to do, for what is no serial port or may not be used."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as error:
        raise _refused(path, error) from None
    try:
        is_terminal = os.isatty(handle)
    finally:
        os.close(handle)
    if not is_terminal:
        raise _refused(path, OSError(errno.ENOTTY, "it is not a serial port"))


def is_emulated(path: str) -> bool:
    """Whether a path leads to a pseudo-terminal: an emulator's, since no adapter's is one."""
    return Path(path).resolve().parent == Path("/dev/pts")


def _refused(path: str, error: Exception) -> BadInput:
    number = getattr(error, "errno", None) or 0
    found = getattr(error, "strerror", None) or str(error)
    if number == errno.ENOENT:
        found = "it does not exist"
    remedy = _REMEDIES.get(number, f"have {_ports()}")
    return BadInput(path, "port", found=found, expected="a free serial port", remedy=remedy)


def _ports() -> str:
    """Those of this machine, for a person."""
    ports = sorted(str(item) for item in Path("/dev").glob("tty[UA][SC][BM]*"))
    return ", ".join(ports) if ports else "no serial adapter: plug it in"


_OTHER_PROGRAM = "close the other program that has it open"
_DIALOUT = 'sudo usermod -aG dialout "$USER", then log in again'
_REMEDIES = {
    errno.EACCES: _DIALOUT,
    errno.EPERM: _DIALOUT,
    errno.EAGAIN: _OTHER_PROGRAM,
    errno.EBUSY: _OTHER_PROGRAM,
    errno.EIO: "plug it in again",
    errno.ENXIO: "plug it in again",
    errno.ENODEV: "plug it in again",
}
"""by the number of the error; for others the ports that there are help most"""


def wire_time_s(num_bytes: int, baud: int) -> float:
    """How long `num_bytes` are on the wire."""
    return num_bytes * BITS_PER_BYTE / baud


def latency_timer_ms(path: str, sysfs: Path = Path("/sys/bus/usb-serial/devices")) -> int | None:
    """The adapter's latency timer, or None for a port that has none."""
    file = sysfs / Path(path).resolve().name / "latency_timer"
    return int(file.read_text()) if file.exists() else None


def require_low_latency(path: str, sysfs: Path = Path("/sys/bus/usb-serial/devices")) -> None:
    """Raise `BadInput` with the command that helps if the adapter would hold bytes back.

    It checks and does not set: that needs rights, and a setting that changes unseen is a riddle.
    """
    found = latency_timer_ms(path, sysfs)
    if found is not None and found > MAX_LATENCY_TIMER_MS:
        file = sysfs / Path(path).resolve().name / "latency_timer"
        raise BadInput(
            path,
            "latency_timer",
            found=f"{found} ms",
            expected=f"{MAX_LATENCY_TIMER_MS} ms",
            remedy=f"echo {MAX_LATENCY_TIMER_MS} | sudo tee {file}",
        )
