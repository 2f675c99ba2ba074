"""Time: absolute deadlines, and histograms of fixed size."""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Callable, Iterable
from typing import NamedTuple

SUB_BUCKETS = 32
"""per factor of two: a quantile is exact within 1/32"""
MAX_BITS = 40
"""18 minutes; longer ones share the last bucket"""
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


class Beat(NamedTuple):
    """One deadline, met or not."""

    number: int
    """of the deadline, from 0; those skipped are counted too"""
    deadline_ns: int
    """when the tick should have begun"""
    started_ns: int
    """when it did"""
    num_missed: int
    """deadlines skipped since the beat before"""


class Pacer:
    """Deadlines at `start`, and then one every period, for ever: none is shifted by a late tick.

    Where whole periods have passed since a deadline, it is skipped and counted. `sleep` is asked
    to sleep until `spin_s` before a deadline; the rest is spent looking at the clock.
    """

    def __init__(
        self,
        period_s: float,
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
        spin_s: float = 0.0,
    ) -> None:
        """Raises `ValueError` for a period that is not above zero."""
        self.period_ns = round(period_s * 1e9) if math.isfinite(period_s) else 0
        if self.period_ns < 1:
            raise ValueError(f"period {period_s} s: expected above 0")
        self._clock_ns, self._sleep = clock_ns, sleep
        self._spin_ns = round(spin_s * 1e9)
        self._first_ns: int | None = None
        self._next = self._num_missed = self._num_due = 0

    def start(self) -> None:
        """The first deadline is now."""
        self._first_ns, self._next, self._num_missed = self._clock_ns(), 0, 0

    def wait(self) -> Beat:
        """Sleep until the next deadline that has not gone by; starts if need be."""
        if self._first_ns is None:
            self.start()
        self._miss()
        deadline_ns = self._deadline_ns(self._next)
        while (remaining_ns := deadline_ns - self._clock_ns()) > 0:
            if remaining_ns > self._spin_ns:
                self._sleep((remaining_ns - self._spin_ns) * 1e-9)
        self._miss()  # waking up may have taken whole periods
        num_missed, self._num_missed = self._num_missed, 0
        beat = Beat(self._next, self._deadline_ns(self._next), self._clock_ns(), num_missed)
        self._next += 1
        return beat

    def pause(self) -> None:
        """Something else is about to be done; what has been missed until now stays missed."""
        self._miss()
        self._num_due = self._num_passed()

    def resume(self) -> int:
        """It is done: the deadlines that it took are left out, not missed; returns how many."""
        num_passed = self._num_passed()
        return self._skip_to(num_passed) if num_passed > self._num_due else 0

    def _miss(self) -> None:
        """The deadlines that lie a whole period back or more are missed."""
        self._num_missed += self._skip_to(self._num_passed() - 1)

    def _skip_to(self, number: int) -> int:
        num_skipped = max(number - self._next, 0)
        self._next += num_skipped
        return num_skipped

    def _num_passed(self) -> int:
        """How many deadlines there have been until now."""
        if self._first_ns is None:
            return 0
        return (self._clock_ns() - self._first_ns) // self.period_ns + 1

    def _deadline_ns(self, number: int) -> int:
        assert self._first_ns is not None
        return self._first_ns + number * self.period_ns


class Histogram:
    """Durations in nanoseconds, in memory of a fixed size; quantiles are exact within 1/32."""

    def __init__(self) -> None:
        self._buckets = array("Q", bytes(8 * SUB_BUCKETS * (MAX_BITS + 1)))
        self.count = 0
        self.max = 0
        """ns, exact"""

    def add(self, ns: int) -> None:
        """Count one duration; what is below zero counts as zero."""
        value = max(ns, 0)
        self._buckets[_bucket(value)] += 1
        self.count += 1
        self.max = max(self.max, value)

    def quantile(self, q: float) -> int:
        """ns that a share `q` of the durations does not exceed; 0 where there are none."""
        wanted, seen = max(math.ceil(q * self.count), 1), 0
        for index, count in enumerate(self._buckets):
            seen += count
            if count and seen >= wanted:
                return min(_largest(index), self.max)
        return self.max

    def as_dict(self) -> dict[str, float]:
        """p50, p99, p99.9 and max in *seconds*, and count: an entry of `latency_s`."""
        seconds = {name: self.quantile(q) * 1e-9 for name, q in QUANTILES.items()}
        return {**seconds, "max": self.max * 1e-9, "count": self.count}


class LatencyLog:
    """Histograms by name of the stage."""

    def __init__(self, stages: Iterable[str]) -> None:
        self.histograms = {stage: Histogram() for stage in stages}

    def __getitem__(self, stage: str) -> Histogram:
        return self.histograms[stage]

    def add(self, stage: str, ns: int) -> None:
        self.histograms[stage].add(ns)

    def as_dict(self) -> dict[str, dict[str, float]]:
        """By stage, in seconds; stages that nothing was added to are left out."""
        return {name: one.as_dict() for name, one in self.histograms.items() if one.count}


def _bucket(value: int) -> int:
    """Buckets 0 to 31 hold one value each, then 32 per factor of two."""
    shift = max(value.bit_length() - SUB_BUCKETS.bit_length(), 0)
    index = shift * SUB_BUCKETS + (value >> shift)
    return min(index, SUB_BUCKETS * (MAX_BITS + 1) - 1)


def _largest(index: int) -> int:
    """The largest value in a bucket."""
    if index < 2 * SUB_BUCKETS:
        return index
    shift, rest = divmod(index, SUB_BUCKETS)
    return ((rest + SUB_BUCKETS + 1) << (shift - 1)) - 1
