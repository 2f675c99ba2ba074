"""Tasks as data: one draw of dynamics and goal, and the saved, hashed, split set of draws.

A task set is drawn once from a seed and written to disk; training and evaluation read it, so two
algorithms that name the same hash met the same tasks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import write_file
from sim2real.contract.text_file import read_json

SCHEMA_VERSION = 1


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
    """The oracle's view: the true parameters scaled to [-1, 1], (P,), in the family's order."""
    pieces = []
    for parameter in family.parameters:
        value = np.asarray(task.parameters[parameter.name], np.float64)
        low, high = np.asarray(parameter.low), np.asarray(parameter.high)
        half_range = np.where(high > low, (high - low) / 2.0, 1.0)
        pieces.append((value - (low + high) / 2.0) / half_range)
    return np.concatenate(pieces).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class TaskSet:
    """Disjoint train and test tasks of one family, drawn from one seed."""

    family: str
    seed: int
    train: tuple[Task, ...]
    test: tuple[Task, ...]

    @property
    def sha256(self) -> str:
        """Hash of everything that defines the tasks; equal hashes mean equal tasks."""
        return hashlib.sha256(_canonical(_content(self))).hexdigest()

    def save(self, path: Path) -> None:
        """Write JSON with its hash: beside the target, then renamed over it."""
        document = {**_content(self), "sha256": self.sha256}
        write_file(path, json.dumps(document, indent=1) + "\n")


def draw_task_set(family: TaskFamily, *, seed: int, num_train: int, num_test: int) -> TaskSet:
    """Draw and split tasks; the draw depends on the seed and the counts alone.

    A family with `num_distinct_tasks` has no tasks to hold out: both splits hold all of them, as
    in the papers that defined it, and reports must say so.
    """
    rng = np.random.default_rng([seed, SCHEMA_VERSION])
    if family.num_distinct_tasks is not None:
        drawn = family.sample(rng, family.num_distinct_tasks)
        train_draws, test_draws = drawn, drawn
    else:
        drawn = family.sample(rng, num_train + num_test)
        train_draws, test_draws = drawn[:num_train], drawn[num_train:]
        if len({_canonical(draw) for draw in drawn}) != len(drawn):
            raise ValueError(f"{family.name}: drew the same task twice; widen its ranges")

    def tasks(split: str, draws: Sequence[Mapping[str, tuple[float, ...]]]) -> tuple[Task, ...]:
        return tuple(
            Task(family=family.name, name=f"{split}/{index}", parameters=dict(draw))
            for index, draw in enumerate(draws)
        )

    return TaskSet(
        family=family.name,
        seed=seed,
        train=tasks("train", train_draws),
        test=tasks("test", test_draws),
    )


def load_task_set(path: Path) -> TaskSet:
    """Read a saved task set.

    Raises `BadInput` when the file is missing, is not a task set, or does not match its hash.
    """
    where = str(path)
    document = read_json(path, "a task set")
    try:
        version, stated = document["schema_version"], document["sha256"]
        task_set = TaskSet(
            family=document["family"],
            seed=int(document["seed"]),
            train=_read_tasks(document, "train"),
            test=_read_tasks(document, "test"),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BadInput(
            where, "task set", found=repr(error), expected="the fields of a task set"
        ) from None
    if version != SCHEMA_VERSION:
        raise BadInput(where, "schema_version", found=version, expected=str(SCHEMA_VERSION))
    if stated != task_set.sha256:
        raise BadInput(
            where,
            "sha256",
            found=stated,
            expected=task_set.sha256,
            remedy="the file was edited: draw it again from its seed",
        )
    return task_set


def _read_tasks(document: Mapping[str, Any], split: str) -> tuple[Task, ...]:
    return tuple(
        Task(
            family=document["family"],
            name=f"{split}/{index}",
            parameters={name: tuple(map(float, value)) for name, value in draw.items()},
        )
        for index, draw in enumerate(document[split])
    )


def _content(task_set: TaskSet) -> dict[str, Any]:
    def draws(tasks: Sequence[Task]) -> list[dict[str, list[float]]]:
        return [{name: list(value) for name, value in task.parameters.items()} for task in tasks]

    return {
        "schema_version": SCHEMA_VERSION,
        "family": task_set.family,
        "seed": task_set.seed,
        "train": draws(task_set.train),
        "test": draws(task_set.test),
    }


def _canonical(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
