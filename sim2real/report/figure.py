"""A figure of the report: panels to look at, words, and the numbers behind it as a CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from sim2real.contract.output_file import write_file

Cell = str | int | float


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under named columns."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]

    def csv(self) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return text.getvalue()


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture of a figure."""

    title: str
    svg: Markup


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What is shown together, and what was drawn from."""

    name: str
    """of its CSV, and its anchor in the page"""
    panels: tuple[Panel, ...]
    caption: str
    table: Table
    legend: tuple[tuple[str, str], ...] = ()
    """class names and what they mean"""


def write_csv(folder: Path, name: str, table: Table) -> Path:
    """`folder`/NAME.csv, written beside and renamed."""
    path = folder / f"{name}.csv"
    write_file(path, table.csv())
    return path
