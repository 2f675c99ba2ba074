"""Where a recipe's return is expected: what its suite says, or what was measured of it before.

`measured.yaml` has the returns of recipes as they are, seed by seed, and the page that they stand
on. From n of them comes the interval in which the mean over m new seeds lies 95 times in 100, if
seeds differ by chance alone: mean ± t(n - 1) s sqrt(1/n + 1/m). A run with other settings or
another budget is another thing, and nothing is expected of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from sim2real.contract import strict
from sim2real.contract.text_file import read_yaml
from training.recipes.recipe import Recipe
from training.recipes.registry import with_settings
from training.suite.aggregates import Scores
from training.suite.suite import Cell, Suite

PATH = Path(__file__).parent / "measured.yaml"
SHARE = 0.95


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a recipe has come to."""

    recipe: str
    """its name"""
    family: str
    """on which it was trained"""
    num_iterations: int
    """its budget then"""
    return_by_seed: tuple[float, ...]
    """of the adapted episode, over held-out tasks; two seeds or more"""
    measured_in: str
    """the page or file of this repository that has them"""

    def expected(self, num_seeds: int) -> Expected:
        """Of a mean over so many other seeds."""
        values = np.array(self.return_by_seed)
        spread = float(values.std(ddof=1)) * math.sqrt(1 / len(values) + 1 / num_seeds)
        reach = float(student.ppf(0.5 + SHARE / 2, len(values) - 1)) * spread
        middle = float(values.mean())
        where = f"{len(values)} seeds in {self.measured_in}"
        return Expected(middle - reach, middle + reach, where)


@dataclass(frozen=True, kw_only=True)
class MeasuredFile:
    """`measured.yaml`."""

    schema_version: int
    recipes: tuple[Measured, ...]


class Expected(NamedTuple):
    """Bounds of a mean return."""

    low: float
    high: float
    according_to: str
    """who expects it"""


def expected_of(suite: Suite, returns: Mapping[str, Scores]) -> Mapping[str, Expected]:
    """By recipe, of those that have scores (S, N) and of which something is known."""
    first = {cell.entry.recipe: cell for cell in reversed(suite.cells)}
    found = {name: _expected(first[name], len(scores)) for name, scores in returns.items()}
    return {name: each for name, each in found.items() if each is not None}


def outside(suite: Suite, returns: Mapping[str, Scores]) -> Sequence[str]:
    """Recipes whose mean return is not where it is expected, in words."""
    words = []
    for name, (low, high, according_to) in expected_of(suite, returns).items():
        value = float(returns[name].mean())
        if not low <= value <= high:
            words.append(f"{name}: {value:.2f}, expected {low:.2f} to {high:.2f} ({according_to})")
    return words


def _expected(cell: Cell, num_seeds: int) -> Expected | None:
    if cell.entry.expected_return is not None:
        low, high = cell.entry.expected_return
        return Expected(low, high, "the suite")
    measured = known().get(cell.entry.recipe)
    if measured is None or not _is_same(cell.recipe, with_settings(cell.entry.recipe)):
        return None
    is_same_budget = cell.recipe.num_iterations == measured.num_iterations
    return measured.expected(num_seeds) if is_same_budget else None


def _is_same(recipe: Recipe, plain: Recipe) -> bool:
    """But for how often it is evaluated and saved, of which no number depends."""
    bookkeeping = {
        name: getattr(plain, name)
        for name in ("evaluation_interval", "checkpoint_interval", "num_world_threads")
    }
    return replace(recipe, **bookkeeping) == plain


@cache
def known() -> Mapping[str, Measured]:
    """All that was measured, by recipe."""
    file = strict.build(MeasuredFile, read_yaml(PATH, "what was measured"), str(PATH))
    return {each.recipe: each for each in file.recipes}
