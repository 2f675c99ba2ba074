"""A quantity that a belief is about, and what is believed of it in words: value, spread, unit."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Parameters = Mapping[str, Sequence[float]]
"""what defines a task, by name"""
_ELEMENT = re.compile(r"(.+)\[(\d+)\]")


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A parameter of the task, or one element of a parameter that has several."""

    name: str
    """as a task names it; an element is `name[index]`"""
    unit: str
    """as in "N m s/rad"; of what is believed, not of what a network may scale it to inside"""

    @property
    def heading(self) -> str:
        """Name and unit as a person writes them: "valve damping, N m s/rad"."""
        words = self.name.replace("_", " ")
        return words if self._is_pure else f"{words}, {self.unit}"

    @property
    def _is_pure(self) -> bool:
        """Whether it is a number without a unit."""
        return self.unit in ("", "1")

    def value_in(self, parameters: Parameters) -> float | None:
        """Its value where a task with these parameters is known; None where nobody knows it."""
        element = _ELEMENT.fullmatch(self.name)
        name, index = (element[1], int(element[2])) if element else (self.name, 0)
        values = parameters.get(name, ())
        return float(values[index]) if index < len(values) else None

    def said(self, mean: float, sd: float, truth: float | None = None) -> str:
        """As in "valve_damping 0.31 ± 0.05 N m s/rad (true 0.29)"."""
        decimals = num_decimals(sd)
        unit = "" if self._is_pure else f" {self.unit}"
        beside = "" if truth is None else f" (true {truth:.{decimals}f})"
        return f"{self.name} {mean:.{decimals}f} ± {sd:.{decimals}f}{unit}{beside}"


def num_decimals(sd: float) -> int:
    """Decimals that a value with such a spread deserves.

    The spread has one digit that matters, two where the first of them is a one.
    """
    if not math.isfinite(sd) or sd <= 0.0:
        return 2
    exponent = math.floor(math.log10(sd))
    return max(0, -exponent + (round(sd / 10.0**exponent, 1) < 2.0))


def said_of_all(
    quantities: Sequence[Quantity],
    mean: Iterable[float],
    sd: Iterable[float],
    parameters: Parameters | None = None,
) -> list[str]:
    """One phrase per quantity; with what is true where the task's `parameters` say it."""
    known = {} if parameters is None else parameters
    return [
        quantity.said(float(m), float(s), quantity.value_in(known))
        for quantity, m, s in zip(quantities, mean, sd, strict=True)
    ]
