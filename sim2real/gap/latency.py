"""How two control loops kept time: distributions of both, side by side.

The Kolmogorov-Smirnov statistic describes how far two distributions are apart. It is no test:
ticks follow each other and are not independent, so that no p-value would mean anything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim2real.gap.motion import Float

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
NUM_CURVE_POINTS = 101
"""of a distribution, from the shortest to the longest duration"""
STAGES = {
    "period": "from the start of a tick to the start of the next",
    "lateness": "from the deadline of a tick to its start",
    "read": "from the start of a tick until the servos had answered",
    "age": "from a measurement until the goals that answer it were on the bus",
    "compute": "from the start of a policy's step until its targets were known",
}
"""what is timed"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ticks:
    """What a side's control loop noted, (N,) each, ns; 0 where something did not happen."""

    number: NDArray[np.int64]
    deadline_ns: NDArray[np.int64]
    started_ns: NDArray[np.int64]
    reading_ns: NDArray[np.int64]
    read_done_ns: NDArray[np.int64]
    written_ns: NDArray[np.int64]
    answers_ns: NDArray[np.int64]
    num_missed: NDArray[np.int64]
    compute_s: Float
    """(M,) of the policy's steps"""

    @classmethod
    def joined(cls, parts: Sequence[Ticks]) -> Ticks:
        """One after the other, as of several episodes."""
        return cls(
            **{
                field.name: np.concatenate([getattr(part, field.name) for part in parts])
                for field in dataclasses.fields(cls)
            }
        )

    def without_clock(self) -> Ticks:
        """Only what was timed by a computer's clock, where all else is simulated time."""
        nothing = np.zeros(0, np.int64)
        names = [field.name for field in dataclasses.fields(self) if field.name != "compute_s"]
        return Ticks(**dict.fromkeys(names, nothing), compute_s=self.compute_s)

    @property
    def is_lock_step(self) -> bool:
        """Whether writing takes as long as the time between two readings: a simulation that runs
        on while a command is written, and no further."""
        is_answered = (self.written_ns > 0) & (self.reading_ns > 0)
        if is_answered.sum() < 2:
            return False
        ages = (self.written_ns - self.reading_ns)[is_answered]
        return bool(np.median(ages) >= 0.99 * np.median(np.diff(self.reading_ns[is_answered])))


def durations(ticks: Ticks) -> dict[str, Float]:
    """Seconds by stage. A period is between ticks that follow each other."""
    follows = (np.diff(ticks.number) == 1) & (np.diff(ticks.started_ns) > 0)
    is_read = ticks.reading_ns > 0
    is_answered = is_read & (ticks.written_ns > 0) & (ticks.answers_ns == ticks.reading_ns)
    nanoseconds = {
        "period": np.diff(ticks.started_ns)[follows],
        "lateness": ticks.started_ns - ticks.deadline_ns,
        "read": (ticks.read_done_ns - ticks.started_ns)[is_read],
        "age": (ticks.written_ns - ticks.reading_ns)[is_answered],
    }
    return {**{name: ns * 1e-9 for name, ns in nanoseconds.items()}, "compute": ticks.compute_s}


def compare_latency(a: Ticks, b: Ticks) -> dict[str, Any]:
    """Quantiles of both sides by stage, what lies between them, and missed deadlines."""
    sides = durations(a), durations(b)
    stages = {
        stage: {
            "a": quantiles(sides[0][stage]),
            "b": quantiles(sides[1][stage]),
            "ks": kolmogorov_smirnov(sides[0][stage], sides[1][stage]),
        }
        for stage in STAGES
    }
    return {"stages": stages, "missed": {"a": _missed(a), "b": _missed(b)}}


def quantiles(seconds: Float) -> dict[str, Any] | None:
    """Of durations, and their distribution in even shares; None where nothing was timed."""
    if not len(seconds):
        return None
    found = np.quantile(seconds, list(QUANTILES.values()))
    named = dict(zip(QUANTILES, map(float, found)))
    curve = np.quantile(seconds, np.linspace(0.0, 1.0, NUM_CURVE_POINTS))
    return {
        **named,
        "max": float(seconds.max()),
        "count": len(seconds),
        "curve_s": curve.tolist(),
    }


def kolmogorov_smirnov(a: Float, b: Float) -> float | None:
    """The largest distance between two empirical distribution functions, 0 to 1."""
    if not len(a) or not len(b):
        return None
    points = np.concatenate([a, b])
    shares = [np.searchsorted(np.sort(side), points, side="right") / len(side) for side in (a, b)]
    return float(np.abs(shares[0] - shares[1]).max())


def _missed(ticks: Ticks) -> dict[str, float]:
    """Deadlines that were skipped, and how many of a million."""
    missed = int(ticks.num_missed.sum())
    deadlines = missed + len(ticks.number)
    return {
        "deadlines": deadlines,
        "missed": missed,
        "per_million": 1e6 * missed / deadlines if deadlines else 0.0,
    }
