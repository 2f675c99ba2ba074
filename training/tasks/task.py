"""A task and the family that it is drawn from, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


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

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high) or not self.low:
            raise ValueError(f"{self.name}: low and high need the same, non-zero length")
        if any(low > high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError(f"{self.name}: low exceeds high")

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
    pieces = []
    for parameter in family.parameters:
        value = np.asarray(task.parameters[parameter.name], np.float64)
        low, high = np.asarray(parameter.low), np.asarray(parameter.high)
        half_range = np.where(high > low, (high - low) / 2.0, 1.0)
        pieces.append((value - (low + high) / 2.0) / half_range)
    return np.concatenate(pieces).astype(np.float32)
