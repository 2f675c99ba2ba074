"""`taskbelief calibration`: is what a run's belief says of parameters as sure as it is right?"""

from __future__ import annotations

import dataclasses
from json import dumps
from pathlib import Path
from typing import Annotated

import torch
import tyro
from rich.console import Console

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_writable
from sim2real.contract.require import (
    WHERE,
    require_counts,
    require_not_negative,
    require_seeds,
)
from training.algorithms.task_inference import units_of
from training.evaluation.calibration import (
    SaysParameters,
    beliefs_after,
    calibration_table,
    calibrations,
    draw_calibration,
)
from training.families.saved_tasks import saved_tasks
from training.recipes.recipe import Recipe
from training.runs.compare_runs import check_held_out
from training.runs.start import family_of, load_learner, read_run
from training.tasks.task import Task, TaskFamily
from training.tasks.task_set import TaskSet, draw_task_set

_FRESH_SEED = 30_000
"""of tasks that no recipe's own seed draws"""


def calibration(
    run: Annotated[Path, tyro.conf.Positional],
    tasks: Path | None = None,
    num_tasks: int = 200,
    after: int = 20,
    seed: int = 0,
    json: bool = False,
    picture: Path | None = None,
) -> None:
    """Play RUN's learner on held-out tasks, and hold what it believes of them against the truth.

    For each parameter: how far the quantiles of the truth are from uniform, and how wide the belief
    is beside its prior. Only beliefs that say parameters have quantiles, as task inference's.

    Args:
        run: a run directory.
        tasks: a task set as `taskbelief tasks` draws it; its held-out tasks are used. By default
            tasks are drawn from the run's family.
        num_tasks: on how many; as many as a task set holds where that is fewer.
        after: ticks of a trial after which the belief is asked.
        seed: of tasks and starting points.
        json: one object a line in place of a table.
        picture: a PNG of the quantiles of each parameter.
    """
    require_counts(num_tasks=num_tasks)
    require_not_negative(after=after)
    require_seeds(seed=seed)
    require_writable(picture, "--picture")
    recipe, name, _, trained_on = read_run(run)
    learner, family = load_learner(run), family_of(recipe)
    if not isinstance(learner, SaysParameters):
        expected = "a learner whose belief says parameters, as task_inference"
        raise BadInput(str(run), "algorithm", found=recipe.algorithm, expected=expected)
    met = _held_out(run, tasks, family, trained_on, num_tasks, seed)
    _require_within_a_trial(recipe, family, after)
    torch.set_num_threads(1)  # small batches: more threads cost more than they bring
    beliefs = beliefs_after(learner.make_believer, family, met, num_ticks=after, seed=seed)
    units = units_of(family)
    rows = calibrations(beliefs, units.believed, units.half_range.double().numpy(), after=after)
    title = f"{name}, after {after} ticks\n{len(met)} held-out tasks of {family.name}"
    if picture is not None:
        draw_calibration(title, rows, picture)
    if json:
        for row in rows:
            print(dumps(dataclasses.asdict(row), allow_nan=False))
    else:
        Console().print(calibration_table(title, rows))


def _held_out(
    run: Path,
    tasks: Path | None,
    family: TaskFamily,
    trained_on: TaskSet,
    num_tasks: int,
    seed: int,
) -> tuple[Task, ...]:
    """Raises `BadInput` for a task set of another family, and for tasks of training."""
    if tasks is None:
        fresh = _FRESH_SEED + seed
        return draw_task_set(family, seed=fresh, num_train=0, num_test=num_tasks).test
    chosen = saved_tasks(tasks, family)
    check_held_out(run, trained_on, chosen)
    return chosen.test[:num_tasks]


def _require_within_a_trial(recipe: Recipe, family: TaskFamily, after: int) -> None:
    """Beyond the trials that it was taught by nobody taught the belief anything."""
    world = family.make_world(1)
    most = recipe.num_trial_episodes * world.episode_length
    world.close()
    if after > most:
        expected = f"at most {most}: the run's trials have {recipe.num_trial_episodes} episodes"
        raise BadInput(WHERE, "--after", found=after, expected=expected)
