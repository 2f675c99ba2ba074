"""Whose turn a reading is, where a hand is read more often than its policy acts."""

from __future__ import annotations

from collections import deque
from statistics import median_low

from sim2real.contract.joint_io import Reading
from sim2real.runtime.evidence import Rejection

NUM_INTERVALS = 8
"""times between readings that are remembered: their median does not mind a lost one"""


class Turns:
    """Finds the readings that lie one control period apart.

    A reading is due when it is nearer to the end of the period than the next one will be: when a
    period has passed since the last one acted on, less half the time between readings. Whether the
    two are near enough to a period apart to be evidence is for the gate to say.
    """

    def __init__(self, period_s: float) -> None:
        self._period_ns = round(period_s * 1e9)
        self.forget()

    def forget(self) -> None:
        """Another driver may be read from now on, which counts anew."""
        self._intervals_ns: deque[int] = deque(maxlen=NUM_INTERVALS)
        self._latest: Reading | None = None
        self._acted_ns = 0

    def defect(self, reading: Reading) -> Rejection | None:
        """Why this reading, the next one that arrived, is none at all; None if it is one."""
        latest = self._latest
        if latest is not None:
            elapsed_ns = reading.stamp_ns - latest.stamp_ns
            if reading.sequence == latest.sequence or elapsed_ns == 0:
                return Rejection.DUPLICATE
            if reading.sequence < latest.sequence or elapsed_ns < 0:
                return Rejection.REORDERED
            # A pause says nothing about how often a hand is read.
            self._intervals_ns.append(min(elapsed_ns, self._period_ns))
        self._latest = reading
        return None

    def acted(self, stamp_ns: int) -> None:
        """The policy has acted on the reading of this stamp."""
        self._acted_ns = stamp_ns

    def is_due(self, reading: Reading) -> bool:
        """Whether it is the policy's turn."""
        interval_ns = median_low(self._intervals_ns) if self._intervals_ns else self._period_ns
        return reading.stamp_ns - self._acted_ns >= self._period_ns - interval_ns // 2
