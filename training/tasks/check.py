"""Task sets held against their family: what a task means nothing without, and what is only odd."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sim2real.contract.errors import BadInput
from training.tasks.task import Parameter, Task, TaskFamily
from training.tasks.task_set import TaskSet


def check_task_set(task_set: TaskSet, family: TaskFamily, where: str) -> tuple[str, ...]:
    """What is odd about a set of this family that was read from the file `where`, in words.

    A task names every parameter of its family and none that it does not know, with as many finite
    numbers as that has, none below zero where it is a magnitude. Values outside of the family's
    ranges are allowed and returned as notes, one a parameter. Raises `BadInput` naming task and
    parameter for anything else, and for a set that holds no tasks out.
    """
    if task_set.family != family.name:
        raise BadInput(where, "family", found=task_set.family, expected=family.name)
    if not task_set.test:
        raise BadInput(where, "test", found="no tasks", expected="at least one held-out task")
    needed = {parameter.name: parameter for parameter in family.parameters}
    known = needed | {parameter.name: parameter for parameter in family.further_parameters}
    outside: dict[str, list[Task]] = {}
    for task in (*task_set.train, *task_set.test):
        for name in needed:
            if name not in task.parameters:
                expected = _numbers(needed[name])
                raise BadInput(where, f"{task.name}.{name}", found="nothing", expected=expected)
        for name, value in task.parameters.items():
            if name not in known:
                expected = f"one of {', '.join(known)}"
                raise BadInput(where, f"{task.name}.{name}", found=name, expected=expected)
            _check_value(value, known[name], f"{task.name}.{name}", where)
            if not _is_within(value, known[name]):
                outside.setdefault(name, []).append(task)
    return tuple(_notes(outside, known, where))


def require_disjoint(task_set: TaskSet, family: TaskFamily, where: str) -> None:
    """Raise `BadInput` unless there are tasks to learn from, none of which is held out.

    A family of a few distinct tasks has none to hold out.
    """
    if not task_set.train:
        raise BadInput(where, "train", found="no tasks", expected="at least one task to learn from")
    if family.num_distinct_tasks is not None:
        return
    for task in task_set.test:
        for other in task_set.train:
            if task.parameters == other.parameters:
                expected = "a task that is not learnt from"
                raise BadInput(
                    where, task.name, found=f"the same as {other.name}", expected=expected
                )


def _check_value(value: tuple[float, ...], parameter: Parameter, at: str, where: str) -> None:
    found = list(value)
    if len(value) != parameter.size:
        raise BadInput(where, at, found=found, expected=_numbers(parameter))
    if not all(map(math.isfinite, value)):
        raise BadInput(where, at, found=found, expected="finite numbers")
    if parameter.is_magnitude and min(value) < 0.0:
        raise BadInput(where, at, found=found, expected="nothing below zero")


def _numbers(parameter: Parameter) -> str:
    count = "one number" if parameter.size == 1 else f"{parameter.size} numbers"
    return f"a list of {count} ({parameter.unit})"


def _is_within(value: tuple[float, ...], parameter: Parameter) -> bool:
    ends = zip(parameter.low, value, parameter.high, strict=True)
    return all(low <= element <= high for low, element, high in ends)


def _notes(
    outside: dict[str, list[Task]], known: dict[str, Parameter], where: str
) -> Iterator[str]:
    for name, tasks in outside.items():
        parameter, first = known[name], tasks[0]
        element, low, high = next(
            ends
            for ends in zip(first.parameters[name], parameter.low, parameter.high, strict=True)
            if not ends[1] <= ends[0] <= ends[2]
        )
        more = f", and so do {len(tasks) - 1} more tasks" if len(tasks) > 1 else ""
        yield (
            f"{where}: {first.name}.{name}: {element:g} {parameter.unit} lies outside of the "
            f"family's {low:g} to {high:g}{more}; taken as it stands"
        )
