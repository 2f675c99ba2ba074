"""`taskbelief tasks`: draw a task set and save it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from sim2real.contract.errors import BadInput
from training.families.claw import ClawFamily
from training.families.ranges import read_ranges, with_ranges
from training.families.registry import family_named
from training.tasks.task_set import draw_task_set


def draw(
    family: Annotated[str, tyro.conf.Positional],
    out: Annotated[Path, tyro.conf.Positional],
    seed: int = 0,
    num_train: int = 80,
    num_test: int = 20,
    ranges: Path | None = None,
) -> None:
    """Draw tasks of FAMILY from a seed and save them with their hash to the JSON file OUT.

    Args:
        family: a family's name.
        out: the file.
        seed: of the draw.
        num_train: training tasks.
        num_test: held-out tasks.
        ranges: a ranges.yaml, as `taskbelief gap --identify` writes it: what it names is drawn
            from its ranges instead of the family's, also where the family does not vary it.
    """
    if num_train < 1 or num_test < 1:
        raise BadInput(
            "command line",
            "num-train, num-test",
            found=(num_train, num_test),
            expected="at least one task each",
        )
    chosen = family_named(family)
    if ranges is not None:
        if not isinstance(chosen, ClawFamily):
            expected = "a family of the claw: others have no such variations"
            raise BadInput("command line", "--ranges", found=family, expected=expected)
        chosen = with_ranges(chosen, read_ranges(ranges))
    task_set = draw_task_set(chosen, seed=seed, num_train=num_train, num_test=num_test)
    task_set.save(out)
    print(f"{out}: {len(task_set.train)} train and {len(task_set.test)} test tasks of {family}")
    print(f"sha256 {task_set.sha256}")
