"""Durations are those between the stamps, and a distribution is no way from itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sim2real.gap.latency import Ticks, compare_latency, durations, kolmogorov_smirnov

SAMPLES = hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 1))


def ticks(count: int = 1000, *, late_ns: int = 0, skip: tuple[int, ...] = ()) -> Ticks:
    number = np.array([n for n in range(count) if n not in skip], np.int64)
    deadline = number * 10_000_000 + 1_000_000_000
    started = deadline + late_ns
    missed = np.diff(number, prepend=-1) - 1
    return Ticks(
        number=np.arange(len(number), dtype=np.int64),
        deadline_ns=deadline,
        started_ns=started,
        reading_ns=started + 500_000,
        read_done_ns=started + 900_000,
        written_ns=started + 2_500_000,
        answers_ns=started + 500_000,
        num_missed=missed,
        compute_s=np.full(count, 1e-4),
    )


def test_stages_are_the_times_between_stamps():
    found = durations(ticks(late_ns=70_000))

    np.testing.assert_allclose(found["period"], 0.01)
    np.testing.assert_allclose(found["lateness"], 70e-6)
    np.testing.assert_allclose(found["read"], 0.9e-3)
    np.testing.assert_allclose(found["age"], 2e-3)


def test_goals_that_answer_no_reading_of_the_tick_have_no_age():
    one = ticks(4)
    one.answers_ns[1] = 0
    one.written_ns[2] = 0

    assert len(durations(one)["age"]) == 2


def test_a_side_compared_with_itself_is_no_way_off():
    side = ticks(skip=(5, 6, 40))

    gap = compare_latency(side, side)

    assert all(row["ks"] == 0.0 and row["a"] == row["b"] for row in gap["stages"].values())
    assert gap["missed"]["a"] == {"deadlines": 1000, "missed": 3, "per_million": 3000.0}


@settings(max_examples=50)
@given(a=SAMPLES, b=SAMPLES)
def test_the_distance_of_distributions(a, b):
    """Symmetric, between 0 and 1; the same as by its definition, point by point."""
    found = kolmogorov_smirnov(a, b)
    by_definition = max(abs((a <= x).mean() - (b <= x).mean()) for x in (*a, *b))

    assert found == pytest.approx(by_definition)
    assert found == pytest.approx(kolmogorov_smirnov(b, a))
    assert 0.0 <= found <= 1.0
    assert kolmogorov_smirnov(a, a) == 0.0
    assert kolmogorov_smirnov(a, a + 2.0) == 1.0


def test_nothing_timed_is_no_number():
    empty = np.zeros(0, np.int64)
    nothing = Ticks(
        number=empty,
        deadline_ns=empty,
        started_ns=empty,
        reading_ns=empty,
        read_done_ns=empty,
        written_ns=empty,
        answers_ns=empty,
        num_missed=empty,
        compute_s=np.zeros(0),
    )

    gap = compare_latency(nothing, ticks())

    assert gap["stages"]["period"]["a"] is None
    assert gap["stages"]["period"]["ks"] is None
    assert gap["missed"]["a"]["per_million"] == 0.0
