"""`taskbelief efficiency`: environment steps that recipes need to one adapted return."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import tyro
from rich.console import Console
from rich.table import Table

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_writable, write_json
from sim2real.contract.require import WHERE, require_some
from training.runs.metrics import MetricsFile
from training.runs.plot_runs import existing, final_value
from training.runs.start import read_run


class Point(NamedTuple):
    """What an evaluation during training measured."""

    environment_steps: int
    value: float


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """How many steps a recipe needed, over its seeds."""

    recipe: str
    num_runs: int
    """how many seeds ran"""
    num_reached: int
    """how many of them came to the level at all"""
    steps: float | None
    """median over all seeds of the steps at the first evaluation that is at the level; those that
    never came there count as infinitely many, and None is that"""
    fewest: int | None
    most: int | None
    """of the seeds that came there"""
    resolution: int
    """the most steps between two evaluations: nobody knows it better than that"""
    budget: int
    """steps of the longest run"""
    final: float
    """mean over the seeds of the last evaluation"""
    trial_episodes: int
    """episodes on a new task up to and with the adapted one"""
    ratio: float | None
    """of `steps` to those of the recipe that needed fewest"""


def efficiency(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    metric: Literal["return", "success"] = "return",
    level: str | None = None,
    out: Path | None = None,
) -> None:
    """Count the environment steps that the recipes of RUNS need to the same adapted return.

    Args:
        runs: run directories of one family: recipes as many as you like, each under some seeds.
        metric: of the adapted episode, as it was evaluated during training.
        level: a number to be reached, or a run whose final adapted value it is; by default the
            highest that every recipe reached: the lowest of their best means.
        out: a JSON file for the table; none is written by default.
    """
    require_some(runs=runs)
    require_writable(out, "--out")
    series, episodes = _by_recipe(runs, metric)
    reached = _level(level, series, metric)
    rows = compared([summary(name, series[name], reached, episodes[name]) for name in series])
    if out is not None:
        recipes = [asdict(row) for row in rows]
        write_json(out, {"metric": metric, "level": reached, "recipes": recipes})
    Console().print(_table(rows, metric, reached))


def summary(
    recipe: str, series: Sequence[Sequence[Point]], level: float, trial_episodes: int
) -> Efficiency:
    """One recipe's row, from the evaluations of each of its runs; `ratio` is left open."""
    steps = [first_at(each, level) for each in series]
    came = [number for number in steps if number is not None]
    median = statistics.median(math.inf if number is None else number for number in steps)
    return Efficiency(
        recipe=recipe,
        num_runs=len(series),
        num_reached=len(came),
        steps=median if math.isfinite(median) else None,
        fewest=min(came, default=None),
        most=max(came, default=None),
        resolution=max(_resolution(each) for each in series),
        budget=max(each[-1].environment_steps for each in series),
        final=statistics.fmean(each[-1].value for each in series),
        trial_episodes=trial_episodes,
        ratio=None,
    )


def first_at(series: Sequence[Point], level: float) -> int | None:
    """Steps at the first evaluation that is at `level` or above; None where none is."""
    return next((point.environment_steps for point in series if point.value >= level), None)


def compared(rows: Sequence[Efficiency]) -> list[Efficiency]:
    """The same rows, those that needed fewest steps first, with their ratios to the first."""
    ordered = sorted(rows, key=lambda row: math.inf if row.steps is None else row.steps)
    best = ordered[0].steps
    return [
        row if best is None or row.steps is None else replace(row, ratio=row.steps / best)
        for row in ordered
    ]


def _resolution(series: Sequence[Point]) -> int:
    at = [0, *(point.environment_steps for point in series)]
    return max(later - earlier for earlier, later in pairwise(at))


def _by_recipe(
    runs: Sequence[Path], metric: str
) -> tuple[dict[str, list[list[Point]]], dict[str, int]]:
    """Evaluations of each run, and episodes of a trial, by recipe.

    All are of one family, or their returns are not to be compared.
    """
    series: dict[str, list[list[Point]]] = {}
    episodes: dict[str, int] = {}
    family = ""
    for run in runs:
        recipe, name, _, task_set = read_run(run)
        family = family or task_set.family
        if task_set.family != family:
            expected = f"{family}, as {runs[0]}"
            raise BadInput(str(run), "family", found=task_set.family, expected=expected)
        series.setdefault(name, []).append(evaluations(run, metric))
        episodes.setdefault(name, recipe.num_trial_episodes)
    return series, episodes


def evaluations(run: Path, metric: str) -> list[Point]:
    """What the evaluations during a run measured of the adapted episode.

    Raises `BadInput` where there are none.
    """
    lines = MetricsFile(existing(run / "metrics.csv")).read()
    name = f"adapted/{metric}"
    series = [Point(line.environment_steps, line.value) for line in lines if line.metric == name]
    if not series:
        raise BadInput(str(run / "metrics.csv"), name, found="nothing", expected="an evaluation")
    return series


def _level(
    level: str | None, series: Mapping[str, Sequence[Sequence[Point]]], metric: str
) -> float:
    if level is None:
        return common_level(series)
    if level and Path(level).is_dir():
        return final_value(Path(level), metric)
    try:
        number = float(level)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadInput(WHERE, "--level", found=level, expected="a finite number, or a run")
    return number


def common_level(series: Mapping[str, Sequence[Sequence[Point]]]) -> float:
    """The highest that every recipe reached: the lowest of their best means over the seeds."""
    return min(max(_means(each)) for each in series.values())


def _means(series: Sequence[Sequence[Point]]) -> list[float]:
    """Mean over the seeds at each evaluation that all of them have."""
    return [
        statistics.fmean(point.value for point in points) for points in zip(*series, strict=False)
    ]


def _table(rows: Sequence[Efficiency], metric: str, level: float) -> Table:
    title = f"environment steps to an adapted {metric} of {level:.2f}"
    names = ("recipe", "seeds", "steps", "fewest to most", "known to", "ratio", "final", "episodes")
    table = Table(*names, title=title, title_justify="left")
    for row in rows:
        never = f"not in {row.budget:,}"
        table.add_row(
            row.recipe,
            f"{row.num_reached} of {row.num_runs}",
            never if row.steps is None else f"{row.steps:,.0f}",
            "" if row.fewest is None else f"{row.fewest:,} to {row.most:,}",
            f"{row.resolution:,}",
            "" if row.ratio is None else f"{row.ratio:.1f}",
            f"{row.final:.2f}",
            str(row.trial_episodes),
        )
    return table
