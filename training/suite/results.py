"""`results.csv`: every number that the page is made of, in long form.

A line is the mean over the trials on one held-out task, of one metric in one episode of a trial,
after so many environment steps. Lines of the task `all` are means over the tasks, as they were
evaluated while a run was trained. Nothing in it depends on when or where a run was trained.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.errors import BadInput
from sim2real.contract.text_file import read_json, read_text
from sim2real.evaluation.protocol import Condition
from training.evaluation.meta_test import CSV_COLUMNS, write_table
from training.recipes.recipe import Recipe
from training.runs.metrics import MetricsFile
from training.suite.suite import Cell

METRICS = ("return", "success")
_KINDS = (str, str, str, int, int, str, int, str, str, float)
"""of the fields of a `Line`"""
ALL = "all"
"""in the place of a task: the mean over all"""


class Line(NamedTuple):
    """One number; in the order of the columns, by which lines are sorted."""

    family: str
    algorithm: str
    recipe: str
    seed: int
    environment_steps: int
    condition: str
    episode: int
    task: str
    metric: str
    value: float


def write_results(path: Path, lines: Iterable[Line]) -> None:
    """Sorted, numbers to the last digit."""
    ordered = sorted(lines, key=lambda line: line[:-1])
    write_table(path, Line._fields, ((*line[:-1], repr(line.value)) for line in ordered))


def read_results(text: str) -> list[Line]:
    """The lines of a table that `write_results` has written."""
    rows = list(csv.reader(io.StringIO(text)))[1:]
    return [Line._make(kind(word) for kind, word in zip(_KINDS, row)) for row in rows]


def lines_of(cell: Cell, out: Path) -> Iterator[Line]:
    """What a finished cell has come to: its curve, and its last evaluation task by task."""
    recipe, run = cell.recipe, out / cell.place
    place = (recipe.family, recipe.algorithm, cell.entry.recipe, cell.seed)
    last = recipe.num_trial_episodes - 1
    for steps, metric, value in _curve(run, recipe):
        yield Line(*place, steps, Condition.ADAPTED, last, ALL, metric, value)
    steps = int(read_json(run / "eval.json", "a run's evaluation")["environment_steps"])
    for (condition, episode, task, metric), value in _means_over_trials(run / "eval.csv"):
        if condition == Condition.ADAPTED or episode == last:
            yield Line(*place, steps, condition, episode, task, metric, value)


def _curve(run: Path, recipe: Recipe) -> Iterator[tuple[int, str, float]]:
    """Steps, metric and mean of the evaluations that were due.

    A run that was interrupted has evaluated then as well, which one that was not does not have.
    """
    lines = MetricsFile(run / "metrics.csv").read()
    last = max(line.iteration for line in lines)
    names = {f"{Condition.ADAPTED}/{metric}": metric for metric in METRICS}
    for line in lines:
        is_due = line.iteration == last or (line.iteration + 1) % recipe.evaluation_interval == 0
        if is_due and line.metric in names:
            yield line.environment_steps, names[line.metric], line.value


_Place = tuple[str, int, str, str]


def _means_over_trials(path: Path) -> Iterable[tuple[_Place, float]]:
    """By condition, episode, task and metric."""
    rows = csv.reader(io.StringIO(read_text(path, "a run's episodes"), newline=""))
    if tuple(next(rows, ())) != CSV_COLUMNS:
        raise BadInput(str(path), "line 1", found="other columns", expected=", ".join(CSV_COLUMNS))
    values: dict[_Place, list[float]] = {}
    for condition, task, _, episode, metric, value in rows:
        if metric in METRICS:
            values.setdefault((condition, int(episode), task, metric), []).append(float(value))
    return ((place, sum(each) / len(each)) for place, each in values.items())


def scores(
    lines: Iterable[Line], metric: str, *, condition: str = Condition.ADAPTED
) -> Mapping[str, NDArray[np.float64]]:
    """(S, N) by recipe: seeds and held-out tasks, of a metric in the last episode of a trial."""
    chosen = [
        line
        for line in lines
        if line.metric == metric and line.condition == condition and line.task != ALL
    ]
    table: dict[str, dict[tuple[int, str], tuple[int, float]]] = {}
    for line in chosen:
        cells = table.setdefault(line.recipe, {})
        key = (line.seed, line.task)
        cells[key] = max(cells.get(key, (-1, 0.0)), (line.episode, line.value))
    return {recipe: _array(cells) for recipe, cells in table.items()}


def _array(cells: Mapping[tuple[int, str], tuple[int, float]]) -> NDArray[np.float64]:
    seeds = sorted({seed for seed, _ in cells})
    tasks = sorted({task for _, task in cells})
    return np.array([[cells[seed, task][1] for task in tasks] for seed in seeds])
