"""Task sets: the saved, hashed, split draws of a family.

A task set is drawn once from a seed and written to disk; training and evaluation read it, so two
algorithms that name the same hash met the same tasks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim2real.contract.errors import BadInput
from training.tasks.task import Task, TaskFamily

SCHEMA_VERSION = 1


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
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(path.name + ".part")
        beside.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        beside.replace(path)


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
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(where, "file", found="nothing", expected="a task set") from None
    except json.JSONDecodeError as error:
        raise BadInput(where, f"line {error.lineno}", found=error.msg, expected="JSON") from None
    try:
        version, stated = document["schema_version"], document["sha256"]
        task_set = TaskSet(
            family=document["family"],
            seed=int(document["seed"]),
            train=_read_tasks(document, "train"),
            test=_read_tasks(document, "test"),
        )
    except (KeyError, TypeError, ValueError) as error:
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
