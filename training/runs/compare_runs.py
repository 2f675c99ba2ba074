"""`taskbelief meta-test`: runs side by side on the same held-out tasks, by the one protocol."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import tyro
from rich.console import Console

from sim2real.contract.errors import BadInput
from sim2real.contract.output_file import require_writable
from sim2real.contract.require import require_counts, require_seeds
from sim2real.evaluation.protocol import Condition, TrialProtocol
from training.algorithms.learner import deployed_actor
from training.evaluation.meta_test import (
    CSV_COLUMNS,
    MetaTestResult,
    conditions_with,
    meta_test,
    write_table,
)
from training.evaluation.tables import comparison_table
from training.families.registry import FAMILIES
from training.families.saved_tasks import saved_tasks
from training.runs.start import family_of, load_learner, read_run
from training.tasks.task import TaskFamily
from training.tasks.task_set import TaskSet


def meta_test_runs(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    tasks: Path | None = None,
    num_trials: int = 4,
    num_episodes: int | None = None,
    seed: int = 0,
    out: Path | None = None,
) -> None:
    """Meta-test the latest checkpoints of RUNS on the same held-out tasks and show them together.

    Args:
        runs: run directories of one family.
        tasks: a task set as `taskbelief tasks` draws it; its held-out tasks are used. By default
            those that the runs hold out.
        num_trials: trials per task, with starting points and latents of their own.
        num_episodes: episodes of a trial, the last one being the adapted one; by default as many
            as each run's recipe has.
        seed: of starting points and latents.
        out: a CSV file for every single value; none is written by default.
    """
    require_counts(num_trials=num_trials, num_episodes=num_episodes)
    require_seeds(seed=seed)
    require_writable(out, "--out")
    task_set = _common_tasks(runs, tasks)
    family = family_of(read_run(runs[0])[0])
    torch.set_num_threads(1)  # small batches: more threads cost more than they bring
    protocol = TrialProtocol(num_trials=num_trials, seed=seed)
    results = {
        str(run): _meta_test_run(run, family, task_set, protocol, num_episodes) for run in runs
    }
    if out is not None:
        lines = ((run, *line) for run, result in results.items() for line in result.lines())
        write_table(out, ("run", *CSV_COLUMNS), lines)
    summaries = {run: result.summary() for run, result in results.items()}
    where = f"{len(task_set.test)} held-out tasks of {family.name}, {num_trials} trials each"
    for metric in ("return", "success"):
        Console().print(comparison_table(f"{metric} on {where}", summaries, metric))


def _common_tasks(runs: tuple[Path, ...], tasks: Path | None) -> TaskSet:
    """The task set asked for, or the one of all runs; met by none of them in training."""
    if not runs:
        raise BadInput("command line", "RUNS", found="none", expected="a run directory or more")
    own = {run: read_run(run)[3] for run in runs}
    first = own[runs[0]]
    chosen = first if tasks is None else saved_tasks(tasks, family_of(read_run(runs[0])[0]))
    robots = {run: read_run(run)[0].robot for run in runs}
    for run, task_set in own.items():
        if robots[run] != robots[runs[0]]:
            found, expected = robots[run] or "the claw", robots[runs[0]] or "the claw"
            raise BadInput(str(run), "robot", found=found, expected=expected)
        if task_set.family != chosen.family:
            raise BadInput(str(run), "family", found=task_set.family, expected=chosen.family)
        if tasks is None and task_set.test != first.test:
            raise BadInput(
                str(run),
                "held-out tasks",
                found="others",
                expected=f"those of {runs[0]}",
                remedy="name one set for all with --tasks",
            )
        _check_held_out(run, task_set, chosen)
    return chosen


def _check_held_out(run: Path, trained: TaskSet, chosen: TaskSet) -> None:
    """A task of training says nothing about tasks that were never met."""
    if FAMILIES[chosen.family].num_distinct_tasks is not None:
        return  # the papers that defined such a family test on the tasks of training
    met = [task.parameters for task in trained.train]
    for task in chosen.test:
        if task.parameters in met:
            expected = "no task that the run was trained on"
            raise BadInput(str(run), "tasks", found=task.name, expected=expected)


def _meta_test_run(
    run: Path,
    family: TaskFamily,
    task_set: TaskSet,
    protocol: TrialProtocol,
    num_episodes: int | None,
) -> MetaTestResult:
    learner = load_learner(run)
    adapts = learner.adapts
    protocol = replace(
        protocol,
        num_episodes=num_episodes or read_run(run)[0].num_trial_episodes,
    )
    conditions = conditions_with(len(task_set.test)) if adapts else (Condition.ADAPTED,)
    return meta_test(
        deployed_actor(learner), family, task_set.test, protocol, conditions=conditions
    )
