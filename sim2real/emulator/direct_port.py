"""An emulated line without a pseudo-terminal: nothing happens but by the host's own waiting.

The driver then runs on the line's clock, so a session is the same on every machine however busy.
"""

from __future__ import annotations

from sim2real.emulator.line import Line
from sim2real.hardware.dynamixel.port import PortLost


class DirectPort:
    """The host's end of a line, set to `baud` (default: the servos'). See `Port`."""

    def __init__(self, line: Line, baud: int | None = None) -> None:
        self._line, self._is_lost = line, line.is_unplugged
        self.baud = line.options.baud if baud is None else baud
        line.host_baud = self.baud

    def send(self, data: bytes) -> None:
        self._require_plug()
        self._line.receive(data, self._line.now)

    def receive(self, timeout_s: float) -> bytes:
        """Lets bus time pass until bytes arrive or `timeout_s` is over."""
        line, deadline = self._line, self._line.now + max(timeout_s, 0.0)
        while True:
            self._require_plug()
            data = line.deliveries(line.now)
            if data or line.now >= deadline:
                return data
            line.advance_to(min(line.next_delivery_at, line.next_step_at, deadline))

    def close(self) -> None:
        """Nothing to let go of."""

    def _require_plug(self) -> None:
        self._is_lost |= self._line.is_unplugged
        if self._is_lost:
            raise PortLost("the port is gone")
