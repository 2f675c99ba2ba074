"""What else a page shows, from files of JSON lines that other verbs have written.

They are kept in the benchmark's folder, so that the page has them whenever it is made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from sim2real.contract import strict
from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import write_file
from sim2real.contract.text_file import parse_json, read_text
from training.evaluation.desiderata import EXPERIMENTS, Desideratum, Mark

T = TypeVar("T")
GROWTH, DESIDERATA = "growth.jsonl", "desiderata.jsonl"
SIGNS: Mapping[str, str] = {
    Mark.YES: "✓",
    Mark.NO: "✗",
    Mark.UNCLEAR: "~",
    Mark.NOT_MEASURED: "not measured",
}


@dataclass(frozen=True, kw_only=True)
class Growth:
    """A line of `taskbelief bench growth --out FILE`."""

    bench: Literal["growth"]
    what: str
    """what takes time"""
    against: str
    """what has sizes"""
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]
    """at each of them, of one core"""
    exponent: float
    low: float
    high: float
    at_the_end: float
    """between the two largest sizes"""
    at_most: float
    """of the work that there is to do"""
    rounds: int

    def __post_init__(self) -> None:
        if len(self.sizes) < 2 or len(self.sizes) != len(self.seconds):
            raise ValueError(f"{len(self.sizes)} sizes and {len(self.seconds)} seconds")


@dataclass(frozen=True, kw_only=True)
class Marked:
    """A line of `taskbelief desiderata --out FILE`."""

    learner: str
    place: str
    desideratum: str
    mark: str
    value: float | None
    low: float | None
    high: float | None
    threshold: float
    lecture: str | None
    detail: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.desideratum not in set(Desideratum) or self.mark not in SIGNS:
            raise ValueError(f"{self.desideratum} {self.mark}")

    @property
    def words(self) -> str:
        """As a table shows it."""
        sign = SIGNS[self.mark]
        if self.value is None:
            return sign
        bounds = "" if self.low is None or self.high is None else f" {self._range}"
        return f"{sign} {_number(self.value)}{bounds}"

    @property
    def _range(self) -> str:
        return f"[{_number(self.low or 0.0)}, {_number(self.high or 0.0)}]"


def read_growth(path: Path) -> Sequence[Growth]:
    """Raises `BadInput` for a line that is none of `bench growth`."""
    return list(_lines(Growth, path, "lines of `taskbelief bench growth --out`"))


def read_desiderata(path: Path) -> Sequence[Marked]:
    """Raises `BadInput` for a line that is none of `desiderata`."""
    return list(_lines(Marked, path, "lines of `taskbelief desiderata --out`"))


def keep(out: Path, growth: Path | None, desiderata: Path | None) -> None:
    """Copy what was given into the benchmark's folder; checked before."""
    for path, name in ((growth, GROWTH), (desiderata, DESIDERATA)):
        if path is not None:
            write_file(out / name, read_text(path, "what was given"))


def shown_growth(out: Path) -> list[dict[str, Any]]:
    """Rows for the page, of what is in the folder."""
    path = out / GROWTH
    return [vars(each) for each in read_growth(path)] if path.exists() else []


def shown_desiderata(out: Path) -> dict[str, Any]:
    """Columns and rows for the page; empty where the folder has none."""
    path = out / DESIDERATA
    marked = read_desiderata(path) if path.exists() else []
    table: dict[tuple[str, str], dict[str, str]] = {}
    for each in marked:
        table.setdefault((each.learner, each.place), {})[each.desideratum] = each.words
    rows = [
        (learner, place, [cells.get(name, "") for name in Desideratum])
        for (learner, place), cells in table.items()
    ]
    measures = [(str(name), each.measures) for name, each in EXPERIMENTS.items()]
    return {"names": [str(name) for name in Desideratum], "rows": rows, "measures": measures}


def _lines(cls: type[T], path: Path, expected: str) -> Iterator[T]:
    text = read_text(path, expected)
    if not text.strip():
        raise BadInput(str(path), "file", found="nothing", expected=expected)
    for number, line in enumerate(text.splitlines(), start=1):
        where = f"{path} line {number}"
        yield strict.build(cls, parse_json(line, where, expected), where)


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
