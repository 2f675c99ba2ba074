"""Learners beside the exact references of their family: returns and regret, episode by episode."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Column, Table

from sim2real.contract.output_file import write_with
from sim2real.evaluation.metrics import Interval, interval_of
from sim2real.evaluation.protocol import Condition
from training.evaluation.meta_test import MetaTestResult
from training.exact.levels import ExactReturns

Document = Mapping[str, Any]
_STYLES = ("--", ":", "-.", (0, (1, 4)))


def against_exact(results: Mapping[str, MetaTestResult], exact: ExactReturns) -> Document:
    """Runs by name and levels by name, each with returns and regret by episode, as plain JSON.

    Runs have means with intervals over tasks, also of the sum over the episodes of a trial. Regret
    is what is missing to a player who is told the task, on the very tasks that were played.
    """
    return {
        "runs": {name: _of_run(result, exact) for name, result in results.items()},
        "levels": {
            level.name: {
                "return_by_episode": level.by_episode.tolist(),
                "regret_by_episode": exact.level_regret(level).tolist(),
                "return": float(level.by_episode.sum()),
                "regret": float(exact.level_regret(level).sum()),
            }
            for level in exact.levels
        },
    }


def _of_run(result: MetaTestResult, exact: ExactReturns) -> Document:
    returns = result.episodes[Condition.ADAPTED]["return"]
    regret = exact.regret(returns)
    return {
        "return_by_episode": _by_episode(returns),
        "regret_by_episode": _by_episode(regret),
        "return": _interval(returns.sum(-1)),
        "regret": _interval(regret.sum(-1)),
    }


def _by_episode(values: NDArray[np.float64]) -> list[dict[str, float]]:
    return [_interval(values[:, :, episode]) for episode in range(values.shape[2])]


def _interval(values: NDArray[np.float64]) -> dict[str, float]:
    return interval_of("return", values)._asdict()


def exact_table(title: str, document: Document) -> Table:
    """Sums over a trial: a run or a level a row, the highest return first."""
    names = ("return of a trial", "regret", "regret, first episode", "last")
    columns = (Column(name, justify="right") for name in names)
    table = Table(Column("", overflow="fold"), *columns, title=title, title_justify="left")
    rows = {
        name: (_mean(each["return"]), _cells(each))
        for group in ("runs", "levels")
        for name, each in document[group].items()
    }
    for name, (_, cells) in sorted(rows.items(), key=lambda row: -row[1][0]):
        table.add_row(name, *cells)
    return table


def _cells(each: Document) -> list[str]:
    regret = each["regret_by_episode"]
    return [_shown(value) for value in (each["return"], each["regret"], regret[0], regret[-1])]


def _mean(value: float | Mapping[str, float]) -> float:
    return value["mean"] if isinstance(value, Mapping) else value


def _shown(value: float | Mapping[str, float]) -> str:
    if not isinstance(value, Mapping):
        return f"{value:.2f}"
    interval = Interval(**value)
    return rf"{interval.mean:.2f} \[{interval.low:.2f}, {interval.high:.2f}]"


def draw_episodes(title: str, document: Document, path: Path) -> None:
    """Return and cumulative regret over the episodes of a trial: runs with their intervals, the
    exact references as levels."""
    from matplotlib.figure import Figure  # without pyplot: no window system, no global state

    figure = Figure(figsize=(10.0, 4.0), layout="constrained")
    of_return, of_regret = figure.subplots(1, 2)
    for name, run in document["runs"].items():
        values = {key: [each[key] for each in run["return_by_episode"]] for key in Interval._fields}
        episodes = np.arange(1, len(values["mean"]) + 1)
        (line,) = of_return.plot(episodes, values["mean"], marker=".", label=name)
        of_return.fill_between(
            episodes, values["low"], values["high"], alpha=0.15, color=line.get_color()
        )
        regret = [each["mean"] for each in run["regret_by_episode"]]
        of_regret.plot(episodes, np.cumsum(regret), marker=".", label=name)
    for (name, level), style in zip(document["levels"].items(), itertools.cycle(_STYLES)):
        episodes = np.arange(1, len(level["return_by_episode"]) + 1)
        options = {"linestyle": style, "color": "black", "linewidth": 1, "label": name}
        of_return.plot(episodes, level["return_by_episode"], **options)
        of_regret.plot(episodes, np.cumsum(level["regret_by_episode"]), **options)
    of_return.set(xlabel="episode of a trial", ylabel="return, held-out tasks", title=title)
    of_regret.set(xlabel="episode of a trial", ylabel="cumulative regret")
    of_return.legend(fontsize="x-small")
    for axes in (of_return, of_regret):
        axes.grid(alpha=0.3)
    write_with(path, lambda beside: figure.savefig(beside, format="png", dpi=120))
