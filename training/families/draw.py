"""`taskbelief tasks`: draw a task set, or take one that was written by hand, and save it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_writable
from sim2real.contract.registry import one_of
from sim2real.contract.require import require_counts, require_seeds
from training.families.claw import ClawFamily
from training.families.effects import parameters_without_effect
from training.families.ranges import read_ranges, with_ranges
from training.families.registry import FAMILIES, family_named, family_on
from training.families.saved_tasks import say_once
from training.tasks.check import check_task_set, require_disjoint
from training.tasks.task import TaskFamily
from training.tasks.task_set import TaskSet, draw_task_set, read_written_tasks


def draw(
    family: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help=one_of(FAMILIES))],
    out: Annotated[Path, tyro.conf.Positional],
    seed: int | None = None,
    num_train: int | None = None,
    num_test: int | None = None,
    ranges: Path | None = None,
    written: Annotated[Path | None, tyro.conf.arg(name="from")] = None,
    robot_config: str = "",
) -> None:
    """Save tasks of FAMILY with their hash to the JSON file OUT: drawn from a seed, or your own.

    Nothing is saved if a parameter that the tasks differ in changes no rollout.

    Args:
        out: the file.
        seed: of the draw; 0 by default.
        num_train: training tasks; 80 by default.
        num_test: held-out tasks; 20 by default.
        ranges: a ranges.yaml, as `taskbelief gap --identify` writes it: what it names is drawn
            from its ranges instead of the family's, also where the family does not vary it.
        written: a JSON file with lists `train` and `test` of tasks that you wrote, or a saved set
            that you edited: it is checked and saved, and nothing is drawn.
        robot_config: a robot.yaml, its folder, or a robot's name, for tasks of another hand.
    """
    require_counts(num_train=num_train, num_test=num_test)
    require_seeds(seed=0 if seed is None else seed)
    require_writable(out, "OUT")
    family_named(family)
    chosen = family_on(family, robot_config)
    if written is not None:
        options = {"seed": seed, "num-train": num_train, "num-test": num_test, "ranges": ranges}
        for name, value in options.items():
            if value is not None:
                expected = "none with --from: nothing is drawn"
                raise BadInput("command line", f"--{name}", found=str(value), expected=expected)
        task_set = read_written_tasks(written, family)
        require_disjoint(task_set, chosen, str(written))
    else:
        task_set = _drawn(
            chosen,
            ranges,
            seed=0 if seed is None else seed,
            num_train=80 if num_train is None else num_train,
            num_test=20 if num_test is None else num_test,
        )
    for note in check_task_set(task_set, chosen, str(out if written is None else written)):
        say_once(note)
    task_set.save(out)
    print(f"{out}: {len(task_set.train)} train and {len(task_set.test)} test tasks of {family}")
    print(f"sha256 {task_set.sha256}")


def _drawn(
    family: TaskFamily, ranges: Path | None, *, seed: int, num_train: int, num_test: int
) -> TaskSet:
    if ranges is not None:
        if not isinstance(family, ClawFamily):
            expected = "a family of a hand: others have no such variations"
            raise BadInput("command line", "--ranges", found=family.name, expected=expected)
        family = with_ranges(family, read_ranges(ranges, family.variations))
    for name in parameters_without_effect(family):
        raise BadInput(
            family.name,
            name,
            found="no effect on any rollout",
            expected="one beyond rounding",
            remedy="give it a wider range, or mend how the world applies it",
        )
    try:
        return draw_task_set(family, seed=seed, num_train=num_train, num_test=num_test)
    except ValueError as error:  # ranges of single values hold one task
        raise BadInput(
            "command line" if ranges is None else str(ranges),
            "tasks",
            found=str(error),
            expected="ranges that hold as many different tasks",
        ) from None
