"""Task sets: the saved, hashed, split draws of a family.

A task set is drawn once from a seed and written to disk; training and evaluation read it, so two
algorithms that name the same hash met the same tasks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import write_file
from sim2real.contract.text_file import read_json
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
    """Read a saved task set; `training.families.saved_tasks` holds it against its family.

    Raises `BadInput` when the file is missing, is not a task set, or does not match its hash.
    """
    where, document = str(path), read_json(path, "a task set")
    for name in ("schema_version", "family", "seed", "train", "test"):
        if name not in document:
            raise BadInput(where, name, found="nothing", expected="a task set's", remedy=_MEND)
    version, stated = document["schema_version"], document.get("sha256", "nothing")
    if version != SCHEMA_VERSION:
        raise BadInput(where, "schema_version", found=version, expected=str(SCHEMA_VERSION))
    task_set = _task_set(document, where)
    if stated != task_set.sha256:
        raise BadInput(where, "sha256", found=stated, expected=task_set.sha256, remedy=_MEND)
    return task_set


def read_written_tasks(path: Path, family: str) -> TaskSet:
    """Tasks of a family that a person wrote or edited: lists `train` and `test` will do.

    What a saved set has beside them may be there; its hash is not looked at. Raises `BadInput` when
    the file is missing, holds no tasks, or says that it is another version's or family's.
    """
    where = str(path)
    document = {"family": family, "seed": 0, "train": [], **read_json(path, "a task set")}
    known = ("schema_version", "family", "seed", "train", "test", "sha256")
    for name in document:
        if name not in known:
            raise BadInput(where, name, found=name, expected=f"one of {', '.join(known)}")
    version = document.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise BadInput(where, "schema_version", found=version, expected=str(SCHEMA_VERSION))
    if "test" not in document:
        raise BadInput(where, "test", found="nothing", expected="a list of held-out tasks")
    if document["family"] != family:
        raise BadInput(where, "family", found=document["family"], expected=family)
    return _task_set(document, where)


_MEND = "`taskbelief tasks FAMILY OUT --from FILE` makes an edited set valid"


def _task_set(document: Mapping[str, Any], where: str) -> TaskSet:
    family, seed = document["family"], document["seed"]
    if not isinstance(family, str):
        raise BadInput(where, "family", found=family, expected="the name of a family")
    if type(seed) is not int or seed < 0:
        raise BadInput(where, "seed", found=seed, expected="a whole number of at least 0")
    train, test = (
        tuple(
            Task(family=family, name=f"{split}/{index}", parameters=parameters)
            for index, parameters in enumerate(_draws(document[split], split, where))
        )
        for split in ("train", "test")
    )
    return TaskSet(family=family, seed=seed, train=train, test=test)


def _draws(value: Any, split: str, where: str) -> Iterator[dict[str, tuple[float, ...]]]:
    """The tasks of a split. Raises `BadInput` naming the first place that is none."""
    if not isinstance(value, list):
        raise BadInput(where, split, found=value, expected="a list of tasks")
    for index, draw in enumerate(value):
        at = f"{split}/{index}"
        if not isinstance(draw, dict) or not draw:
            raise BadInput(where, at, found=draw, expected="the parameters of a task, by name")
        yield {name: _numbers(numbers, f"{at}.{name}", where) for name, numbers in draw.items()}


def _numbers(value: Any, at: str, where: str) -> tuple[float, ...]:
    try:
        if isinstance(value, list) and all(type(element) in (int, float) for element in value):
            return tuple(map(float, value))
    except OverflowError:  # a whole number of hundreds of digits
        pass
    raise BadInput(where, at, found=value, expected="a list of numbers, as in [0.1]")


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
