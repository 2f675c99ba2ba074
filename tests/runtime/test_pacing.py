"""Deadlines stay where they are, the newest value wins, and histograms forget only digits."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.runtime.pacing import Histogram, LatencyLog, Pacer

PERIOD_NS = 10_000_000


class FakeClock:
    """Time passes in `sleep` and where a test says so."""

    def __init__(self, oversleep_ns: int = 0) -> None:
        self.now_ns, self.oversleep_ns = 123_456_789, oversleep_ns
        self.slept: list[float] = []

    def __call__(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_ns += round(seconds * 1e9) + self.oversleep_ns

    def pacer(self, **options: float) -> Pacer:
        return Pacer(PERIOD_NS * 1e-9, clock_ns=self, sleep=self.sleep, **options)


durations = st.lists(st.integers(0, 5 * PERIOD_NS), min_size=1, max_size=40)


@given(durations, st.integers(0, 3 * PERIOD_NS))
def test_deadlines_are_never_shifted_and_what_is_skipped_is_counted(work_ns, oversleep_ns):
    clock = FakeClock(oversleep_ns)
    pacer = clock.pacer()
    pacer.start()
    began_ns, last = clock.now_ns, -1
    for spent_ns in work_ns:
        beat = pacer.wait()
        assert beat.deadline_ns == began_ns + beat.number * PERIOD_NS
        assert beat.number == last + 1 + beat.num_missed
        assert beat.deadline_ns <= beat.started_ns < beat.deadline_ns + PERIOD_NS
        assert beat.started_ns == clock.now_ns
        last = beat.number
        clock.now_ns += spent_ns


def test_a_tick_that_is_late_by_less_than_a_period_misses_nothing():
    clock = FakeClock()
    pacer = clock.pacer()
    pacer.wait()
    clock.now_ns += round(1.7 * PERIOD_NS)

    late, punctual = pacer.wait(), pacer.wait()

    assert (late.number, late.num_missed) == (1, 0)
    assert late.started_ns - late.deadline_ns == round(0.7 * PERIOD_NS)
    assert (punctual.number, punctual.num_missed) == (2, 0)
    assert punctual.started_ns == punctual.deadline_ns


def test_deadlines_that_something_else_took_are_not_missed():
    clock = FakeClock()
    pacer = clock.pacer()
    pacer.wait()
    clock.now_ns += round(2.4 * PERIOD_NS)  # deadline 1 is missed, 2 is due
    pacer.pause()
    clock.now_ns += 3 * PERIOD_NS  # 2 to 5 go by

    assert pacer.resume() == 4
    beat = pacer.wait()

    assert (beat.number, beat.num_missed) == (6, 1)
    assert beat.started_ns == beat.deadline_ns


def test_a_short_pause_leaves_out_nothing():
    clock = FakeClock()
    pacer = clock.pacer()
    pacer.wait()
    clock.now_ns += round(1.2 * PERIOD_NS)
    pacer.pause()
    clock.now_ns += round(0.1 * PERIOD_NS)

    assert pacer.resume() == 0
    assert pacer.wait()[0::3] == (1, 0)


def test_it_sleeps_until_shortly_before_where_it_is_told_to_watch_the_clock():
    clock = FakeClock()
    reads = iter(range(10_000))

    def ticking() -> int:
        next(reads)
        clock.now_ns += 1000
        return clock.now_ns

    pacer = Pacer(PERIOD_NS * 1e-9, clock_ns=ticking, sleep=clock.sleep, spin_s=0.001)
    pacer.wait()
    beat = pacer.wait()

    assert sum(clock.slept) <= PERIOD_NS * 1e-9 - 0.001
    assert beat.started_ns >= beat.deadline_ns


@pytest.mark.parametrize("period_s", [0.0, -1.0, float("nan"), float("inf")])
def test_periods_that_are_none_are_refused(period_s):
    with pytest.raises(ValueError, match="period"):
        Pacer(period_s)


# ---- histograms --------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 2**39), min_size=1, max_size=300), st.floats(0.01, 1.0))
def test_quantiles_are_those_of_the_durations(durations_ns, q):
    histogram = Histogram()
    for duration in durations_ns:
        histogram.add(duration)

    exact = int(np.quantile(durations_ns, q, method="inverted_cdf"))
    assert exact <= histogram.quantile(q) <= exact + exact // 32 + 1
    assert histogram.max == max(durations_ns)
    assert histogram.count == len(durations_ns)


@given(st.lists(st.integers(-10, 2**62), min_size=1))
def test_durations_out_of_range_are_counted_too(durations_ns):
    histogram = Histogram()
    for duration_ns in durations_ns:
        histogram.add(duration_ns)

    assert histogram.count == len(durations_ns)
    assert histogram.max == max(0, *durations_ns)


def test_a_histogram_does_not_grow():
    histogram = Histogram()
    size = sys.getsizeof(histogram._buckets)
    for exponent in range(70):
        histogram.add(2**exponent)
    assert sys.getsizeof(histogram._buckets) == size
    assert histogram.count == 70


def test_an_empty_histogram_says_nothing_of_quantiles():
    assert Histogram().as_dict() == {"p50": 0.0, "p99": 0.0, "p99.9": 0.0, "max": 0.0, "count": 0}


def test_a_log_speaks_in_seconds_and_of_what_it_has_seen():
    log = LatencyLog(("read", "answer"))
    log.add("read", 2_000_000)

    assert set(log.as_dict()) == {"read"}
    assert log.as_dict()["read"]["max"] == pytest.approx(0.002)
    assert log["read"].count == 1
