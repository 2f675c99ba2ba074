"""Is a belief about parameters as sure as it is right?

After so many ticks of a trial the belief gives every true parameter a quantile: the probability
that the parameter is less than it turns out to be (probability integral transform, Dawid 1984,
https://doi.org/10.2307/2981683). Over tasks these are uniform where the belief is calibrated. They
crowd at both ends where it is too sure, and in the middle where it is not sure enough.

Kolmogorov and Smirnov's distance says how far from uniform they are. A Gaussian is no exact
posterior of a parameter with bounds or of one that is a whole number, so some distance remains: of
a moment-matched Gaussian about a uniform parameter that nothing is known of, 0.06.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from rich.table import Column, Table
from scipy import stats

from sim2real.contract.output_file import write_with
from sim2real.contract.quantity import Quantity, num_decimals
from training.parts.actor import Actor
from training.tasks.task import Task, TaskFamily, belief_vector

Float = NDArray[np.float64]
SIGNIFICANCE = 0.05
"""how often a calibrated belief is found to be none"""
_NUM_BINS = 10


class Believer(Actor, Protocol):
    """Acts, and says what it believes."""

    def believed(self) -> tuple[Float, Float]:
        """(W, D) mean and standard deviation of the belief vector's elements, world by world."""


@runtime_checkable
class SaysParameters(Protocol):
    """A learner whose belief is about the parameters of the task."""

    def make_believer(self, tasks: Sequence[Task]) -> Believer:
        """Its behaviour as it would be deployed, in one world per task."""


class Beliefs(NamedTuple):
    """About K tasks, in the scale of the belief vector; (K, D) each."""

    prior_sd: Float
    """before anything was seen"""
    mean: Float
    sd: Float
    truth: Float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What a belief's word about one quantity is worth."""

    quantity: str
    unit: str
    num_tasks: int
    after: int
    """ticks of the trial"""
    distance: float
    """Kolmogorov and Smirnov's, of the quantiles from uniform ones"""
    critical: float
    """which it exceeds in 5 % of so many draws of tasks though the belief be calibrated"""
    prior_sd: float
    """in the unit, of what is believed before there is evidence"""
    sd: float
    """in the unit, mean over tasks"""
    width: float
    """that over the prior's: 1 where nothing was learnt"""
    quantiles: tuple[float, ...]
    """of the truth, task by task"""

    @property
    def is_calibrated(self) -> bool:
        """Whether the quantiles may be uniform."""
        return self.distance <= self.critical


def beliefs_after(
    make_believer: Callable[[Sequence[Task]], Believer],
    family: TaskFamily,
    tasks: Sequence[Task],
    *,
    num_ticks: int,
    seed: int,
) -> Beliefs:
    """What is believed of each task after so many ticks of a trial on it."""
    world, actor = family.make_world(len(tasks)), make_believer(tasks)
    try:
        observation = world.reset(tasks, seed)
        actor.begin_trial(seed)
        starts = everywhere = np.ones(len(tasks), bool)
        prior_sd = actor.believed()[1]
        for _ in range(num_ticks):
            if starts.any():
                actor.begin_episode(starts)
            result = world.step(actor.act(observation).action)
            actor.observe(result.transition(observation), result.sparse_reward, everywhere)
            starts, observation = result.terminated | result.truncated, result.observation
    finally:
        world.close()
    truth = np.stack([belief_vector(family, task) for task in tasks]).astype(np.float64)
    return Beliefs(prior_sd, *actor.believed(), truth)


def calibrations(
    beliefs: Beliefs, quantities: Sequence[Quantity], half_range: Float, *, after: int
) -> list[Calibration]:
    """One per quantity; `half_range` (D,) is what an element of the belief vector is worth."""
    quantiles = stats.norm.cdf(beliefs.truth, beliefs.mean, beliefs.sd)
    num_tasks = len(quantiles)
    prior_sd, sd = beliefs.prior_sd.mean(0), beliefs.sd.mean(0)
    return [
        Calibration(
            quantity=quantity.name,
            unit=quantity.unit,
            num_tasks=num_tasks,
            after=after,
            distance=distance_from_uniform(quantiles[:, index]),
            critical=float(stats.kstwo.ppf(1.0 - SIGNIFICANCE, num_tasks)),
            prior_sd=float(prior_sd[index] * half_range[index]),
            sd=float(sd[index] * half_range[index]),
            width=float(sd[index] / prior_sd[index]),
            quantiles=tuple(quantiles[:, index].tolist()),
        )
        for index, quantity in enumerate(quantities)
    ]


def distance_from_uniform(quantiles: Float) -> float:
    """The largest difference of the empirical distribution of (K,) from the uniform one."""
    return float(stats.kstest(quantiles, "uniform").statistic)


# ---- shown ---------------------------------------------------------------------------------------


def calibration_table(title: str, rows: Sequence[Calibration]) -> Table:
    """A quantity a row."""
    columns = ("parameter", "unit", "KS distance", "uniform", "prior sd", "sd", "width")
    table = Table(*(Column(name, overflow="fold") for name in columns), title=title)
    table.title_justify = table.caption_justify = "left"
    for row in rows:
        decimals = num_decimals(min(row.sd, row.prior_sd)) + 1
        table.add_row(
            row.quantity,
            row.unit,
            f"{row.distance:.3f}",
            "yes" if row.is_calibrated else "no",
            f"{row.prior_sd:.{decimals}f}",
            f"{row.sd:.{decimals}f}",
            f"{row.width:.2f}",
        )
    table.caption = (
        f"{rows[0].num_tasks} tasks; uniform quantiles stay below {rows[0].critical:.3f} in 95 % "
        "of draws. width: sd over the prior's, 1 where nothing was learnt"
    )
    return table


def draw_calibration(title: str, rows: Sequence[Calibration], path: Path) -> None:
    """A histogram of the quantiles for each quantity, and their distribution below it."""
    from matplotlib.figure import Figure  # without pyplot: no window system, no global state

    figure = Figure(figsize=(0.4 + 2.2 * len(rows), 4.2), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    panels = figure.subplots(2, len(rows), squeeze=False, sharex=True, sharey="row")
    for row, histogram, distribution in zip(rows, *panels, strict=True):
        histogram.hist(row.quantiles, np.linspace(0.0, 1.0, _NUM_BINS + 1), color="0.6")
        histogram.axhline(row.num_tasks / _NUM_BINS, color="tab:blue", linewidth=1.0)
        histogram.set_title(f"{row.quantity}\nKS {row.distance:.3f}", fontsize="small")
        shares = np.arange(1, row.num_tasks + 1) / row.num_tasks
        ends = np.array([0.0, 1.0])
        distribution.fill_between(
            ends, ends - row.critical, ends + row.critical, color="tab:blue", alpha=0.15
        )
        distribution.plot(ends, ends, color="tab:blue", linewidth=1.0)
        distribution.step(np.sort(row.quantiles), shares, color="black", where="post")
        distribution.set(xlim=(0.0, 1.0), ylim=(0.0, 1.0), xlabel="quantile of the truth")
    panels[0][0].set_ylabel("tasks")
    panels[1][0].set_ylabel("share of tasks")
    write_with(path, lambda beside: figure.savefig(beside, format="png", dpi=120))
