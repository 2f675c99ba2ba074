"""Metrics of a run: long-form CSV that a resumed run continues without a seam, and TensorBoard."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import naming, write_file
from sim2real.contract.text_file import read_text

_TAIL_BYTES = 8192
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
        with naming(self.path), self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerows((*place, name, repr(float(value))) for name, value in metrics.items())

    def read(self) -> list[Line]:
        """Every whole line; one that a kill cut short is left out. Raises `BadInput` for others."""
        text = read_text(self.path, "a run's metrics")
        whole = text[: text.rfind("\n") + 1]
        lines = []
        for number, row in enumerate(csv.reader(io.StringIO(whole, newline="")), start=1):
            try:
                if number > 1:
                    first, steps, gradient_steps, metric, value = row
                    line = Line(int(first), int(steps), int(gradient_steps), metric, float(value))
                    lines.append(line)
            except ValueError as error:
                raise BadInput(
                    f"{self.path} line {number}",
                    "metrics",
                    found=str(error),
                    expected=", ".join(COLUMNS),
                ) from None
        return lines

    def forget_from(self, iteration: int) -> None:
        """Drop what was noted after the checkpoint that a run goes on from."""
        self._replace([line for line in self.read() if line.iteration < iteration])

    def _replace(self, lines: list[Line]) -> None:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        writer.writerows((*line[:4], repr(line.value)) for line in lines)
        write_file(self.path, text.getvalue())


def lines_about(metric: str, path: Path) -> list[Line]:
    """Those of one metric so far, of a run that may not have begun."""
    lines = MetricsFile(path).read() if path.exists() else []
    return [line for line in lines if line.metric == metric]


def iterations_done(path: Path) -> int:
    """How many iterations a run has noted so far, from the end of its file; 0 without one."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, io.SEEK_END) - _TAIL_BYTES))
            whole = file.read().split(b"\n")[1:-1]
    except OSError:
        return 0
    numbers = [line.partition(b",")[0] for line in whole]
    return max((int(number) + 1 for number in numbers if number.isdigit()), default=0)
