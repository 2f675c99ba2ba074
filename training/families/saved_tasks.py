"""Task sets from files, held against the family that they say they are of.

Whatever is given a task reads it here, so that none is met that means nothing in its family.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

from sim2real.contract.errors import BadInput
from training.families.registry import FAMILIES
from training.tasks.check import check_task_set
from training.tasks.task import Task, TaskFamily
from training.tasks.task_set import TaskSet, load_task_set


def saved_tasks(path: Path, family: TaskFamily | None = None) -> TaskSet:
    """A saved set, of `family` where one is asked for; what is odd about it is said.

    Raises `BadInput` for a set that cannot be used, of no family that is known, or of another one.
    """
    task_set = load_task_set(path)
    known = [family.name] if family is not None else list(FAMILIES)
    if task_set.family not in known:
        expected = known[0] if len(known) == 1 else f"one of {', '.join(known)}"
        raise BadInput(str(path), "family", found=task_set.family, expected=expected)
    chosen = FAMILIES[task_set.family] if family is None else family
    for note in check_task_set(task_set, chosen, str(path)):
        say_once(note)
    return task_set


def place_of_task(reference: str) -> tuple[Path, str, int]:
    """File, split and index that FILE:INDEX or FILE:train/INDEX names.

    Raises `BadInput` when it is not written like this.
    """
    path, _, place = reference.rpartition(":")
    split, _, index = place.rpartition("/")
    if not path or split not in ("", "train", "test") or not index.isdecimal():
        expected = "FILE:INDEX, as in tasks.json:3"
        raise BadInput("command line", "--task", found=reference, expected=expected)
    return Path(path), split or "test", int(index)


def task_at(task_set: TaskSet, split: str, index: int, where: str) -> Task:
    """One task of a set. Raises `BadInput` when it has no such task."""
    tasks = task_set.train if split == "train" else task_set.test
    if index >= len(tasks):
        found, expected = f"{split}/{index}", f"an index below {len(tasks)}"
        raise BadInput(where, split, found=found, expected=expected)
    return tasks[index]


@functools.cache
def say_once(note: str) -> None:
    """On stderr: one set may be read several times on the way."""
    print(f"note: {note}", file=sys.stderr)
