"""`taskbelief train`: meta-train a recipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import tyro
from rich.console import Console

from sim2real.contract.errors import BadInput, in_one_line
from sim2real.contract.output_file import require_folder
from sim2real.contract.registry import one_of
from sim2real.contract.require import require_counts, require_seeds, require_threads
from sim2real.contract.robot_spec import robot_reference
from sim2real.contract.text_file import read_json
from training.evaluation.tables import run_table
from training.families.saved_tasks import saved_tasks
from training.parts.device import require_device
from training.parts.loss_log import TrainingFailed
from training.recipes.recipe import Recipe
from training.recipes.registry import OF_A_DRAW, RECIPES, with_settings
from training.runs.interrupt import Interrupted
from training.runs.start import family_of, on_tasks, read_run, resume_run, start_run, worlds_of
from training.tasks.check import require_disjoint
from training.tasks.task_set import TaskSet


def train(
    recipe: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help=one_of(RECIPES))],
    seed: int = 0,
    out: Path | None = None,
    resume: bool = False,
    device: str = "cpu",
    threads: int = 0,
    tasks: Path | None = None,
    num_train_tasks: int | None = None,
    settings: tuple[str, ...] = (),
    quiet: bool = False,
    robot_config: str = "",
    backend: str = "",
) -> int:
    """Train RECIPE into a run directory; Ctrl-C saves and stops, --resume goes on.

    Args:
        seed: of networks, exploration and sampling; the tasks have their own, in the recipe.
        out: the run directory; runs/RECIPE/SEED by default.
        resume: go on with the run in that directory, or start it if there is none.
        device: cpu or cuda; buffers live there too.
        threads: of torch on the CPU; 0 leaves its choice. Resumed runs repeat bit for bit with the
            number of threads they began with.
        tasks: a task set as `taskbelief tasks` saves it, of the recipe's family, instead of tasks
            drawn as the recipe says; a resumed run is given it again.
        num_train_tasks: how many tasks to draw and learn from instead of the recipe's number.
        settings: of the recipe's algorithm to change, as in `num_iterations=10 discount=0.9`.
        quiet: no progress.
        robot_config: a robot.yaml, its folder, or a robot's name, to train for another hand than
            the claw; a resumed run is given it again.
        backend: mujoco, or warp: MuJoCo Warp steps the worlds, on the device; a resumed run is
            given it again. A recipe's setting, and mujoco, by default.
    """
    require_seeds(seed=seed)
    require_threads(threads=threads)
    require_counts(num_train_tasks=num_train_tasks)
    require_device(device)
    if threads:
        torch.set_num_threads(threads)
    if num_train_tasks is not None:
        settings = (*settings, f"num_train_tasks={num_train_tasks}")
    if backend:
        settings = (*settings, f"backend={backend}")
    chosen = replace(with_settings(recipe, settings), robot=robot_reference(robot_config))
    worlds_of(chosen, device)  # refused before anything is written
    given = None if tasks is None else _given_tasks(chosen, tasks, settings)
    directory = Path("runs") / recipe / str(seed) if out is None else out
    require_folder(directory, "--out")
    began = time.perf_counter()
    try:
        if resume and (directory / "config.json").exists():
            wanted = chosen if given is None else on_tasks(chosen, given)
            _check_same(directory, recipe, wanted, seed)
            resume_run(directory, device=device, is_quiet=quiet)
        else:
            start_run(
                chosen,
                name=recipe,
                seed=seed,
                directory=directory,
                device=device,
                is_quiet=quiet,
                given=given,
            )
    except Interrupted as interrupted:
        print(f"taskbelief train: interrupted; {interrupted}", file=sys.stderr)
        return 130
    except TrainingFailed as failure:
        print(in_one_line(f"taskbelief train: {failure}"), file=sys.stderr)
        return 1
    if not quiet:
        _print_outcome(directory, time.perf_counter() - began)
    return 0


def _given_tasks(recipe: Recipe, path: Path, settings: Sequence[str]) -> TaskSet:
    """A saved set to train on. Raises `BadInput` for one that the recipe cannot be trained on."""
    for setting in settings:
        if setting.partition("=")[0] in OF_A_DRAW:
            expected = "none with --tasks: nothing is drawn"
            raise BadInput("command line", "--settings", found=setting, expected=expected)
    family = family_of(recipe)
    task_set = saved_tasks(path, family)
    require_disjoint(task_set, family, str(path))
    return task_set


def _check_same(directory: Path, name: str, recipe: Recipe, seed: int) -> None:
    """A resumed run is the one that was begun, with its settings."""
    begun, begun_name, begun_seed, _ = read_run(directory)
    if (begun_name, begun_seed) != (name, seed):
        found, expected = f"{name} seed {seed}", f"{begun_name} seed {begun_seed}"
        raise BadInput(str(directory), "--resume", found=found, expected=expected)
    if begun.tasks_sha256 != recipe.tasks_sha256:
        raise BadInput(
            str(directory / "tasks.json"),
            "--resume",
            found=f"task set {recipe.tasks_sha256}" if recipe.tasks_sha256 else "drawn tasks",
            expected=f"task set {begun.tasks_sha256}" if begun.tasks_sha256 else "drawn tasks",
            remedy="repeat its --tasks, or start another run with --out",
        )
    if begun != recipe:
        raise BadInput(
            str(directory / "config.json"),
            "--resume",
            found="other settings",
            expected="those that the run began with",
            remedy="repeat its --settings, or start another run with --out",
        )


def _print_outcome(directory: Path, seconds: float) -> None:
    """Returns and success per episode of a trial on held-out tasks, with 95 % intervals."""
    summary = read_json(directory / "eval.json", "a run's evaluation")
    title = f"{directory}: {summary['tasks']} held-out tasks, {summary['trials']} trials each"
    console = Console()
    console.print(run_table(title, summary))
    steps = summary["environment_steps"]
    console.print(f"{steps:,} environment steps, {seconds:.0f} s", highlight=False)
