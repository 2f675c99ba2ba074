"""`taskbelief tasks`: draw a task set and save it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_writable
from sim2real.contract.require import require_counts, require_seeds
from training.families.claw import ClawFamily
from training.families.effects import parameters_without_effect
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

    Nothing is saved if a parameter that the tasks differ in changes no rollout.

    Args:
        family: a family's name.
        out: the file.
        seed: of the draw.
        num_train: training tasks.
        num_test: held-out tasks.
        ranges: a ranges.yaml, as `taskbelief gap --identify` writes it: what it names is drawn
            from its ranges instead of the family's, also where the family does not vary it.
    """
    require_counts(num_train=num_train, num_test=num_test)
    require_seeds(seed=seed)
    require_writable(out, "OUT")
    chosen = family_named(family)
    if ranges is not None:
        if not isinstance(chosen, ClawFamily):
            expected = "a family of the claw: others have no such variations"
            raise BadInput("command line", "--ranges", found=family, expected=expected)
        chosen = with_ranges(chosen, read_ranges(ranges))
    for name in parameters_without_effect(chosen):
        raise BadInput(
            family,
            name,
            found="no effect on any rollout",
            expected="one beyond rounding",
            remedy="give it a wider range, or mend how the world applies it",
        )
    task_set = draw_task_set(chosen, seed=seed, num_train=num_train, num_test=num_test)
    task_set.save(out)
    print(f"{out}: {len(task_set.train)} train and {len(task_set.test)} test tasks of {family}")
    print(f"sha256 {task_set.sha256}")
