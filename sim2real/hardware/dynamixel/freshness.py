"""Whether servos measured just now, told by their own clocks.

Realtime Tick counts milliseconds in each servo. Between two readings it must advance as far as the
host's clock did; an answer from an earlier tick, delivered late, does not, and neither does a servo
that restarted. Nothing on the bus or in the host can disturb this clock.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TICK_NS = 1_000_000
WRAP = 32_768
MAX_DRIFT = 0.005
"""servo clock against host clock: about that of an RC oscillator, a quartz is far better"""

Int = NDArray[np.int64]


class TickCheck:
    """Follows n servos. For each it knows an interval of host time that holds its last measurement.

    A new measurement lies between question and answer; it also lies one tick difference after the
    last one. Where the two intervals do not meet, within `tolerance_s`, the reading is not fresh.
    """

    def __init__(self, num_servos: int, tolerance_s: float) -> None:
        self._tolerance_ns = round(tolerance_s * 1e9)
        self._num_servos = num_servos
        self.reset()

    def reset(self) -> None:
        """Begin anew: the next reading is believed."""
        self._ticks: Int | None = None
        self._earliest: Int = np.zeros(self._num_servos, np.int64)
        self._latest: Int = np.zeros(self._num_servos, np.int64)

    def fresh(self, ticks: Int, asked_ns: int, answered_ns: int) -> NDArray[np.bool_]:
        """Which servos measured between the two host times, (n,); `ticks` are theirs, (n,).

        A servo that did not keeps its old anchor, so it is believed again once it is in step.
        """
        earliest = np.full(self._num_servos, asked_ns, np.int64)
        latest = np.full(self._num_servos, answered_ns, np.int64)
        if self._ticks is None:
            self._ticks, self._earliest, self._latest = ticks.copy(), earliest, latest
            return np.ones(self._num_servos, np.bool_)
        elapsed = self._elapsed_ns(ticks, asked_ns)
        slack = TICK_NS + (np.abs(elapsed) * MAX_DRIFT).astype(np.int64)
        predicted_earliest = self._earliest + elapsed - slack
        predicted_latest = self._latest + elapsed + slack
        fresh = (predicted_latest >= earliest - self._tolerance_ns) & (
            predicted_earliest <= latest + self._tolerance_ns
        )
        narrowed = (np.maximum(earliest, predicted_earliest), np.minimum(latest, predicted_latest))
        is_consistent = narrowed[0] <= narrowed[1]
        earliest = np.where(is_consistent, narrowed[0], earliest)
        latest = np.where(is_consistent, narrowed[1], latest)
        self._ticks = np.where(fresh, ticks, self._ticks)
        self._earliest = np.where(fresh, earliest, self._earliest)
        self._latest = np.where(fresh, latest, self._latest)
        return fresh

    @property
    def stamp_ns(self) -> int:
        """Host time of the first servo's latest measurement: the middle of what is possible."""
        return int(self._earliest[0] + self._latest[0]) // 2

    def _elapsed_ns(self, ticks: Int, asked_ns: int) -> Int:
        """Time since each servo's last measurement by its own clock, whole wraps from the host."""
        assert self._ticks is not None
        elapsed: Int = (ticks - self._ticks) * TICK_NS
        missing = (asked_ns - self._latest - elapsed) / (WRAP * TICK_NS)
        return elapsed + np.rint(missing).astype(np.int64) * WRAP * TICK_NS
