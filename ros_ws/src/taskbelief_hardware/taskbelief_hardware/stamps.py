"""From the host's monotonic clock, on which ages are counted, to the node's, which headers bear."""

from __future__ import annotations

import time

from rclpy.clock import Clock, ROSClock


class Stamps:
    """Makes header stamps, in ns since the epoch. With `use_sim_time` they are simulated now.

    Simulated time need not pass as the host's does, so that an age on one says nothing on the
    other.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def of(self, monotonic_ns: int) -> int:
        """The stamp of a moment that has been, on `time.monotonic_ns`."""
        stamp_ns: int = self._clock.now().nanoseconds
        if not (isinstance(self._clock, ROSClock) and self._clock.ros_time_is_active):
            stamp_ns -= time.monotonic_ns() - monotonic_ns
        return max(stamp_ns, 0)

    def monotonic(self, stamp_ns: int) -> int:
        """The other way round: a header's stamp on `time.monotonic_ns`."""
        age_ns: int = self._clock.now().nanoseconds - stamp_ns
        return time.monotonic_ns() - age_ns

    def now(self) -> int:
        return self.of(time.monotonic_ns())
