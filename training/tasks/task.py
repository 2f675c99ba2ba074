"""A task and the family that it is drawn from, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One named quantity in which the tasks of a family differ."""

    name: str
    unit: str
    low: tuple[float, ...]
    """smallest value, element by element; its length is the parameter's size"""
    high: tuple[float, ...]
    """largest value, element by element"""
    changes_dynamics: bool
    """true where it changes how the world moves, false where it only changes what is rewarded"""
    is_magnitude: bool = False
    """true where a value below zero means nothing, as of a friction"""
    spans_orders: bool = False
    """true where its logarithm is what is drawn evenly, so that it is about as often between 1 and
    2 as between 10 and 20"""

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high) or not self.low:
            raise ValueError(f"{self.name}: low and high need the same, non-zero length")
        if any(low > high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError(f"{self.name}: low exceeds high")
        if self.spans_orders and min(self.low) <= 0.0:
            raise ValueError(f"{self.name}: spans orders of magnitude, and begins at {self.low}")

    @property
    def size(self) -> int:
        return len(self.low)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One draw from a task family: fixed dynamics and goal."""

    family: str
    name: str
    """split and index, as in "train/3" """
    parameters: Mapping[str, tuple[float, ...]]


class TaskFamily(Protocol):
    """A distribution of tasks and the worlds they are met in."""

    @property
    def name(self) -> str: ...

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What tasks differ in; the order is that of the oracle's task vector."""

    @property
    def further_parameters(self) -> tuple[Parameter, ...]:
        """What a task may name beside these; where it does not, the world is as it is built."""

    @property
    def num_distinct_tasks(self) -> int | None:
        """None for a continuum; a number where the paper's family is finite and train = test."""

    def sample(
        self, rng: np.random.Generator, num_tasks: int
    ) -> list[dict[str, tuple[float, ...]]]:
        """Draw the parameters of `num_tasks` different tasks."""

    def make_world(self, num_worlds: int, *, num_threads: int = 1) -> Any:
        """A `training.worlds.vector_world.VectorWorld` with `num_worlds` simulations."""


def dynamics_vary(family: TaskFamily) -> bool:
    """Whether context must hold the next observation (PEARL, appendix; `use_next_obs`)."""
    return any(parameter.changes_dynamics for parameter in family.parameters)


def task_vector(family: TaskFamily, task: Task) -> NDArray[np.float32]:
    """The oracle's view: the true parameters scaled to [-1, 1], (P,), in the family's order.

    The scale is always the family's own range, so that it means the same on every task set: values
    from outside of it exceed ±1, and further parameters are not part of it.
    """
    pieces = [
        _about_one(task.parameters[parameter.name], parameter.low, parameter.high)
        for parameter in family.parameters
    ]
    return np.concatenate(pieces).astype(np.float32)


def belief_vector(family: TaskFamily, task: Task) -> NDArray[np.float32]:
    """What a Gaussian belief is about: the same, with the logarithm of what spans orders of
    magnitude scaled to [-1, 1] in its place."""
    pieces = []
    for parameter in family.parameters:
        values = (task.parameters[parameter.name], parameter.low, parameter.high)
        pieces.append(_about_one(*(map(np.log, values) if parameter.spans_orders else values)))
    return np.concatenate(pieces).astype(np.float32)


def _about_one(value: ArrayLike, low: ArrayLike, high: ArrayLike) -> NDArray[np.float64]:
    """(size,) -1 at `low` and 1 at `high`."""
    value, low, high = (np.asarray(each, np.float64) for each in (value, low, high))
    half_range = np.where(high > low, (high - low) / 2.0, 1.0)
    about: NDArray[np.float64] = (value - (low + high) / 2.0) / half_range
    return about
