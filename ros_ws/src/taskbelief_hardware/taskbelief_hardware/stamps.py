"""From the host's monotonic clock, on which ages are counted, to the node's, which headers bear."""

from __future__ import annotations

import time

from rclpy.clock import Clock, ROSClock

_CLOSE_NS, _TRIES = 50_000, 5
"""two clocks that were read within this were read at once; how often it is tried"""


class Stamps:
    """Makes header stamps, in ns since the epoch. With `use_sim_time` they are simulated now.

    Simulated time need not pass as the host's does, so that an age on one says nothing on the
    other.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def of(self, monotonic_ns: int) -> int:
        """The stamp of a moment that has been, on `time.monotonic_ns`."""
        monotonic_now_ns, stamp_ns = self._both()
        if not (isinstance(self._clock, ROSClock) and self._clock.ros_time_is_active):
            stamp_ns -= monotonic_now_ns - monotonic_ns
        return max(stamp_ns, 0)

    def monotonic(self, stamp_ns: int) -> int:
        """The other way round: a header's stamp on `time.monotonic_ns`."""
        monotonic_now_ns, stamp_now_ns = self._both()
        return monotonic_now_ns - (stamp_now_ns - stamp_ns)

    def _both(self) -> tuple[int, int]:
        """Now on both clocks, read so close together as a busy machine allows.

        A thread that loses its processor between the two would be milliseconds off.
        """
        readings = []
        for _ in range(_TRIES):
            before_ns = time.monotonic_ns()
            stamp_ns: int = self._clock.now().nanoseconds
            took_ns = time.monotonic_ns() - before_ns
            readings.append((took_ns, before_ns + took_ns // 2, stamp_ns))
            if took_ns < _CLOSE_NS:
                break
        return min(readings)[1:]

    def now(self) -> int:
        return self.of(time.monotonic_ns())
