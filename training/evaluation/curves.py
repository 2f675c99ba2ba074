"""Learning curves: returns per episode of a trial against environment steps."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.output_file import write_with

Float = NDArray[np.float64]


class CurvePoint(Protocol):
    """One number of a run, as a line of metrics.csv holds it."""

    @property
    def environment_steps(self) -> int: ...
    @property
    def metric(self) -> str: ...
    @property
    def value(self) -> float: ...


PLACES = {
    "episode_0": "first episode",
    "adapted": "adapted (last episode)",
    "frozen_prior": "belief frozen at the prior",
    "wrong_task": "belief of a wrong task",
}
"""places of an evaluation that a curve shows, and their labels"""


def draw_curve(
    runs: Sequence[Sequence[CurvePoint]],
    path: Path,
    *,
    metric: str = "return",
    title: str = "",
    levels: dict[str, float] | None = None,
) -> None:
    """One run: means with their interval over tasks. Several seeds: mean and range over seeds.

    `levels` draws horizontal lines, such as the oracle's return. Nothing is drawn before the
    first evaluation.
    """
    from matplotlib.figure import Figure  # without pyplot: no window system, no global state

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for place, label in PLACES.items():
        band = _band(runs, f"{place}/{metric}")
        if band is not None:
            steps, mean, low, high = band
            (line,) = axes.plot(steps, mean, label=label)
            axes.fill_between(steps, low, high, alpha=0.2, color=line.get_color(), linewidth=0)
    if not axes.lines:
        return
    for (label, level), style in zip((levels or {}).items(), itertools.cycle(("--", ":", "-."))):
        axes.axhline(level, linestyle=style, color="black", linewidth=1, label=label)
    axes.set(xlabel="environment steps", ylabel=f"{metric} per episode, held-out tasks")
    axes.set_title(title or path.parent.name)
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)
    write_with(path, lambda beside: figure.savefig(beside, format="png", dpi=120))


def _band(
    runs: Sequence[Sequence[CurvePoint]], name: str
) -> tuple[Float, Float, Float, Float] | None:
    """Steps, mean, low and high of one figure; None where no run has it."""
    means = [_series(run, name) for run in runs]
    length = min(len(series) for series in means)
    if length == 0:
        return None
    steps = means[0][:length, 0]
    if len(runs) == 1:
        low, high = _series(runs[0], f"{name}/low"), _series(runs[0], f"{name}/high")
        return steps, means[0][:, 1], low[:, 1], high[:, 1]
    values = np.stack([series[:length, 1] for series in means])
    return steps, values.mean(0), values.min(0), values.max(0)


def _series(run: Iterable[CurvePoint], name: str) -> Float:
    """(points, 2) environment steps and values."""
    points = [(point.environment_steps, point.value) for point in run if point.metric == name]
    return np.array(points, np.float64).reshape(-1, 2)
