"""How long things take on the robot: from reading to command, and from tick to tick."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim2real.recording.columns import Columns
from sim2real.report.figure import Figure, Panel, Table
from sim2real.report.svg import Plot, duration_axis, linear_axis

NUM_BINS = 48
_SMALLEST_S = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Timing:
    """What the control loop's ticks took, over all recordings."""

    age_s: NDArray[np.float64]
    """from a measurement until the goals that answer it were on the bus"""
    compute_s: NDArray[np.float64]
    """from the start of a step of the policy until its targets were known"""
    period_s: NDArray[np.float64]
    """from the start of one tick to the start of the next, where no deadline was skipped"""
    num_missed: int
    """deadlines that were skipped"""
    num_ticks: int


def timing_of(ticks: Sequence[Columns], steps: Sequence[Columns]) -> Timing:
    """From `control_tick` and `policy_step` of each episode; empty columns are left out."""
    nothing = np.zeros(0)
    ages, periods, num_missed, num_ticks = [nothing], [nothing], 0, 0
    for ticked in filter(None, ticks):
        reading, written = ticked["reading_ns"], ticked["written_ns"]
        is_answered = (reading > 0) & (written > 0) & (ticked["answers_ns"] == reading)
        ages.append((written - reading)[is_answered] * 1e-9)
        is_next = np.diff(ticked["number"].astype(np.int64)) == 1
        periods.append(np.diff(ticked["started_ns"])[is_next] * 1e-9)
        num_missed += int(ticked["num_missed"].sum())
        num_ticks += len(reading)
    return Timing(
        age_s=np.concatenate(ages),
        compute_s=np.concatenate([nothing, *(stepped["compute_s"] for stepped in steps)]),
        period_s=np.concatenate(periods),
        num_missed=num_missed,
        num_ticks=num_ticks,
    )


def latency_figure(timing: Timing, *, in_real_time: bool) -> Figure | None:
    """Histograms; None where nothing was timed.

    Where time is simulated it stands still while the policy works: then its own work is all that
    there is to time.
    """
    series = {
        "age": ("Age of a measurement when its command is on the bus", timing.age_s),
        "period": ("From the start of a tick to the next", timing.period_s),
    }
    if not in_real_time:
        series = {"compute": ("One step of the policy", timing.compute_s)}
    histograms = {
        name: (title, _histogram(values)) for name, (title, values) in series.items() if len(values)
    }
    if not histograms:
        return None
    return Figure(
        name="latency",
        panels=tuple(
            Panel(title=title, svg=_bars(name, *histogram))
            for name, (title, histogram) in histograms.items()
        ),
        caption=(
            "Share by duration, over all recorded episodes; the time axis is logarithmic. "
            "Dashed: median and 99th percentile."
        ),
        table=Table(
            columns=("stage", "low_s", "high_s", "count"),
            rows=[
                (name, float(low), float(high), int(number))
                for name, (_, (edges, counts, _)) in histograms.items()
                for low, high, number in zip(edges[:-1], edges[1:], counts, strict=True)
            ],
        ),
    )


Histogram = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]
"""edges (B + 1,), counts (B,), and median and 99th percentile"""


def _histogram(values_s: NDArray[np.float64]) -> Histogram:
    values = np.maximum(values_s, _SMALLEST_S)
    low, high = float(values.min()), float(values.max())
    # Where all ticks took the same time, a tenth around it still makes an axis.
    if high < 1.2 * low:
        middle = math.sqrt(low * high)
        low, high = min(low, middle / 1.1), max(high, middle * 1.1)
    edges = np.geomspace(low * 0.999, high * 1.001, NUM_BINS + 1)
    counts, _ = np.histogram(values, edges)
    return edges, counts, np.percentile(values_s, [50.0, 99.0])


def _bars(
    name: str,
    edges: NDArray[np.float64],
    counts: NDArray[np.int64],
    quantiles: NDArray[np.float64],
) -> Any:
    shares = counts / counts.sum()
    plot = Plot(
        duration_axis("duration, logarithmic", float(edges[0]), float(edges[-1])),
        linear_axis(
            "share",
            [0.0, 1.2 * float(shares.max())],
            margin=0.0,
            num_ticks=4,
            scale=100.0,
            unit=" %",
        ),
    )
    for low, high, share in zip(edges[:-1], edges[1:], shares, strict=True):
        if share > 0:
            title = f"{low * 1e3:.3g} to {high * 1e3:.3g} ms: {100 * share:.2g} %"
            plot.bar(float(low), float(high), float(share), "accent", title)
    for line, (quantile, text) in enumerate(zip(quantiles, ("p50", "p99"), strict=True)):
        place = max(float(quantile), float(edges[0]))
        plot.upright(place, "reference")
        plot.text(plot.x(place) + 3, 21 + 12 * line, text, "tick-text")
    p50, p99 = quantiles * 1e3
    return plot.svg(name, f"{counts.sum()} in all, median {p50:.3g} ms, 99 % below {p99:.3g} ms")
