"""Metrics of a run: long-form CSV that a resumed run continues without a seam, and TensorBoard."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

COLUMNS = ("iteration", "environment_steps", "gradient_steps", "metric", "value")


class Line(NamedTuple):
    """One number of a run."""

    iteration: int
    environment_steps: int
    gradient_steps: int
    metric: str
    value: float


class MetricsFile:
    """`metrics.csv`: one number a line, appended after each iteration."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            self._replace([])

    def append(
        self,
        metrics: Mapping[str, float],
        *,
        iteration: int,
        environment_steps: int,
        gradient_steps: int,
    ) -> None:
        """Add the numbers of one iteration."""
        place = (iteration, environment_steps, gradient_steps)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerows((*place, name, repr(float(value))) for name, value in metrics.items())

    def read(self) -> list[Line]:
        """Every whole line; one that a kill cut short is left out."""
        with self.path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if len(row) == len(COLUMNS)][1:]
        return [Line(int(row[0]), int(row[1]), int(row[2]), row[3], float(row[4])) for row in rows]

    def forget_from(self, iteration: int) -> None:
        """Drop what was noted after the checkpoint that a run goes on from."""
        self._replace([line for line in self.read() if line.iteration < iteration])

    def _replace(self, lines: list[Line]) -> None:
        beside = self.path.with_name(self.path.name + ".part")
        with beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows((*line[:4], repr(line.value)) for line in lines)
        beside.replace(self.path)
